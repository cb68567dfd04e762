//! The index: where chunks begin and where keyframes lie, as a list of frames each pointing to the one before, so that
//! a writer holds little and a reader of a long recording reads little. Never trusted: a reader checks what it finds.

use crate::wire::Bytes;

/// Entries that make an index frame due.
const FULL: usize = 64;

/// The beginning of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkStart {
    /// Number of its first frame.
    pub seq: u64,
    /// Time of its first frame in microseconds since the beginning.
    pub at_us: u64,
    /// Where that frame begins in the file.
    pub offset: u64,
}

/// Where a keyframe lies and which frame it stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyframeAt {
    /// Number of the frame before which the screen was so.
    pub seq: u64,
    /// Where the keyframe's frame begins in the file.
    pub offset: u64,
}

/// One index frame's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Where the index frame before this one begins; 0 for none.
    pub previous: u64,
    /// Chunks begun since then, in order.
    pub chunks: Vec<ChunkStart>,
    /// Keyframes written since then, in order.
    pub keyframes: Vec<KeyframeAt>,
}

impl Index {
    pub(crate) fn is_due(&self) -> bool {
        self.chunks.len() >= FULL || self.keyframes.len() >= FULL
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.keyframes.is_empty()
    }

    /// Starts the next one behind an index frame that was written at `offset`.
    pub(crate) fn written_at(&mut self, offset: u64) {
        *self = Self { previous: offset, ..Self::default() };
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.chunks.len() * 24 + self.keyframes.len() * 16);
        let mut put = |number: u64| out.extend_from_slice(&number.to_le_bytes());
        put(self.previous);
        put(self.chunks.len() as u64);
        for chunk in &self.chunks {
            put(chunk.seq);
            put(chunk.at_us);
            put(chunk.offset);
        }
        put(self.keyframes.len() as u64);
        for keyframe in &self.keyframes {
            put(keyframe.seq);
            put(keyframe.offset);
        }
        out
    }

    /// Reads a body; `None` if it is malformed.
    #[must_use]
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(body);
        let mut index = Self { previous: bytes.u64()?, ..Self::default() };
        for _ in 0..bytes.u64()? {
            index.chunks.push(ChunkStart { seq: bytes.u64()?, at_us: bytes.u64()?, offset: bytes.u64()? });
        }
        for _ in 0..bytes.u64()? {
            index.keyframes.push(KeyframeAt { seq: bytes.u64()?, offset: bytes.u64()? });
        }
        bytes.is_empty().then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_index_comes_back_as_it_was_written() {
        let index = Index {
            previous: 99,
            chunks: vec![ChunkStart { seq: 1, at_us: 2, offset: 3 }],
            keyframes: vec![KeyframeAt { seq: 4, offset: 5 }, KeyframeAt { seq: 6, offset: 7 }],
        };
        assert_eq!(Index::decode(&index.encode()), Some(index));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Index::decode(&body);
        }
    }

    #[test]
    fn an_index_that_claims_more_than_it_holds_is_refused() {
        let mut body = Index::default().encode();
        body[8] = 0xff;
        assert_eq!(Index::decode(&body), None);
    }
}
