//! The control protocol, version 1: one JSON object per line, requests in, answers and events out. bartizan-control(7) describes
//! it. Each request is decided by policy by whoever serves it; nothing here decides.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::canonical;
use crate::frontdoor::Refusal;
use crate::model::{ApprovalId, PrincipalId, SessionId};

use super::command::Answer;

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The longest request, in bytes.
pub const LINE_MAX: usize = 64 << 10;

/// One request. `id` is the client's, and comes back with the answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// The client's number for it.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub what: What,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum What {
    /// Who the bastion thinks the client is.
    Whoami,
    /// The targets they can reach.
    Targets,
    /// Sessions that they own or may watch or end, newest first.
    Sessions {
        /// Those that have ended, too.
        #[serde(default)]
        all: bool,
        /// Only of this principal.
        principal: Option<PrincipalId>,
        /// At most so many.
        #[serde(default = "hundred")]
        limit: u32,
    },
    /// End a session.
    #[serde(rename = "session.end")]
    EndSession {
        /// Which.
        session: SessionId,
        /// Why; its user is told.
        #[serde(default)]
        reason: String,
    },
    /// Approvals that they asked for or can answer, newest first.
    Approvals {
        /// Those that were settled, too.
        #[serde(default)]
        all: bool,
        /// At most so many.
        #[serde(default = "hundred")]
        limit: u32,
    },
    /// Answer an approval.
    #[serde(rename = "approval.answer")]
    AnswerApproval {
        /// Which.
        approval: ApprovalId,
        /// What is said.
        answer: AnswerWord,
        /// Why; who asked is told.
        #[serde(default)]
        reason: String,
        /// For `approve`: for no longer than this.
        for_seconds: Option<u64>,
    },
    /// Send events from now on.
    Subscribe,
}

/// What can be said to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerWord {
    /// Let it go on.
    Approve,
    /// Refuse it.
    Deny,
    /// Take an approval back.
    Revoke,
    /// Take one's own request back.
    Withdraw,
}

impl AnswerWord {
    /// The answer, for no longer than `seconds`.
    #[must_use]
    pub fn answer(self, seconds: Option<u64>) -> Answer {
        match self {
            Self::Approve => Answer::Approve(seconds.map(Duration::from_secs)),
            Self::Deny => Answer::Deny,
            Self::Revoke => Answer::Revoke,
            Self::Withdraw => Answer::Withdraw,
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

/// Nothing in it can act on a terminal.
fn line(value: &Value) -> String {
    let mut text = canonical(value);
    text.push('\n');
    text
}
