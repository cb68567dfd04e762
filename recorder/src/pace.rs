//! When a chunk begins and when a commit is due. Pure: times come in as microseconds since the session began.

/// Most decoded bytes of events in a chunk, unless a single frame holds more.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// A chunk is no older than this when a frame joins it.
const CHUNK_US: u64 = 30_000_000;
/// What was written is committed after this at the latest.
const COMMIT_US: u64 = 5_000_000;
/// In this time, so many bytes are a flood: 64 MiB a second.
const FLOOD_US: u64 = 250_000;
const FLOOD_BYTES: u64 = 16 << 20;
/// A finished chunk is committed at once, but no more often than this: a flood must not be spent on signatures.
const COMMIT_AGAIN_US: u64 = 250_000;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// When the open chunk began.
    chunk_us: Option<u64>,
    chunk_bytes: usize,
    committed_us: u64,
    uncommitted: bool,
    chunk_ended: bool,
    /// When the window of the flood meter began, what came in it, and whether the window before was a flood.
    window_us: u64,
    window_bytes: u64,
    flooded: bool,
}

impl Pace {
    /// True when a frame with `len` decoded bytes at `at_us` begins a chunk.
    pub(crate) fn begins_chunk(&self, at_us: u64, len: usize) -> bool {
        self.chunk_us.is_none() || self.is_over(at_us) || self.chunk_bytes + len > CHUNK_BYTES
    }

    /// A frame was written.
    pub(crate) fn wrote(&mut self, at_us: u64, len: usize, chunk: bool) {
        if chunk {
            self.chunk_ended |= self.chunk_us.is_some();
            self.chunk_us = Some(at_us);
            self.chunk_bytes = 0;
        }
        self.chunk_bytes += len;
        self.meter(at_us, len as u64);
        self.wrote_other(at_us);
    }

    fn meter(&mut self, at_us: u64, len: u64) {
        let passed = at_us.saturating_sub(self.window_us);
        if passed >= FLOOD_US {
            self.flooded = self.window_bytes >= FLOOD_BYTES && passed < 2 * FLOOD_US;
            self.window_us = at_us;
            self.window_bytes = 0;
        }
        self.window_bytes += len;
    }

    /// True while so much comes in that speed counts for more than size.
    pub(crate) fn is_flood(&self) -> bool {
        self.flooded || self.window_bytes >= FLOOD_BYTES
    }

    /// A frame without events was written.
    pub(crate) fn wrote_other(&mut self, at_us: u64) {
        if !self.uncommitted {
            self.uncommitted = true;
            // A pause does not make the first frame after it due at once.
            self.committed_us = self.committed_us.max(at_us.saturating_sub(COMMIT_AGAIN_US));
        }
    }

    pub(crate) fn commit_is_due(&self, at_us: u64) -> bool {
        let since = at_us.saturating_sub(self.committed_us);
        self.uncommitted && (since >= COMMIT_US || (self.chunk_ended && since >= COMMIT_AGAIN_US))
    }

    /// True when a tick should have committed long ago: then whoever comes next does it, though it delays them.
    pub(crate) fn commit_is_overdue(&self, at_us: u64) -> bool {
        let since = at_us.saturating_sub(self.committed_us) / 2;
        self.uncommitted && (since >= COMMIT_US || (self.chunk_ended && since >= COMMIT_AGAIN_US))
    }

    pub(crate) fn committed(&mut self, at_us: u64) {
        self.committed_us = at_us;
        self.uncommitted = false;
        self.chunk_ended = false;
    }

    /// True when an open chunk has run its time.
    pub(crate) fn is_over(&self, at_us: u64) -> bool {
        self.chunk_us.is_some_and(|began| at_us.saturating_sub(began) >= CHUNK_US)
    }

    /// Closes the open chunk: the next frame begins one.
    pub(crate) fn end_chunk(&mut self) {
        self.chunk_ended |= self.chunk_us.take().is_some();
        self.chunk_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_by_size_or_by_age() {
        let mut pace = Pace::default();
        assert!(pace.begins_chunk(0, 10));
        pace.wrote(0, CHUNK_BYTES - 10, true);
        assert!(!pace.begins_chunk(1, 10));
        assert!(pace.begins_chunk(1, 11));
        assert!(pace.begins_chunk(CHUNK_US, 1));
    }

    #[test]
    fn what_was_written_is_committed_within_five_seconds_and_idleness_never() {
        let mut pace = Pace::default();
        assert!(!pace.commit_is_due(u64::MAX));
        pace.wrote(1_000_000_000, 10, true);
        assert!(!pace.commit_is_due(1_000_000_000));
        assert!(pace.commit_is_due(1_000_000_000 + COMMIT_US));
        pace.committed(1_000_000_000 + COMMIT_US);
        assert!(!pace.commit_is_due(u64::MAX));
    }

    #[test]
    fn a_flood_is_told_while_it_lasts_and_not_for_long_after() {
        let mut pace = Pace::default();
        pace.wrote(0, 1 << 20, true);
        assert!(!pace.is_flood());
        for step in 0..1000u64 {
            pace.wrote(step * 1000, 1 << 18, false);
        }
        assert!(pace.is_flood());
        pace.wrote(2_000_000, 100, false);
        assert!(!pace.is_flood());
    }

    #[test]
    fn a_flood_is_committed_four_times_a_second() {
        let mut pace = Pace::default();
        let mut commits = 0;
        for step in 0..10_000u64 {
            let at_us = step * 100;
            let chunk = pace.begins_chunk(at_us, CHUNK_BYTES);
            pace.wrote(at_us, CHUNK_BYTES, chunk);
            if pace.commit_is_due(at_us) {
                pace.committed(at_us);
                commits += 1;
            }
        }
        assert_eq!(commits, 3, "at 250, 500 and 750 ms");
    }
}
