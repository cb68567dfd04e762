//! Requests about approvals.

use serde_json::Value;

use crate::control::protocol::{AnswerApproval, ListApprovals};
use crate::frontdoor::Refusal;
use crate::store::{ApprovalFilter, NewApproval};

use super::{Client, LIMIT, at_most, written};

impl Client<'_> {
    /// What others may not see counts for nobody's limit: it is left out first.
    pub(super) async fn approvals(&self, ListApprovals { all, others, principal, limit }: ListApprovals) -> Result<Value, Refusal> {
        let filter = ApprovalFilter { waiting: !all, principal, limit: LIMIT, ..ApprovalFilter::default() };
        let found = self.rooms.broker.list(filter).await?;
        let enforcer = &self.rooms.enforcer;
        // What was asked for is in the audit log, too.
        let readable = |asked: &NewApproval| others && enforcer.may_read_audit(self.caller, Some(&asked.principal));
        let shown = found.iter().filter(|one| enforcer.may_see_approval(self.caller, one) || readable(&one.asked));
        written(&shown.take(at_most(limit)).collect::<Vec<_>>())
    }

    pub(super) async fn answer_approval(&self, request: AnswerApproval) -> Result<Value, Refusal> {
        let AnswerApproval { approval, answer, reason, for_seconds, signature, signed_at } = request;
        let signed = match (signed_at, signature) {
            (Some(at), Some(signature)) => Some((at, signature)),
            (None, None) => None,
            _ => {
                let sentence = "`signature` and `signed_at` come together.";
                return Err(Refusal::denied(sentence, sentence));
            }
        };
        let approval = self.rooms.review(self.caller, approval, answer.answer(for_seconds), reason, signed).await?;
        written(&approval)
    }
}
