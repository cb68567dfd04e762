//! Serves the control protocol on one channel: requests in their order, events between them. Every answer is policy's. Who does not
//! read is cut off; nobody else waits for them.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::broadcast;

use crate::control::protocol::{self, Event, LINE_MAX, Request, What};
use crate::frontdoor::Refusal;
use crate::identity::Caller;
use crate::store::{ApprovalFilter, NewOrder, OrderKind, Session, SessionFilter};

use super::rooms::Rooms;
use super::walk::Visit;

/// How long a client may take to read what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at whether the client may still be here.
const BEAT: Duration = Duration::from_millis(500);

/// Most entries of one list.
const LIMIT: u32 = 10_000;

impl Rooms {
    /// Serves the control protocol until the client leaves.
    pub(super) async fn control(&self, caller: &Caller, visit: Visit) {
        let stream = visit.channel.into_stream();
        let (reader, mut writer) = tokio::io::split(stream);
        let mut reader = BufReader::new(reader.take(LINE_MAX as u64 + 1));
        let mut events = None;
        let mut beat = tokio::time::interval(BEAT);
        let mut line = Vec::new();
        if !write(&mut writer, &protocol::hello(&self.config.server.name, &caller.principal().id)).await {
            return;
        }
        loop {
            let answer = tokio::select! {
                read = reader.read_until(b'\n', &mut line) => {
                    let whole = line.ends_with(b"\n");
                    match read {
                        Ok(_) if whole => {
                            let answer = self.control_answer(caller, &line, &mut events).await;
                            line.clear();
                            reader.get_mut().set_limit(LINE_MAX as u64 + 1);
                            answer
                        }
                        Ok(0) if line.is_empty() => return close(writer).await,
                        Ok(_) => {
                            write(&mut writer, &protocol::failed(None, 2, "A request is one line of at most 64 KiB.")).await;
                            return close(writer).await;
                        }
                        Err(_) => return,
                    }
                }
                event = next(&mut events) => match event {
                    Some(event) => self.control_event(caller, &event).await,
                    None => {
                        write(&mut writer, &protocol::failed(None, 3, "You read too slowly and missed events; connect again.")).await;
                        return close(writer).await;
                    }
                },
                _ = beat.tick() => match self.control_may_stay(caller).await {
                    Ok(()) => continue,
                    Err(refusal) => {
                        write(&mut writer, &protocol::failed(None, refusal.exit_status(), &refusal.sentence)).await;
                        return close(writer).await;
                    }
                },
            };
            if !answer.is_empty() && !write(&mut writer, &answer).await {
                return;
            }
        }
    }

    /// A lock, a revocation or the end of the certificate ends a control connection as it does any other.
    async fn control_may_stay(&self, caller: &Caller) -> Result<(), Refusal> {
        self.identity.stands(caller, None).await
    }

    async fn control_answer(&self, caller: &Caller, line: &[u8], events: &mut Option<broadcast::Receiver<Event>>) -> String {
        if line.iter().all(u8::is_ascii_whitespace) {
            return String::new();
        }
        let Request { id, what } = match protocol::read(line) {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        let answered = match what {
            What::Subscribe => {
                *events = Some(self.bulletin.subscribe());
                Ok(serde_json::Value::Null)
            }
            what => self.control_do(caller, what).await,
        };
        match answered {
            Ok(value) => protocol::done(id, &value),
            Err(refusal) => protocol::refused(id, &refusal),
        }
    }

    async fn control_do(&self, caller: &Caller, what: What) -> Result<serde_json::Value, Refusal> {
        let unwritable = |error: serde_json::Error| Refusal::unavailable("The answer cannot be written.", error.to_string());
        match what {
            What::Whoami => Ok(crate::control::identity(caller)),
            What::Targets => serde_json::to_value(self.reach(caller)).map_err(unwritable),
            What::Sessions { all, principal, limit } => {
                let filter = SessionFilter { live: !all, principal, limit: limit.min(LIMIT), ..SessionFilter::default() };
                let sessions = self.store.sessions(filter).await;
                let sessions = sessions.map_err(|e| Refusal::unavailable("The bastion cannot list sessions now.", e.to_string()))?;
                let shown: Vec<_> = sessions.into_iter().filter(|session| self.enforcer.may_see(caller, session)).collect();
                serde_json::to_value(shown).map_err(unwritable)
            }
            What::EndSession { session, reason } => {
                self.end_session(caller, session, reason).await?;
                Ok(serde_json::Value::Null)
            }
            What::Approvals { all, limit } => {
                let filter = ApprovalFilter { waiting: !all, limit: limit.min(LIMIT), ..ApprovalFilter::default() };
                let all = self.broker.list(filter).await?;
                let shown: Vec<_> = all.into_iter().filter(|approval| self.enforcer.may_see_approval(caller, approval)).collect();
                serde_json::to_value(shown).map_err(unwritable)
            }
            What::AnswerApproval { approval, answer, reason, for_seconds } => {
                let approval = self.review(caller, approval, answer.answer(for_seconds), reason).await?;
                serde_json::to_value(approval).map_err(unwritable)
            }
            What::Subscribe => Ok(serde_json::Value::Null),
        }
    }

    /// The event as this caller may see it; nothing if they may not.
    async fn control_event(&self, caller: &Caller, event: &Event) -> String {
        match event {
            Event::Session(id) => match self.store.session(*id).await {
                Ok(Some(session)) if self.enforcer.may_see(caller, &session) => protocol::event("session", &session),
                _ => String::new(),
            },
            Event::Approval(id) => match self.broker.find(*id).await {
                Ok(approval) if self.enforcer.may_see_approval(caller, &approval) => protocol::event("approval", &approval),
                _ => String::new(),
            },
        }
    }

    async fn end_session(&self, caller: &Caller, id: crate::model::SessionId, reason: String) -> Result<(), Refusal> {
        let no_store = |e: crate::store::StoreError| Refusal::unavailable("The bastion cannot reach its store now.", e.to_string());
        let found: Option<Session> = self.store.session(id).await.map_err(no_store)?;
        let no_such = || Refusal::denied(format!("There is no session {id} that runs."), "no such session");
        let session = found.filter(Session::is_live).ok_or_else(no_such)?;
        self.enforcer.permit_end(caller, &session).await?;
        let (now, by) = (self.clock.now(), caller.principal().id.to_string());
        let entry = crate::audit::Entry::SessionEndOrdered { session: id, reason: reason.clone(), by: by.clone() };
        let written = self.audit.append(entry, now).await;
        written.map_err(|e| Refusal::unavailable("The bastion cannot write its audit log, so nothing is ordered now.", e.to_string()))?;
        self.store.give_order(NewOrder { session: id, kind: OrderKind::End, by, reason, at: now }).await.map(drop).map_err(no_store)
    }
}

/// The next event; `None` when some were missed. Without a subscription it never comes.
async fn next(events: &mut Option<broadcast::Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await.ok(),
        None => std::future::pending().await,
    }
}

/// False when the client does not read.
async fn write(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> bool {
    matches!(tokio::time::timeout(PATIENCE, writer.write_all(text.as_bytes())).await, Ok(Ok(())))
}

async fn close(mut writer: impl AsyncWrite + Unpin) {
    // The client may be gone already.
    drop(tokio::time::timeout(PATIENCE, writer.shutdown()).await);
}
