//! What was not recorded of one session, where it may go on all the same: how much, since when, why. Records nothing itself.

use std::time::{Duration, Instant};

use bartizan_recorder::WriteError;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// An answer that is still waited for, and what is missing if it is no.
pub(super) type Pending = oneshot::Receiver<Result<(), WriteError>>;

/// A gap that is open.
pub(super) struct Gap {
    since: Instant,
    bytes: u64,
    why: String,
    tried: Instant,
    pending: Option<(Pending, u64)>,
}

/// A gap that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// Bytes that were carried and not recorded.
    pub(super) bytes: u64,
    pub(super) lasted: Duration,
    pub(super) why: String,
}

impl Missing {
    /// As it stands in the recording, where it goes on.
    pub(super) fn sentence(&self) -> String {
        let seconds = self.lasted.as_secs_f64();
        format!("gap: {} bytes in {seconds:.1} seconds were not recorded: {}", self.bytes, self.why)
    }
}

impl Gap {
    /// Opens with `bytes` that are missing, or are if an answer is no.
    pub(super) fn open(why: String, bytes: u64, pending: Option<Pending>) -> Self {
        let now = Instant::now();
        let (bytes, pending) = match pending {
            Some(pending) => (0, Some((pending, bytes))),
            None => (bytes, None),
        };
        Self { since: now, bytes, why, tried: now, pending }
    }

    /// Counts bytes that are carried on and not recorded.
    pub(super) fn miss(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// True when it is time to try again: never while a try is under way, so that no more than one waits.
    pub(super) fn may_try(&mut self, pause: Duration) -> bool {
        if let Some((answer, bytes)) = &mut self.pending {
            match answer.try_recv() {
                Err(TryRecvError::Empty) => return false,
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(TryRecvError::Closed) => self.bytes += *bytes,
            }
            self.pending = None;
        }
        let due = self.tried.elapsed() >= pause;
        if due {
            self.tried = Instant::now();
        }
        due
    }

    /// A try with what was told of the gap so far, and `bytes` more, is under way.
    pub(super) fn wait_for(&mut self, pending: Pending, bytes: u64) {
        self.pending = Some((pending, self.bytes + bytes));
        self.bytes = 0;
    }

    /// What is missing by now.
    pub(super) fn so_far(&self) -> Missing {
        let waiting = self.pending.as_ref().map_or(0, |(_, bytes)| *bytes);
        Missing { bytes: self.bytes + waiting, lasted: self.since.elapsed(), why: self.why.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_late_answer_says_is_counted_once() {
        let (yes, pending) = oneshot::channel();
        let mut gap = Gap::open("slow".into(), 100, Some(pending));
        assert!(!gap.may_try(Duration::ZERO));
        gap.miss(7);
        assert_eq!(gap.so_far().bytes, 107);
        yes.send(Ok(())).unwrap();
        assert!(gap.may_try(Duration::ZERO));
        assert_eq!(gap.so_far().bytes, 7);

        let (no, pending) = oneshot::channel();
        gap.wait_for(pending, 5);
        assert!(!gap.may_try(Duration::ZERO));
        no.send(Err(WriteError::Ended)).unwrap();
        assert!(gap.may_try(Duration::ZERO));
        assert_eq!(gap.so_far().bytes, 12);
        assert!(!gap.may_try(Duration::from_secs(60)), "it was tried just now");
        assert!(gap.so_far().sentence().starts_with("gap: 12 bytes in 0.0 seconds were not recorded: slow"));
    }
}
