//! Requests about sessions.

use serde::Deserialize;

use super::hundred;
use crate::model::{PrincipalId, SessionId};

/// `sessions`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListSessions {
    /// Those that have ended, too.
    #[serde(default)]
    pub all: bool,
    /// Only of this principal.
    pub principal: Option<PrincipalId>,
    /// At most so many.
    #[serde(default = "hundred")]
    pub limit: u32,
}

/// `session.end`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndSession {
    /// Which.
    pub session: SessionId,
    /// Why; its user is told.
    #[serde(default)]
    pub reason: String,
}

/// `session.watch` and `session.unwatch`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct WatchSession {
    /// Which.
    pub session: SessionId,
}
