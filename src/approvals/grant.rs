//! What an approval allows, for as long as it stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::{ApprovalId, SessionId};
use crate::store::{Approval, Needed};

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
    needs: Vec<Needed>,
    until: Timestamp,
    by: Vec<String>,
    in_use: Arc<InUse>,
}

impl Grant {
    pub(super) fn new(approval: &Approval, until: Timestamp, in_use: &Arc<InUse>) -> Self {
        let asked = &approval.asked;
        in_use.lock().insert(asked.id, asked.session);
        Self {
            approval: asked.id,
            needs: asked.needs.clone(),
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

    /// Whether it answers `need`, for the operation it was given for. A policy that was changed meanwhile and asks more people, or
    /// others, is not answered by it, though it has the same name.
    #[must_use]
    pub fn answers(&self, need: &Needed) -> bool {
        self.needs.contains(need)
    }

    /// Whether it answers `need` in any operation of the session at `now`.
    #[must_use]
    pub fn answers_all(&self, need: &Needed, now: Timestamp) -> bool {
        now < self.until && need.whole_session && self.answers(need)
    }

    /// When what was approved for a whole session is over; none when it was approved for one operation, which may end by itself.
    #[must_use]
    pub fn lapses(&self) -> Option<Timestamp> {
        self.needs.iter().any(|need| need.whole_session).then_some(self.until)
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
