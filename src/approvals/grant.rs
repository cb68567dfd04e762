//! What an approval allows, for as long as it stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::{ApprovalId, SessionId};
use crate::store::Approval;

/// Grants that are in use on this node, by approval.
#[derive(Debug, Default)]
pub(super) struct InUse(Mutex<HashMap<ApprovalId, SessionId>>);

impl InUse {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApprovalId, SessionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<(ApprovalId, SessionId)> {
        self.lock().iter().map(|(approval, session)| (*approval, *session)).collect()
    }
}

/// Leave to go on. While it is kept, a revocation of its approval ends the session.
#[derive(Debug)]
pub struct Grant {
    approval: ApprovalId,
    policies: Vec<String>,
    whole_session: Vec<String>,
    until: Timestamp,
    by: Vec<String>,
    in_use: Arc<InUse>,
}

impl Grant {
    pub(super) fn new(approval: &Approval, until: Timestamp, in_use: &Arc<InUse>) -> Self {
        let asked = &approval.asked;
        in_use.lock().insert(asked.id, asked.session);
        let names = |whole: bool| asked.needs.iter().filter(|need| !whole || need.whole_session).map(|need| need.policy.clone()).collect();
        Self {
            approval: asked.id,
            policies: names(false),
            whole_session: names(true),
            until,
            by: approval.reviews.iter().map(|review| review.by.id.to_string()).collect(),
            in_use: Arc::clone(in_use),
        }
    }

    /// Which approval this is.
    #[must_use]
    pub fn approval(&self) -> ApprovalId {
        self.approval
    }

    /// Who approved.
    #[must_use]
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Whether it answers what `policy` asks for, for the operation it was given for.
    #[must_use]
    pub fn answers(&self, policy: &str) -> bool {
        self.policies.iter().any(|known| known == policy)
    }

    /// Whether it answers what `policy` asks for in any operation of the session at `now`.
    #[must_use]
    pub fn answers_all(&self, policy: &str, now: Timestamp) -> bool {
        now < self.until && self.whole_session.iter().any(|known| known == policy)
    }

    /// When what was approved for a whole session is over; none when it was approved for one operation, which may end by itself.
    #[must_use]
    pub fn lapses(&self) -> Option<Timestamp> {
        (!self.whole_session.is_empty()).then_some(self.until)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.in_use.lock().remove(&self.approval);
    }
}

/// A session that must end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The session.
    pub session: SessionId,
    /// The sentence for its user.
    pub sentence: String,
}
