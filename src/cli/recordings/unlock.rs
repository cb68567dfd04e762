//! The private key that an encrypted recording is read with: given as a file, its passphrase asked for at the terminal.
//! Never written anywhere.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bartizan_recorder::{Identities, Recording, UnlockError};
use zeroize::Zeroizing;

use crate::cli::{Exit, prompt};
use crate::model::Printable;

/// More than any identity file holds, in bytes.
const LONGEST_IDENTITY: u64 = 1 << 20;

/// How to read what is encrypted.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// Read an encrypted recording with this age identity or ssh-ed25519 private key; may be given again
    #[arg(long, value_name = "FILE", env = "BARTIZAN_IDENTITY", hide_env_values = true)]
    identity: Vec<PathBuf>,
}

impl Keys {
    /// Reads them all, and asks for the passphrases of those that have one.
    pub(super) fn read(&self) -> Result<Vec<Identities>, Exit> {
        self.identity.iter().map(|file| read(file)).collect()
    }
}

/// The same recording, readable.
pub(super) fn unlock(recording: Recording, keys: &Keys) -> Result<Recording, Exit> {
    if !recording.is_locked() {
        return Ok(recording);
    }
    if keys.identity.is_empty() {
        return Err(locked(&recording, "give the private key of one of them with --identity FILE"));
    }
    for file in &keys.identity {
        match recording.clone().unlock(&read(file)?) {
            Ok(readable) => return Ok(readable),
            Err(UnlockError::NotForYou) => {}
            Err(error) => return Err(Exit::incomplete(format!("recording {}: {error}", recording.head().session.as_str()))),
        }
    }
    Err(locked(&recording, "no identity that was given is of one of them"))
}

/// The same recording, readable with one of `identities`; none where it is for none of them.
pub(super) fn open_with(recording: Recording, identities: &[Identities]) -> Option<Recording> {
    identities.iter().find_map(|identity| recording.clone().unlock(identity).ok())
}

fn locked(recording: &Recording, why: &str) -> Exit {
    let head = recording.head();
    let names: Vec<String> = head.recipients.iter().map(|name| format!("  {}", Printable(name))).collect();
    Exit::incomplete(format!("recording {} is encrypted to these keys; {why}:\n{}", head.session.as_str(), names.join("\n")))
}

/// An identity as it was read, with its passphrase if it has one.
pub(in crate::cli) struct Unlocking {
    text: Zeroizing<String>,
    passphrase: Option<Zeroizing<String>>,
}

impl Unlocking {
    /// What decrypts.
    pub(in crate::cli) fn identities(&self) -> Result<Identities, UnlockError> {
        Identities::parse(&self.text, self.passphrase.as_ref().map(|passphrase| passphrase.as_str()))
    }
}

fn read(file: &Path) -> Result<Identities, Exit> {
    read_identity(file)?.identities().map_err(|error| bad(file, &error))
}

/// Reads an identity; its passphrase is asked for at the terminal.
pub(in crate::cli) fn read_identity(file: &Path) -> Result<Unlocking, Exit> {
    let bad = |error: &dyn std::fmt::Display| bad(file, error);
    let mut text = Zeroizing::new(String::new());
    let opened = File::open(file).and_then(|opened| opened.take(LONGEST_IDENTITY).read_to_string(&mut text));
    opened.map_err(|error| bad(&error))?;
    let mut unlocking = Unlocking { text, passphrase: None };
    match unlocking.identities() {
        Err(UnlockError::Passphrase) => {}
        other => return other.map(|_| unlocking).map_err(|error| bad(&error)),
    }
    let prompt = format!("Passphrase of {}: ", Printable(&file.display().to_string()));
    let asked = prompt::terminal().and_then(|mut terminal| prompt::ask(&mut terminal, &prompt, false));
    let passphrase = asked.map_err(|error| bad(&format!("its passphrase cannot be asked for: {error}")))?.map(Zeroizing::new);
    unlocking.passphrase = Some(passphrase.ok_or_else(|| bad(&"no passphrase was given"))?);
    unlocking.identities().map_err(|error| bad(&error))?;
    Ok(unlocking)
}

fn bad(file: &Path, error: &dyn std::fmt::Display) -> Exit {
    Exit::incomplete(format!("{}: {error}", Printable(&file.display().to_string())))
}
