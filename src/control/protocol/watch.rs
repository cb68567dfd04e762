//! What a watcher of a live session is shown. What comes from the target is for a terminal model, never for a terminal.

use serde::Serialize;
use serde_json::Value;

use crate::model::SessionId;

/// The event `watch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename = "watch")]
pub struct Watched {
    /// Of which session.
    pub session: SessionId,
    /// Microseconds since the session began.
    pub at_us: u64,
    /// What is shown.
    #[serde(flatten)]
    pub shown: Shown,
}

/// One thing that is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// The whole screen as it is now: what a terminal model of that size has to be fed. Everything shown before is over.
    Screen(Screen),
    /// What the target printed next.
    Output(String),
    /// The terminal has this many columns and rows now.
    Resize([u16; 2]),
    /// An operation and what became of it.
    Operation(Value),
    /// What the bastion noted.
    Note(String),
    /// The session has ended; nothing comes any more.
    End(End),
}

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Screen {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// What draws it.
    pub text: String,
}

/// How the watching ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// Why.
    pub reason: String,
}
