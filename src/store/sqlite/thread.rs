//! The one thread that talks to SQLite. It takes all requests that wait and commits them together, so that many visitors
//! share one flush; each request has a savepoint of its own, so that one that fails leaves the others alone. No request is
//! answered before the commit. Never more than [`WAITING`] requests wait: who comes then waits to be let in.

use std::sync::mpsc as started;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::{Answer, StoreError};

/// Requests that may wait for the thread.
const WAITING: usize = 1_024;
/// Requests that are committed together at most, so that the first of them need not wait long.
const TOGETHER: usize = 256;

/// Whether a request changes something: only then the write lock, which other processes wait for, is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The way to the thread. The thread ends when the last of these is gone.
#[derive(Debug, Clone)]
pub(super) struct Desk(mpsc::Sender<Box<dyn Job>>);

trait Job: Send {
    fn access(&self) -> Access;
    fn run(&mut self, connection: &Connection);
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Request<T, F> {
    access: Access,
    work: Option<F>,
    outcome: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Request<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn access(&self) -> Access {
        self.access
    }

    fn run(&mut self, connection: &Connection) {
        let Some(work) = self.work.take() else { return };
        self.outcome = match self.access {
            Access::Read => work(connection),
            Access::Write => apart(connection, work),
        };
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // Who asked may have gone; the change stands all the same.
        let _gone = self.reply.send(committed.and(self.outcome));
    }
}

/// Runs `work` in a savepoint, so that its failure undoes only itself.
fn apart<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT request")?;
    let outcome = work(connection);
    let end = if outcome.is_ok() { "RELEASE request" } else { "ROLLBACK TO request; RELEASE request" };
    let ended = connection.execute_batch(end);
    outcome.and_then(|value| ended.map(|()| value).map_err(StoreError::from))
}

impl Desk {
    /// Opens the database on a thread of its own.
    pub(super) fn open(open: impl FnOnce() -> Result<Connection, StoreError> + Send + 'static) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (tell, told) = started::sync_channel(1);
        let run = move || match open() {
            Ok(connection) => {
                let _starter_waits = tell.send(Ok(()));
                serve(&connection, receiver);
            }
            Err(error) => {
                let _starter_waits = tell.send(Err(error));
            }
        };
        let unavailable = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string());
        std::thread::Builder::new().name("store".into()).spawn(run).map_err(|error| unavailable(&error))?;
        told.recv().map_err(|error| unavailable(&error))??;
        Ok(Self(sender))
    }

    /// Has `work` done by the thread and answers when it is committed.
    pub(super) fn ask<T, F>(&self, access: Access, work: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || StoreError::Unavailable("its thread has ended".into());
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let request = Request { access, work: Some(work), outcome: Err(gone()), reply };
            self.0.send(Box::new(request)).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }
}

fn serve(connection: &Connection, mut receiver: mpsc::Receiver<Box<dyn Job>>) {
    let mut jobs = Vec::new();
    while receiver.blocking_recv_many(&mut jobs, TOGETHER) > 0 {
        let committed = commit(connection, &mut jobs);
        for job in jobs.drain(..) {
            job.answer(committed.clone());
        }
    }
}

/// Does all `jobs` in one transaction.
fn commit(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let writes = jobs.iter().any(|job| job.access() == Access::Write);
    connection.execute_batch(if writes { "BEGIN IMMEDIATE" } else { "BEGIN DEFERRED" })?;
    for job in jobs.iter_mut() {
        job.run(connection);
        // A full disk or an I/O error makes SQLite roll all of it back (sqlite.org/lang_transaction.html, "Response To Errors").
        if connection.is_autocommit() {
            return Err(StoreError::Unavailable("the disk is full or failing; the change was undone".into()));
        }
    }
    let done = connection.execute_batch("COMMIT");
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(done?)
}
