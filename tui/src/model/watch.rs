//! What a watcher of a live session is told. What the target printed is for a terminal model, never for a terminal.

use serde::Deserialize;
use serde_json::Value;

use crate::safe::Text;

/// The answer to `session.watch`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Watching {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Microseconds since the session began.
    #[serde(default)]
    pub at_us: u64,
}

/// The event `watch`: one of its fields is there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Watched {
    /// Of which session.
    pub session: Text,
    /// Microseconds since the session began.
    #[serde(default)]
    pub at_us: u64,
    /// The whole screen.
    #[serde(default)]
    pub screen: Option<WatchedScreen>,
    /// What was printed next.
    #[serde(default)]
    pub output: Option<String>,
    /// Columns and rows.
    #[serde(default)]
    pub resize: Option<(u16, u16)>,
    /// An operation and what became of it.
    #[serde(default)]
    pub operation: Option<Value>,
    /// A remark of the bastion's.
    #[serde(default)]
    pub note: Option<Text>,
    /// The session has ended.
    #[serde(default)]
    pub end: Option<Value>,
}

/// A screen: what a terminal model of that size has to be fed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WatchedScreen {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// The text.
    #[serde(default)]
    pub text: String,
}
