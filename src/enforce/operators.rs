//! What operators, approvers and auditors may do: answer an approval, watch and end a session, lock somebody out. Each is asked of
//! the policies in force, and the verdict is in the audit log before anybody acts on it.

use bartizan_policies::{Action, Decision, Facts, Request, Resource, Verdict, Visit};
use jiff::Timestamp;

use crate::audit::{self, About, Entry};
use crate::frontdoor::Refusal;
use crate::identity::{Caller, LOCAL, Proof};
use crate::model::{Principal, PrincipalKind, Printable};
use crate::store::{Approval, LockSubject, Session};

use super::enforcer::{Enforcer, Place, refusal, verdict};
use super::questions::{as_principal, as_target, context, told};

impl Enforcer {
    /// Decides whether `caller` may say yes or no to an approval, or take it back; `approve` is a yes. Nobody may for their own. An
    /// account of the machine says no yes: who is behind it has a name at an issuer, too, and would count twice.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_review(&self, caller: &Caller, approval: &Approval, approve: bool) -> Result<(), Refusal> {
        let now = self.clock.now();
        let asked = &approval.asked;
        let own = caller.principal().id.is_as(&asked.principal.id);
        let in_group = asked.asks(caller.principal());
        let decision = self.may_review(caller, approval, now).ok_or_else(gone)?;
        let at = Place::of_approval(asked).telling(told(caller, None, About::Unkept));
        let mut entry = verdict(caller, at, Action::Approve, format!("approval {}", asked.id), &decision, false);
        let refusal = match (&decision.verdict, own, in_group) {
            (_, true, _) => Some(Refusal::denied("Nobody may answer their own request.", "self-approval")),
            _ if approve && caller.proof() == Proof::Local => {
                let sentence = "An account of this machine approves nothing: log in as who you are, and say it with --bastion HOST.";
                Some(Refusal::denied(sentence, sentence))
            }
            (Verdict::Allow, false, true) => None,
            (Verdict::Allow, false, false) => {
                let groups: Vec<_> = asked.needs.iter().flat_map(|need| need.groups.clone()).collect();
                let sentence = format!("Only people of {} can answer approval {}.", groups.join(" or "), asked.id);
                Some(Refusal::denied(sentence.clone(), sentence))
            }
            (Verdict::Deny(_) | Verdict::Hold(_), false, _) => Some(refusal(&decision)),
        };
        if let (Some(refusal), Entry::Decision { verdict, reason, .. }) = (&refusal, &mut entry) {
            (*verdict, *reason) = (audit::Verdict::Deny, refusal.detail.clone());
        }
        self.write(entry, now).await?;
        refusal.map_or(Ok(()), Err)
    }

    fn could_review(&self, caller: &Caller, approval: &Approval) -> bool {
        let asked = &approval.asked;
        let decision = self.may_review(caller, approval, self.clock.now());
        let allowed = decision.is_some_and(|decision| matches!(decision.verdict, Verdict::Allow));
        !caller.principal().id.is_as(&asked.principal.id) && asked.asks(caller.principal()) && allowed
    }

    /// Whether `caller` may know of `approval`: it is theirs, or they could answer it. Nothing is written.
    #[must_use]
    pub fn may_see_approval(&self, caller: &Caller, approval: &Approval) -> bool {
        caller.principal().id == approval.asked.principal.id || self.could_review(caller, approval)
    }

    /// Whether `caller` may know of `session`: it is theirs, or policy lets them watch or end it. Nothing is written.
    #[must_use]
    pub fn may_see(&self, caller: &Caller, session: &Session) -> bool {
        let allowed = |action| self.about(caller, action, session).is_some_and(|decision| matches!(decision.verdict, Verdict::Allow));
        session.opening.principal.id == caller.principal().id || allowed(Action::Watch) || allowed(Action::End)
    }

    /// Decides whether `caller` may end `session`.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_end(&self, caller: &Caller, session: &Session) -> Result<(), Refusal> {
        self.permit_about(caller, Action::End, session).await
    }

    async fn permit_about(&self, caller: &Caller, action: Action, session: &Session) -> Result<(), Refusal> {
        let now = self.clock.now();
        let decision = self.about(caller, action, session).ok_or_else(gone)?;
        let at = Place::of_session(session).telling(told(caller, None, About::Unkept));
        let operation = format!("{action} session {}", session.opening.id);
        self.write(verdict(caller, at, action, operation, &decision, false), now).await?;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny(_) | Verdict::Hold(_) => Err(refusal(&decision)),
        }
    }

    /// Decides whether `caller` may watch `session`.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_watch(&self, caller: &Caller, session: &Session) -> Result<(), Refusal> {
        self.permit_about(caller, Action::Watch, session).await
    }

    /// Whether `caller` may watch `session`. Nothing is written.
    #[must_use]
    pub fn may_watch(&self, caller: &Caller, session: &Session) -> bool {
        self.about(caller, Action::Watch, session).is_some_and(|decision| matches!(decision.verdict, Verdict::Allow))
    }

    /// What policy says of `action` on `session`; none where its target is not configured any more, so that its tags are not known.
    fn about(&self, caller: &Caller, action: Action, session: &Session) -> Option<Decision> {
        let opening = &session.opening;
        let visit = Visit {
            id: opening.id.to_string(),
            owner: as_principal(&opening.principal),
            target: as_target(self.targets.find(&opening.target)?),
            login: opening.login.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let context = context(caller, self.clock.now(), None, Facts::None);
        let request = Request { action, resource: Resource::Session(&visit), context: &context };
        Some(self.policies.current().decide(&as_principal(caller.principal()), &request))
    }

    /// What policy says of answering `approval`: the worst of what it says of each action that is held. None where that cannot be
    /// asked.
    fn may_review(&self, caller: &Caller, approval: &Approval, now: Timestamp) -> Option<Decision> {
        let asked = &approval.asked;
        let asks = asked.groups();
        let target = as_target(self.targets.find(&asked.target)?);
        let context = context(caller, now, None, Facts::None);
        let (set, principal) = (self.policies.current(), as_principal(caller.principal()));
        let mut worst: Option<Decision> = None;
        for action in asked.action.split(", ") {
            let resource = bartizan_policies::Approval {
                id: asked.id.to_string(),
                requester: as_principal(&asked.principal),
                target: target.clone(),
                action: action.parse().ok()?,
                asks: asks.clone(),
            };
            let request = Request { action: Action::Approve, resource: Resource::Approval(&resource), context: &context };
            let decision = set.decide(&principal, &request);
            if worst.as_ref().is_none_or(|worst| matches!(worst.verdict, Verdict::Allow)) {
                worst = Some(decision);
            }
        }
        worst
    }

    /// Whether `caller` may read what the audit log says of `about`; entries about nobody are about the bastion itself. Nothing is
    /// written: that it is read is an entry of its own.
    #[must_use]
    pub fn may_read_audit(&self, caller: &Caller, about: Option<&Principal>) -> bool {
        let Some(bastion) = the_bastion() else { return false };
        let context = context(caller, self.clock.now(), None, Facts::None);
        let about = as_principal(about.unwrap_or(&bastion));
        let request = Request { action: Action::Audit, resource: Resource::Principal(&about), context: &context };
        matches!(self.policies.current().decide(&as_principal(caller.principal()), &request).verdict, Verdict::Allow)
    }

    /// Decides whether `caller` may lock `subject` or unlock it; `holder` is who it is, where it is somebody: the principal, or the
    /// holder of the certificate.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_lock(&self, caller: &Caller, subject: &LockSubject, holder: Option<&Principal>) -> Result<(), Refusal> {
        let decision = self.may_lock(caller, subject, holder).ok_or_else(|| not_here(subject))?;
        let target = match subject {
            LockSubject::Target(name) => Some(name.clone()),
            _ => None,
        };
        let at = Place::of_target(target).telling(told(caller, None, About::Unkept));
        let entry = verdict(caller, at, Action::Lock, format!("lock {subject}"), &decision, false);
        self.write(entry, self.clock.now()).await?;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny(_) | Verdict::Hold(_) => Err(refusal(&decision)),
        }
    }

    /// Decides whether `caller` may do `what`, which takes trust away from what `holder` was issued; without one, from what is the
    /// bastion's own.
    ///
    /// # Errors
    /// When they may not, or the verdict cannot be written.
    pub async fn permit_revoke(&self, caller: &Caller, holder: Option<&Principal>, what: String) -> Result<(), Refusal> {
        let now = self.clock.now();
        let about = holder.cloned().or_else(the_bastion).ok_or_else(gone)?;
        let context = context(caller, now, None, Facts::None);
        let about = as_principal(&about);
        let request = Request { action: Action::Revoke, resource: Resource::Principal(&about), context: &context };
        let decision = self.policies.current().decide(&as_principal(caller.principal()), &request);
        let at = Place::default().telling(told(caller, None, About::Unkept));
        self.write(verdict(caller, at, Action::Revoke, what, &decision, false), now).await?;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny(_) | Verdict::Hold(_) => Err(refusal(&decision)),
        }
    }

    /// Whether `caller` may know of a lock on `subject`: they could take it away. Nothing is written.
    #[must_use]
    pub fn may_see_lock(&self, caller: &Caller, subject: &LockSubject, holder: Option<&Principal>) -> bool {
        self.may_lock(caller, subject, holder).is_some_and(|decision| matches!(decision.verdict, Verdict::Allow))
    }

    /// What policy says of a lock on `subject`; none where it has no words for it.
    fn may_lock(&self, caller: &Caller, subject: &LockSubject, holder: Option<&Principal>) -> Option<Decision> {
        let context = context(caller, self.clock.now(), None, Facts::None);
        let (set, who) = (self.policies.current(), as_principal(caller.principal()));
        let decide = |resource: Resource<'_>| set.decide(&who, &Request { action: Action::Lock, resource, context: &context });
        let bare = |kind, id: &crate::model::PrincipalId| Principal { kind, id: id.clone(), groups: Vec::new() };
        let on = match (subject, holder) {
            (LockSubject::User(_) | LockSubject::Service(_) | LockSubject::Certificate(_), Some(holder)) => holder.clone(),
            (LockSubject::User(id), None) => bare(PrincipalKind::User, id),
            (LockSubject::Service(id), None) => bare(PrincipalKind::Service, id),
            (LockSubject::Target(name), _) => return Some(decide(Resource::Target(&as_target(self.targets.find(name)?)))),
            // Whole groups and networks: not from afar, where nobody could take it away again.
            (LockSubject::Group(_) | LockSubject::Source(_), _) if caller.proof() == Proof::Local => the_bastion()?,
            (LockSubject::Certificate(_), None) | (LockSubject::Group(_) | LockSubject::Source(_), _) => return None,
        };
        Some(decide(Resource::Principal(&as_principal(&on))))
    }
}

/// The bastion itself, as policies name it.
fn the_bastion() -> Option<Principal> {
    let id = format!("{LOCAL}/bastion").parse().ok()?;
    Some(Principal { kind: PrincipalKind::Service, id, groups: Vec::new() })
}

/// What may not be locked from afar, or is not there.
fn not_here(subject: &LockSubject) -> Refusal {
    let sentence = match subject {
        LockSubject::Group(_) | LockSubject::Source(_) => {
            format!("A lock on a {} is for the operator on the bastion's machine: bartizan lock --{0}.", subject.word())
        }
        LockSubject::Certificate(serial) => format!("No certificate with the serial {serial} was issued to anybody."),
        other => format!("There is no {} {}.", other.word(), Printable(&other.name())),
    };
    Refusal::denied(sentence.clone(), sentence)
}

/// A target that was taken out of the configuration.
fn gone() -> Refusal {
    let sentence = "Its target is not configured any more, so policy cannot be asked about it.";
    Refusal::denied(sentence, sentence)
}
