//! The hash chain over frames and the signed statements in it: commit, recovery, end.
//! h_0 binds the chain to one head.json; each epoch key signs once and is then wiped. Never does IO.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::frame::{Header, MAGIC};
use crate::sha256::{Hash, sha256};
use crate::wire::Bytes;

const START: &[u8] = b"bartizan recording chain 1\n";
const SIGNED: &[u8] = b"bartizan recording statement 1\n";
const EPOCH: &[u8] = b"bartizan recording epoch 1\n";
const RATCHET: &[u8] = b"bartizan recording ratchet 1\n";
const SIGNATURE_LEN: usize = 64;
/// Bytes of a statement before its text: offset, chain, wall clock, next key.
pub(crate) const FIXED_LEN: usize = 8 + 32 + 8 + 32;

/// The running hash over all frames of one channel file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(pub Hash);

impl Chain {
    /// The chain before the first frame: SHA-256(label ‖ magic ‖ SHA-256(head.json) ‖ channel as u32).
    #[must_use]
    pub(crate) fn start(head: &Hash, channel: u32) -> Self {
        Self(sha256(&[START, MAGIC.as_slice(), head, &channel.to_le_bytes()]))
    }

    /// The chain after a frame given as its whole bytes (header and body).
    #[must_use]
    pub(crate) fn after(self, frame: &[u8]) -> Self {
        Self(sha256(&[&self.0, frame]))
    }
}

/// What a commit, recovery or end frame states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Where this frame begins in the file.
    pub offset: u64,
    /// The chain before this frame.
    pub chain: Hash,
    /// Wall clock in microseconds since 1970-01-01 UTC.
    pub wall_us: i64,
    /// Public key of the next epoch; all zero in an end frame.
    pub next_key: [u8; 32],
    /// JSON, or nothing in a commit.
    pub text: &'a [u8],
}

impl<'a> Statement<'a> {
    /// Bytes the body will have.
    pub(crate) fn body_len(&self) -> usize {
        FIXED_LEN + self.text.len() + SIGNATURE_LEN
    }

    fn unsigned(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.body_len());
        body.extend_from_slice(&self.offset.to_le_bytes());
        body.extend_from_slice(&self.chain);
        body.extend_from_slice(&self.wall_us.to_le_bytes());
        body.extend_from_slice(&self.next_key);
        body.extend_from_slice(self.text);
        body
    }

    /// The signed body for a frame with `header` (whose length must already be [`Self::body_len`]).
    pub(crate) fn sign(&self, header: &Header, key: &SigningKey) -> Vec<u8> {
        let mut body = self.unsigned();
        let signature = key.sign(&message(header, &body));
        body.extend_from_slice(&signature.to_bytes());
        body
    }

    /// Reads a body; `None` if it is too short. Says nothing about the signature: see [`verify`].
    #[must_use]
    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let (unsigned, _) = split(body)?;
        let mut bytes = Bytes(unsigned);
        Some(Self {
            offset: bytes.u64()?,
            chain: bytes.array()?,
            wall_us: bytes.array().map(i64::from_le_bytes)?,
            next_key: bytes.array()?,
            text: bytes.0,
        })
    }
}

/// True when `body` was signed for `header` by the holder of `key`.
#[must_use]
pub(crate) fn verify(header: &Header, body: &[u8], key: &VerifyingKey) -> bool {
    split(body).is_some_and(|(unsigned, signature)| {
        let signature = Signature::from_bytes(signature);
        key.verify_strict(&message(header, unsigned), &signature).is_ok()
    })
}

fn split(body: &[u8]) -> Option<(&[u8], &[u8; SIGNATURE_LEN])> {
    body.split_last_chunk::<SIGNATURE_LEN>()
}

fn message(header: &Header, unsigned: &[u8]) -> Vec<u8> {
    [SIGNED, &header.signed_part(), unsigned].concat()
}

/// The secret of one epoch. Later secrets follow from it, earlier ones cannot be found again: whoever takes the
/// bastion's memory today cannot sign yesterday anew.
pub(crate) struct Epoch(Zeroizing<[u8; 32]>);

impl Epoch {
    pub(crate) fn first(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        Self(secret)
    }

    /// The key that signs in this epoch. Made when needed, wiped when dropped.
    pub(crate) fn key(&self) -> SigningKey {
        let seed = Zeroizing::new(self.derive(EPOCH));
        SigningKey::from_bytes(&seed)
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.key().verifying_key().to_bytes()
    }

    pub(crate) fn next(&self) -> Self {
        Self(Zeroizing::new(self.derive(RATCHET)))
    }

    fn derive(&self, label: &[u8]) -> Hash {
        sha256(&[label, self.0.as_slice()])
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Epoch(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Flags, Kind};

    fn header(len: usize) -> Header {
        Header { len: len as u32, kind: Kind::COMMIT, flags: Flags::default(), seq: 3, at_us: 9 }
    }

    #[test]
    fn a_statement_verifies_only_with_its_key_header_and_every_byte() {
        let epoch = Epoch::first(&mut rand::rng());
        let said = Statement { offset: 8, chain: [1; 32], wall_us: -5, next_key: epoch.next().public(), text: b"{}" };
        let header = header(said.body_len());
        let body = said.sign(&header, &epoch.key());
        let key = epoch.key().verifying_key();
        assert_eq!(Statement::decode(&body), Some(said));
        assert!(verify(&header, &body, &key));
        assert!(!verify(&header, &body, &epoch.next().key().verifying_key()));
        assert!(!verify(&Header { seq: 4, ..header }, &body, &key));
        for at in 0..body.len() {
            let mut bad = body.clone();
            bad[at] ^= 1;
            assert!(!verify(&header, &bad, &key), "byte {at}");
        }
    }

    #[test]
    fn the_chain_depends_on_head_and_channel() {
        let one = Chain::start(&[0; 32], 0);
        assert_ne!(one, Chain::start(&[0; 32], 1));
        assert_ne!(one, Chain::start(&[1; 32], 0));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let epoch = Epoch::first(&mut rand::rng());
        assert_eq!(format!("{epoch:?}"), "Epoch(secret)");
    }
}
