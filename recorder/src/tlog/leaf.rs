//! What the leaves of a deployment's log say: one line of text each, without its line feed. Nothing in them names a person, a
//! target or what was done: they hold numbers, and hashes over things that hold something random.

use std::fmt;
use std::str::FromStr;

use super::merkle::Hash;

/// The format that the first leaf names.
const FORMAT: &str = "bartizan-log/1";

/// One leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// The log begins: sessions with this number and later ones are in it, and every entry of the audit log.
    Begin {
        /// The first session's number.
        session: u64,
    },
    /// A session is about to begin; its target is not dialled yet.
    Opened {
        /// The session's number.
        number: u64,
        /// SHA-256 of its head.json.
        head: Hash,
    },
    /// How far a recording was when the log took this leaf.
    Commit {
        /// The session's number.
        number: u64,
        /// Bytes of its channel file up to the end of a commit frame.
        bytes: u64,
        /// The chain after that frame.
        chain: Hash,
    },
    /// A recording is sealed.
    Closed {
        /// The session's number.
        number: u64,
        /// SHA-256 of its seal.json.
        seal: Hash,
    },
    /// A session with this number never began.
    Void {
        /// The session's number.
        number: u64,
    },
    /// A recording is about to be deleted.
    Deleted {
        /// The session's number.
        number: u64,
    },
    /// An entry of the audit log.
    Audit {
        /// The entry's number.
        seq: u64,
        /// The chain of the audit log after it.
        hash: Hash,
    },
}

/// Not a leaf of a kind that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a leaf that this version knows")]
pub struct BadLeaf;

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { session } => write!(f, "begin {FORMAT} {session}"),
            Self::Opened { number, head } => write!(f, "opened {number} {}", hex::encode(head)),
            Self::Commit { number, bytes, chain } => write!(f, "commit {number} {bytes} {}", hex::encode(chain)),
            Self::Closed { number, seal } => write!(f, "closed {number} {}", hex::encode(seal)),
            Self::Void { number } => write!(f, "void {number}"),
            Self::Deleted { number } => write!(f, "deleted {number}"),
            Self::Audit { seq, hash } => write!(f, "audit {seq} {}", hex::encode(hash)),
        }
    }
}

impl FromStr for Leaf {
    type Err = BadLeaf;

    fn from_str(text: &str) -> Result<Self, BadLeaf> {
        let words: Vec<&str> = text.split(' ').collect();
        let leaf = match words.as_slice() {
            ["begin", FORMAT, session] => Self::Begin { session: count(session)? },
            ["opened", number, head] => Self::Opened { number: count(number)?, head: hash(head)? },
            ["commit", number, bytes, chain] => Self::Commit { number: count(number)?, bytes: count(bytes)?, chain: hash(chain)? },
            ["closed", number, seal] => Self::Closed { number: count(number)?, seal: hash(seal)? },
            ["void", number] => Self::Void { number: count(number)? },
            ["deleted", number] => Self::Deleted { number: count(number)? },
            ["audit", seq, digest] => Self::Audit { seq: count(seq)?, hash: hash(digest)? },
            _ => return Err(BadLeaf),
        };
        // One spelling only.
        if leaf.to_string() == text { Ok(leaf) } else { Err(BadLeaf) }
    }
}

impl Leaf {
    /// Reads the bytes that the log has.
    ///
    /// # Errors
    /// [`BadLeaf`].
    pub fn read(bytes: &[u8]) -> Result<Self, BadLeaf> {
        std::str::from_utf8(bytes).map_err(|_| BadLeaf)?.parse()
    }
}

fn count(text: &str) -> Result<u64, BadLeaf> {
    text.parse().map_err(|_| BadLeaf)
}

fn hash(text: &str) -> Result<Hash, BadLeaf> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).map(|()| hash).map_err(|_| BadLeaf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_read_as_it_was_written() {
        let all = [
            Leaf::Begin { session: 1 },
            Leaf::Opened { number: 7, head: [1; 32] },
            Leaf::Commit { number: 7, bytes: u64::MAX, chain: [2; 32] },
            Leaf::Closed { number: 7, seal: [3; 32] },
            Leaf::Void { number: 8 },
            Leaf::Deleted { number: 7 },
            Leaf::Audit { seq: 12, hash: [0xab; 32] },
        ];
        for leaf in all {
            assert_eq!(Leaf::read(leaf.to_string().as_bytes()), Ok(leaf));
        }
        assert_eq!(Leaf::Audit { seq: 12, hash: [0xab; 32] }.to_string(), format!("audit 12 {}", "ab".repeat(32)));
    }

    #[test]
    fn another_spelling_is_no_leaf() {
        let hash = "AB".repeat(32);
        for text in ["", "void", "void  7", "void 07", "void +7", "void 7 ", "void -1", "begin bartizan-log/2 1", "deleted 7\n"] {
            assert_eq!(text.parse::<Leaf>(), Err(BadLeaf), "{text:?}");
        }
        assert_eq!(format!("audit 1 {hash}").parse::<Leaf>(), Err(BadLeaf));
    }
}
