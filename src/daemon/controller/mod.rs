//! Serves the control protocol on one connection: requests in their order, events between them; one file per subject. Every answer
//! is policy's. Who does not read is cut off; nobody else waits for them.

mod approvals;
mod audit;
mod keep;
mod locks;
mod privilege;
mod published;
mod recordings;
mod sessions;
mod trust;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;

use crate::audit::Entry;
use crate::control::protocol::{self, Event, LINE_MAX, Request, What};
use crate::frontdoor::Refusal;
use crate::identity::Caller;
use crate::record::FRAME;

use self::recordings::Shelf;
use self::watch::Watches;
use super::rooms::Rooms;

/// How long a client may take to read what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at whether the client may still be here.
const BEAT: Duration = Duration::from_millis(500);

/// Most entries that are looked at for one list, and most that it has.
const LIMIT: u32 = 10_000;

/// One connection and what was asked on it so far.
struct Client<'a> {
    rooms: &'a Rooms,
    caller: &'a Caller,
    /// None before `subscribe`.
    events: Option<broadcast::Receiver<Event>>,
    watches: Watches,
    /// The recordings that are open.
    shelf: Shelf,
    /// The lists that were read and are in the audit log.
    read: BTreeSet<&'static str>,
}

impl Rooms {
    /// Serves the control protocol on `stream` until the client leaves.
    pub(super) async fn control(&self, caller: &Caller, stream: impl AsyncRead + AsyncWrite) {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut client =
            Client { rooms: self, caller, events: None, watches: Watches::default(), shelf: Shelf::default(), read: BTreeSet::new() };
        let hello = protocol::hello(&self.config.server.name, &caller.principal().id);
        if !write(&mut writer, &hello).await {
            return;
        }
        let last = client.serve(reader, &mut writer).await;
        client.leave_all();
        if let Some(last) = last {
            // The client may be gone already.
            write(&mut writer, &last).await;
        }
        drop(tokio::time::timeout(PATIENCE, writer.shutdown()).await);
    }
}

impl Client<'_> {
    /// Answers until the client leaves or must; gives what is said last.
    async fn serve(&mut self, reader: impl AsyncRead + Unpin, writer: &mut (impl AsyncWrite + Unpin)) -> Option<String> {
        let mut reader = BufReader::new(reader.take(LINE_MAX as u64 + 1));
        let (mut beat, mut frame) = (tokio::time::interval(BEAT), tokio::time::interval(FRAME));
        frame.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let news = Arc::clone(&self.watches.news);
        let mut line = Vec::new();
        loop {
            let said = tokio::select! {
                read = reader.read_until(b'\n', &mut line) => {
                    // What was buffered before its limit was set again can make it longer.
                    let whole = line.ends_with(b"\n") && line.len() <= LINE_MAX + 1;
                    match read {
                        Ok(_) if whole => {
                            let answer = self.answer(&line).await;
                            line.clear();
                            reader.get_mut().set_limit(LINE_MAX as u64 + 1);
                            answer
                        }
                        Ok(0) if line.is_empty() => return None,
                        Ok(_) => return Some(protocol::failed(None, 2, "A request is one line of at most 64 KiB.")),
                        Err(_) => return None,
                    }
                }
                event = next(&mut self.events) => match event {
                    Some(event) => self.event(&event).await,
                    None => return Some(protocol::failed(None, 3, "You read too slowly and missed events; connect again.")),
                },
                () = news.notified() => {
                    if !self.show(writer).await {
                        return None;
                    }
                    continue;
                }
                _ = frame.tick(), if !self.watches.is_empty() => {
                    news.notify_one();
                    continue;
                }
                // A lock, a revocation or the end of the certificate ends a control connection as it does any other.
                _ = beat.tick() => match self.rooms.identity.stands(self.caller, None).await {
                    Ok(()) => self.recheck(),
                    Err(refusal) => return Some(protocol::failed(None, refusal.exit_status(), &refusal.sentence)),
                },
            };
            if !said.is_empty() && !write(writer, &said).await {
                return None;
            }
        }
    }

    /// Shows what there is of the sessions that are watched; false when the client does not read.
    async fn show(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> bool {
        for text in self.look() {
            if !write(writer, &text).await {
                return false;
            }
        }
        true
    }

    async fn answer(&mut self, line: &[u8]) -> String {
        if line.iter().all(u8::is_ascii_whitespace) {
            return String::new();
        }
        let Request { id, what } = match protocol::read(line) {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        // Somebody who was locked out a moment ago is not heard any more, though the connection ends only at the next beat.
        let stands = self.rooms.identity.stands(self.caller, None).await;
        let done = match stands {
            Ok(()) => self.act(what).await,
            Err(refusal) => Err(refusal),
        };
        match done {
            Ok(value) => protocol::done(id, &value),
            Err(refusal) => protocol::refused(id, &refusal),
        }
    }

    /// Writes down, once for each, which list the client reads.
    async fn note_read(&mut self, what: &What) -> Result<(), Refusal> {
        let Some(what) = what.reads().filter(|what| !self.read.contains(what)) else { return Ok(()) };
        let by = self.caller.principal().id.to_string();
        let entry = Entry::ControlRead { by, what: what.to_owned(), source: self.caller.source() };
        let written = self.rooms.audit.append(entry, self.rooms.clock.now()).await;
        written.map_err(|e| Refusal::unavailable("The bastion cannot write its audit log, so nothing is listed now.", e.to_string()))?;
        self.read.insert(what);
        Ok(())
    }

    async fn act(&mut self, what: What) -> Result<Value, Refusal> {
        self.note_read(&what).await?;
        match what {
            What::Whoami => Ok(crate::control::identity(self.caller)),
            What::Targets => written(&self.rooms.reach(self.caller)),
            What::Published => self.published(),
            What::Subscribe => {
                self.events = Some(self.rooms.bulletin.subscribe());
                Ok(Value::Null)
            }
            What::Sessions(list) => self.sessions(list).await,
            What::EndSession(end) => self.end_session(end).await,
            What::ResumeSession(resume) => self.resume_session(resume).await,
            What::Watch(watch) => self.watch(watch).await,
            What::Unwatch(watch) => self.unwatch(watch),
            What::Approvals(list) => self.approvals(list).await,
            What::AnswerApproval(answer) => self.answer_approval(answer).await,
            What::Locks => self.locks().await,
            What::Audit(read) => self.audit(read).await,
            What::ProveAudit(prove) => self.prove(prove).await,
            What::LeastPrivilege(read) => self.least_privilege(read).await,
            What::Lock(lock) => self.lock(lock).await,
            What::Unlock(lock) => self.unlock(lock).await,
            What::RevokeTrust(revoke) => self.revoke_trust(revoke).await,
            What::RotateAuthority(rotate) => self.rotate_authority(rotate).await,
            What::Recordings(listing) => written(&self.rooms.listed_recordings(self.caller, listing).await?),
            What::OpenRecording(opening) => written(&self.rooms.open_for(self.caller, opening, &mut self.shelf).await?),
            What::ReadRecording(range) => self.rooms.read_range(self.caller, range, &mut self.shelf).await,
            What::HoldRecording(keeping) => self.rooms.hold_recording(self.caller, keeping).await,
            What::ReleaseRecording(keeping) => self.rooms.release_recording(self.caller, keeping).await,
            What::DeleteRecording(keeping) => self.rooms.delete_recording(self.caller, keeping).await,
            What::Search(search) => written(&self.rooms.search_recordings(self.caller, search, &self.shelf).await?),
        }
    }

    /// The event as this caller may see it; nothing if they may not.
    async fn event(&self, event: &Event) -> String {
        let (rooms, caller) = (self.rooms, self.caller);
        match event {
            Event::Session(id) => match rooms.store.session(*id).await {
                Ok(Some(session)) if rooms.enforcer.may_see(caller, &session) => {
                    rooms.as_it_runs(&session).map_or_else(|_| String::new(), |session| protocol::event("session", &session))
                }
                _ => String::new(),
            },
            Event::Approval(id) => match rooms.broker.find(*id).await {
                Ok(approval) if rooms.enforcer.may_see_approval(caller, &approval) => protocol::event("approval", &approval),
                _ => String::new(),
            },
        }
    }
}

/// An answer as JSON.
fn written(value: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|error| Refusal::unavailable("The answer cannot be written.", error.to_string()))
}

/// How many entries a list has, if `wanted` are asked for.
fn at_most(wanted: u32) -> usize {
    usize::try_from(wanted.min(LIMIT)).unwrap_or(0)
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
    match tokio::time::timeout(PATIENCE, writer.write_all(text.as_bytes())).await {
        Ok(written) => written.is_ok(),
        Err(_) => {
            tracing::info!("a control client does not read, and is cut off");
            false
        }
    }
}
