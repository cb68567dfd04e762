//! Answers from the command line, signed with the approver's own SSH key where it is at hand: by `ssh-keygen`, so that agents,
//! passphrases and security keys work as they always do, and no private key is read here.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use russh::keys::{HashAlg, PublicKey};
use serde_json::{Value, json};

use crate::audit::{SIGNED_NAMESPACE, Said};
use crate::cli::bastion::{Bastion, Way};
use crate::cli::local::now;
use crate::cli::print::note;
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit};
use crate::model::ApprovalId;

/// What is to be said.
pub(super) struct Answer<'a> {
    pub(super) id: ApprovalId,
    /// `approve`, `deny`, `revoke` or `withdraw`.
    pub(super) word: &'static str,
    pub(super) reason: &'a str,
    pub(super) for_seconds: Option<u64>,
    /// The key to sign with, if one was named.
    pub(super) key: Option<&'a Path>,
    /// Whether it need not be signed.
    pub(super) unsigned: bool,
}

/// Says it to the bastion that `way` names, and gives the approval as it stands then.
pub(super) fn say(common: &Common, way: &Way, answer: &Answer<'_>) -> Result<Value, Exit> {
    let mut link = Remote::reach(common, way)?.map_or_else(|| Remote::open(common, way), Ok)?;
    let said = [
        ("approval", json!(answer.id)),
        ("answer", json!(answer.word)),
        ("reason", json!(answer.reason)),
        ("for_seconds", json!(answer.for_seconds)),
    ];
    let mut request: serde_json::Map<String, Value> = said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if matches!(answer.word, "approve" | "deny")
        && !answer.unsigned
        && let Some((at, signature)) = signature(common, way, &mut link, answer)?
    {
        request.extend([("signed_at".to_owned(), json!(at)), ("signature".to_owned(), json!(signature))]);
    }
    link.ask("approval.answer", &request)
}

/// The signature and the moment in it; none where no key is at hand and none was named.
fn signature(common: &Common, way: &Way, link: &mut Remote, answer: &Answer<'_>) -> Result<Option<(Timestamp, String)>, Exit> {
    let me: Value = link.ask("whoami", &json!({}))?;
    let all: Value = link.ask("approvals", &json!({ "limit": 10_000 }))?;
    let wanted = answer.id.to_string();
    let digest = all.as_array().into_iter().flatten().find(|one| text(one, "id") == Some(&wanted)).and_then(|one| text(one, "digest"));
    let Some(digest) = digest else {
        // What it is wrong with is the bastion's to say.
        return Ok(None);
    };
    let approver = link.principal.parse().map_err(|_| Exit::incomplete("the bastion calls you by what is no name"))?;
    let key = match (answer.key, text(&me, "key")) {
        (Some(key), _) => Some(key.to_owned()),
        (None, Some(key)) => at_hand(&way.bastion(common)?, way, key),
        // Who came without a key cannot sign with it.
        (None, None) => return Ok(None),
    };
    let Some(key) = key else {
        note("no key to sign the answer with was found, so it is not signed (see --key)");
        return Ok(None);
    };
    let at = now();
    let said = Said {
        approval: answer.id,
        digest,
        approve: answer.word == "approve",
        for_seconds: answer.for_seconds,
        reason: answer.reason,
        approver: &approver,
        at,
    };
    sign(&key, &said.challenge()).map(|signature| Some((at, signature)))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The key file among those that ssh would use for the bastion whose key has the fingerprint `key`.
fn at_hand(bastion: &Bastion, way: &Way, key: &str) -> Option<PathBuf> {
    let mut arguments = way.ssh(bastion, &[], "control");
    arguments.insert(0, "-G".to_owned());
    let found = Command::new("ssh").args(arguments).output().ok().filter(|found| found.status.success())?;
    let text = String::from_utf8(found.stdout).ok()?;
    let files = text.lines().filter_map(|line| line.strip_prefix("identityfile ")).map(from_home);
    files.into_iter().find(|file| {
        let public = std::fs::read_to_string(public_of(file)).ok().and_then(|text| PublicKey::from_openssh(text.trim()).ok());
        public.is_some_and(|public| public.fingerprint(HashAlg::Sha256).to_string() == key)
    })
}

fn from_home(file: &str) -> PathBuf {
    match (file.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(file),
    }
}

fn public_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Has ssh-keygen sign `text`: with the private key, or with an agent that has it.
fn sign(key: &Path, text: &str) -> Result<String, Exit> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-q", "-n", SIGNED_NAMESPACE]);
    if key.exists() {
        command.arg("-f").arg(key)
    } else {
        command.arg("-U").arg("-f").arg(public_of(key))
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| Exit::incomplete(format!("ssh-keygen cannot be run: {error}")))?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let done = child.wait_with_output().map_err(|error| Exit::incomplete(format!("ssh-keygen: {error}")))?;
    if !done.status.success() || !matches!(written, Some(Ok(()))) {
        return Err(Exit::incomplete(format!("{} could not sign the answer, so it was not given", key.display())));
    }
    String::from_utf8(done.stdout).map_err(|_| Exit::incomplete("ssh-keygen made what is no signature"))
}
