//! Sessions as the bastion tells of them.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Principal, place};
use crate::safe::Text;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: Text,
    /// Its number.
    #[serde(default)]
    pub number: u64,
    /// Whose.
    pub principal: Principal,
    /// At which target.
    pub target: Text,
    /// The target's kind.
    #[serde(default)]
    pub target_kind: Text,
    /// As which account.
    #[serde(default)]
    pub login: Option<Text>,
    /// What was asked for.
    #[serde(default)]
    pub wish: Text,
    /// Where from.
    #[serde(default)]
    pub source: Text,
    /// The serial of the certificate.
    #[serde(default)]
    pub certificate: Option<u64>,
    /// The node that carries it.
    #[serde(default)]
    pub node: Text,
    /// Since when.
    pub started_at: Timestamp,
    /// Where its recording is.
    #[serde(default)]
    pub recording: Text,
    /// The policies that allowed it.
    #[serde(default)]
    pub policies: Vec<Text>,
    /// That it stands still.
    #[serde(default)]
    pub frozen: Option<Frozen>,
    /// The groups of which somebody has to watch before it goes on; none while it goes on.
    #[serde(default)]
    pub waits_for: Vec<Text>,
    /// How many watch it, where the bastion that was asked carries it.
    #[serde(default)]
    pub watchers: Option<u32>,
    /// How it ended; none while it lives.
    #[serde(default)]
    pub end: Option<SessionEnd>,
}

/// That a session stands still.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Frozen {
    /// Since when.
    pub at: Timestamp,
    /// What froze it.
    #[serde(default)]
    pub guard_rail: Text,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionEnd {
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(default)]
    pub reason: Text,
    /// The program's exit status.
    #[serde(default)]
    pub exit_status: Option<u32>,
}

impl Session {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.end.is_none()
    }

    /// Whether it is moderated and nobody watches who has to.
    #[must_use]
    pub fn waits_for_watcher(&self) -> bool {
        self.is_live() && !self.waits_for.is_empty()
    }

    /// `login@target`.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.login.as_ref(), &self.target)
    }

    /// A sign and words for how it stands.
    #[must_use]
    pub fn state(&self) -> (&'static str, String) {
        match (&self.end, &self.frozen) {
            (Some(end), _) => ("✗", format!("ended: {}", end.reason)),
            (None, Some(frozen)) => ("▲", format!("frozen by guard rail {}", frozen.guard_rail)),
            (None, None) if self.waits_for_watcher() => {
                let groups: Vec<String> = self.waits_for.iter().map(ToString::to_string).collect();
                ("▲", format!("stands still until somebody of {} watches", groups.join(" or ")))
            }
            (None, None) => ("●", "live".to_owned()),
        }
    }
}
