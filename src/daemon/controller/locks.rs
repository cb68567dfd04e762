//! Requests about locks: policy's action `lock`, asked about who or what is locked.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::audit::Entry;
use crate::control::protocol::{AddLock, RemoveLock};
use crate::frontdoor::Refusal;
use crate::model::{Principal, PrincipalId, PrincipalKind};
use crate::store::{Lock, LockSubject, NewLock, SessionFilter};

use super::sessions::no_store;
use super::{Client, written};

impl Client<'_> {
    pub(super) async fn locks(&self) -> Result<Value, Refusal> {
        let all = self.rooms.store.locks(self.rooms.clock.now()).await.map_err(no_store)?;
        let mut shown = Vec::new();
        for lock in all {
            let holder = self.holder(&lock.lock.subject).await?;
            if self.rooms.enforcer.may_see_lock(self.caller, &lock.lock.subject, holder.as_ref()) {
                shown.push(lock);
            }
        }
        written(&shown)
    }

    pub(super) async fn lock(&self, request: AddLock) -> Result<Value, Refusal> {
        // To the microsecond, as the store keeps it.
        let now = self.rooms.clock.now();
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let subject = request.subject(|id| self.kind_of(id)).map_err(|sentence| Refusal::denied(sentence.clone(), sentence))?;
        let expires_at = request.for_seconds.map(|seconds| end(now, seconds)).transpose()?;
        let holder = self.holder(&subject).await?;
        self.rooms.enforcer.permit_lock(self.caller, &subject, holder.as_ref()).await?;
        let by = self.caller.principal().id.to_string();
        let new = NewLock { subject, reason: request.reason, by, created_at: now, expires_at };
        // The lock first: should the audit log fail, somebody is kept out and the caller is told.
        let id = self.rooms.store.add_lock(new.clone()).await.map_err(no_store)?;
        let entry = Entry::LockAdded {
            lock: id,
            subject: new.subject.to_string(),
            reason: new.reason.clone(),
            by: new.by.clone(),
            expires_at: new.expires_at,
        };
        self.note(entry, now, &format!("Lock {id} is in force, but")).await?;
        written(&Lock { id, lock: new })
    }

    pub(super) async fn unlock(&self, RemoveLock { lock: id }: RemoveLock) -> Result<Value, Refusal> {
        let now = self.rooms.clock.now();
        let found = self.rooms.store.locks(now).await.map_err(no_store)?.into_iter().find(|lock| lock.id == id);
        let no_such = || Refusal::denied(format!("There is no lock {id} in force."), "no such lock");
        let lock = found.ok_or_else(no_such)?;
        let holder = self.holder(&lock.lock.subject).await?;
        self.rooms.enforcer.permit_lock(self.caller, &lock.lock.subject, holder.as_ref()).await?;
        let by = self.caller.principal().id.to_string();
        // The audit log first: nobody is let in again unseen.
        self.note(Entry::LockRemoved { lock: id, subject: lock.lock.subject.to_string(), by }, now, "It stays locked:").await?;
        self.rooms.store.remove_lock(id).await.map_err(no_store)?;
        written(&lock)
    }

    pub(super) async fn note(&self, entry: Entry, now: Timestamp, what: &str) -> Result<(), Refusal> {
        let written = self.rooms.audit.append(entry, now).await;
        written.map(drop).map_err(|error| {
            Refusal::unavailable(format!("{what} the bastion cannot write its audit log; tell the operator."), error.to_string())
        })
    }

    pub(super) fn kind_of(&self, id: &PrincipalId) -> PrincipalKind {
        let issuer = self.rooms.config.issuers.iter().find(|issuer| issuer.name.as_str() == id.issuer());
        issuer.map_or(PrincipalKind::User, |issuer| issuer.kind)
    }

    /// Who a lock is on, with the groups they were last seen in.
    async fn holder(&self, subject: &LockSubject) -> Result<Option<Principal>, Refusal> {
        let (kind, id) = match subject {
            LockSubject::User(id) => (PrincipalKind::User, id.clone()),
            LockSubject::Service(id) => (PrincipalKind::Service, id.clone()),
            LockSubject::Certificate(serial) => {
                let found = self.rooms.store.certificate(*serial).await.map_err(no_store)?;
                let Some(id) = found.and_then(|found| found.certificate.principal) else { return Ok(None) };
                (self.kind_of(&id), id)
            }
            LockSubject::Group(_) | LockSubject::Target(_) | LockSubject::Source(_) => return Ok(None),
        };
        self.last_seen(kind, id).await.map(Some)
    }

    /// Somebody, with the groups they were last seen in.
    pub(super) async fn last_seen(&self, kind: PrincipalKind, id: PrincipalId) -> Result<Principal, Refusal> {
        let filter = SessionFilter { principal: Some(id.clone()), limit: 1, ..SessionFilter::default() };
        let last = self.rooms.store.sessions(filter).await.map_err(no_store)?.into_iter().next();
        let seen = last.map(|session| session.opening.principal).filter(|seen| seen.kind == kind);
        Ok(seen.unwrap_or(Principal { kind, id, groups: Vec::new() }))
    }
}

fn end(now: Timestamp, seconds: u64) -> Result<Timestamp, Refusal> {
    let span = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
    let end = span.and_then(|span| now.checked_add(span).ok());
    end.ok_or_else(|| Refusal::denied("`for_seconds` is no time that a lock can last.", "bad for_seconds"))
}
