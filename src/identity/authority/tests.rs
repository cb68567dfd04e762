use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use jiff::ToSpan;
use russh::keys::{Algorithm, HashAlg, PrivateKey};

use crate::identity::certificate::{CertificateRefusal, Permits, check};
use crate::model::{Principal, PrincipalKind};

use super::*;

mod agents;
mod crash;
mod openssh;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALL: Permits = Permits { pty: true, port_forwarding: true, agent_forwarding: true };

fn in_files() -> config::Authorities {
    config::Authorities { user: KeyHome::StateDir, host: KeyHome::StateDir, target: KeyHome::StateDir }
}

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

async fn open(state: &Path) -> Authorities {
    Authorities::open(state, &in_files(), noon(), &mut rand::rng()).await.unwrap()
}

fn alice() -> Principal {
    Principal {
        kind: PrincipalKind::User,
        id: "corp/alice@example.com".parse().unwrap(),
        groups: vec!["corp/dev".parse().unwrap(), "corp/on call".parse().unwrap()],
    }
}

fn some_key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

async fn issue(authorities: &Authorities, now: Timestamp, valid_for: Duration) -> Result<Certificate, AuthorityError> {
    issue_to(authorities, &alice(), some_key().public_key(), now, valid_for).await
}

async fn issue_to(
    authorities: &Authorities,
    principal: &Principal,
    key: &PublicKey,
    now: Timestamp,
    valid_for: Duration,
) -> Result<Certificate, AuthorityError> {
    let grant = UserGrant { principal, authenticated_at: now, public_key: key, valid_for, source: None, permits: ALL };
    authorities.issue_user(&grant, &Stamp::new(7, now, &mut rand::rng())).await
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn rotate_user(state: &Path, overlap: Duration, now: Timestamp) -> AuthorityKeys {
    rotate(state, &in_files(), AuthorityKind::User, overlap, now, &mut rand::rng()).await.unwrap()
}

#[tokio::test]
async fn the_first_start_makes_three_different_keys_that_nobody_else_may_read() {
    let state = tempfile::tempdir().unwrap();
    let authorities = open(&state.path().join("new")).await;
    let ca = state.path().join("new/ca");
    assert_eq!(mode(&ca), 0o700);
    let mut seen = Vec::new();
    for kind in AuthorityKind::ALL {
        assert_eq!(mode(&ca.join(kind.as_str())), 0o600);
        let line = fs::read_to_string(ca.join(format!("{kind}.pub"))).unwrap();
        assert!(
            line.starts_with("ssh-ed25519 ") && line.ends_with(&format!(" bartizan-{kind}-ca\n")) && line.lines().count() == 1,
            "{line}"
        );
        let keys = authorities.public_keys(kind, noon());
        assert_eq!(keys.len(), 1);
        assert_eq!(PublicKey::from_openssh(&line).unwrap(), keys[0]);
        seen.push(keys[0].clone());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
    let again = open(&state.path().join("new")).await;
    assert_eq!(again.public_keys(AuthorityKind::Target, noon())[0], seen[2]);
}

#[tokio::test]
async fn keys_that_others_may_read_or_that_are_links_are_refused() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()).await);
    let (ca, user) = (state.path().join("ca"), state.path().join("ca/user"));
    let refused = async || Authorities::open(state.path(), &in_files(), noon(), &mut rand::rng()).await.err().expect("it was opened");
    for wrong in [0o640, 0o604, 0o660] {
        fs::set_permissions(&user, fs::Permissions::from_mode(wrong)).unwrap();
        assert!(matches!(refused().await, AuthorityError::Open { path, mode } if path == user && mode == wrong));
    }
    fs::set_permissions(&user, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&ca, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(refused().await, AuthorityError::Open { path, .. } if path == ca));
    fs::set_permissions(&ca, fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(&user, state.path().join("elsewhere")).unwrap();
    symlink(state.path().join("elsewhere"), &user).unwrap();
    assert!(matches!(refused().await, AuthorityError::NotPlain(path) if path == user));
}

#[tokio::test]
async fn a_lost_or_exchanged_private_key_is_never_replaced_in_silence() {
    let state = tempfile::tempdir().unwrap();
    let before = open(state.path()).await.public_keys(AuthorityKind::User, noon());
    let user = state.path().join("ca/user");
    let error = async || Authorities::open(state.path(), &in_files(), noon(), &mut rand::rng()).await.err().expect("it was opened");
    fs::copy(state.path().join("ca/host"), &user).unwrap();
    assert!(matches!(error().await, AuthorityError::Missing { kind: AuthorityKind::User, .. }));
    fs::remove_file(&user).unwrap();
    assert!(matches!(error().await, AuthorityError::Missing { kind: AuthorityKind::User, .. }));
    let keys = rotate_user(state.path(), DAY, noon()).await;
    assert_eq!(keys.old[0].key, before[0]);
    assert!(issue(&open(state.path()).await, noon(), DAY).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_there_before_the_first_start_is_taken_unless_it_is_rsa() {
    let state = tempfile::tempdir().unwrap();
    fs::DirBuilder::new().create(state.path().join("ca")).unwrap();
    fs::set_permissions(state.path().join("ca"), fs::Permissions::from_mode(0o700)).unwrap();
    openssh::keygen(&["-q", "-t", "ecdsa", "-N", "", "-f"], &state.path().join("ca/user"));
    let authorities = open(state.path()).await;
    assert!(matches!(authorities.public_keys(AuthorityKind::User, noon())[0].algorithm(), Algorithm::Ecdsa { .. }));
    let cert = issue(&authorities, noon(), DAY).await.unwrap();
    check(&cert, &authorities.public_keys(AuthorityKind::User, noon()), [192, 0, 2, 1].into(), noon()).unwrap();

    fs::remove_dir_all(state.path().join("ca")).unwrap();
    fs::DirBuilder::new().create(state.path().join("ca")).unwrap();
    fs::set_permissions(state.path().join("ca"), fs::Permissions::from_mode(0o700)).unwrap();
    openssh::keygen(&["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"], &state.path().join("ca/user"));
    let error = Authorities::open(state.path(), &in_files(), noon(), &mut rand::rng()).await.err();
    assert!(matches!(error, Some(AuthorityError::OwnKey { kind: AuthorityKind::User, .. })), "{error:?}");
}

#[tokio::test]
async fn after_a_rotation_old_certificates_are_believed_until_the_stated_moment_and_no_longer() {
    let state = tempfile::tempdir().unwrap();
    let daemon = open(state.path()).await;
    let old_cert = issue(&daemon, noon(), DAY).await.unwrap();
    let old_private = fs::read(state.path().join("ca/user")).unwrap();
    let hour = Duration::from_secs(3600);
    let keys = rotate_user(state.path(), hour, noon()).await;

    let believed = |at: Timestamp| check(&old_cert, &daemon.public_keys(AuthorityKind::User, at), [192, 0, 2, 1].into(), at);
    assert!(believed(noon()).is_ok());
    daemon.reload().unwrap();
    assert_eq!(daemon.public_keys(AuthorityKind::User, noon()), [keys.current.clone(), keys.old[0].key.clone()]);
    let end = noon() + 1.hour();
    assert_eq!(keys.old[0].trusted_until, end);
    assert!(believed(end - 1.second()).is_ok());
    assert!(matches!(believed(end), Err(CertificateRefusal::UnknownAuthority(_))));

    let new_cert = issue(&daemon, end, DAY).await.unwrap();
    assert_eq!(new_cert.signature_key(), keys.current.key_data());
    check(&new_cert, &daemon.public_keys(AuthorityKind::User, end), [192, 0, 2, 1].into(), end).unwrap();
    assert_eq!(daemon.public_keys(AuthorityKind::Host, noon()).len(), 1);
    for entry in fs::read_dir(state.path().join("ca")).unwrap() {
        assert_ne!(fs::read(entry.unwrap().path()).unwrap(), old_private);
    }
}

#[tokio::test]
async fn old_keys_leave_the_folder_with_the_first_rotation_after_their_end() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()).await);
    rotate_user(state.path(), DAY, noon()).await;
    let second = rotate_user(state.path(), DAY, noon() + 1.hour()).await;
    assert_eq!(second.old.iter().map(|old| old.file.as_str()).collect::<Vec<_>>(), ["user.old-2.pub", "user.old-1.pub"]);
    assert_eq!(second.trusted(noon() + 2.hours()).len(), 3);
    let third = rotate_user(state.path(), Duration::ZERO, noon() + 48.hours()).await;
    assert_eq!(third.old.len(), 1);
    assert_eq!(third.trusted(noon() + 48.hours()).len(), 1);
    let olds: Vec<_> = fs::read_dir(state.path().join("ca"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .filter(|n| n.to_string_lossy().contains("old"))
        .collect();
    assert_eq!(olds, ["user.old-3.pub"]);
}

#[tokio::test]
async fn nothing_is_issued_out_of_bounds() {
    let state = tempfile::tempdir().unwrap();
    let authorities = open(state.path()).await;
    for wrong in [Duration::ZERO, DAY + Duration::from_secs(1)] {
        assert!(matches!(issue(&authorities, noon(), wrong).await, Err(AuthorityError::Lifetime { .. })));
    }
    let short = openssh::made_key(state.path(), &["-t", "rsa", "-b", "1024"]);
    assert!(matches!(issue_to(&authorities, &alice(), &short, noon(), DAY).await, Err(AuthorityError::Key(_))));
    let good = openssh::made_key(state.path(), &["-t", "rsa", "-b", "2048"]);
    assert!(issue_to(&authorities, &alice(), &good, noon(), DAY).await.is_ok());
    for name in ["", "*", "a,b", "-x", "a b", "web-1\n"] {
        let grant = HostGrant { names: &[name], public_key: &good, valid_for: DAY };
        assert!(
            matches!(authorities.issue_host(&grant, &Stamp::new(1, noon(), &mut rand::rng())).await, Err(AuthorityError::HostName(_))),
            "{name:?}"
        );
    }
    let nameless = HostGrant { names: &[], public_key: &good, valid_for: DAY };
    assert!(authorities.issue_host(&nameless, &Stamp::new(1, noon(), &mut rand::rng())).await.is_err());
}

#[tokio::test]
async fn a_thousand_groups_travel_and_far_too_many_are_refused() {
    let state = tempfile::tempdir().unwrap();
    let authorities = open(state.path()).await;
    let member = |n: usize| {
        let groups = (0..n).map(|i| format!("corp/a group of some length, {i:05}").replace(',', " #").parse().unwrap()).collect();
        Principal { groups, ..alice() }
    };
    let (many, key) = (member(1000), some_key());
    let cert = issue_to(&authorities, &many, key.public_key(), noon(), DAY).await.unwrap();
    let caller = check(&cert, &authorities.public_keys(AuthorityKind::User, noon()), [192, 0, 2, 1].into(), noon()).unwrap();
    assert_eq!(*caller.principal(), many);
    assert!(matches!(issue_to(&authorities, &member(4000), key.public_key(), noon(), DAY).await, Err(AuthorityError::TooManyGroups)));
}

#[test]
fn the_host_key_is_made_once_and_kept_private() {
    let state = tempfile::tempdir().unwrap();
    let key = open_host_key(state.path(), &mut rand::rng()).unwrap();
    assert_eq!(open_host_key(state.path(), &mut rand::rng()).unwrap().public_key(), key.public_key());
    let path = state.path().join("keys/host_ed25519");
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open_host_key(state.path(), &mut rand::rng()), Err(AuthorityError::Open { .. })));
}

#[tokio::test]
async fn a_damaged_record_is_told_and_opens_nothing() {
    let state = tempfile::tempdir().unwrap();
    let daemon = open(state.path()).await;
    let path = record_path(state.path());
    let good = fs::read_to_string(&path).unwrap();
    let trusted = daemon.public_keys(AuthorityKind::User, noon());
    for bad in [
        "",
        "{}",
        &good.replace("\"version\": 1", "\"version\": 2"),
        &good.replace(
            "\"old\": []",
            "\"old\": [{\"key\": \"ssh-ed25519 AAAA\", \"since\": \"x\", \"trusted_until\": \"x\", \"file\": \"../../x\"}]",
        ),
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(daemon.reload(), Err(AuthorityError::Content { .. })), "{bad}");
        assert!(Authorities::open(state.path(), &in_files(), noon(), &mut rand::rng()).await.is_err());
    }
    assert_eq!(daemon.public_keys(AuthorityKind::User, noon()), trusted);
    fs::write(&path, good).unwrap();
    daemon.reload().unwrap();
}
