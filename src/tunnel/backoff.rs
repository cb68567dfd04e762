//! How long to wait before the next attempt: twice as long after each failure, never longer than a limit, and never quite the same, so
//! that the many who lost one bastion do not come back at one moment.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(250);
/// However many there were.
const LONGEST: Duration = Duration::from_secs(15);

/// The failures so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure: how long to wait. `chance` is anything from 0 to 1; the wait is between half of the full one and the whole.
    pub fn fail(&mut self, chance: f64) -> Duration {
        let full = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_are_spread() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.fail(1.0)).collect();
        assert_eq!(waits[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert!(waits.iter().all(|wait| *wait <= LONGEST) && waits[39] == LONGEST);
        assert_eq!(backoff.fail(0.0), LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.fail(1.0), FIRST);
    }
}
