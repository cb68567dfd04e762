//! Answers signed with the approver's own SSH key: by `ssh-keygen`, so that agents, passphrases and security keys work as they always
//! do. Never reads a private key.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use russh::keys::{HashAlg, PublicKey};

use super::Exit;
use super::bastion::{Bastion, Way};
use crate::audit::SIGNED_NAMESPACE;

/// The key file among those that ssh would use for the bastion whose key has the fingerprint `key`.
pub(super) fn at_hand(bastion: &Bastion, way: &Way, key: &str) -> Option<PathBuf> {
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

/// A path that may begin with `~/`.
pub(super) fn from_home(file: &str) -> PathBuf {
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
pub(super) fn sign(key: &Path, text: &str) -> Result<String, Exit> {
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
