//! The keys that bodies are encrypted with: one per chunk, each following from the one before, none leading back. Whoever
//! takes the writer's memory can read the running chunk and what comes after it, not what came before.
//! Encrypts and decrypts single bodies in place; reads and writes no files.

use std::fmt;

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::frame::{Flags, Header};
use crate::sha256::sha256;
use crate::squeeze::BadBody;
use crate::wire::Bytes;

const NEXT: &[u8] = b"bartizan recording key ratchet 1\n";
const KEY: &[u8] = b"bartizan recording chunk key 1\n";
/// Bytes of the key's number before the ciphertext.
pub(crate) const NUMBER_LEN: usize = 4;
const TAG_LEN: usize = 16;
/// Key numbers run ahead of frame numbers by writes that failed; more than this is no recording. It bounds what a
/// reader derives for an invented number.
const AHEAD: u64 = 1 << 20;
/// What one write may use up.
const MARGIN: u64 = 1 << 16;

/// The secret that a session's chunk keys follow from.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// A new session's secret.
pub(crate) fn new_secret(rng: &mut impl CryptoRng) -> Secret {
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(secret.as_mut_slice());
    secret
}

const CHANNEL: &[u8] = b"bartizan recording channel secret 1\n";

/// The secret of a further channel file. Each has a row of keys of its own: frame numbers are the nonces, and two files count
/// the same ones.
pub(crate) fn secret_of(secret: &Secret, channel: u32) -> Secret {
    Zeroizing::new(sha256(&[CHANNEL, &channel.to_le_bytes(), secret.as_slice()]))
}

/// A point in the row of keys. The secret before it cannot be found from it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ratchet {
    number: u32,
    secret: Secret,
}

impl Ratchet {
    pub(crate) fn first(secret: Secret) -> Self {
        Self { number: 0, secret }
    }

    /// Moves on; the old secret is wiped.
    pub(crate) fn advance(&mut self) {
        self.secret = self.derive(NEXT);
        self.number = self.number.saturating_add(1);
    }

    /// Moves on to `number`; false when it lies behind.
    fn advance_to(&mut self, number: u32) -> bool {
        while self.number < number {
            self.advance();
        }
        self.number == number
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(self.derive(KEY).as_slice()))
    }

    fn derive(&self, label: &[u8]) -> Secret {
        Zeroizing::new(sha256(&[label, self.secret.as_slice()]))
    }
}

impl fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ratchet({})", self.number)
    }
}

/// What a body is bound to beside its key: the recording and channel (the chain's start), and its frame's header.
fn bound(context: &[u8; 32], header: &Header) -> [u8; 56] {
    let mut out = [0; 56];
    for (to, from) in out.iter_mut().zip(context.iter().chain(&header.signed_part())) {
        *to = *from;
    }
    out
}

/// A frame's number is used once under one key: a chunk takes a new key, and so does a write that failed.
fn nonce(header: &Header) -> Nonce {
    let mut nonce = Nonce::default();
    for (to, from) in nonce.iter_mut().zip(header.seq.to_le_bytes()) {
        *to = from;
    }
    nonce
}

/// Encrypts the bodies of one recording as it is written.
pub(crate) struct Sealer {
    ratchet: Ratchet,
    context: [u8; 32],
    cipher: ChaCha20Poly1305,
}

impl Sealer {
    pub(crate) fn new(ratchet: Ratchet, context: [u8; 32]) -> Self {
        let cipher = ratchet.cipher();
        Self { ratchet, context, cipher }
    }

    /// Takes the next key: for a new chunk, and whenever bytes under this one may have reached the disk and not stayed.
    pub(crate) fn advance(&mut self) {
        self.ratchet.advance();
        self.cipher = self.ratchet.cipher();
    }

    /// True when so many writes have failed that no reader would follow any more.
    pub(crate) fn is_spent(&self, seq: u64) -> bool {
        u64::from(self.ratchet.number) >= seq.saturating_add(AHEAD - MARGIN)
    }

    /// Bytes by which a stored body is longer.
    pub(crate) const GROWTH: usize = NUMBER_LEN + TAG_LEN;

    /// Encrypts `body`, which begins with room for the key's number, for the frame with `header`. Returns the tag to put
    /// behind it.
    pub(crate) fn seal(&self, header: &Header, body: &mut [u8]) -> [u8; TAG_LEN] {
        let Some((number, text)) = body.split_first_chunk_mut::<NUMBER_LEN>() else { return [0; TAG_LEN] };
        *number = self.ratchet.number.to_le_bytes();
        // Fails only above 256 GiB; a zero tag would then be refused by every reader.
        let tag = self.cipher.encrypt_in_place_detached(&nonce(header), &bound(&self.context, header), text);
        tag.map(Into::into).unwrap_or_default()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.ratchet.number)
    }
}

/// Decrypts the bodies of one recording, in any order from where its ratchet begins.
#[derive(Clone)]
pub(crate) struct Opener {
    from: Ratchet,
    at: Ratchet,
    context: [u8; 32],
    cipher: ChaCha20Poly1305,
}

impl Opener {
    pub(crate) fn new(from: Ratchet, context: [u8; 32]) -> Self {
        let (at, cipher) = (from.clone(), from.cipher());
        Self { from, at, context, cipher }
    }

    /// Where the row of keys stands after the last body.
    pub(crate) fn ratchet(&self) -> &Ratchet {
        &self.at
    }

    /// Forgets all keys before `ratchet`.
    pub(crate) fn begin_at(&mut self, ratchet: Ratchet) {
        *self = Self::new(ratchet, self.context);
    }

    /// Decrypts `stored` into `out`, which is cleared first.
    ///
    /// # Errors
    /// [`BadBody::Undecryptable`] when anything of header, body, recording or key is not what it was;
    /// [`BadBody::Flags`] when the body is not encrypted.
    pub(crate) fn open(&mut self, header: &Header, stored: &[u8], out: &mut Vec<u8>) -> Result<(), BadBody> {
        out.clear();
        if !header.flags.has(Flags::AEAD) {
            return Err(BadBody::Flags);
        }
        let mut bytes = Bytes(stored);
        let number = bytes.u32().ok_or(BadBody::Undecryptable)?;
        let (text, tag) = bytes.0.split_last_chunk::<TAG_LEN>().ok_or(BadBody::Undecryptable)?;
        self.take_key(number, header.seq)?;
        out.extend_from_slice(text);
        let opened = self.cipher.decrypt_in_place_detached(&nonce(header), &bound(&self.context, header), out, Tag::from_slice(tag));
        opened.map_err(|_| {
            out.clear();
            BadBody::Undecryptable
        })
    }

    fn take_key(&mut self, number: u32, seq: u64) -> Result<(), BadBody> {
        if number == self.at.number {
            return Ok(());
        }
        if u64::from(number) > seq.saturating_add(AHEAD) {
            return Err(BadBody::Undecryptable);
        }
        let mut ratchet = if number < self.at.number { self.from.clone() } else { self.at.clone() };
        if !ratchet.advance_to(number) {
            return Err(BadBody::Undecryptable);
        }
        self.cipher = ratchet.cipher();
        self.at = ratchet;
        Ok(())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({})", self.at.number)
    }
}

#[cfg(test)]
mod tests;
