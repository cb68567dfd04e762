//! Puts questions to a slice of policy and gathers the verdicts: the worst is the answer, holds add up. Writes nothing.

use std::borrow::Borrow;

use bartizan_policies::{Decision, Hold, Place as On, Request, Requirement, Scope, Slice, Verdict};
use jiff::Timestamp;

use crate::approvals::Asking;
use crate::audit::{self, Entry};
use crate::frontdoor::{Ask, Refusal};
use crate::identity::Caller;
use crate::model::SessionId;
use crate::store::{Needed, Outline};

use super::enforcer::{Place, refusal, verdict};
use super::questions::{Question, as_principal, as_target, context, kept, told};
use crate::{config, targets::Routed};

/// Who asks, for which session.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) caller: &'a Caller,
    pub(super) ask: &'a Ask,
    pub(super) target: &'a config::Target,
    pub(super) session: SessionId,
}

/// The verdicts on some questions.
#[derive(Default)]
pub(super) struct Judgement {
    /// The ids of the policies that had a say.
    pub(super) policies: Vec<String>,
    /// What the audit log gets, up to the first denial.
    pub(super) entries: Vec<Entry>,
    /// The denial, if there is one.
    pub(super) refused: Option<Refusal>,
    /// What has to be answered by people before it is allowed.
    pub(super) needs: Vec<Needed>,
    /// What people have answered, or keep.
    pub(super) answered: Vec<Needed>,
    /// The actions that are held.
    pub(super) held: Vec<String>,
    /// Whether any policy that had a say wants what is typed recorded.
    pub(super) record_input: bool,
    /// Whether any wants results recorded.
    pub(super) record_results: bool,
}

impl<'a> Asker<'a> {
    pub(super) fn of(routed: &'a Routed, session: SessionId) -> Self {
        let identified = routed.identified();
        Self { caller: identified.caller(), ask: identified.ask(), target: routed.target(), session }
    }

    /// The part of `set` that matters to this session.
    pub(super) fn slice(&self, set: &bartizan_policies::PolicySet) -> Slice {
        set.slice(&as_principal(self.caller.principal()), &as_target(self.target))
    }

    /// Asks one question.
    pub(super) fn ask(&self, slice: &Slice, now: Timestamp, question: &Question) -> Decision {
        let context = context(self.caller, now, self.ask.reason.clone(), question.facts.clone());
        let on = On::of(&question.facts, as_target(self.target));
        slice.decide(&Request { action: question.action, resource: on.resource(), context: &context })
    }

    /// What policy is told in this question, as the audit log keeps it.
    pub(super) fn told(&self, question: &Question) -> audit::Facts {
        told(self.caller, self.ask.reason.clone(), kept(&question.facts, question.place.as_ref()))
    }

    /// Asks all questions. `answered` tells whether people have answered what a policy asks for, as it asks for it today.
    pub(super) fn judge(&self, slice: &Slice, now: Timestamp, questions: &[Question], answered: &dyn Fn(&Needed) -> bool) -> Judgement {
        self.judge_by(|question| self.ask(slice, now, question), questions, answered)
    }

    /// As [`Asker::judge`], where `ask` says what policy says.
    pub(super) fn judge_by<D: Borrow<Decision>>(
        &self,
        ask: impl Fn(&Question) -> D,
        questions: &[Question],
        answered: &dyn Fn(&Needed) -> bool,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        for question in questions {
            judgement.take(self, question, ask(question).borrow(), answered);
            if judgement.refused.is_some() {
                break;
            }
        }
        judgement.policies.sort();
        judgement.policies.dedup();
        judgement
    }

    /// What people are asked, for `operation`.
    pub(super) fn asking(&self, judgement: &Judgement, operation: String, outline: Option<Outline>) -> Asking {
        Asking {
            session: self.session,
            principal: self.caller.principal().clone(),
            source: self.caller.source(),
            target: self.ask.target.clone(),
            login: self.ask.login.clone(),
            action: judgement.held.join(", "),
            operation,
            outline,
            needs: judgement.needs.clone(),
            reason: self.ask.reason.clone(),
        }
    }
}

impl Judgement {
    /// Takes out what somebody has to watch, and leaves what people have to answer.
    pub(super) fn moderated(&mut self) -> Vec<Needed> {
        let (moderated, needs) = std::mem::take(&mut self.needs).into_iter().partition(|need| need.moderated);
        self.needs = needs;
        moderated
    }

    pub(super) fn take(&mut self, asker: &Asker<'_>, question: &Question, decision: &Decision, answered: &dyn Fn(&Needed) -> bool) {
        let at = Place::of(asker.ask, asker.session).telling(asker.told(question));
        let mut settled = false;
        match &decision.verdict {
            Verdict::Deny(_) => self.refused = Some(explained(refusal(decision), question)),
            Verdict::Hold(hold) => settled = self.hold(question, hold, answered),
            Verdict::Allow => {}
        }
        self.record_input |= decision.obligations.record_input;
        self.record_results |= decision.obligations.record_results;
        self.policies.extend(decision.policies.iter().map(ToString::to_string));
        self.entries.push(verdict(asker.caller, at, question.action, question.operation.clone(), decision, settled));
    }

    /// Takes in what a hold asks for; whether people have answered all of it.
    fn hold(&mut self, question: &Question, hold: &Hold, answered: &dyn Fn(&Needed) -> bool) -> bool {
        let (given, open): (Vec<_>, Vec<_>) = hold.requirements.iter().map(needed).partition(|need| answered(need));
        if open.is_empty() {
            self.answered.extend(given);
            return true;
        }
        let action = question.action.to_string();
        if !self.held.contains(&action) {
            self.held.push(action);
        }
        for need in open {
            if !self.needs.iter().any(|known| known.policy == need.policy) {
                self.needs.push(need);
            }
        }
        false
    }
}

/// The refusal, with what it is about.
fn explained(mut refusal: Refusal, question: &Question) -> Refusal {
    if let Some(about) = &question.about {
        refusal.sentence.push('\n');
        refusal.sentence.push_str(about);
    }
    refusal
}

/// What a policy asks for, whole: what people answer is bound to all of it, not to the policy's name.
fn needed(requirement: &Requirement) -> Needed {
    Needed {
        policy: requirement.policy.to_string(),
        groups: requirement.approve.groups.clone(),
        approvals: requirement.approve.approvals,
        valid_seconds: requirement.approve.valid.as_secs(),
        whole_session: requirement.approve.scope == Scope::Session,
        reason: requirement.reason.as_ref().map(ToString::to_string),
        signed: requirement.approve.signed,
        moderated: requirement.approve.moderated,
    }
}

/// Whether people have answered all that a hold asks for.
pub(super) fn settled(hold: &Hold, answered: &dyn Fn(&Needed) -> bool) -> bool {
    hold.requirements.iter().all(|requirement| answered(&needed(requirement)))
}
