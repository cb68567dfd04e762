//! Counts what would change and what could not be replayed, and shows it by principal. Keeps one line for each kind of change,
//! however often it was met.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bartizan_policies::{Action, Decision, Verdict};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::policy::check::count;
use crate::cli::policy::explain::coloured;
use crate::cli::print::{Page, cut};
use crate::model::Printable;
use crate::privilege::Skipped;

/// How many kinds of change are kept apart.
const KINDS: usize = 1 << 16;
/// How much of an example is shown, in characters.
const EXAMPLE: usize = 100;

/// What a set of policies says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Said {
    verdict: &'static str,
    /// What comes with it: who must approve, how a field is masked, how long a certificate lives.
    with: String,
    policies: Vec<Arc<str>>,
}

impl Said {
    pub(super) fn of(decision: &Decision) -> Self {
        let mut with = Vec::new();
        if let Verdict::Hold(hold) = &decision.verdict {
            with.extend(hold.requirements.iter().map(ToString::to_string));
        }
        with.extend(decision.mask.map(|mask| format!("mask {mask}")));
        if matches!(decision.verdict, Verdict::Allow) {
            let obligations = &decision.obligations;
            with.extend(obligations.certificate_ttl.map(|ttl| format!("a certificate for at most {} s", ttl.as_secs())));
            with.extend(obligations.pin_source_address.then(|| "from its address only".to_owned()));
            with.extend(obligations.record_results.then(|| "results recorded".to_owned()));
            with.extend(obligations.record_input.then(|| "input recorded".to_owned()));
        }
        Self { verdict: decision.verdict.word(), with: with.join(", "), policies: decision.policies.clone() }
    }

    /// Whether nothing would be different for anybody.
    pub(super) fn same(&self, other: &Self) -> bool {
        (self.verdict, &self.with) == (other.verdict, &other.with)
    }

    fn as_json(&self) -> Value {
        json!({ "verdict": self.verdict, "with": self.with, "policies": self.policies })
    }
}

/// One kind of change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub(super) principal: String,
    pub(super) target: Option<String>,
    pub(super) action: Action,
    pub(super) old: Said,
    pub(super) new: Said,
}

/// How often, and what for example.
#[derive(Debug)]
struct Met {
    change: Change,
    count: u64,
    example: String,
    last: Timestamp,
}

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) replayed: u64,
    met: Vec<Met>,
    at: HashMap<Change, usize>,
    skipped: BTreeMap<Skipped, u64>,
}

impl Tally {
    /// The number of a kind of change. Past a great many kinds the last takes all.
    pub(super) fn change(&mut self, change: Change, example: &str) -> usize {
        if let Some(at) = self.at.get(&change) {
            return *at;
        }
        if self.met.len() >= KINDS {
            return KINDS - 1;
        }
        let at = self.met.len();
        self.at.insert(change.clone(), at);
        self.met.push(Met { change, count: 0, example: example.to_owned(), last: Timestamp::MIN });
        at
    }

    pub(super) fn count(&mut self, change: Option<usize>, time: Timestamp) {
        self.replayed += 1;
        if let Some(met) = change.and_then(|at| self.met.get_mut(at)) {
            met.count += 1;
            met.last = met.last.max(time);
        }
    }

    pub(super) fn skip(&mut self, why: Skipped) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// How many operations would be decided differently.
    pub(super) fn changed(&self) -> u64 {
        self.met.iter().map(|met| met.count).sum()
    }

    /// Of each principal its changes, the most frequent first.
    fn by_principal(&self) -> BTreeMap<&str, Vec<&Met>> {
        let mut all: BTreeMap<&str, Vec<&Met>> = BTreeMap::new();
        for met in &self.met {
            all.entry(&met.change.principal).or_default().push(met);
        }
        for met in all.values_mut() {
            met.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.example.cmp(&b.example)));
        }
        all
    }

    pub(super) fn told(&self, page: &mut Page, when: &str) -> Result<(), Exit> {
        let all = self.by_principal();
        for (principal, met) in &all {
            page.line("")?;
            page.line(&page.strong(&Printable(principal).to_string()))?;
            for met in met {
                met.told(page)?;
            }
        }
        page.line("")?;
        page.line(&match (self.replayed, self.changed()) {
            (0, _) => format!("no decision {when} could be replayed, so this says nothing"),
            (replayed, 0) => format!("nothing would change: {replayed} decisions {when} replayed"),
            (replayed, changed) => {
                let principals = count(all.len(), "principal");
                format!("{changed} of {replayed} decisions {when} would change, of {principals}")
            }
        })?;
        for (why, count) in &self.skipped {
            page.line(&format!("not replayed: {count} {}", why.words()))?;
        }
        Ok(())
    }

    pub(super) fn as_json(&self) -> Vec<Value> {
        let principals = self.by_principal();
        let one = |(principal, met): (&str, Vec<&Met>)| {
            let changed: u64 = met.iter().map(|met| met.count).sum();
            json!({ "principal": principal, "changed": changed, "changes": met.iter().map(|met| met.as_json()).collect::<Vec<_>>() })
        };
        principals.into_iter().map(one).collect()
    }

    pub(super) fn skipped_json(&self) -> Vec<Value> {
        self.skipped.iter().map(|(why, count)| json!({ "why": why, "count": count, "sentence": why.words() })).collect()
    }
}

impl Met {
    fn told(&self, page: &mut Page) -> Result<(), Exit> {
        let Change { target, action, old, new, .. } = &self.change;
        let on = target.as_ref().map(|target| format!(" on {}", Printable(target))).unwrap_or_default();
        let change = format!("{} -> {}", coloured(page, old.verdict).trim_end(), coloured(page, new.verdict).trim_end());
        page.line(&format!("  {:>7} x {change}  {action}{on}", self.count))?;
        page.line(&format!("            for example {} ({:.0})", cut(&Printable(&self.example).to_string(), EXAMPLE), self.last))?;
        for (word, said) in [("old", old), ("new", new)] {
            let policies = if said.policies.is_empty() { "no policy".to_owned() } else { said.policies.join(", ") };
            let with = if said.with.is_empty() { String::new() } else { format!(" ({})", Printable(&said.with)) };
            page.line(&format!("            {word}: {policies}{with}"))?;
        }
        Ok(())
    }

    fn as_json(&self) -> Value {
        let Change { target, action, old, new, .. } = &self.change;
        json!({
            "count": self.count,
            "target": target,
            "action": action,
            "old": old.as_json(),
            "new": new.as_json(),
            "example": self.example,
            "last": self.last,
        })
    }
}
