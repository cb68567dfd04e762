//! The combining rule: from the policies that are satisfied, and those that failed, to the one answer. Conditions stand on
//! forbids, so that adding a permit can never weaken a mask, a required approval or a ban.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::Action;
use crate::decision::{Alert, Decision, Hold, Obligations, Refusal, Requirement, Verdict, Why, Withheld};
use crate::rule::{Effect, Rule};
use crate::sight::{Sight, Unseen};

/// What evaluation found, each list in any order.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) satisfied: Vec<&'a Rule>,
    /// Forbids of which it cannot be told whether they are satisfied; they count as if they were.
    pub(crate) open: Vec<(&'a Rule, Unseen)>,
    /// Permits whose conditions hold but that do not cover the operation; they do not count.
    pub(crate) withheld: Vec<Withheld>,
    /// Ids of policies that could not be evaluated.
    pub(crate) failed: Vec<Arc<str>>,
}

impl<'a> Found<'a> {
    /// Takes in a policy whose conditions hold.
    pub(crate) fn satisfied(&mut self, rule: &'a Rule, sight: Sight<'_>) {
        let lacks = if rule.effect == Effect::Permit { sight.lacks(rule) } else { None };
        match lacks {
            Some(because) => self.withheld.push(Withheld { policy: Arc::clone(&rule.id), because }),
            None => self.satisfied.push(rule),
        }
    }

    /// Takes in a forbid whose conditions hold if all that it asks about files is answered in its favour.
    pub(crate) fn could_be_satisfied(&mut self, rule: &'a Rule, sight: Sight<'_>) {
        if let Some(unseen) = sight.blind(rule) {
            self.open.push((rule, unseen));
        }
    }

    fn tidy(&mut self) {
        self.satisfied.sort_by(|a, b| a.id.cmp(&b.id));
        self.open.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
        self.open.retain(|(open, _)| !self.satisfied.iter().any(|rule| rule.id == open.id));
        self.withheld.sort();
        self.failed.sort();
        self.failed.dedup();
    }

    /// Why this ban refuses the operation.
    fn why(&self, ban: &Rule) -> Why {
        let (policy, reason) = (Arc::clone(&ban.id), ban.reason.clone());
        match self.open.iter().find(|(open, _)| open.id == ban.id) {
            Some((_, because)) => Why::Undecidable { policy, reason, because: *because },
            None => Why::ForbiddenBy { policy, reason },
        }
    }

    /// Every policy whose say counts.
    fn counting(&self) -> impl Iterator<Item = &'a Rule> + Clone {
        self.satisfied.iter().copied().chain(self.open.iter().map(|(rule, _)| *rule))
    }
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
pub(crate) fn combine(found: Found<'_>, asked: Asked<'_>) -> Decision {
    combined(found, asked, verdict)
}

/// What forbids say of an operation that something else has to permit.
pub(crate) fn bans(found: Found<'_>, asked: Asked<'_>) -> Decision {
    combined(found, asked, |found, asked| match ban(found, asked.action.is_field_level()) {
        Some(why) => asked.refusal(why),
        None => waits_for(asked, forbids(found).filter_map(requirement).collect()),
    })
}

fn combined(mut found: Found<'_>, asked: Asked<'_>, verdict: impl Fn(&Found<'_>, Asked<'_>) -> Verdict) -> Decision {
    found.tidy();
    let hides = |rule: &&Rule| asked.action.is_field_level() && masks(rule);
    let hiding = || found.satisfied.iter().copied().filter(hides);
    let mask = hiding().filter_map(|rule| rule.mask).max();
    let mask_equality = mask.is_some() && hiding().all(|rule| rule.mask_equality);
    let mut policies: Vec<Arc<str>> = found.counting().map(|rule| Arc::clone(&rule.id)).chain(found.failed.iter().cloned()).collect();
    policies.sort();
    policies.dedup();
    let obligations = obligations(&found, asked.action);
    Decision { verdict: verdict(&found, asked), mask, mask_equality, policies, withheld: found.withheld, obligations }
}

/// A forbid that hides a field instead of refusing the operation.
fn masks(rule: &Rule) -> bool {
    rule.effect == Effect::Forbid && rule.mask.is_some() && rule.approve.is_none()
}

fn forbids<'f>(found: &'f Found<'_>) -> impl Iterator<Item = &'f Rule> {
    found.counting().filter(|rule| rule.effect == Effect::Forbid)
}

/// Why the operation is refused whatever permits it, if so.
fn ban(found: &Found<'_>, field_level: bool) -> Option<Why> {
    if !found.failed.is_empty() {
        return Some(Why::EvaluationError { policies: found.failed.clone() });
    }
    let ban = forbids(found).find(|rule| rule.approve.is_none() && !(field_level && masks(rule)))?;
    Some(found.why(ban))
}

fn verdict(found: &Found<'_>, asked: Asked<'_>) -> Verdict {
    if let Some(why) = ban(found, asked.action.is_field_level()) {
        return asked.refusal(why);
    }
    let mut permits = found.satisfied.iter().filter(|rule| rule.effect == Effect::Permit).peekable();
    if permits.peek().is_none() {
        return asked.refusal(match found.withheld.first() {
            Some(withheld) => Why::NotCovered(withheld.clone()),
            None => Why::NothingPermits,
        });
    }
    let mut requirements: Vec<Requirement> = forbids(found).filter_map(requirement).collect();
    // A permit without a requirement makes the whole `None`: it asks for nothing.
    let conditional: Option<Vec<Requirement>> = permits.map(|rule| requirement(rule)).collect();
    requirements.extend(conditional.and_then(|choices| choices.into_iter().min_by_key(demand)));
    waits_for(asked, requirements)
}

/// The answer where nothing refuses.
fn waits_for(asked: Asked<'_>, requirements: Vec<Requirement>) -> Verdict {
    if requirements.is_empty() {
        return Verdict::Allow;
    }
    Verdict::Hold(Hold { action: asked.action, on: asked.on, requirements })
}

fn requirement(rule: &Rule) -> Option<Requirement> {
    let approve = rule.approve.clone()?;
    Some(Requirement { policy: Arc::clone(&rule.id), reason: rule.reason.clone(), approve })
}

/// How much a requirement demands of the caller: first whether people must stay, then how many are asked, then how often, then how soon again; the id settles a draw.
fn demand(requirement: &Requirement) -> (bool, u8, Reverse<crate::Scope>, Reverse<std::time::Duration>, Arc<str>) {
    let approve = &requirement.approve;
    (approve.moderated, approve.approvals, Reverse(approve.scope), Reverse(approve.valid), Arc::clone(&requirement.policy))
}

fn obligations(found: &Found<'_>, action: Action) -> Obligations {
    let told = found.counting().filter_map(|rule| {
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
        record_input: permits().any(|rule| rule.record_input),
        certificate_ttl: permits().filter(|_| action == Action::Issue).filter_map(|rule| rule.certificate_ttl).min(),
        pin_source_address: action == Action::Issue && permits().any(|rule| rule.pin_source_address),
    }
}

#[cfg(test)]
mod tests;
