//! Requests about approvals.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::hundred;
use crate::control::command::Answer;
use crate::model::{ApprovalId, PrincipalId};

/// `approvals`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListApprovals {
    /// Those that were settled, too.
    #[serde(default)]
    pub all: bool,
    /// Those that the client cannot answer, too, but about which policy lets them read the audit log.
    #[serde(default)]
    pub others: bool,
    /// Only what this principal asked for.
    pub principal: Option<PrincipalId>,
    /// At most so many.
    #[serde(default = "hundred")]
    pub limit: u32,
}

/// `approval.answer`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AnswerApproval {
    /// Which.
    pub approval: ApprovalId,
    /// What is said.
    pub answer: AnswerWord,
    /// Why; who asked is told.
    #[serde(default)]
    pub reason: String,
    /// For `approve`: for no longer than this.
    pub for_seconds: Option<u64>,
    /// The answer as its approver signed it.
    pub signature: Option<String>,
    /// The moment that is in the signature.
    pub signed_at: Option<Timestamp>,
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
