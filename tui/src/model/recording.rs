//! Recordings and what was found in them, as the bastion tells of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::place;
use crate::safe::Text;

/// A recording of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recording {
    /// The session's id.
    pub id: Text,
    /// Its number.
    #[serde(default)]
    pub number: u64,
    /// Whose it was: `issuer/name`.
    #[serde(default)]
    pub principal: Text,
    /// Where.
    #[serde(default)]
    pub target: Text,
    /// The target's tags then.
    #[serde(default)]
    pub tags: BTreeMap<Text, Text>,
    /// As which account.
    #[serde(default)]
    pub login: Option<Text>,
    /// `ssh.shell`, `ssh.sftp`, …
    #[serde(default)]
    pub kind: Text,
    /// The command that was asked for; none for a shell.
    #[serde(default)]
    pub command: Option<Text>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it is, in microseconds; none while it runs.
    #[serde(default)]
    pub duration_us: Option<u64>,
    /// Whether it has ended.
    #[serde(default)]
    pub sealed: bool,
    /// Why it ended.
    #[serde(default)]
    pub reason: Option<Text>,
    /// The program's exit status.
    #[serde(default)]
    pub exit_status: Option<u32>,
    /// Bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Where its principal came from.
    #[serde(default)]
    pub source_address: Text,
    /// Whether it can be read only with an auditor's identity.
    #[serde(default)]
    pub encrypted: bool,
}

impl Recording {
    /// `login@target`.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.login.as_ref(), &self.target)
    }

    /// A sign and a word for how it stands.
    #[must_use]
    pub fn state(&self) -> (&'static str, &'static str) {
        match (self.sealed, self.encrypted) {
            (false, _) => ("●", "running"),
            (true, true) => ("◆", "sealed, encrypted"),
            (true, false) => ("✓", "sealed"),
        }
    }
}

/// Something found in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hit {
    /// In which session.
    pub session: Text,
    /// When that was.
    #[serde(default)]
    pub time: Text,
    /// Microseconds since the session began.
    #[serde(default)]
    pub at_us: u64,
    /// Whose.
    #[serde(default)]
    pub principal: Text,
    /// Where.
    #[serde(default)]
    pub target: Text,
    /// What it is the text of.
    #[serde(default)]
    pub kind: Text,
    /// The verdict of an operation.
    #[serde(default)]
    pub verdict: Option<Text>,
    /// What was found and a little around it.
    #[serde(default)]
    pub text: Text,
}
