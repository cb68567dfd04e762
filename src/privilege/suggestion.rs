//! The policies that would have been enough for what a principal did, and the proof that they are: they are loaded as a set of their
//! own and asked about everything that was recorded of the principal, and about everything else that is known.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use bartizan_policies::suggest::{Terms, forbids, permits};
use bartizan_policies::{Action, Approve, Deed, Known, PolicySet, Principal, Problem, Request, Scope, Slice, Target, Verdict, Words};
use serde::Serialize;

use super::Databases;
use super::recorded::principal;
use super::report::{Ground, deed_of};
use super::usage::{Form, Person, Usage, Uses};
use crate::config::Config;
use crate::enforce::as_target;
use jiff::Timestamp;

/// Examples that are kept of what does not fit.
const EXAMPLES: usize = 20;

/// Policies, and what was found about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// For whom.
    pub principal: String,
    /// The policies, as Cedar reads them, not laid out.
    pub text: String,
    /// Operations that were recorded and are permitted by them, or held where they were held.
    pub operations: u64,
    /// Operations that are permitted by their route and cannot be asked again: policy was shown their bodies, which are not kept.
    pub by_body: u64,
    /// Of how many kinds all these are.
    pub kinds: u64,
    /// What else is known and was tried, each denied but for `beyond`.
    pub others: u64,
    /// What they permit beside what was used.
    pub beyond: Vec<String>,
    /// What was used and they do not permit.
    pub missing: Vec<String>,
    /// What was used and is not in them, by why.
    pub left_out: BTreeMap<String, u64>,
    /// Of how many policies.
    pub policies: usize,
}

/// One kind of operation that was used.
struct Used<'a> {
    deed: Deed,
    uses: &'a Uses,
    /// Policy can be asked just what it was asked then.
    whole: bool,
}

/// Suggests policies for `who`. With `permits_only` the forbids of `set` are left out, and taken for granted. `None` where the log knows
/// nobody of that name who was permitted anything.
///
/// # Errors
/// What is wrong with the policies that were written; that is a fault of this program.
pub fn suggest(
    (config, set, databases): (&Config, &PolicySet, &Databases),
    permits_only: bool,
    usage: &Usage,
    (id, only, now): (&str, Option<&str>, Timestamp),
) -> Result<Option<Suggestion>, Vec<Problem>> {
    let Some(person) = usage.people.get(id) else { return Ok(None) };
    let ground = Ground { config, set, databases, usage, now };
    let who = principal(id, person.service, &person.groups);
    let mut found = Gathered::new(&ground, &who, person);
    found.gather(only);
    if found.deeds.is_empty() {
        return Ok(None);
    }
    let mut text = permits(&who, &found.deeds);
    if !permits_only {
        let actions: BTreeSet<Action> = found.deeds.iter().flat_map(|(deed, _)| with_fields(deed.action)).collect();
        text.push_str(&forbids(&who, &found.slices, &actions));
    }
    let mut files = vec![("the suggestion".to_owned(), text.clone())];
    if permits_only {
        files.push(("the present forbids".to_owned(), forbids(&who, &found.slices, &Action::ALL.iter().copied().collect())));
    }
    let suggested = PolicySet::load(files, &Known::default())?;
    let mut suggestion = Suggestion {
        principal: id.to_owned(),
        text,
        operations: 0,
        by_body: 0,
        kinds: 0,
        others: 0,
        beyond: Vec::new(),
        missing: Vec::new(),
        left_out: found.left_out.clone(),
        policies: suggested.len(),
    };
    found.prove(&suggested, only, &mut suggestion);
    Ok(Some(suggestion))
}

/// The action, and those by which its answers are masked.
fn with_fields(action: Action) -> impl Iterator<Item = Action> {
    let field = match action.name().split_once('.') {
        Some(("http", _)) => Some(Action::HttpReadField),
        Some(("k8s", _)) => Some(Action::K8sReadField),
        Some(("pg", _)) => Some(Action::PgReadColumn),
        _ => None,
    };
    std::iter::once(action).chain(field)
}

struct Gathered<'a> {
    ground: &'a Ground<'a>,
    who: &'a Principal,
    person: &'a Person,
    left_out: BTreeMap<String, u64>,
    used: Vec<Used<'a>>,
    deeds: Vec<(Deed, Terms)>,
    known: HashSet<(Words, Terms)>,
    slices: Vec<Slice>,
}

impl<'a> Gathered<'a> {
    fn new(ground: &'a Ground<'a>, who: &'a Principal, person: &'a Person) -> Self {
        let (left_out, used, deeds, known, slices) = Default::default();
        Self { ground, who, person, left_out, used, deeds, known, slices }
    }

    fn gather(&mut self, only: Option<&str>) {
        for (name, place) in &self.person.places {
            // Certificates are part of any access.
            if only.is_some_and(|only| only != name && !name.is_empty()) {
                continue;
            }
            let configured = self.ground.config.targets.iter().find(|target| target.name.as_str() == name);
            let target = configured.map(as_target);
            if let Some(target) = &target {
                self.slices.push(self.ground.set.slice(self.who, target));
            }
            for (form, uses) in &place.used {
                self.take(form, uses, (target.as_ref(), &place.holds.groups));
            }
            for ((action, why), count) in &place.skipped {
                self.leave_out(format!("{action}: {}", why.words()), *count);
            }
            if place.crowded > 0 {
                self.leave_out("are of more kinds than are kept apart: take a shorter time, or one --target".to_owned(), place.crowded);
            }
        }
    }

    fn leave_out(&mut self, why: String, count: u64) {
        *self.left_out.entry(why).or_default() += count;
    }

    fn take(&mut self, form: &Form, uses: &'a Uses, (target, asked): (Option<&Target>, &BTreeSet<String>)) {
        let deed = match deed_of(self.ground.set, form, target) {
            Ok(deed) => deed,
            Err(why) => return self.leave_out(format!("{}: {why}", form.action), uses.count),
        };
        let context = self.ground.context(self.person, deed.facts.clone());
        let request = Request { action: deed.action, resource: deed.place.resource(), context: &context };
        let decision = self.ground.set.decide(self.who, &request);
        let whole = form.about.is_whole();
        if let Verdict::Deny(refusal) = &decision.verdict
            && whole
            && let Some(policy) = refusal.policy()
        {
            return self.leave_out(format!("{}: forbidden by now, by \"{policy}\"", form.action), uses.count);
        }
        let mut terms = Terms::of(self.ground.set, &decision);
        if uses.approved > 0 && !matches!(decision.verdict, Verdict::Hold(_)) {
            terms.approve = answered_then(asked);
        }
        if self.known.insert((deed.words().clone(), terms.clone())) {
            self.deeds.push((deed.clone(), terms));
        }
        self.used.push(Used { deed, uses, whole });
    }

    /// Asks `suggested` about everything.
    fn prove(&self, suggested: &PolicySet, only: Option<&str>, into: &mut Suggestion) {
        let mut words: HashSet<Words> = HashSet::new();
        for Used { deed, uses, whole } in &self.used {
            words.insert(deed.words().clone());
            if !whole {
                into.by_body += uses.count;
            } else if self.denied(suggested, deed) {
                push(&mut into.missing, deed);
            } else {
                into.operations += uses.count;
            }
        }
        into.kinds = words.len() as u64;
        let own = self.ground.usage.people.iter().filter(|(id, _)| **id == self.who.id).collect::<Vec<_>>();
        for (target, known) in self.ground.catalogues(&own, only) {
            let slice = suggested.slice(self.who, &target);
            for candidate in known.candidates.iter().filter(|candidate| !words.contains(candidate.deed.words())) {
                into.others += 1;
                let context = self.ground.context(self.person, candidate.deed.facts.clone());
                let request = Request { action: candidate.deed.action, resource: candidate.deed.place.resource(), context: &context };
                if !matches!(slice.decide(&request).verdict, Verdict::Deny(_)) {
                    push(&mut into.beyond, &candidate.deed);
                }
            }
        }
    }

    fn denied(&self, set: &PolicySet, deed: &Deed) -> bool {
        let context = self.ground.context(self.person, deed.facts.clone());
        let request = Request { action: deed.action, resource: deed.place.resource(), context: &context };
        matches!(set.decide(self.who, &request).verdict, Verdict::Deny(_))
    }
}

/// What was held when it was used and would not be any more waits still: for anybody who was asked then.
fn answered_then(groups: &BTreeSet<String>) -> Option<Approve> {
    let (groups, valid): (Vec<String>, _) = (groups.iter().cloned().collect(), Duration::from_secs(15 * 60));
    (!groups.is_empty()).then_some(Approve { groups, approvals: 1, valid, scope: Scope::Operation, signed: false, moderated: false })
}

fn push(examples: &mut Vec<String>, deed: &Deed) {
    if examples.len() < EXAMPLES {
        examples.push(format!("{} on {}: {}", deed.action, deed.target().unwrap_or("the bastion"), deed.label()));
    }
}
