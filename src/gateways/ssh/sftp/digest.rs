//! The SHA-256 of a file's content as it is transferred, taken along while it comes in order from the first byte; pieces that come
//! a little early wait in a small buffer. What does not come so has no hash, and a reason instead. Never holds more than
//! [`MOST_EARLY`] for all files of a session.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Bytes that may wait for their turn, in all files of one session together.
pub(super) const MOST_EARLY: usize = 4 << 20;

/// One direction of one open file.
#[derive(Debug, Default)]
pub(super) struct Content {
    hasher: Sha256,
    bytes: u64,
    /// How far it is hashed.
    at: u64,
    early: BTreeMap<u64, Vec<u8>>,
    spoilt: Option<&'static str>,
}

/// What was transferred.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transferred {
    /// How many bytes.
    pub(super) bytes: u64,
    /// Their hash in hex, or why there is none.
    pub(super) sha256: Result<String, &'static str>,
}

impl Content {
    /// Takes what was transferred at `offset`; `room` is what may still wait in this session.
    pub(super) fn take(&mut self, offset: u64, data: &[u8], room: &mut usize) {
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.spoilt.is_some() || data.is_empty() {
            return;
        }
        if offset == self.at {
            self.hash(data);
            while let Some(next) = self.early.remove(&self.at) {
                *room = room.saturating_add(next.len());
                self.hash(&next);
            }
        } else if offset < self.at {
            self.spoil("parts of it were transferred more than once", room);
        } else if data.len() > *room {
            self.spoil("it was not transferred in order", room);
        } else if let Some(before) = self.early.insert(offset, data.to_vec()) {
            *room = room.saturating_add(before.len()).saturating_sub(data.len());
            self.spoil("parts of it were transferred more than once", room);
        } else {
            *room = room.saturating_sub(data.len());
        }
    }

    fn hash(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.at = self.at.saturating_add(data.len() as u64);
    }

    /// There will be no hash.
    pub(super) fn spoil(&mut self, why: &'static str, room: &mut usize) {
        let waiting: usize = self.early.values().map(Vec::len).sum();
        *room = room.saturating_add(waiting);
        self.early.clear();
        self.spoilt.get_or_insert(why);
    }

    /// All of it.
    pub(super) fn end(mut self, room: &mut usize) -> Transferred {
        if !self.early.is_empty() {
            self.spoil("it was not transferred from its first byte without gaps", room);
        }
        let sha256 = self.spoilt.map_or_else(|| Ok(hex::encode(self.hasher.finalize())), Err);
        Transferred { bytes: self.bytes, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn transferred(pieces: &[(usize, &[u8])]) -> Transferred {
        let (mut content, mut room) = (Content::default(), MOST_EARLY);
        for (offset, data) in pieces {
            content.take(*offset as u64, data, &mut room);
        }
        let all = content.end(&mut room);
        assert_eq!(room, MOST_EARLY, "what waits is given back");
        all
    }

    #[test]
    fn a_gap_a_repetition_or_a_late_start_leaves_no_hash_but_a_reason() {
        for pieces in
            [&[(1, &b"b"[..])][..], &[(0, b"a"), (2, b"c")], &[(0, b"ab"), (1, b"b")], &[(0, b"ab"), (0, b"ab")], &[(3, b"x"), (3, b"y")]]
        {
            assert!(transferred(pieces).sha256.is_err(), "{pieces:?}");
        }
    }

    #[test]
    fn what_comes_too_far_ahead_is_counted_and_not_kept() {
        let (mut content, mut room) = (Content::default(), 10);
        content.take(100, b"more than ten bytes", &mut room);
        assert_eq!(room, 10);
        assert_eq!(content.end(&mut room).bytes, 19);
    }

    #[test]
    fn nothing_has_the_hash_of_nothing() {
        assert_eq!(transferred(&[]).sha256.unwrap(), hex::encode(Sha256::digest(b"")));
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_hash_as_the_whole(
            content in prop::collection::vec(any::<u8>(), 1..300), size in 1usize..40, order in any::<u64>(),
        ) {
            let mut pieces: Vec<(usize, &[u8])> = content.chunks(size).enumerate().map(|(n, piece)| (n * size, piece)).collect();
            let mut seed = order;
            for last in (1..pieces.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pieces.swap(last, (seed >> 33) as usize % (last + 1));
            }
            let whole = Transferred { bytes: content.len() as u64, sha256: Ok(hex::encode(Sha256::digest(&content))) };
            prop_assert_eq!(transferred(&pieces), whole);
        }
    }
}
