//! The store in one SQLite file, which several processes may open at once (WAL). Every commit is flushed before it is
//! answered. The file is its owner's alone (0600). Only `thread.rs` runs statements; the other files say which.

mod approvals;
mod certificates;
mod columns;
mod locks;
mod orders;
mod revocations;
mod schema;
mod sealed;
mod sessions;
mod thread;

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::{
    Answer, Approval, ApprovalEnd, ApprovalFilter, Certificate, CertificateFilter, Frozen, Lease, Lock, NewApproval, NewCertificate,
    NewLock, NewOrder, NewRevocation, Opening, Order, Review, Revocation, Sealed, Session, SessionEnd, SessionFilter, Shown, Store,
    StoreError,
};
use crate::model::{ApprovalId, SessionId};
use thread::{Access, Desk};

/// How long to wait for another process's write before giving up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The store in a SQLite file. Cheap to clone; all clones share one thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct SqliteStore(Desk);

impl SqliteStore {
    /// Opens the file at `path`, making it if it is not there, and brings its tables up to date. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`], [`StoreError::Foreign`], [`StoreError::Unavailable`].
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let path = path.to_owned();
        Desk::open(move || connect(&path, now)).map(Self)
    }
}

fn connect(path: &Path, now: Timestamp) -> Result<Connection, StoreError> {
    let unopened = |error: std::io::Error| StoreError::Open { path: path.to_owned(), why: error.to_string() };
    let _turn = take_turn(path).map_err(unopened)?;
    protect(path).map_err(unopened)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| StoreError::Open { path: path.to_owned(), why: error.to_string() })?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::check(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    schema::bring_up(&mut connection, path, now)?;
    Ok(connection)
}

/// Lets one process or thread at a time open the file: SQLite does not wait by itself while another switches to write-ahead
/// logging or makes the tables. Held until dropped.
fn take_turn(path: &Path) -> std::io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Makes the file for its owner alone before SQLite sees it; SQLite gives its side files (`-wal`, `-shm`) the same rights.
fn protect(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

impl Store for SqliteStore {
    fn issue(&self, certificate: NewCertificate) -> Answer<'_, u64> {
        self.0.ask(Access::Write, move |c| certificates::issue(c, &certificate))
    }

    fn certificate(&self, serial: u64) -> Answer<'_, Option<Certificate>> {
        self.0.ask(Access::Read, move |c| certificates::find(c, serial))
    }

    fn certificates(&self, filter: CertificateFilter) -> Answer<'_, Vec<Certificate>> {
        self.0.ask(Access::Read, move |c| certificates::list(c, &filter))
    }

    fn revoke(&self, revocation: NewRevocation) -> Answer<'_, u64> {
        self.0.ask(Access::Write, move |c| revocations::revoke(c, &revocation))
    }

    fn is_revoked(&self, shown: Shown) -> Answer<'_, Option<Revocation>> {
        self.0.ask(Access::Read, move |c| revocations::covering(c, &shown))
    }

    fn revocations(&self) -> Answer<'_, Vec<Revocation>> {
        self.0.ask(Access::Read, revocations::list)
    }

    fn add_lock(&self, lock: NewLock) -> Answer<'_, u64> {
        self.0.ask(Access::Write, move |c| locks::add(c, &lock))
    }

    fn remove_lock(&self, id: u64) -> Answer<'_, Lock> {
        self.0.ask(Access::Write, move |c| locks::remove(c, id))
    }

    fn locks(&self, now: Timestamp) -> Answer<'_, Vec<Lock>> {
        self.0.ask(Access::Read, move |c| locks::active(c, now))
    }

    fn open_session(&self, opening: Opening) -> Answer<'_, Lease> {
        self.0.ask(Access::Write, move |c| sessions::open(c, &opening))
    }

    fn close_session(&self, id: SessionId, token: u64, end: SessionEnd) -> Answer<'_, ()> {
        self.0.ask(Access::Write, move |c| sessions::close(c, id, token, &end))
    }

    fn session(&self, id: SessionId) -> Answer<'_, Option<Session>> {
        self.0.ask(Access::Read, move |c| sessions::find(c, id))
    }

    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        self.0.ask(Access::Read, move |c| sessions::list(c, &filter))
    }

    fn close_orphans(&self, node: &str, now: Timestamp, reason: &str) -> Answer<'_, Vec<SessionId>> {
        let (node, reason) = (node.to_owned(), reason.to_owned());
        self.0.ask(Access::Write, move |c| sessions::close_orphans(c, &node, now, &reason))
    }

    fn freeze_session(&self, id: SessionId, token: u64, frozen: Option<Frozen>) -> Answer<'_, ()> {
        self.0.ask(Access::Write, move |c| sessions::freeze(c, id, token, frozen.as_ref()))
    }

    fn give_order(&self, order: NewOrder) -> Answer<'_, u64> {
        self.0.ask(Access::Write, move |c| orders::give(c, &order))
    }

    fn take_orders(&self, node: &str, now: Timestamp) -> Answer<'_, Vec<Order>> {
        let node = node.to_owned();
        self.0.ask(Access::Write, move |c| orders::take(c, &node, now))
    }

    fn open_approval(&self, approval: NewApproval) -> Answer<'_, ()> {
        self.0.ask(Access::Write, move |c| approvals::open(c, &approval))
    }

    fn review_approval(&self, id: ApprovalId, review: Review) -> Answer<'_, Approval> {
        self.0.ask(Access::Write, move |c| approvals::review(c, id, &review))
    }

    fn end_approval(&self, id: ApprovalId, end: ApprovalEnd) -> Answer<'_, Approval> {
        self.0.ask(Access::Write, move |c| approvals::end(c, id, &end))
    }

    fn approval(&self, id: ApprovalId) -> Answer<'_, Option<Approval>> {
        self.0.ask(Access::Read, move |c| approvals::find(c, id))
    }

    fn approvals(&self, filter: ApprovalFilter) -> Answer<'_, Vec<Approval>> {
        self.0.ask(Access::Read, move |c| approvals::list(c, &filter))
    }

    fn put_sealed(&self, sealed: Sealed) -> Answer<'_, ()> {
        self.0.ask(Access::Write, move |c| sealed::put(c, &sealed))
    }

    fn sealed(&self, name: &str) -> Answer<'_, Option<Sealed>> {
        let name = name.to_owned();
        self.0.ask(Access::Read, move |c| sealed::find(c, &name))
    }

    fn all_sealed(&self) -> Answer<'_, Vec<Sealed>> {
        self.0.ask(Access::Read, sealed::list)
    }

    fn remove_sealed(&self, name: &str) -> Answer<'_, ()> {
        let name = name.to_owned();
        self.0.ask(Access::Write, move |c| sealed::remove(c, &name))
    }

    fn generation(&self) -> Answer<'_, u64> {
        self.0.ask(Access::Read, |c| {
            let generation: i64 = c.prepare_cached("SELECT generation FROM meta")?.query_row([], |row| row.get(0))?;
            Ok(u64::try_from(generation).unwrap_or_default())
        })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
