//! SHA-256 by AWS-LC: every recorded byte is hashed, and where a processor has no instructions for it, AWS-LC uses its vectors.

use aws_lc_rs::digest::{self, Context, Digest, SHA256, SHA256_OUTPUT_LEN};

/// A SHA-256 value.
pub(crate) type Hash = [u8; SHA256_OUTPUT_LEN];

/// SHA-256 of `bytes`.
#[must_use]
pub(crate) fn digest(bytes: &[u8]) -> Hash {
    value(&digest::digest(&SHA256, bytes))
}

/// SHA-256 of `parts`, one after the other.
#[must_use]
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hash = Hasher::new();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

/// SHA-256 of what comes in pieces.
pub(crate) struct Hasher(Context);

impl Hasher {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Hash {
        value(&self.0.finish())
    }
}

fn value(digest: &Digest) -> Hash {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_value_of_the_standard() {
        let value = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(digest(b"abc")), value);
        assert_eq!(hex::encode(sha256(&[b"abc"])), value);
        assert_eq!(hex::encode(sha256(&[b"a", b"", b"bc"])), value);
    }

    proptest! {
        #[test]
        fn parts_hash_as_the_whole_does_elsewhere(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
            let elsewhere: Hash = Sha256::digest(parts.concat()).into();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(sha256(&parts), elsewhere);
            prop_assert_eq!(digest(&parts.concat()), elsewhere);
        }
    }
}
