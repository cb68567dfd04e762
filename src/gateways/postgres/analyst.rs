//! Reads statements on threads with big stacks, since their grammar is read by recursion, and keeps what was understood of a text for
//! as long as names mean the same. A caller waits only so long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bartizan_policies::sql::{self, Cache, Catalog, Likeness, Limits, Refused, STACK, Script, State};
use tokio::sync::{mpsc, oneshot};

/// Texts that may wait for one thread.
const QUEUE: usize = 64;

/// A text of no more bytes and no more words, numbers and signs cannot be nested deeply, and is read in tens of microseconds: less than it
/// takes to hand it to a thread.
const SHORT: (usize, usize) = (160, 40);

/// The stack that a thread of the runtime has to have, on which short texts are read.
pub const RUNTIME_STACK: usize = 8 << 20;

/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much that is asked of policy is known again.
const LIKES: usize = 4_096;

/// Bytes of what was understood that are kept.
const KEPT: usize = 32 << 20;

/// Kinds that mean the same wherever names do; what refers to a prepared statement or a cursor does not.
const STEADY: &[&str] =
    &["select", "insert", "update", "delete", "merge", "values", "table", "begin", "start transaction", "commit", "rollback"];

/// What was understood of a text, with a number that no other has.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) id: u64,
    /// The number that all have which policy is asked the same about, with the same catalog.
    pub(super) like: u64,
    pub(super) script: Arc<Script>,
}

impl AsRef<Script> for Reading {
    fn as_ref(&self) -> &Script {
        &self.script
    }
}

type Outcome = Result<Arc<Reading>, Refused>;

struct Job {
    text: Arc<str>,
    catalog: Arc<Catalog>,
    state: Arc<State>,
    reply: oneshot::Sender<Outcome>,
}

/// What is known to be asked of policy, by the number of a catalog.
type Likes = HashMap<(u64, Vec<Likeness>), u64>;

/// Hands texts to the threads. Cheap to clone.
#[derive(Clone)]
pub struct Analysts {
    lanes: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicU64>,
    reader: Arc<Reader>,
    kept: Arc<Mutex<Cache<Reading>>>,
}

/// One thread's work, to be run by `daemon` on a thread with [`Worker::STACK`] bytes of stack.
pub struct Worker {
    jobs: mpsc::Receiver<Job>,
    reader: Arc<Reader>,
}

/// Reads texts, and numbers what was understood.
#[derive(Default)]
struct Reader {
    read: AtomicU64,
    likes: Mutex<Likes>,
}

impl Reader {
    fn read(&self, text: &str, catalog: &Catalog, state: &State) -> Outcome {
        // A thread that ended would take the statements of others with it.
        let reading = || sql::analyse(text.as_bytes(), catalog, state, &Limits::default());
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(reading)).unwrap_or_else(|_| Err(unreadable()));
        read.map(|script| Arc::new(self.numbered(script, catalog.number())))
    }

    fn numbered(&self, script: Script, catalog: u64) -> Reading {
        let id = self.read.fetch_add(1, Ordering::Relaxed) + 1;
        let like = script.likeness().map_or(id, |likeness| {
            let mut likes = self.likes.lock().unwrap_or_else(PoisonError::into_inner);
            if likes.len() >= LIKES {
                likes.clear();
            }
            *likes.entry((catalog, likeness)).or_insert(id)
        });
        Reading { id, like, script: Arc::new(script) }
    }
}

impl Worker {
    /// The stack that it needs.
    pub const STACK: usize = STACK;

    /// Works until nobody has anything more to read. Blocks.
    pub fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            // Who asked may have gone.
            let _ = job.reply.send(self.reader.read(&job.text, &job.catalog, &job.state));
        }
    }
}

impl Analysts {
    /// `count` threads' work, and what hands it to them.
    #[must_use]
    pub fn new(count: usize) -> (Self, Vec<Worker>) {
        let reader = Arc::<Reader>::default();
        let (lanes, workers): (Vec<_>, Vec<_>) = (0..count.max(1))
            .map(|_| {
                let (lane, jobs) = mpsc::channel(QUEUE);
                (lane, Worker { jobs, reader: Arc::clone(&reader) })
            })
            .unzip();
        (Self { lanes: lanes.into(), next: Arc::default(), reader, kept: Arc::new(Mutex::new(Cache::new(KEPT))) }, workers)
    }

    /// Reads `text`.
    pub(super) async fn read(&self, text: &Arc<str>, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let known = self.kept().get(text.as_bytes(), catalog, state);
        if let Some(known) = known {
            return Ok(known);
        }
        let reading = if is_short(text) {
            self.reader.read(text, catalog, state)?
        } else {
            let reading = tokio::time::timeout(PATIENCE, self.ask(Arc::clone(text), catalog, state)).await;
            reading.unwrap_or_else(|_| Err(too_slow()))?
        };
        if reading.script.statements.iter().all(|statement| STEADY.contains(&statement.kind)) {
            self.kept().put(text.as_bytes(), catalog, state, &reading);
        }
        Ok(reading)
    }

    async fn ask(&self, text: Arc<str>, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let job = Job { text, catalog: Arc::clone(catalog), state: Arc::clone(state), reply };
        let first = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let lane = self.lanes.get(first % self.lanes.len()).ok_or_else(too_slow)?;
        lane.send(job).await.map_err(|_| too_slow())?;
        answer.await.map_err(|_| too_slow())?
    }

    fn kept(&self) -> MutexGuard<'_, Cache<Reading>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it may be read on the stack of whoever asks.
fn is_short(text: &str) -> bool {
    let (bytes, pieces) = SHORT;
    if text.len() > bytes {
        return false;
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (mut count, mut in_word) = (0, false);
    for byte in text.bytes() {
        let goes_on = byte.is_ascii_whitespace() || in_word && is_word(byte);
        count += usize::from(!goes_on);
        in_word = is_word(byte);
    }
    count <= pieces
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

#[cfg(test)]
mod tests {
    use bartizan_policies::sql::Rows;

    use super::*;

    /// What is read on the runtime itself is read on its stack; a build without optimisation takes thirty kilobytes for each NOT.
    #[test]
    fn no_short_text_needs_a_large_stack() {
        let deepest = |before: &str, piece: &str, after: &str, end: &str| {
            let text = |depth: usize| format!("{before}{}{after}{}", piece.repeat(depth), end.repeat(depth));
            (0..SHORT.0).map(text).take_while(|text| is_short(text)).last().unwrap()
        };
        let texts = [
            deepest("SELECT ", "- ", "1", ""),
            deepest("SELECT ", "~", "1", ""),
            deepest("SELECT ", "NOT ", "true", ""),
            deepest("SELECT ", "(", "1", ")"),
            deepest("SELECT ", "(", "1", ""),
            deepest("SELECT ", "(SELECT ", "1", ")"),
            deepest("SELECT ARRAY", "[", "1", "]"),
            deepest("SELECT ", "f(", "1", ")"),
            deepest("SELECT ", "CASE WHEN ", "1", " END"),
            deepest("SELECT 1", "+1", "", ""),
            deepest("SELECT 1", "::int", "", ""),
            deepest("SELECT a", "[1]", "", ""),
            deepest("SELECT a", ".b", "", ""),
            deepest("SELECT * FROM ", "(", "a", ")"),
            deepest("SELECT * FROM a", " JOIN a", "", " ON b"),
            deepest("SELECT 1", " UNION SELECT 1", "", ""),
            deepest("", "WITH a AS (", "SELECT 1", ") SELECT 1"),
            deepest("", ";", "SELECT 1", ""),
        ];
        assert!(texts.iter().all(|text| text.len() > 30), "{texts:?}");
        let read = move || {
            let (reader, catalog, state) = (Reader::default(), Catalog::new(Rows::default()), State::new("app", ["public"]));
            for text in &texts {
                drop(reader.read(text, &catalog, &state));
            }
        };
        std::thread::Builder::new().stack_size(RUNTIME_STACK / 4).spawn(read).unwrap().join().unwrap();
    }

    #[test]
    fn what_is_done_all_day_is_short() {
        assert!(is_short("SELECT abalance FROM pgbench_accounts WHERE aid = 731234;"));
        assert!(is_short("INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (12, 3, 123456, -4321, CURRENT_TIMESTAMP);"));
        assert!(!is_short(&"(".repeat(41)) && !is_short(&"- ".repeat(41)) && !is_short(&"a ".repeat(41)) && !is_short(&"é".repeat(41)));
        assert!(!is_short(&"a".repeat(161)));
    }
}
