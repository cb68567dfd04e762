//! The combining rule: from the policies that are satisfied, and those that failed, to the one answer. Conditions stand on
//! forbids, so that adding a permit can never weaken a mask, a required approval or a ban.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::Action;
use crate::decision::{Alert, Decision, Hold, Obligations, Refusal, Requirement, Verdict, Why};
use crate::rule::{Effect, Rule};

/// What evaluation found, each list in any order.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) satisfied: Vec<&'a Rule>,
    /// Ids of policies that could not be evaluated.
    pub(crate) failed: Vec<Arc<str>>,
}

/// The question in words, for the sentences of the answer.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) principal: &'a str,
    pub(crate) action: Action,
    pub(crate) on: String,
}

impl Asked<'_> {
    pub(crate) fn refusal(self, why: Why) -> Verdict {
        Verdict::Deny(Refusal { principal: self.principal.to_owned(), action: self.action, on: self.on, why })
    }
}

/// Decides one operation.
pub(crate) fn combine(mut found: Found<'_>, asked: Asked<'_>) -> Decision {
    found.satisfied.sort_by(|a, b| a.id.cmp(&b.id));
    found.failed.sort();
    found.failed.dedup();
    let mask = found.satisfied.iter().filter(|rule| asked.action.is_field_level() && masks(rule)).filter_map(|rule| rule.mask).max();
    let mut policies: Vec<Arc<str>> = found.satisfied.iter().map(|rule| Arc::clone(&rule.id)).chain(found.failed.iter().cloned()).collect();
    policies.sort();
    policies.dedup();
    Decision { obligations: obligations(&found, asked.action), verdict: verdict(&found, asked), mask, policies }
}

/// A forbid that hides a field instead of refusing the operation.
fn masks(rule: &Rule) -> bool {
    rule.effect == Effect::Forbid && rule.mask.is_some() && rule.approve.is_none()
}

fn verdict(found: &Found<'_>, asked: Asked<'_>) -> Verdict {
    if !found.failed.is_empty() {
        return asked.refusal(Why::EvaluationError { policies: found.failed.clone() });
    }
    let forbids = found.satisfied.iter().filter(|rule| rule.effect == Effect::Forbid);
    let field_level = asked.action.is_field_level();
    let bans = |rule: &&&Rule| rule.approve.is_none() && !(field_level && masks(rule));
    if let Some(ban) = forbids.clone().find(bans) {
        return asked.refusal(Why::ForbiddenBy { policy: Arc::clone(&ban.id), reason: ban.reason.clone() });
    }
    let mut permits = found.satisfied.iter().filter(|rule| rule.effect == Effect::Permit).peekable();
    if permits.peek().is_none() {
        return asked.refusal(Why::NothingPermits);
    }
    let mut requirements: Vec<Requirement> = forbids.filter_map(|rule| requirement(rule)).collect();
    // A permit without a requirement makes the whole `None`: it asks for nothing.
    let conditional: Option<Vec<Requirement>> = permits.map(|rule| requirement(rule)).collect();
    requirements.extend(conditional.and_then(|choices| choices.into_iter().min_by_key(demand)));
    if requirements.is_empty() {
        return Verdict::Allow;
    }
    Verdict::Hold(Hold { action: asked.action, on: asked.on, requirements })
}

fn requirement(rule: &Rule) -> Option<Requirement> {
    let approve = rule.approve.clone()?;
    Some(Requirement { policy: Arc::clone(&rule.id), reason: rule.reason.clone(), approve })
}

/// How much a requirement demands of the caller: first people, then how often, then how soon again; the id settles a draw.
fn demand(requirement: &Requirement) -> (u8, Reverse<crate::Scope>, Reverse<std::time::Duration>, Arc<str>) {
    let approve = &requirement.approve;
    (approve.approvals, Reverse(approve.scope), Reverse(approve.valid), Arc::clone(&requirement.policy))
}

fn obligations(found: &Found<'_>, action: Action) -> Obligations {
    let told = found.satisfied.iter().filter_map(|rule| {
        let text = Arc::clone(rule.alert.as_ref()?);
        Some(Alert { policy: Arc::clone(&rule.id), text })
    });
    let broken = found.failed.iter().map(|id| Alert {
        policy: Arc::clone(id),
        text: "This policy failed while it was evaluated, and the operation was refused.".into(),
    });
    let permits = || found.satisfied.iter().filter(|rule| rule.effect == Effect::Permit);
    Obligations {
        alerts: told.chain(broken).collect(),
        record_results: permits().any(|rule| rule.record_results),
        certificate_ttl: permits().filter(|_| action == Action::Issue).filter_map(|rule| rule.certificate_ttl).min(),
        pin_source_address: action == Action::Issue && permits().any(|rule| rule.pin_source_address),
    }
}

#[cfg(test)]
mod tests;
