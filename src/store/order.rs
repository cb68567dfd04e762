//! Orders to running sessions, from any process to the one that runs the session.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::SessionId;

/// What a session is ordered to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// End.
    End,
    /// Go on, after a guard rail froze it.
    Resume,
}

/// An order to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    /// What it is to do.
    pub kind: OrderKind,
    /// Which session.
    pub session: SessionId,
    /// Who gives it.
    pub by: String,
    /// Why; shown to the session's user.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An order that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Dense from 1.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub order: NewOrder,
}
