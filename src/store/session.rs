//! Sessions: one principal using one target over one channel, from permit to close. What happened inside is in the recording.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Login, Principal, PrincipalId, SessionId, TargetKind, TargetName};

/// A session about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Its id.
    pub id: SessionId,
    /// Whose it is, with the groups of that moment.
    pub principal: Principal,
    /// Which target.
    pub target: TargetName,
    /// The target's kind.
    pub target_kind: TargetKind,
    /// The account on the target, where the kind has accounts.
    pub login: Option<Login>,
    /// What was asked for, as a user would read it: `shell`, `exec uptime`.
    pub wish: String,
    /// Where the visitor came from.
    pub source: IpAddr,
    /// The serial of the visitor's certificate, when one was shown.
    pub certificate: Option<u64>,
    /// The node that carries it.
    pub node: String,
    /// When the permit was given.
    pub started_at: Timestamp,
    /// The recording's folder, relative to the folder of recordings.
    pub recording: String,
    /// Ids of the policies that allowed it.
    pub policies: Vec<String>,
}

/// What the opener of a session gets: only with it can the session be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The session's number, dense from 1: a missing one shows.
    pub number: u64,
    /// The fencing token: larger for each later holder.
    pub token: u64,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// When.
    pub at: Timestamp,
    /// Why, as a user would read it.
    pub reason: String,
    /// The program's exit status (RFC 4254 section 6.10), when it gave one.
    pub exit_status: Option<u32>,
}

/// That a session stands still, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Since when.
    pub at: Timestamp,
    /// The guard rail that froze it.
    pub guard_rail: String,
}

/// A session as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// How it began.
    #[serde(flatten)]
    pub opening: Opening,
    /// Number and token.
    #[serde(flatten)]
    pub lease: Lease,
    /// That it stands still; none when it goes on, or has ended.
    pub frozen: Option<Frozen>,
    /// How it ended; none while it lives.
    pub end: Option<SessionEnd>,
}

impl Session {
    /// Whether nobody has closed it yet.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.end.is_none()
    }

    /// `live`, or what keeps it from going on, as a user would read it; none once it has ended.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        match (&self.end, &self.frozen) {
            (Some(_), _) => None,
            (None, None) => Some("live".to_owned()),
            (None, Some(frozen)) => Some(format!("frozen by guard rail \"{}\"", frozen.guard_rail)),
        }
    }
}

/// Which sessions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only of this principal.
    pub principal: Option<PrincipalId>,
    /// Only at this target.
    pub target: Option<TargetName>,
    /// Only of this node.
    pub node: Option<String>,
    /// Only those that ended, or began, at this moment or later, or still live.
    pub since: Option<Timestamp>,
    /// Only those that live.
    pub live: bool,
    /// At most so many.
    pub limit: u32,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self { principal: None, target: None, node: None, since: None, live: false, limit: 1_000 }
    }
}
