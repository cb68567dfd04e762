//! What the control protocol asks and says of recordings. Which of them a caller may see, policy decides elsewhere.

use bartizan_recorder::{Hit, Reason, Recording, TextKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::model::SessionId;

/// The most that one `recording.read` answers, in bytes.
pub const READ_MAX: u32 = 256 << 10;

/// Which recordings to list. Everything, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Part of the principal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The target's name; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `ssh`, `ssh.shell`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With an operation that was decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Begun then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Begun before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// In which this text was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most so many; 100 where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a recording is opened for: policy may permit one and not the other, and the audit log tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To look at it.
    Replay,
    /// To take a copy.
    Export,
    /// To check that it is as it was written.
    Verify,
}

/// Opens a recording for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Whose recording.
    pub session: SessionId,
    /// What for.
    pub purpose: Purpose,
    /// Why; policy may ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether what was typed is wanted, where it was recorded: that has a right of its own.
    #[serde(default)]
    pub input: bool,
    /// What the copy is made into, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// Holds a recording, releases it or deletes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// Whose recording.
    pub session: SessionId,
    /// Why: needed to hold and to delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The files that may be read, and how long they are now.
    pub files: Vec<OpenedFile>,
    /// Whether it has ended.
    pub sealed: bool,
    /// Whether it can be read only with an auditor's identity.
    pub encrypted: bool,
    /// Whether the caller may see what was typed. It is among the files where it was recorded and asked for.
    pub view_input: bool,
}

/// One file of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its name in the recording's folder.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
}

/// Reads a range of a file of a recording that was opened on the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Whose recording.
    pub session: SessionId,
    /// Which file.
    pub file: String,
    /// From which byte.
    pub offset: u64,
    /// How many bytes, at most [`READ_MAX`]; at the end of the file fewer are answered.
    pub length: u32,
}

/// What to search for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// The text, as it stands; of three characters or more. Empty: every operation.
    pub query: String,
    /// Only in this recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Part of the principal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The target's name; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Kinds of text, with commas between them; `input` only where it is named, and where the caller may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only operations that were decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// In sessions begun then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// In sessions begun before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// At most so many hits; 100 where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Search {
    /// The kinds of text that are named.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn kinds(&self) -> Result<Vec<TextKind>, String> {
        let names = self.kind.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| TextKind::named(name).ok_or_else(|| name.to_owned())).collect()
    }
}

/// One recording of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The session's id.
    pub id: String,
    /// Its number.
    pub number: u64,
    /// Whose it was.
    pub principal: String,
    /// Where.
    pub target: String,
    /// The target's tags then.
    pub tags: std::collections::BTreeMap<String, String>,
    /// As which account.
    pub login: Option<String>,
    /// What kind of session.
    pub kind: String,
    /// The command that was asked for.
    pub command: Option<String>,
    /// When it began.
    pub started_at: String,
    /// How long it was; none while it runs.
    pub duration_us: Option<u64>,
    /// Whether it has ended.
    pub sealed: bool,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// The exit status, if there was one.
    pub exit_status: Option<u32>,
    /// Bytes of its first channel.
    pub bytes: u64,
    /// Where its principal came from.
    pub source_address: String,
    /// Whether it can be read only with an identity of one of `recipients`.
    pub encrypted: bool,
    /// Whom it is encrypted to.
    pub recipients: Vec<String>,
}

impl Listed {
    /// What is said of `recording`.
    #[must_use]
    pub fn of(recording: &Recording) -> Self {
        let (head, seal) = (recording.head(), recording.seal());
        Self {
            id: head.session.as_str().to_owned(),
            number: head.number,
            principal: head.principal.clone(),
            target: head.target.clone(),
            tags: head.tags.clone(),
            login: head.login.clone(),
            kind: head.kind.clone(),
            command: head.command.clone(),
            started_at: moment(head.started_us),
            duration_us: recording.duration_us(),
            sealed: seal.is_some(),
            reason: seal.map(|seal| seal.reason),
            exit_status: seal.and_then(|seal| seal.exit.as_ref()).and_then(|exit| exit.status),
            bytes: recording.bytes().unwrap_or(0),
            source_address: head.source_address.clone(),
            encrypted: recording.is_encrypted(),
            recipients: head.recipients.clone(),
        }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In which session.
    pub session: String,
    /// When that was.
    pub time: String,
    /// The same, in microseconds since the session began: where to jump to.
    pub at_us: u64,
    /// Whose session.
    pub principal: String,
    /// Where.
    pub target: String,
    /// What it is the text of.
    pub kind: String,
    /// The verdict, of an operation that has one.
    pub verdict: Option<String>,
    /// What was found and a little around it.
    pub text: String,
}

impl From<Hit> for Finding {
    fn from(hit: Hit) -> Self {
        Self {
            time: moment(hit.started_us.saturating_add_unsigned(hit.at_us)),
            session: hit.session.into(),
            at_us: hit.at_us,
            principal: hit.principal,
            target: hit.target,
            kind: hit.kind.name().to_owned(),
            verdict: hit.verdict,
            text: hit.snippet,
        }
    }
}

/// A moment in microseconds since 1970-01-01 UTC, as it is shown.
#[must_use]
pub fn moment(us: i64) -> String {
    Timestamp::from_microsecond(us).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}
