//! Who may publish a target by a reverse tunnel: policy's action `publish`, asked before it is offered and again whenever policy
//! changes.

use std::sync::Arc;

use bartizan_policies::{Action, Decision, Facts, PolicySet, Request, Resource, Verdict};
use jiff::Timestamp;

use crate::audit::About;
use crate::config;
use crate::frontdoor::Refusal;
use crate::identity::Caller;

use super::enforcer::{Enforcer, Place, refusal, verdict};
use super::questions::{as_principal, as_target, context, told};

/// The proof that policy lets a caller publish a target. Only `enforce` makes one.
pub struct MayPublish {
    caller: Arc<Caller>,
    target: Arc<config::Target>,
}

impl MayPublish {
    /// Who.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Asks again under `set`.
    ///
    /// # Errors
    /// When today's policy would not let them.
    pub fn recheck(&self, set: &PolicySet, now: Timestamp) -> Result<(), Refusal> {
        let decision = decide(&self.caller, &self.target, set, now);
        if matches!(decision.verdict, Verdict::Allow) { Ok(()) } else { Err(refusal(&decision)) }
    }
}

fn decide(caller: &Caller, target: &config::Target, set: &PolicySet, now: Timestamp) -> Decision {
    let context = context(caller, now, None, Facts::None);
    let target = as_target(target);
    let request = Request { action: Action::Publish, resource: Resource::Target(&target), context: &context };
    set.decide(&as_principal(caller.principal()), &request)
}

impl Enforcer {
    /// Decides whether `caller` may publish `target`. There is nobody to wait for: who would have to be approved is refused.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_publish(&self, caller: &Arc<Caller>, target: &Arc<config::Target>) -> Result<MayPublish, Refusal> {
        let now = self.clock.now();
        let decision = decide(caller, target, &self.policies.current(), now);
        let at = Place::of_target(Some(target.name.clone())).telling(told(caller, None, About::Nothing));
        self.write(verdict(caller, at, Action::Publish, format!("publish {}", target.name), &decision, false), now).await?;
        match decision.verdict {
            Verdict::Allow => Ok(MayPublish { caller: Arc::clone(caller), target: Arc::clone(target) }),
            Verdict::Deny(_) | Verdict::Hold(_) => Err(refusal(&decision)),
        }
    }

    /// Whether `caller` may publish `target`. Nothing is written.
    #[must_use]
    pub fn may_publish(&self, caller: &Caller, target: &config::Target) -> bool {
        matches!(decide(caller, target, &self.policies.current(), self.clock.now()).verdict, Verdict::Allow)
    }
}
