//! Writes the policies that permit certain deeds to one principal and nothing else: what was used, and no more. It decides nothing
//! and writes no file; whoever takes its text for granted has not loaded it and asked it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::Effect as CedarEffect;

use crate::decision::Decision;
use crate::deed::{Deed, Item, Scope, Words, text};
use crate::request::{Principal, PrincipalKind};
use crate::rule::{Approve, Effect};
use crate::set::{PolicySet, Slice};
use crate::{Action, Verdict};

/// Longest `@id`, and how much of it names the principal, in characters.
const ID: usize = 64;
const OF_PRINCIPAL: usize = 28;
/// How many things one policy names.
const TOGETHER: usize = 200;

/// What a permit asks for and brings with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Who must answer before it is done.
    pub approve: Option<Approve>,
    /// Why, for whoever waits.
    pub reason: Option<Arc<str>>,
    /// How long a certificate lives at most.
    pub certificate_ttl: Option<Duration>,
    /// Whether a certificate is good only from its address.
    pub pin_source_address: bool,
    /// Whether results are recorded too.
    pub record_results: bool,
    /// Whether what is typed is recorded too.
    pub record_input: bool,
}

impl Terms {
    /// What the permits of `set` that led to this decision ask for and bring.
    #[must_use]
    pub fn of(set: &PolicySet, decision: &Decision) -> Self {
        let asked = match &decision.verdict {
            Verdict::Hold(hold) => hold.requirements.as_slice(),
            Verdict::Allow | Verdict::Deny(_) => &[],
        };
        let on_permit = asked.iter().find(|requirement| set.rule(&requirement.policy).is_some_and(|rule| rule.effect == Effect::Permit));
        let obligations = &decision.obligations;
        Terms {
            approve: on_permit.map(|requirement| requirement.approve.clone()),
            reason: on_permit.and_then(|requirement| requirement.reason.clone()),
            certificate_ttl: obligations.certificate_ttl,
            pin_source_address: obligations.pin_source_address,
            record_results: obligations.record_results,
            record_input: obligations.record_input,
        }
    }

    fn annotations(&self) -> String {
        let mut all = String::new();
        let mut add = |line: String| {
            all.push_str(&line);
            all.push('\n');
        };
        if let Some(reason) = &self.reason {
            add(format!("@reason({})", text(reason)));
        }
        match &self.approve {
            Some(approve) if approve.moderated => add(format!("@moderated({})", text(&approve.groups.join(", ")))),
            Some(approve) => {
                add(format!("@approve({})", text(&approve.groups.join(", "))));
                add(format!("@approvals(\"{}\")", approve.approvals));
                add(format!("@valid(\"{}\")", span(approve.valid)));
                add(format!("@scope(\"{}\")", approve.scope));
                if approve.signed {
                    add("@signed".to_owned());
                }
            }
            None => {}
        }
        let record: Vec<&str> = [("results", self.record_results), ("input", self.record_input)]
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(word, _)| word)
            .collect();
        if !record.is_empty() {
            add(format!("@record(\"{}\")", record.join(", ")));
        }
        if let Some(ttl) = self.certificate_ttl {
            add(format!("@certificate_ttl(\"{}\")", span(ttl)));
        }
        if self.pin_source_address {
            add("@pin_source_address".to_owned());
        }
        all
    }
}

/// `15m`, `1h30m`
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3_600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let all: String = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if all.is_empty() { "0s".to_owned() } else { all }
}

/// Policies that permit `deeds` to `principal`, on these terms, and nothing that can be told from them.
#[must_use]
pub fn permits(principal: &Principal, deeds: &[(Deed, Terms)]) -> String {
    let mut frames: BTreeMap<_, (&Words, BTreeSet<&Item>)> = BTreeMap::new();
    for (deed, terms) in deeds {
        let words = deed.words();
        let (_, items) = frames.entry((words.frame(), terms.annotations())).or_insert_with(|| (words, BTreeSet::new()));
        items.extend(words.item.as_ref());
    }
    let (mut all, mut ids) = (String::new(), Ids::new(principal));
    for ((_, annotations), (words, items)) in &frames {
        let items: Vec<&Item> = items.iter().copied().collect();
        let parts: Vec<&[&Item]> = if items.is_empty() { vec![&[]] } else { items.chunks(TOGETHER).collect() };
        for part in parts {
            let id = ids.next(words);
            let _infallible = write!(all, "@id(\"{id}\")\n{annotations}{}\n\n", permit(principal, words, part));
        }
    }
    all
}

fn permit(principal: &Principal, words: &Words, items: &[&Item]) -> String {
    let kind = match principal.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Service => "Service",
    };
    let mut conditions = words.conditions.clone();
    let resource = match (&words.scope, items) {
        (Scope::Within(..), [only]) => format!("resource == {}", only.value),
        (Scope::Within(kind, target), _) => format!("resource is {kind} in {target}"),
        (Scope::One(uid), _) => format!("resource == {uid}"),
        (Scope::Any, _) => "resource".to_owned(),
    };
    match items {
        [] => {}
        [_] if matches!(words.scope, Scope::Within(..)) => {}
        [only] => conditions.push(format!("{} == {}", only.of, only.value)),
        [first, ..] => {
            let values: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            conditions.push(format!("[{}].contains({})", values.join(", "), first.of));
        }
    }
    let when = if conditions.is_empty() { String::new() } else { format!("\nwhen {{ {} }}", conditions.join(" && ")) };
    let action = text(words.action().name());
    format!("permit (principal == {kind}::{}, action == Action::{action}, {resource}){when};", text(&principal.id))
}

/// Names for policies, none twice.
struct Ids {
    principal: String,
    given: BTreeSet<String>,
}

impl Ids {
    fn new(principal: &Principal) -> Self {
        Ids { principal: plain(&principal.id, OF_PRINCIPAL), given: BTreeSet::new() }
    }

    fn next(&mut self, words: &Words) -> String {
        let target = match &words.scope {
            Scope::One(uid) | Scope::Within(_, uid) => uid.split_once('"').map_or("", |(_, id)| id),
            Scope::Any => "",
        };
        let target = target.split(['/', '"']).next().unwrap_or_default();
        self.new_one(&format!("{}-{}-{target}", self.principal, words.action()))
    }

    fn new_one(&mut self, wanted: &str) -> String {
        let wanted = plain(wanted, ID - 6);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let free = std::iter::once(wanted.clone()).chain(numbered).find(|id| !self.given.contains(id)).unwrap_or(wanted);
        self.given.insert(free.clone());
        free
    }
}

/// At most so much of `text`, of what an `@id` may have.
fn plain(text: &str, most: usize) -> String {
    let all: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(most).collect();
    all.trim_matches('-').to_owned()
}

/// Every forbid that matters in any of these slices to any of these actions, under a name that no other policy has.
#[must_use]
pub fn forbids(principal: &Principal, slices: &[Slice], actions: &BTreeSet<Action>) -> String {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for slice in slices {
        for policy in actions.iter().flat_map(|action| slice.policies(*action)).filter(|policy| policy.effect() == CedarEffect::Forbid) {
            found.entry(policy.id().to_string()).or_insert_with(|| {
                let annotations = policy.annotations().filter(|(key, _)| *key != "id");
                let lines: Vec<String> = annotations
                    .map(|(key, value)| if value.is_empty() { format!("@{key}\n") } else { format!("@{key}({})\n", text(value)) })
                    .collect();
                format!("{}{}\n\n", lines.concat(), without_annotations(&policy.to_string()))
            });
        }
    }
    let mut ids = Ids::new(principal);
    let mut all = String::new();
    for (id, rest) in &found {
        let wanted = format!("{}-keeps-{id}", ids.principal);
        let _infallible = write!(all, "@id(\"{}\")\n{rest}", ids.new_one(&wanted));
    }
    all
}

/// What follows the annotations of a policy.
fn without_annotations(policy: &str) -> &str {
    let mut rest = policy.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(annotation) = rest.strip_prefix('@') {
            rest = annotation.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
            if let Some(value) = rest.strip_prefix('(') {
                rest = after_text(value.trim_start()).trim_start().trim_start_matches(')').trim_start();
            }
        } else {
            return rest;
        }
    }
}

/// What follows the text in quotes that `from` begins with.
fn after_text(from: &str) -> &str {
    let mut escaped = false;
    for (at, c) in from.char_indices().skip(1) {
        if c == '"' && !escaped {
            return from.get(at + 1..).unwrap_or_default();
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

#[cfg(test)]
mod tests;
