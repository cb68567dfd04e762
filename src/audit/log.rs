//! The one thread that writes the log. It takes all entries that wait and writes them as one group, so that many visitors
//! share one flush. Never more than some number wait: who comes then waits to be let in.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::book::Book;
use super::queue::{Answer, Queue, Waiting};
use super::{AuditError, Entry};

/// How long the last checkpoint may be without its flush. A power cut before that leaves the one before it, and lines behind that, which
/// the next start signs again.
const SOON: Duration = Duration::from_millis(250);

/// Proof that an entry is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its number, dense from 1.
    pub seq: u64,
    /// Its hash: SHA-256 over the hash before it and its line.
    pub hash: [u8; 32],
}

/// The audit log, open for writing. Cheap to clone; all clones share one thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Open>);

#[derive(Debug)]
struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The thread's end of the queue.
struct Taking(Arc<Queue>);

impl Drop for Taking {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl AuditLog {
    /// Opens the log below `state_dir` and writes down what a crash left. If there is none it is begun, and `seed`, 32 random
    /// bytes, becomes the key that signs it. `node` stands in each line. Blocks for some milliseconds.
    ///
    /// # Errors
    /// Every [`AuditError`] but `TooLong` and `Closed`.
    pub fn open(state_dir: &Path, node: &str, seed: [u8; 32], now: Timestamp) -> Result<Self, AuditError> {
        let book = Book::open(state_dir, node, &Zeroizing::new(seed), now)?;
        let queue = Arc::new(Queue::new());
        let taking = Taking(Arc::clone(&queue));
        let spawned = std::thread::Builder::new().name("audit".into()).spawn(move || serve(book, &taking));
        spawned.map_err(|error| AuditError::unwritable(state_dir, &error))?;
        Ok(Self(Arc::new(Open(queue))))
    }

    /// Writes `entry`, as of `time`, and answers when it is on disk. Dropping the future does not take the entry back.
    ///
    /// # Errors
    /// `Unwritable`, `Tampered`, `TooLong`, `Closed`: the entry is not in the log, and what it tells of must not happen.
    pub async fn append(&self, entry: Entry, time: Timestamp) -> Result<Receipt, AuditError> {
        let (reply, answer) = oneshot::channel();
        self.0.0.put(Waiting { entry, time, reply: Some(reply) }).await?;
        answer.await.map_err(|_| AuditError::Closed)?
    }

    /// Leaves `entry` to be written with what comes next, within some milliseconds: nobody waits for it, and that it could not be
    /// written is an alert in the bastion's own log. Gives it back where there is no room.
    ///
    /// # Errors
    /// The entry.
    pub fn leave(&self, entry: Entry, time: Timestamp) -> Result<(), Box<Entry>> {
        let waiting = Waiting { entry, time, reply: None };
        self.0.0.try_put(waiting).map_err(|waiting| Box::new(waiting.entry))
    }
}

fn serve(mut book: Book, taking: &Taking) {
    let queue = &taking.0;
    // Since when a checkpoint is without its flush.
    let mut unflushed: Option<Instant> = None;
    while let Some(group) = queue.take(unflushed.map(|since| SOON.saturating_sub(since.elapsed()))) {
        let count = group.len();
        if count > 0 {
            unflushed.get_or_insert_with(Instant::now);
            let (entries, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|w| ((w.entry, w.time), w.reply)).unzip();
            answer(book.write(&entries), replies);
            queue.written(count);
        }
        if unflushed.is_some_and(|since| since.elapsed() >= SOON) {
            book.sync_checkpoint();
            unflushed = None;
        }
    }
    book.sync_checkpoint();
}

fn answer(written: Result<Vec<Answer>, AuditError>, replies: Vec<Option<oneshot::Sender<Answer>>>) {
    let receipts = match written {
        Ok(receipts) => receipts,
        Err(error) => vec![Err(error); replies.len()],
    };
    for (reply, receipt) in replies.into_iter().zip(receipts) {
        match (reply, receipt) {
            // Who asked may have gone; the entry stands all the same.
            (Some(reply), receipt) => drop(reply.send(receipt)),
            (None, Ok(_)) => {}
            (None, Err(error)) => tracing::error!(%error, alert = true, "what nobody waits for is not in the audit log"),
        }
    }
}
