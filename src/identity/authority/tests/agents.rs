//! A real `ssh-agent` holds the key.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use tokio::net::UnixListener;

use super::*;
use crate::wire::agent::{self, AgentError};

struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent.sock");
        let process = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        // The file is there before the agent listens.
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Self { process, socket }
    }

    /// Gives the agent a new key of a type.
    fn add(&self, dir: &Path, name: &str, kind: &str) -> PublicKey {
        let file = dir.join(name);
        openssh::keygen(&["-q", "-t", kind, "-N", "", "-f"], &file);
        let added = Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null()).status().unwrap();
        assert!(added.success());
        fs::remove_file(&file).unwrap();
        PublicKey::from_openssh(&fs::read_to_string(file.with_extension("pub")).unwrap()).unwrap()
    }

    fn holds(&self, key: &PublicKey) -> config::Authorities {
        let user = KeyHome::Agent { socket: self.socket.clone(), fingerprint: key.fingerprint(HashAlg::Sha256).to_string() };
        config::Authorities { user, ..in_files() }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn open_with(state: &Path, homes: &config::Authorities) -> Result<Authorities, AuthorityError> {
    Authorities::open(state, homes, noon(), &mut rand::rng()).await
}

#[tokio::test]
async fn a_key_in_a_real_agent_signs_and_never_touches_our_disk() {
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::start(state.path());
    for kind in ["ed25519", "ecdsa"] {
        let key = agent.add(state.path(), kind, kind);
        let dir = state.path().join(format!("state-{kind}"));
        let authorities = open_with(&dir, &agent.holds(&key)).await.unwrap();
        let cert = issue(&authorities, noon(), DAY).await.unwrap();
        assert_eq!(cert.signature_key(), key.key_data());
        let caller = check(&cert, &authorities.public_keys(AuthorityKind::User, noon()), [192, 0, 2, 1].into(), noon()).unwrap();
        assert_eq!(*caller.principal(), alice());
        assert!(!dir.join("ca/user").exists());
    }
}

#[tokio::test]
async fn an_agent_that_is_away_is_a_clear_refusal_and_stops_no_verification() {
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::start(state.path());
    let key = agent.add(state.path(), "k", "ed25519");
    let (homes, dir) = (agent.holds(&key), state.path().join("state"));
    let authorities = open_with(&dir, &homes).await.unwrap();
    let cert = issue(&authorities, noon(), DAY).await.unwrap();
    drop(agent);
    let refused = issue(&authorities, noon(), DAY).await;
    assert!(matches!(refused, Err(AuthorityError::Agent(AgentError::Down { .. }))), "{refused:?}");
    let later = open_with(&dir, &homes).await.unwrap();
    assert!(check(&cert, &later.public_keys(AuthorityKind::User, noon()), [192, 0, 2, 1].into(), noon()).is_ok());
    assert!(matches!(open_with(&state.path().join("other"), &homes).await, Err(AuthorityError::Agent(AgentError::Down { .. }))));
}

#[tokio::test]
async fn an_agent_without_the_key_or_with_an_rsa_key_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let agent = Agent::start(state.path());
    let elsewhere = some_key().public_key().clone();
    let refused = open_with(&state.path().join("a"), &agent.holds(&elsewhere)).await.err();
    assert!(matches!(refused, Some(AuthorityError::Agent(AgentError::Lacks { .. }))), "{refused:?}");
    let rsa = agent.add(state.path(), "rsa", "rsa");
    let refused = open_with(&state.path().join("b"), &agent.holds(&rsa)).await.err();
    assert!(matches!(refused, Some(AuthorityError::OwnKey { .. })), "{refused:?}");
    let homes = config::Authorities { host: agent.holds(&elsewhere).user, ..agent.holds(&rsa) };
    let found = unusable(&homes).await;
    assert!(
        matches!(
            &found[..],
            [(AuthorityKind::User, AuthorityError::OwnKey { .. }), (AuthorityKind::Host, AuthorityError::Agent(AgentError::Lacks { .. }))]
        ),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_agent_that_never_answers_is_given_up() {
    let state = tempfile::tempdir().unwrap();
    let socket = state.path().join("silent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let refused = agent::find(&socket, "SHA256:x").await;
    assert!(matches!(refused, Err(AgentError::Down { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_change_from_file_to_agent_and_back_is_a_rotation() {
    let state = tempfile::tempdir().unwrap();
    let (agent, dir) = (Agent::start(state.path()), state.path().join("state"));
    let homes = agent.holds(&agent.add(state.path(), "k", "ed25519"));
    let from_file = issue(&open(&dir).await, noon(), DAY).await.unwrap();
    assert!(matches!(open_with(&dir, &homes).await, Err(AuthorityError::Changed { .. })));

    let change = async |homes: &config::Authorities| rotate(&dir, homes, AuthorityKind::User, DAY, noon(), &mut rand::rng()).await;
    change(&homes).await.unwrap();
    assert!(!dir.join("ca/user").exists());
    assert!(matches!(change(&homes).await, Err(AuthorityError::InAgent { kind: AuthorityKind::User })));
    let authorities = open_with(&dir, &homes).await.unwrap();
    let from_agent = issue(&authorities, noon(), DAY).await.unwrap();

    assert!(matches!(open_with(&dir, &in_files()).await, Err(AuthorityError::Missing { .. })));
    change(&in_files()).await.unwrap();
    let trusted = open(&dir).await.public_keys(AuthorityKind::User, noon());
    for cert in [from_file, from_agent] {
        assert!(check(&cert, &trusted, [192, 0, 2, 1].into(), noon()).is_ok());
    }
}
