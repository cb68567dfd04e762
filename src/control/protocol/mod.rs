//! The control protocol, version 1: one JSON object per line, requests in, answers and events out. bartizan-control(7) describes
//! it. One file per subject. Each request is decided by policy by whoever serves it; nothing here decides.

mod approvals;
mod audit;
mod locks;
mod sessions;
mod trust;
mod watch;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::canonical;
use crate::frontdoor::Refusal;
use crate::model::{ApprovalId, PrincipalId, SessionId};

use super::recordings::{Keeping, Listing, Opening, Range, Search};

pub use approvals::{AnswerApproval, AnswerWord, ListApprovals};
pub use audit::{AuditFilter, ProveAudit, ReadAudit, ReadPrivileges};
pub use locks::{AddLock, RemoveLock, network};
pub use sessions::{EndSession, ListSessions, WatchSession};
pub use trust::{RevokeTrust, RotateAuthority, fingerprint};
pub use watch::{End, Screen, Shown, Watched};

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The longest request, in bytes.
pub const LINE_MAX: usize = 64 << 10;

/// One request. `id` is the client's, and comes back with the answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Request {
    /// The client's number for it.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub what: What,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "do")]
pub enum What {
    /// Who the bastion thinks the client is.
    #[serde(rename = "whoami")]
    Whoami,
    /// The targets they can reach.
    #[serde(rename = "targets")]
    Targets,
    /// Who publishes targets now.
    #[serde(rename = "published")]
    Published,
    /// Send events from now on.
    #[serde(rename = "subscribe")]
    Subscribe,
    /// Sessions that they own or may watch or end, newest first.
    #[serde(rename = "sessions")]
    Sessions(ListSessions),
    /// End a session.
    #[serde(rename = "session.end")]
    EndSession(EndSession),
    /// Let a session go on that a guard rail froze.
    #[serde(rename = "session.resume")]
    ResumeSession(EndSession),
    /// Show what a session shows, from its present screen on.
    #[serde(rename = "session.watch")]
    Watch(WatchSession),
    /// Show it no longer.
    #[serde(rename = "session.unwatch")]
    Unwatch(WatchSession),
    /// Approvals that they asked for or can answer, newest first.
    #[serde(rename = "approvals")]
    Approvals(ListApprovals),
    /// Answer an approval.
    #[serde(rename = "approval.answer")]
    AnswerApproval(AnswerApproval),
    /// The locks in force, of those that they could take away.
    #[serde(rename = "locks")]
    Locks,
    /// Keep somebody or something out.
    #[serde(rename = "lock")]
    Lock(AddLock),
    /// Entries of the audit log that they may read, newest first.
    #[serde(rename = "audit")]
    Audit(ReadAudit),
    /// The proof that the transparency log has one of them.
    #[serde(rename = "audit.proof")]
    ProveAudit(ProveAudit),
    /// What services, and people if asked, are granted, and what they used of it.
    #[serde(rename = "least_privilege")]
    LeastPrivilege(ReadPrivileges),
    /// Let it in again.
    #[serde(rename = "unlock")]
    Unlock(RemoveLock),
    /// Take trust away, for good.
    #[serde(rename = "trust.revoke")]
    RevokeTrust(RevokeTrust),
    /// Give an authority a new key.
    #[serde(rename = "authority.rotate")]
    RotateAuthority(RotateAuthority),
    /// Recordings that they may replay, newest first.
    #[serde(rename = "recordings")]
    Recordings(Listing),
    /// Open a recording for reading.
    #[serde(rename = "recording.open")]
    OpenRecording(Opening),
    /// A range of a file of a recording that is open.
    #[serde(rename = "recording.read")]
    ReadRecording(Range),
    /// Keep a recording whatever its age.
    #[serde(rename = "recording.hold")]
    HoldRecording(Keeping),
    /// Let a recording go that is held.
    #[serde(rename = "recording.release")]
    ReleaseRecording(Keeping),
    /// Remove a recording before its time.
    #[serde(rename = "recording.delete")]
    DeleteRecording(Keeping),
    /// Search recordings that they may replay.
    #[serde(rename = "search")]
    Search(Search),
}

impl What {
    /// The name of what is only read, for the audit log; none for what has an entry of its own, and for what only concerns the client.
    #[must_use]
    pub fn reads(&self) -> Option<&'static str> {
        match self {
            Self::Targets => Some("targets"),
            Self::Published => Some("published"),
            Self::Subscribe => Some("events"),
            Self::Sessions(_) => Some("sessions"),
            Self::Approvals(_) => Some("approvals"),
            Self::Locks => Some("locks"),
            Self::Recordings(_) => Some("recordings"),
            Self::Whoami
            | Self::EndSession(_)
            | Self::ResumeSession(_)
            | Self::Watch(_)
            | Self::Unwatch(_)
            | Self::AnswerApproval(_)
            | Self::Lock(_)
            | Self::Unlock(_)
            | Self::RevokeTrust(_)
            | Self::RotateAuthority(_)
            | Self::Audit(_)
            | Self::ProveAudit(_)
            | Self::LeastPrivilege(_)
            | Self::OpenRecording(_)
            | Self::ReadRecording(_)
            | Self::HoldRecording(_)
            | Self::ReleaseRecording(_)
            | Self::DeleteRecording(_)
            | Self::Search(_) => None,
        }
    }
}

fn hundred() -> u32 {
    100
}

/// Something that happened, as it is handed out. What is in it is decided on for each who would hear it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A session began, ended or changed.
    Session(SessionId),
    /// An approval was asked for, answered or ended.
    Approval(ApprovalId),
}

/// Reads one line.
///
/// # Errors
/// The answer to it, when it is no request.
pub fn read(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| {
        // Its number, if that much can be read.
        let id = serde_json::from_slice::<Value>(line).ok().and_then(|value| value.get("id").and_then(Value::as_u64));
        failed(id, 2, &format!("That is not a request: {error}"))
    })
}

/// The first line of the server's.
#[must_use]
pub fn hello(server: &str, principal: &PrincipalId) -> String {
    line(&json!({ "hello": { "protocol": "bartizan-control", "version": VERSION, "server": server, "principal": principal } }))
}

/// A good answer.
#[must_use]
pub fn done(id: u64, value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(value) => line(&json!({ "id": id, "ok": value })),
        Err(error) => failed(Some(id), 3, &error.to_string()),
    }
}

/// A refusal.
#[must_use]
pub fn refused(id: u64, refusal: &Refusal) -> String {
    failed(Some(id), refusal.exit_status(), &refusal.sentence)
}

/// An answer that is none. `code` is as an exit status of `bartizan`.
#[must_use]
pub fn failed(id: Option<u64>, code: u32, message: &str) -> String {
    line(&json!({ "id": id, "error": { "code": code, "message": message } }))
}

/// An event.
#[must_use]
pub fn event(kind: &str, what: &impl Serialize) -> String {
    let value = serde_json::to_value(what).unwrap_or_default();
    line(&json!({ "event": kind, kind: value }))
}

/// What a watcher is shown.
#[must_use]
pub fn watched(what: &Watched) -> String {
    line(&json!(what))
}

/// Nothing in it can act on a terminal.
fn line(value: &Value) -> String {
    let mut text = canonical(value);
    text.push('\n');
    text
}
