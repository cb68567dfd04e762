//! Requests about sessions.

use serde_json::Value;

use crate::audit::Entry;
use crate::control::protocol::{EndSession, ListSessions};
use crate::frontdoor::Refusal;
use crate::model::SessionId;
use crate::store::{NewOrder, OrderKind, Session, SessionFilter, StoreError};

use super::{Client, LIMIT, Rooms, at_most, written};

impl Client<'_> {
    /// What others may not see counts for nobody's limit: it is left out first.
    pub(super) async fn sessions(&self, list: ListSessions) -> Result<Value, Refusal> {
        let ListSessions { all, principal, target, since, session, limit } = list;
        let filter = SessionFilter { live: !all, principal, target, since, limit: LIMIT, ..SessionFilter::default() };
        let found = match session {
            Some(id) => self.rooms.store.session(id).await.map(|found| found.into_iter().collect()),
            None => self.rooms.store.sessions(filter).await,
        };
        let found: Vec<Session> = found.map_err(no_store)?;
        let shown = found.iter().filter(|session| self.rooms.enforcer.may_see(self.caller, session)).take(at_most(limit));
        shown.map(|session| self.rooms.as_it_runs(session)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    pub(super) async fn end_session(&self, EndSession { session: id, reason }: EndSession) -> Result<Value, Refusal> {
        let session = self.live_session(id).await?;
        self.rooms.enforcer.permit_end(self.caller, &session).await?;
        let by = self.caller.principal().id.to_string();
        self.order(OrderKind::End, id, reason.clone(), Entry::SessionEndOrdered { session: id, reason, by }).await
    }

    /// Whoever may end a session may let it go on, but for the one whose session it is: they would let themselves go on.
    pub(super) async fn resume_session(&self, EndSession { session: id, reason }: EndSession) -> Result<Value, Refusal> {
        let session = self.live_session(id).await?;
        self.rooms.enforcer.permit_end(self.caller, &session).await?;
        let caller = &self.caller.principal().id;
        if session.opening.principal.id == *caller {
            let sentence = "Somebody else has to let your session go on.";
            let entry = Entry::Refused {
                what: "session.resume".to_owned(),
                principal: Some(caller.clone()),
                source: self.caller.source(),
                detail: format!("session {id}: {sentence}"),
            };
            self.note(entry, self.rooms.clock.now(), "Somebody else has to let it go on, and").await?;
            return Err(Refusal::denied(sentence, sentence));
        }
        if session.frozen.is_none() {
            let sentence = StoreError::NotFrozen(id).to_string();
            return Err(Refusal::denied(format!("{sentence}."), sentence));
        }
        let by = caller.to_string();
        self.order(OrderKind::Resume, id, reason.clone(), Entry::SessionResumeOrdered { session: id, reason, by }).await
    }

    /// Gives an order, after it was written down.
    async fn order(&self, kind: OrderKind, session: SessionId, reason: String, entry: Entry) -> Result<Value, Refusal> {
        let (at, by) = (self.rooms.clock.now(), self.caller.principal().id.to_string());
        self.note(entry, at, "Nothing is ordered:").await?;
        let order = NewOrder { session, kind, by, reason, at };
        self.rooms.store.give_order(order).await.map(|_| Value::Null).map_err(no_store)
    }

    /// The session, if it runs.
    pub(super) async fn live_session(&self, id: SessionId) -> Result<Session, Refusal> {
        let found = self.rooms.store.session(id).await.map_err(no_store)?;
        let no_such = || Refusal::denied(format!("There is no session {id} that runs."), "no such session");
        found.filter(Session::is_live).ok_or_else(no_such)
    }
}

impl Rooms {
    /// The session, with who watches it where it runs here.
    pub(super) fn as_it_runs(&self, session: &Session) -> Result<Value, Refusal> {
        let mut value = written(session)?;
        if let (Some(running), Some(fields)) = (self.live.find(session.opening.id), value.as_object_mut()) {
            fields.insert("watchers".to_owned(), running.watchable().watchers().into());
            let missing: Vec<_> = running.moderation().missing().into_iter().flat_map(|(_, groups)| groups).collect();
            if !missing.is_empty() {
                fields.insert("waits_for".to_owned(), missing.into());
            }
        }
        Ok(value)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(super) fn no_store(error: StoreError) -> Refusal {
    Refusal::unavailable("The bastion cannot reach its store now.", error.to_string())
}
