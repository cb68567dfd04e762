//! Reads statements on threads with big stacks, since their grammar is read by recursion, and keeps what was understood of a text for
//! as long as names mean the same. A caller waits only so long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bartizan_policies::sql::{self, Catalog, Limits, Refused, STACK, Script, State};
use tokio::sync::{mpsc, oneshot};

/// Texts that may wait for one thread.
const QUEUE: usize = 64;

/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of text of which what was understood is kept, in each of two generations.
const KEPT: usize = 8 << 20;

/// The longest text that is kept.
const LONGEST: usize = 64 << 10;

/// Kinds that mean the same wherever names do; what refers to a prepared statement or a cursor does not.
const STEADY: &[&str] =
    &["select", "insert", "update", "delete", "merge", "values", "table", "begin", "start transaction", "commit", "rollback"];

/// What was understood of a text, with a number that no other has.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) id: u64,
    pub(super) script: Arc<Script>,
}

type Outcome = Result<Arc<Reading>, Refused>;

/// What a text was read with.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Key {
    catalog: u64,
    state: Arc<str>,
    text: Arc<str>,
}

struct Job {
    key: Key,
    catalog: Arc<Catalog>,
    state: Arc<State>,
    reply: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct Shelf {
    young: HashMap<Key, Arc<Reading>>,
    old: HashMap<Key, Arc<Reading>>,
    bytes: usize,
}

/// Hands texts to the threads. Cheap to clone.
#[derive(Clone)]
pub struct Analysts {
    lanes: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicU64>,
    shelf: Arc<Mutex<Shelf>>,
}

/// One thread's work, to be run by `daemon` on a thread with [`Worker::STACK`] bytes of stack.
pub struct Worker {
    jobs: mpsc::Receiver<Job>,
    numbers: Arc<AtomicU64>,
}

impl Worker {
    /// The stack that it needs.
    pub const STACK: usize = STACK;

    /// Works until nobody has anything more to read. Blocks.
    pub fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            // A thread that ended would take the statements of others with it.
            let reading = || sql::analyse(job.key.text.as_bytes(), &job.catalog, &job.state, &Limits::default());
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(reading)).unwrap_or_else(|_| Err(unreadable()));
            let outcome =
                read.map(|script| Arc::new(Reading { id: self.numbers.fetch_add(1, Ordering::Relaxed), script: Arc::new(script) }));
            // Who asked may have gone.
            let _ = job.reply.send(outcome);
        }
    }
}

impl Analysts {
    /// `count` threads' work, and what hands it to them.
    #[must_use]
    pub fn new(count: usize) -> (Self, Vec<Worker>) {
        let numbers = Arc::new(AtomicU64::new(1));
        let (lanes, workers): (Vec<_>, Vec<_>) = (0..count.max(1))
            .map(|_| {
                let (lane, jobs) = mpsc::channel(QUEUE);
                (lane, Worker { jobs, numbers: Arc::clone(&numbers) })
            })
            .unzip();
        (Self { lanes: lanes.into(), next: Arc::default(), shelf: Arc::default() }, workers)
    }

    /// Reads `text`.
    pub(super) async fn read(&self, text: &Arc<str>, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let key = Key { catalog: catalog.number(), state: state.key().into(), text: Arc::clone(text) };
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let reading = tokio::time::timeout(PATIENCE, self.ask(key.clone(), catalog, state)).await;
        let reading = reading.unwrap_or_else(|_| Err(too_slow()))?;
        if !reading.script.by_name && reading.script.statements.iter().all(|statement| STEADY.contains(&statement.kind)) {
            self.keep(key, &reading);
        }
        Ok(reading)
    }

    async fn ask(&self, key: Key, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let job = Job { key, catalog: Arc::clone(catalog), state: Arc::clone(state), reply };
        let first = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let lane = self.lanes.get(first % self.lanes.len()).ok_or_else(too_slow)?;
        lane.send(job).await.map_err(|_| too_slow())?;
        answer.await.map_err(|_| too_slow())?
    }

    fn known(&self, key: &Key) -> Option<Arc<Reading>> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelf.young.get(key) {
            return Some(Arc::clone(known));
        }
        let known = shelf.old.remove(key)?;
        shelf.bytes += key.text.len();
        shelf.young.insert(key.clone(), Arc::clone(&known));
        Some(known)
    }

    fn keep(&self, key: Key, reading: &Arc<Reading>) {
        if key.text.len() > LONGEST {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        // What was understood takes more room than the text.
        shelf.bytes += key.text.len() + 1_024;
        shelf.young.insert(key, Arc::clone(reading));
        if shelf.bytes > KEPT {
            shelf.bytes = 0;
            shelf.old = std::mem::take(&mut shelf.young);
        }
    }
}

fn unreadable() -> Refused {
    Refused { code: "0A000", message: "the bastion cannot read this statement".to_owned(), hint: None, position: None, stale: false }
}

fn too_slow() -> Refused {
    Refused {
        code: "54001",
        message: "the bastion could not read the statement in time".to_owned(),
        hint: Some("Make it simpler, or try again.".to_owned()),
        position: None,
        stale: false,
    }
}
