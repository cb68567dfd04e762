//! Asks policy about recordings: who may replay or export one, and see what was typed in it. A recording is judged by what its
//! signed head says of whose it is and where it was made, so that one outlives the target it was made at.

use bartizan_policies::{Action, Decision, Facts, Request, Resource, Verdict, Visit};
use bartizan_recorder::Head;

use crate::audit::About;
use crate::frontdoor::Refusal;
use crate::identity::Caller;
use crate::model::{Principal, PrincipalKind, SessionId};

use super::{Enforcer, Place, as_principal, context, refusal, told, verdict};

/// A recording as policy knows it.
#[derive(Debug, Clone)]
pub struct Evidence {
    session: SessionId,
    at: Place,
    visit: Visit,
}

impl Evidence {
    /// What `head` says; its principal is of `kind`. None where its names are not what this version takes for names.
    #[must_use]
    pub fn of(head: &Head, kind: PrincipalKind) -> Option<Self> {
        let session: SessionId = head.session.as_str().parse().ok()?;
        let groups = head.groups.iter().map(|group| group.parse()).collect::<Result<_, _>>().ok()?;
        let owner = Principal { kind, id: head.principal.parse().ok()?, groups };
        let kind = head.kind.split('.').next().unwrap_or_default();
        let mut target = bartizan_policies::Target::new(head.target.as_str(), kind);
        target.tags.clone_from(&head.tags);
        let login = head.login.as_ref().and_then(|login| login.parse().ok());
        let at = Place { target: head.target.parse().ok(), login, session: Some(session), facts: None };
        let visit = Visit { id: session.to_string(), owner: as_principal(&owner), target, login: head.login.clone().unwrap_or_default() };
        Some(Self { session, at, visit })
    }

    /// Whose recording it is.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl Enforcer {
    /// Whether `caller` may do `action` with a recording. Nothing is written: for lists.
    #[must_use]
    pub fn may_with(&self, caller: &Caller, action: Action, evidence: &Evidence) -> bool {
        matches!(self.with_recording(caller, action, evidence, None).verdict, Verdict::Allow)
    }

    /// Decides whether `caller` may do `action` with a recording.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_with(&self, caller: &Caller, action: Action, evidence: &Evidence, reason: Option<&str>) -> Result<(), Refusal> {
        let decision = self.with_recording(caller, action, evidence, reason);
        let at = evidence.at.clone().telling(told(caller, reason.map(str::to_owned), About::Unkept));
        let operation = format!("{action} recording {}", evidence.session);
        self.write(verdict(caller, at, action, operation, &decision, false), self.clock.now()).await?;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny(_) | Verdict::Hold(_) => Err(refusal(&decision)),
        }
    }

    fn with_recording(&self, caller: &Caller, action: Action, evidence: &Evidence, reason: Option<&str>) -> Decision {
        let context = context(caller, self.clock.now(), reason.map(str::to_owned), Facts::None);
        let request = Request { action, resource: Resource::Recording(&evidence.visit), context: &context };
        self.policies.current().decide(&as_principal(caller.principal()), &request)
    }
}
