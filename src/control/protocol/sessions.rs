//! Requests about sessions.

use jiff::Timestamp;
use serde::Deserialize;

use super::hundred;
use crate::model::{PrincipalId, SessionId, TargetName};

/// `sessions`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListSessions {
    /// Those that have ended, too.
    #[serde(default)]
    pub all: bool,
    /// Only of this principal.
    pub principal: Option<PrincipalId>,
    /// Only at this target.
    pub target: Option<TargetName>,
    /// Only those that ran at this moment or later.
    pub since: Option<Timestamp>,
    /// Only this one.
    pub session: Option<SessionId>,
    /// At most so many.
    #[serde(default = "hundred")]
    pub limit: u32,
}

/// `session.end` and `session.resume`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndSession {
    /// Which.
    pub session: SessionId,
    /// Why; whose session ends is told.
    #[serde(default)]
    pub reason: String,
}

/// `session.watch` and `session.unwatch`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct WatchSession {
    /// Which.
    pub session: SessionId,
}
