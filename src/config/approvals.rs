//! `[approvals]`: how long an operation waits for people to answer, and how many may wait.

use std::time::Duration;

use super::defaults;
use super::reader::Section;

/// Bounds on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Approvals {
    /// After this, an operation that nobody answered is refused.
    pub wait: Duration,
    /// Operations that wait at once; one more is refused.
    pub waiting: u32,
    /// The same of one principal.
    pub waiting_each: u32,
}

pub(super) fn read(root: &Section<'_>) -> Option<Approvals> {
    let Some(section) = root.section("approvals") else { return Some(Approvals::default()) };
    let wait = section.duration("wait", Duration::from_secs(1)..=Duration::from_secs(24 * 3600), defaults::APPROVAL_WAIT);
    let waiting = section.count("waiting", 1..=100_000, defaults::WAITING_APPROVALS);
    let waiting_each = section.count("waiting_each", 1..=100_000, defaults::WAITING_APPROVALS_EACH);
    section.finish();
    Some(Approvals { wait: wait?, waiting: waiting?, waiting_each: waiting_each? })
}

impl Default for Approvals {
    fn default() -> Self {
        Self { wait: defaults::APPROVAL_WAIT, waiting: defaults::WAITING_APPROVALS, waiting_each: defaults::WAITING_APPROVALS_EACH }
    }
}
