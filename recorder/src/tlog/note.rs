//! Signed notes, checkpoints and cosignatures, as their C2SP specifications have them. Reads and signs text; keeps nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::merkle::Hash;
use crate::sha256::sha256;

/// Most bytes of a note.
const LIMIT: usize = 64 * 1024;
const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;

/// What is wrong with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Not a signed note, or not a checkpoint.
    #[error("it is not a signed checkpoint")]
    Form,
    /// Not signed by the key, or not over this text.
    #[error("it is not signed by this key")]
    Signature,
    /// Not a public key in the form `NAME+HASH+KEY`.
    #[error("it is not a public key of a note")]
    Key,
    /// Another log's.
    #[error("it is another log's checkpoint")]
    Origin,
}

/// A public key with its name, as notes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    kind: u8,
    key: VerifyingKey,
}

impl NoteKey {
    /// The key of a log named `name`.
    ///
    /// # Errors
    /// [`BadNote::Key`] for a name with spaces, plus signs, or nothing in it.
    pub fn log(name: &str, key: VerifyingKey) -> Result<Self, BadNote> {
        Self::new(name, ED25519, key)
    }

    /// The key of a witness named `name`.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn witness(name: &str, key: VerifyingKey) -> Result<Self, BadNote> {
        Self::new(name, COSIGNATURE, key)
    }

    fn new(name: &str, kind: u8, key: VerifyingKey) -> Result<Self, BadNote> {
        let bad = name.is_empty() || name.chars().any(|next| next.is_whitespace() || next.is_control() || next == '+');
        if bad { Err(BadNote::Key) } else { Ok(Self { name: name.to_owned(), kind, key }) }
    }

    /// Reads `NAME+HASH+KEY`.
    ///
    /// # Errors
    /// [`BadNote::Key`].
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let mut parts = text.splitn(3, '+');
        let (name, hash, key) =
            parts.next().zip(parts.next()).zip(parts.next()).map(|((name, hash), key)| (name, hash, key)).ok_or(BadNote::Key)?;
        let bytes = STANDARD.decode(key).map_err(|_| BadNote::Key)?;
        let (kind, key) = bytes.split_first().ok_or(BadNote::Key)?;
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok()).ok_or(BadNote::Key)?;
        let read = Self::new(name, *kind, key)?;
        let good = [ED25519, COSIGNATURE].contains(kind) && hash == hex::encode(read.id());
        if good { Ok(read) } else { Err(BadNote::Key) }
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Eight hexadecimal digits that tell it from others, as they stand in its text.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.id())
    }

    /// Whether it is a witness's, not a log's.
    #[must_use]
    pub fn is_witness(&self) -> bool {
        self.kind == COSIGNATURE
    }

    fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), &[b'\n', self.kind], self.key.as_bytes()]);
        [a, b, c, d]
    }
}

impl std::fmt::Display for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[self.kind], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

/// What a checkpoint states: how many leaves the log has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves in the log.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The signed note; the log's name is the key's.
    pub(super) fn sign(&self, key: &SigningKey) -> Result<String, BadNote> {
        let named = NoteKey::log(&self.origin, key.verifying_key())?;
        let text = self.text();
        let signature = key.sign(text.as_bytes()).to_bytes();
        Ok(format!("{text}\n{}", line(&named, &signature)))
    }

    fn parse(text: &str) -> Result<Self, BadNote> {
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let size: u64 = size.and_then(|size| size.parse().ok().filter(|number: &u64| number.to_string() == size)).ok_or(BadNote::Form)?;
        let root = root.and_then(|root| STANDARD.decode(root).ok()?.try_into().ok()).ok_or(BadNote::Form)?;
        let origin = origin.filter(|origin| !origin.is_empty()).ok_or(BadNote::Form)?.to_owned();
        Ok(Self { origin, size, root })
    }
}

fn line(key: &NoteKey, signature: &[u8]) -> String {
    format!("\u{2014} {} {}\n", key.name, STANDARD.encode([&key.id()[..], signature].concat()))
}

/// A note's text, with its last line feed, and the lines of its signatures.
fn split(note: &str) -> Result<(&str, &str), BadNote> {
    let at = note.rfind("\n\n").filter(|_| note.len() <= LIMIT && note.ends_with('\n')).ok_or(BadNote::Form)?;
    note.split_at_checked(at + 1).map(|(text, rest)| (text, rest.strip_prefix('\n').unwrap_or(rest))).ok_or(BadNote::Form)
}

/// `note` with those of `lines` that are signatures of witnesses with `keys` over it put behind it, and nothing else of `lines`.
///
/// # Errors
/// [`BadNote::Form`].
pub fn with_cosignatures(note: &str, lines: &str, keys: &[NoteKey]) -> Result<String, BadNote> {
    let (text, _) = split(note)?;
    let mut whole = note.to_owned();
    for line in lines.lines() {
        let one = format!("{text}\n{line}\n");
        if keys.iter().any(|key| verify_cosignature(&one, key).is_ok()) && !note.lines().any(|there| there == line) {
            whole.push_str(line);
            whole.push('\n');
        }
    }
    Ok(whole)
}

/// The checkpoint that `note` states; says nothing about its signatures.
///
/// # Errors
/// [`BadNote::Form`].
pub fn read_unverified(note: &str) -> Result<Checkpoint, BadNote> {
    Checkpoint::parse(split(note)?.0)
}

/// The bytes that the signature of `key` consists of.
fn signatures<'a>(lines: &'a str, key: &'a NoteKey) -> impl Iterator<Item = Vec<u8>> + 'a {
    lines.lines().filter_map(move |line| {
        let (name, data) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(data).ok().filter(|_| name == key.name)?;
        bytes.strip_prefix(&key.id()[..]).map(<[u8]>::to_vec)
    })
}

fn signed(key: &NoteKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.key.verify_strict(message, &signature).is_ok())
}

/// The text of `note`, if `key` (of a log) signed it.
///
/// # Errors
/// [`BadNote::Form`], [`BadNote::Signature`].
pub(super) fn open<'a>(note: &'a str, key: &NoteKey) -> Result<&'a str, BadNote> {
    let (text, lines) = split(note)?;
    let good = key.kind == ED25519 && signatures(lines, key).any(|signature| signed(key, text.as_bytes(), &signature));
    if good { Ok(text) } else { Err(BadNote::Signature) }
}

/// The checkpoint in `note`, if the log with `key` signed it.
///
/// # Errors
/// [`BadNote`].
pub fn verify_note(note: &str, key: &NoteKey) -> Result<Checkpoint, BadNote> {
    let checkpoint = Checkpoint::parse(open(note, key)?)?;
    if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(BadNote::Origin) }
}

/// The signature line of a witness over `note`, to be put behind it: it saw this checkpoint at `unix_s`. A witness must
/// first have verified the note, and that it is consistent with the last one it cosigned, and must have kept it durably.
///
/// # Errors
/// [`BadNote::Form`], [`BadNote::Key`].
pub fn cosign(note: &str, name: &str, key: &SigningKey, unix_s: u64) -> Result<String, BadNote> {
    let (text, _) = split(note)?;
    let named = NoteKey::witness(name, key.verifying_key())?;
    let signature = key.sign(&cosigned(unix_s, text)).to_bytes();
    Ok(line(&named, &[&unix_s.to_be_bytes()[..], &signature].concat()))
}

fn cosigned(unix_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_s}\n{text}").into_bytes()
}

/// When the witness with `key` saw the checkpoint in `note`, in seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`BadNote::Form`], [`BadNote::Signature`].
pub fn verify_cosignature(note: &str, key: &NoteKey) -> Result<u64, BadNote> {
    let (text, lines) = split(note)?;
    let found = signatures(lines, key).filter(|_| key.kind == COSIGNATURE).find_map(|bytes| {
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        let unix_s = u64::from_be_bytes(*time);
        signed(key, &cosigned(unix_s, text), signature).then_some(unix_s)
    });
    found.ok_or(BadNote::Signature)
}

#[cfg(test)]
mod tests;
