//! State that outlives a process: certificates issued and revoked, locks, sessions, orders to running sessions, approvals.
//!
//! One trait, one conformance suite, SQLite behind it. Every answer comes after the change is durable; a store that cannot
//! answer says so and its caller refuses the visitor. Never decides anything, never reads the clock: each moment is passed in.
//! Moments are [`jiff::Timestamp`]s in UTC, kept to the microsecond.

mod approval;
mod certificate;
mod error;
mod lock;
mod order;
mod outline;
mod revocation;
mod sealed;
mod session;
mod sqlite;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

use crate::model::{ApprovalId, SessionId};

pub use approval::{Approval, ApprovalEnd, ApprovalFilter, ApprovalState, Needed, NewApproval, Review, Signed};
pub use certificate::{Certificate, CertificateFilter, NewCertificate};
pub use error::StoreError;
pub use lock::{Lock, LockSubject, NewLock, Subjected};
pub use order::{NewOrder, Order, OrderKind};
pub use outline::{Outline, StatementOutline, TableOutline};
pub use revocation::{NewRevocation, Revocation, Revoked, Shown};
pub use sealed::Sealed;
pub use session::{Frozen, Lease, Opening, Session, SessionEnd, SessionFilter};
pub use sqlite::SqliteStore;

/// What a store gives back: a future that can be awaited anywhere. Dropping it does not take the request back.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The state of one deployment, shared by all processes that open it.
///
/// Every method fails with [`StoreError::Unavailable`] when the store cannot be reached or written; the errors named at a
/// method come on top of that. A failed request has changed nothing.
pub trait Store: Send + Sync {
    /// Records a certificate before it is signed and gives its serial: dense from 1 over all authorities, never used twice.
    fn issue(&self, certificate: NewCertificate) -> Answer<'_, u64>;

    /// The certificate with this serial.
    fn certificate(&self, serial: u64) -> Answer<'_, Option<Certificate>>;

    /// Certificates that fit, newest first.
    fn certificates(&self, filter: CertificateFilter) -> Answer<'_, Vec<Certificate>>;

    /// Takes trust away, for good. Gives the revocation's number.
    fn revoke(&self, revocation: NewRevocation) -> Answer<'_, u64>;

    /// The first revocation that covers what a visitor showed, in one query; none when it is still good.
    fn is_revoked(&self, shown: Shown) -> Answer<'_, Option<Revocation>>;

    /// All revocations, oldest first.
    fn revocations(&self) -> Answer<'_, Vec<Revocation>>;

    /// Locks a subject out. Gives the lock's id, never used twice.
    fn add_lock(&self, lock: NewLock) -> Answer<'_, u64>;

    /// Takes a lock away and shows what it was. Fails with [`StoreError::NotFound`] when there is none with this id.
    fn remove_lock(&self, id: u64) -> Answer<'_, Lock>;

    /// Locks in force at `now`, oldest first.
    fn locks(&self, now: Timestamp) -> Answer<'_, Vec<Lock>>;

    /// Records a session before its target is dialled. Fails with [`StoreError::Duplicate`] when its id is known already.
    fn open_session(&self, opening: Opening) -> Answer<'_, Lease>;

    /// Records how a session ended. `token` is the one of its [`Lease`]; fails with [`StoreError::NotFound`], with
    /// [`StoreError::Ended`] when it was closed before, with [`StoreError::Fenced`] when somebody else holds the lease.
    fn close_session(&self, id: SessionId, token: u64, end: SessionEnd) -> Answer<'_, ()>;

    /// The session with this id.
    fn session(&self, id: SessionId) -> Answer<'_, Option<Session>>;

    /// Sessions that fit, newest first.
    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>>;

    /// Closes what `node` left open when it died, at its next start. Whoever still held a lease of these is fenced off.
    fn close_orphans(&self, node: &str, now: Timestamp, reason: &str) -> Answer<'_, Vec<SessionId>>;

    /// Records that a session stands still, or with none that it goes on. `token` and errors are as for closing it.
    fn freeze_session(&self, id: SessionId, token: u64, frozen: Option<Frozen>) -> Answer<'_, ()>;

    /// Gives an order to a running session. Fails with [`StoreError::NotFound`], [`StoreError::Ended`], and with
    /// [`StoreError::NotFrozen`] where there is nothing to resume. Gives the order's number.
    fn give_order(&self, order: NewOrder) -> Answer<'_, u64>;

    /// Orders to sessions of `node` that were not taken yet, oldest first; each is given once.
    fn take_orders(&self, node: &str, now: Timestamp) -> Answer<'_, Vec<Order>>;

    /// Records an operation that waits from now on.
    fn open_approval(&self, approval: NewApproval) -> Answer<'_, ()>;

    /// Adds what somebody said and settles what it settles. Whether they may answer was decided before. Fails with
    /// [`StoreError::NotFound`], [`StoreError::Settled`] when it waits no more, [`StoreError::Reviewed`] when they answered before.
    fn review_approval(&self, id: ApprovalId, review: Review) -> Answer<'_, Approval>;

    /// Ends a wait, or takes back what was approved. Fails with [`StoreError::NotFound`], or [`StoreError::Settled`] when it
    /// stands so that this cannot be.
    fn end_approval(&self, id: ApprovalId, end: ApprovalEnd) -> Answer<'_, Approval>;

    /// The approval with this id.
    fn approval(&self, id: ApprovalId) -> Answer<'_, Option<Approval>>;

    /// Approvals that fit, newest first.
    fn approvals(&self, filter: ApprovalFilter) -> Answer<'_, Vec<Approval>>;

    /// Keeps a sealed secret, in the place of the one of its name.
    fn put_sealed(&self, sealed: Sealed) -> Answer<'_, ()>;

    /// The sealed secret of that name.
    fn sealed(&self, name: &str) -> Answer<'_, Option<Sealed>>;

    /// All sealed secrets, by name.
    fn all_sealed(&self) -> Answer<'_, Vec<Sealed>>;

    /// Takes a sealed secret away. Fails with [`StoreError::NotFound`].
    fn remove_sealed(&self, name: &str) -> Answer<'_, ()>;

    /// A number that changes whenever a lock is added or removed, something is revoked, an order is given, or an approval is
    /// asked for or changes, by any process.
    /// A lock that runs out does not change it: compare `expires_at` with the time.
    fn generation(&self) -> Answer<'_, u64>;
}

#[cfg(test)]
mod conformance;
