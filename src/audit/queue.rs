//! What waits for the thread that writes the log, in the order in which it came. Bounded: who comes when it is full waits to be let in.
//! Never writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot};

use super::log::Receipt;
use super::{AuditError, Entry};

/// Entries that may wait for the thread.
const WAITING: usize = 1_024;
/// Entries that are written together at most.
const TOGETHER: usize = 256;
/// How long entries that nobody waits for may wait for others.
const LINGER: Duration = Duration::from_millis(20);

/// What is answered to who waits for an entry.
pub(super) type Answer = Result<Receipt, AuditError>;

/// An entry that is to be written.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) entry: Entry,
    pub(super) time: Timestamp,
    /// Who waits for it, if anybody does.
    pub(super) reply: Option<oneshot::Sender<Answer>>,
}

/// What waits.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    woken: Condvar,
    room: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How many of them somebody waits for.
    awaited: usize,
    /// The thread sleeps until it is woken.
    sleeps: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), woken: Condvar::new(), room: Semaphore::new(WAITING) }
    }

    /// Puts in an entry, once there is room.
    pub(super) async fn put(&self, waiting: Waiting) -> Result<(), AuditError> {
        self.room.acquire().await.map_err(|_| AuditError::Closed)?.forget();
        self.push(waiting);
        Ok(())
    }

    /// Puts in an entry if there is room for it, and else gives it back.
    pub(super) fn try_put(&self, waiting: Waiting) -> Result<(), Box<Waiting>> {
        match self.room.try_acquire() {
            Ok(room) => room.forget(),
            Err(_) => return Err(Box::new(waiting)),
        }
        self.push(waiting);
        Ok(())
    }

    fn push(&self, waiting: Waiting) {
        let mut state = self.state();
        let is_awaited = waiting.reply.is_some();
        state.waiting.push_back(waiting);
        // One who sleeps for a while only sees by itself what nobody waits for.
        let wakes = (is_awaited && state.awaited == 0) || state.sleeps || state.waiting.len() == TOGETHER;
        state.awaited += usize::from(is_awaited);
        drop(state);
        if wakes {
            self.woken.notify_one();
        }
    }

    /// What is to be written next, together; nothing when `rest` has passed without any. `None` once there is nothing more to come.
    pub(super) fn take(&self, rest: Option<Duration>) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        let mut lingered = false;
        loop {
            if state.awaited > 0 || state.closed || lingered || state.waiting.len() >= TOGETHER {
                let count = state.waiting.len().min(TOGETHER);
                let group: Vec<_> = state.waiting.drain(..count).collect();
                state.awaited -= group.iter().filter(|waiting| waiting.reply.is_some()).count();
                return (!state.closed || !group.is_empty()).then_some(group);
            }
            if state.waiting.is_empty() && rest.is_none() {
                state.sleeps = true;
                state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.sleeps = false;
            } else {
                let pause = rest.map_or(LINGER, |rest| rest.min(LINGER));
                let (held, slept) = self.woken.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
                (state, lingered) = (held, slept.timed_out());
            }
        }
    }

    /// So many of what was taken are written, or will not be.
    pub(super) fn written(&self, count: usize) {
        self.room.add_permits(count);
    }

    /// Nothing more is put in; what is there is taken still.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.woken.notify_one();
    }

    /// Nobody takes any more: who waits hears of it.
    pub(super) fn abandon(&self) {
        self.room.close();
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
