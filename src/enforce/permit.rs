//! The proof that policy allows a session. Only `enforce` makes one.

use bartizan_policies::{PolicySet, Request, Resource, Verdict};
use jiff::Timestamp;

use crate::frontdoor::Refusal;
use crate::model::SessionId;
use crate::targets::Routed;

use super::enforcer::refusal;
use super::questions::{as_principal, as_target, context, questions};

/// A routed ask that every policy question allowed, each verdict written to the audit log.
#[derive(Debug)]
pub struct Permit {
    pub(super) routed: Routed,
    pub(super) session: SessionId,
    pub(super) started_at: Timestamp,
    pub(super) policies: Vec<String>,
    pub(super) digest: String,
}

impl Permit {
    /// What was routed.
    #[must_use]
    pub fn routed(&self) -> &Routed {
        &self.routed
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// When it was permitted.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The ids of the policies that allowed it.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The digest of the policy set that allowed it, hex SHA-256.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Asks all questions again under `set`: live sessions obey today's policy.
    ///
    /// # Errors
    /// When today's policy would not let it begin.
    pub fn recheck(&self, set: &PolicySet, now: Timestamp) -> Result<(), Refusal> {
        let identified = self.routed.identified();
        let ask = identified.ask();
        let (principal, target) = (as_principal(identified.caller().principal()), as_target(self.routed.target()));
        let slice = set.slice(&principal, &target);
        for question in questions(ask.login.as_str(), &ask.wish).unwrap_or_default() {
            let context = context(identified.caller(), now, question.facts);
            let request = Request { action: question.action, resource: Resource::Target(&target), context: &context };
            let decision = slice.decide(&request);
            if !matches!(decision.verdict, Verdict::Allow) {
                return Err(refusal(&decision));
            }
        }
        Ok(())
    }
}
