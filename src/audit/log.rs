//! The one thread that writes the log. It takes all entries that wait and writes them as one group, so that many visitors
//! share one flush. Never more than [`WAITING`] entries wait: who comes then waits to be let in.

use std::path::Path;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::book::Book;
use super::{AuditError, Entry};

/// Entries that may wait for the thread.
const WAITING: usize = 1_024;
/// Entries that are written together at most.
const TOGETHER: usize = 256;

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
pub struct AuditLog(mpsc::Sender<Waiting>);

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    time: Timestamp,
    reply: oneshot::Sender<Result<Receipt, AuditError>>,
}

impl AuditLog {
    /// Opens the log below `state_dir` and writes down what a crash left. If there is none it is begun, and `seed`, 32 random
    /// bytes, becomes the key that signs it. `node` stands in each line. Blocks for some milliseconds.
    ///
    /// # Errors
    /// Every [`AuditError`] but `TooLong` and `Closed`.
    pub fn open(state_dir: &Path, node: &str, seed: [u8; 32], now: Timestamp) -> Result<Self, AuditError> {
        let book = Book::open(state_dir, node, &Zeroizing::new(seed), now)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let spawned = std::thread::Builder::new().name("audit".into()).spawn(move || serve(book, receiver));
        spawned.map_err(|error| AuditError::unwritable(state_dir, &error))?;
        Ok(Self(sender))
    }

    /// Writes `entry`, as of `time`, and answers when it is on disk. Dropping the future does not take the entry back.
    ///
    /// # Errors
    /// `Unwritable`, `Tampered`, `TooLong`, `Closed`: the entry is not in the log, and what it tells of must not happen.
    pub async fn append(&self, entry: Entry, time: Timestamp) -> Result<Receipt, AuditError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Waiting { entry, time, reply }).await.map_err(|_| AuditError::Closed)?;
        answer.await.map_err(|_| AuditError::Closed)?
    }
}

fn serve(mut book: Book, mut receiver: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::new();
    while receiver.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
        let (entries, replies): (Vec<_>, Vec<_>) = waiting.drain(..).map(|w| ((w.entry, w.time), w.reply)).unzip();
        answer(book.write(&entries), replies);
        book.sync_checkpoint();
    }
}

fn answer(written: Result<Vec<Result<Receipt, AuditError>>, AuditError>, replies: Vec<oneshot::Sender<Result<Receipt, AuditError>>>) {
    let receipts = match written {
        Ok(receipts) => receipts,
        Err(error) => vec![Err(error); replies.len()],
    };
    for (reply, receipt) in replies.into_iter().zip(receipts) {
        // Who asked may have gone; the entry stands all the same.
        let _gone = reply.send(receipt);
    }
}
