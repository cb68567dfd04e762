//! The connections of those who have logged in. A lock or a revocation ends them too, once what ran on them has told its user why:
//! an idle forward shows as what it is, and whoever keeps it up comes again or gives up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::{Disconnect, server};

use crate::frontdoor::{Guard, Line, sentences};
use crate::identity::Caller;

/// How long a client has to read why its connection ends.
const LEAVE: Duration = Duration::from_secs(1);

/// How long sessions have for their own last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// All connections that somebody has logged in on.
#[derive(Default)]
pub(super) struct Lines {
    all: Mutex<HashMap<u64, (Arc<Caller>, Line)>>,
    last: AtomicU64,
}

/// A connection's place among them; leaves it when dropped.
struct Connected {
    lines: Arc<Lines>,
    number: u64,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.lines.lock().remove(&self.number);
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (Arc<Caller>, Line)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until what comes back is dropped.
    pub(super) fn enter(self: &Arc<Self>, caller: Arc<Caller>, line: Line) -> Box<dyn Send + Sync> {
        let number = self.last.fetch_add(1, Ordering::SeqCst);
        self.lock().insert(number, (caller, line));
        Box::new(Connected { lines: Arc::clone(self), number })
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> Vec<(Arc<Caller>, Line)> {
        self.lock().values().cloned().collect()
    }
}

/// Ends a connection whose caller must leave, when its sessions have had their say.
pub(super) async fn show_out(line: Line, sentence: String) {
    tokio::time::sleep(LAST_WORDS).await;
    end(&line.handle, &line.guard, sentences::shown_out(&sentence)).await;
}

/// Ends a connection: its client reads why, or has it ended all the same.
pub(super) async fn end(handle: &server::Handle, guard: &Guard, sentence: String) {
    drop(tokio::time::timeout(LEAVE, handle.disconnect(Disconnect::ByApplication, sentence, String::new())).await);
    tokio::time::sleep(LEAVE).await;
    guard.kill();
}
