//! What a vault lent for a while: renewed as long as it is used, given back when it is not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Term;

/// Nobody new is let in with what ends sooner than this, or than a quarter of its time.
const MARGIN: Duration = Duration::from_secs(30);

/// Something lent. Who uses it holds an `Arc` of it.
#[derive(Debug)]
pub(in crate::secrets) struct Lease {
    id: String,
    whole: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    term: Term,
    /// Serves those who have it, and nobody new.
    is_retired: bool,
    /// Whether somebody asked for it since it was last renewed.
    is_asked_for: bool,
}

impl Lease {
    pub(super) fn new(id: String, seconds: u64, is_renewable: bool) -> Self {
        let term = Term::of(seconds, is_renewable);
        Self { id, whole: Duration::from_secs(seconds), state: Mutex::new(State { term, is_retired: false, is_asked_for: true }) }
    }

    /// Its id, which is no secret.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the account counts still.
    pub(in crate::secrets) fn holds(&self) -> bool {
        Instant::now() < self.lock().term.ends
    }

    /// Whether somebody new may be let in with it.
    pub(in crate::secrets) fn serves(&self) -> bool {
        let state = self.lock();
        !state.is_retired && Instant::now() + MARGIN.min(self.whole / 4) < state.term.ends
    }

    /// Somebody new is let in with it.
    pub(in crate::secrets) fn ask_for(&self) {
        self.lock().is_asked_for = true;
    }

    /// Whether nobody uses it, nor has for most of its time: only a slot and the list have it then.
    pub(in crate::secrets) fn is_idle(self: &Arc<Self>) -> bool {
        let state = self.lock();
        let is_unused = state.is_retired || (Instant::now() >= state.term.renews && !state.is_asked_for);
        is_unused && Arc::strong_count(self) <= 2
    }

    pub(super) fn is_due(&self) -> bool {
        let state = self.lock();
        state.term.is_renewable && Instant::now() >= state.term.renews
    }

    /// Nobody new gets it.
    pub(super) fn retire(&self) {
        self.lock().is_retired = true;
    }

    /// It counts `seconds` from now. One that comes to the end of what it may be renewed to serves nobody new.
    pub(super) fn renewed(&self, seconds: u64) {
        let mut state = self.lock();
        state.term = Term::of(seconds, seconds > 0);
        state.is_asked_for = false;
        state.is_retired |= Duration::from_secs(seconds) * 2 < self.whole;
    }

    /// It is tried again soon, unless the server has `refused` for good.
    pub(super) fn not_renewed(&self, refused: bool) {
        let mut state = self.lock();
        state.is_retired |= refused;
        state.term.is_renewable &= !refused;
        state.term.renews = Instant::now() + (self.whole / 20).max(Duration::from_secs(1));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
