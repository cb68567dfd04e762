//! Whom recordings are encrypted to: age recipients. Wraps a session's secret for them, and unwraps it with an auditor's
//! identity. The bastion only ever wraps.

use std::fmt;
use std::io::{Read, Write};

use age::secrecy::{ExposeSecret, SecretString};
use age::{Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::head::SessionId;
use crate::ratchet::Secret;

/// Recipients of one recording, at most.
const MOST: usize = 64;
/// Most bytes of a `keys.age`.
pub(crate) const KEYS_LIMIT: usize = 64 * 1024;
/// First words of what `keys.age` holds.
const SAID: &str = "bartizan-session-key-1";

#[derive(Clone)]
enum Recipient {
    Native(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

/// Those who can read recordings made with it: `age1…` and `ssh-ed25519 …` public keys.
#[derive(Clone)]
pub struct Recipients(Vec<(String, Recipient)>);

/// What is wrong with recipients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecipients {
    /// Neither `age1…` nor `ssh-ed25519 …`.
    #[error("`{0}` is no recipient: give age1… or ssh-ed25519 …")]
    Unknown(String),
    /// The same key twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// None at all.
    #[error("no recipient is given")]
    None,
    /// More than a recording may have.
    #[error("more than {MOST} recipients are given")]
    TooMany,
    /// Only one: if its identity is lost, so are the recordings.
    #[error("only one recipient is given: if its identity is lost, every recording is; give a second one")]
    One,
}

impl Recipients {
    /// Reads public keys as age(1) takes them: `age1…` or a line of `ssh-ed25519 …`, a comment behind it allowed. RSA keys
    /// and plugins are refused.
    ///
    /// # Errors
    /// [`BadRecipients`]; that there is only one is for [`Self::check`] to say.
    pub fn parse<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Result<Self, BadRecipients> {
        let mut all: Vec<(String, Recipient)> = Vec::new();
        for key in keys {
            let (name, recipient) = parse(key.as_ref()).ok_or_else(|| BadRecipients::Unknown(shown(key.as_ref())))?;
            if all.iter().any(|(other, _)| *other == name) {
                return Err(BadRecipients::Twice(name));
            }
            all.push((name, recipient));
        }
        match all.len() {
            0 => Err(BadRecipients::None),
            1..=MOST => Ok(Self(all)),
            _ => Err(BadRecipients::TooMany),
        }
    }

    /// Refuses a single recipient unless the operator said that `one_is_enough`.
    ///
    /// # Errors
    /// [`BadRecipients::One`].
    pub fn check(&self, one_is_enough: bool) -> Result<(), BadRecipients> {
        if self.0.len() < 2 && !one_is_enough { Err(BadRecipients::One) } else { Ok(()) }
    }

    /// The public keys, without comments: what a head names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The content of `keys.age`. age draws its own random numbers from the system.
    pub(crate) fn wrap(&self, session: &SessionId, secret: &Secret) -> Result<Vec<u8>, WrapError> {
        let recipients = self.0.iter().map(|(_, recipient)| match recipient {
            Recipient::Native(key) => key as &dyn age::Recipient,
            Recipient::Ssh(key) => key as &dyn age::Recipient,
        });
        let said = Zeroizing::new(format!("{SAID} {session} {}\n", Zeroizing::new(hex::encode(secret.as_slice())).as_str()));
        let mut out = Vec::new();
        let encryptor = Encryptor::with_recipients(recipients).map_err(|_| WrapError)?;
        let mut writer = encryptor.wrap_output(&mut out).map_err(|_| WrapError)?;
        writer.write_all(said.as_bytes()).and_then(|()| writer.finish().map(drop)).map_err(|_| WrapError)?;
        Ok(out)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// age refused to wrap, which it does for no recipient that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session key cannot be wrapped")]
pub struct WrapError;

fn parse(text: &str) -> Option<(String, Recipient)> {
    let text = text.trim();
    if let Ok(key) = text.parse::<age::x25519::Recipient>() {
        return Some((text.to_owned(), Recipient::Native(key)));
    }
    let mut words = text.split_ascii_whitespace();
    let name = match (words.next(), words.next()) {
        (Some("ssh-ed25519"), Some(key)) => format!("ssh-ed25519 {key}"),
        _ => return None,
    };
    let key = name.parse::<age::ssh::Recipient>().ok()?;
    Some((name, Recipient::Ssh(key)))
}

/// Enough of a bad key to find it by: it may be a secret one, so nothing of its end.
fn shown(text: &str) -> String {
    let line: String = text.trim().chars().take(12).filter(|next| !next.is_control()).collect();
    format!("{line}…")
}

/// What an auditor decrypts with: the content of an age identity file, or an OpenSSH private key of kind ed25519.
pub struct Identities(Vec<Box<dyn age::Identity>>);

/// Why no session key could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The text is neither an age identity file nor an OpenSSH private key of kind ed25519.
    #[error("this is neither an age identity file nor an ssh-ed25519 private key")]
    Identity,
    /// The key is protected by a passphrase and none was given.
    #[error("the private key is protected by a passphrase")]
    Passphrase,
    /// The passphrase does not fit.
    #[error("the passphrase does not fit")]
    WrongPassphrase,
    /// The recording is not encrypted.
    #[error("the recording is not encrypted")]
    Clear,
    /// There is no wrapped key, neither in `keys.age` nor in the channel file.
    #[error("the recording's wrapped key is missing")]
    NoKeys,
    /// None of the identities is of a recipient.
    #[error("the recording is not encrypted to this identity")]
    NotForYou,
    /// `keys.age` was changed.
    #[error("keys.age is damaged or was changed")]
    Damaged,
    /// `keys.age` is another recording's.
    #[error("keys.age is of another session")]
    OtherSession,
}

impl Identities {
    /// Reads an identity from the content of its file; `passphrase` is for an OpenSSH key that has one.
    ///
    /// # Errors
    /// [`UnlockError::Identity`], [`UnlockError::Passphrase`], [`UnlockError::WrongPassphrase`]; so that a front end can
    /// ask for the passphrase and try again.
    pub fn parse(text: &str, passphrase: Option<&str>) -> Result<Self, UnlockError> {
        if !text.trim_start().starts_with("-----BEGIN ") {
            let file = age::IdentityFile::from_buffer(text.as_bytes()).map_err(|_| UnlockError::Identity)?;
            let all = file.into_identities().map_err(|_| UnlockError::Identity)?;
            return if all.is_empty() { Err(UnlockError::Identity) } else { Ok(Self(all)) };
        }
        match age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|_| UnlockError::Identity)? {
            age::ssh::Identity::Unencrypted(key) => Ok(Self(vec![Box::new(age::ssh::Identity::from(key))])),
            age::ssh::Identity::Encrypted(key) => {
                let passphrase = passphrase.ok_or(UnlockError::Passphrase)?;
                let key = key.decrypt(SecretString::from(passphrase.to_owned())).map_err(|_| UnlockError::WrongPassphrase)?;
                Ok(Self(vec![Box::new(age::ssh::Identity::from(key))]))
            }
            age::ssh::Identity::Unsupported(_) => Err(UnlockError::Identity),
        }
    }

    /// A new identity, and the recipient to give to the operator: for tests and first set-ups.
    #[must_use]
    pub fn generate() -> (Zeroizing<String>, String) {
        let identity = age::x25519::Identity::generate();
        (Zeroizing::new(identity.to_string().expose_secret().to_owned()), identity.to_public().to_string())
    }

    /// The secret in `keys`, the content of the `keys.age` of `session`.
    pub(crate) fn unwrap(&self, session: &SessionId, keys: &[u8]) -> Result<Secret, UnlockError> {
        let decryptor = Decryptor::new_buffered(keys).map_err(|_| UnlockError::Damaged)?;
        let all = self.0.iter().map(|identity| identity.as_ref());
        let reader = decryptor.decrypt(all).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => UnlockError::NotForYou,
            _ => UnlockError::Damaged,
        })?;
        let mut said = Zeroizing::new(String::new());
        reader.take(256).read_to_string(&mut said).map_err(|_| UnlockError::Damaged)?;
        let mut words = said.trim_end().split(' ');
        if words.next() != Some(SAID) {
            return Err(UnlockError::Damaged);
        }
        if words.next() != Some(session.as_str()) {
            return Err(UnlockError::OtherSession);
        }
        let mut secret = Zeroizing::new([0; 32]);
        let digits = words.next().unwrap_or_default();
        hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| UnlockError::Damaged)?;
        Ok(secret)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

#[cfg(test)]
mod tests;
