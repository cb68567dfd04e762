//! The machine's clock.

use jiff::Timestamp;

use crate::model::Clock;

/// Tells the machine's wall-clock time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
