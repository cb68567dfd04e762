//! One operation's wait.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::frontdoor::{Cause, Refusal};
use crate::model::{ApprovalId, Printable};
use crate::store::{Approval, ApprovalState, NewApproval};

use super::broker::Desk;
use super::grant::Grant;

/// An operation that waits. Dropped before its answer, it is withdrawn.
pub struct Waiting {
    pub(super) asked: NewApproval,
    pub(super) answer: oneshot::Receiver<Box<Approval>>,
    pub(super) desk: Arc<Desk>,
}

impl Waiting {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ApprovalId {
        self.asked.id
    }

    /// What its caller reads while it waits.
    #[must_use]
    pub fn notice(&self, now: Timestamp) -> String {
        let NewApproval { action, target, needs, deadline, id, .. } = &self.asked;
        let mut text = format!("bartizan: {action} on {target} needs approval; it waits.\n");
        for need in needs {
            let people = if need.approvals == 1 { "one of".to_owned() } else { format!("{} people of", need.approvals) };
            let reason = need.reason.as_deref().map(|reason| format!(": {}", Printable(reason))).unwrap_or_default();
            text.push_str(&format!("bartizan: policy \"{}\" asks {people} {}{reason}\n", need.policy, need.groups.join(" or ")));
        }
        let left = deadline.duration_since(now).as_secs().max(0);
        text.push_str(&format!("bartizan: approval {id}; it lapses in {}. Ctrl-C takes it back.\n", span(left)));
        text
    }

    /// Waits for the end of it.
    ///
    /// # Errors
    /// When it was denied, lapsed, was withdrawn, or the bastion stops.
    pub async fn answered(mut self) -> Result<Grant, Refusal> {
        let answer = (&mut self.answer).await;
        self.answer.close();
        let Ok(approval) = answer else {
            return Err(Refusal::unavailable("The bastion is stopping, so the approval cannot be waited for.", "the broker stopped"));
        };
        match (approval.state, approval.until) {
            (ApprovalState::Approved, Some(until)) => Ok(Grant::new(&approval, until, &self.desk.in_use)),
            _ => Err(refused(&approval)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Closed when the answer came: nothing is to be taken back then.
        self.desk.forget(self.asked.id);
    }
}

/// What the caller reads when the answer is not yes.
fn refused(approval: &Approval) -> Refusal {
    let id = approval.asked.id;
    let sentence = match approval.state {
        ApprovalState::Denied => {
            let no = approval.reviews.iter().rev().find(|review| !review.approve);
            let by = no.map(|review| review.by.id.to_string()).unwrap_or_default();
            let reason = no.map(|review| Printable(&review.reason).to_string()).filter(|reason| !reason.is_empty());
            format!("{by} denied approval {id}{}.", reason.map(|reason| format!(": {reason}")).unwrap_or_default())
        }
        ApprovalState::Expired => format!("Nobody answered approval {id} in time, so it is refused."),
        state => {
            let why = approval.end_reason.as_deref().map(|reason| format!(": {}", Printable(reason))).unwrap_or_default();
            format!("Approval {id} was {state}{why}.")
        }
    };
    let policies = approval.asked.needs.iter().map(|need| need.policy.clone()).collect();
    // A no is final; everything else can be asked for again.
    let cause = if approval.state == ApprovalState::Denied { Cause::Denied } else { Cause::Held };
    Refusal { detail: sentence.clone(), sentence, policies, cause }
}

/// Seconds as people say them.
fn span(seconds: i64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}
