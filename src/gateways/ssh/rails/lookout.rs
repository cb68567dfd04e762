//! Looks for patterns in the lines that a session draws. Knows no session, no channel and no time.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bartizan_recorder::{DrawnLines, Event};

use crate::model::{Printable, RailAction};

use super::Rail;

/// How often one guard rail alerts in one session.
const MOST: usize = 100;
/// Characters that are kept of a line, and how many of them before what was found.
const EXCERPT: usize = 160;
const BEFORE: usize = 40;

/// What a guard rail found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The guard rail's name.
    pub rail: String,
    /// What it does.
    pub action: RailAction,
    /// What it tells the user besides.
    pub message: Option<String>,
    /// The line, cut short, printable.
    pub line: String,
}

impl Trip {
    /// How it is marked in a recording.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("guard rail \"{}\" ({}): {}", self.rail, self.action, self.line)
    }
}

/// Looks at one session.
pub struct Lookout {
    rails: Vec<Rail>,
    lines: DrawnLines,
    /// What each guard rail was triggered by.
    known: HashMap<String, HashSet<u64>>,
}

impl Lookout {
    /// Looks for what `rails` ask for on a blank screen of `size`; none when they ask for nothing.
    #[must_use]
    pub fn new(rails: Vec<Rail>, size: Option<(u16, u16)>) -> Option<Self> {
        let lines = if rails.is_empty() { None } else { DrawnLines::new(size) };
        lines.map(|lines| Self { rails, lines, known: HashMap::new() })
    }

    /// Looks for something else from now on.
    pub fn replace(&mut self, rails: Vec<Rail>) {
        self.known.retain(|name, _| rails.iter().any(|rail| rail.name == *name));
        self.rails = rails;
    }

    /// Cells of its screen.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.lines.cells()
    }

    /// Draws `event`. Gives what was found that was not found before, and what looking cost (see [`DrawnLines::push`]).
    pub fn look(&mut self, event: &Event<'_>) -> (Vec<Trip>, u64) {
        let Self { rails, lines, known } = self;
        let mut trips = Vec::new();
        let cost = lines.push(event, &mut |line| {
            let found = rails.iter().filter_map(|rail| look_at(line, rail, known));
            trips.extend(found);
        });
        (trips, cost)
    }
}

fn look_at(line: &str, rail: &Rail, known: &mut HashMap<String, HashSet<u64>>) -> Option<Trip> {
    let found = rail.pattern.find(line)?;
    let known = known.entry(rail.name.clone()).or_default();
    // A line that grows behind what was found is no new one.
    let mut hasher = DefaultHasher::new();
    line.get(..found.end()).hash(&mut hasher);
    if rail.action == RailAction::Alert && known.len() >= MOST || !known.insert(hasher.finish()) {
        return None;
    }
    let Rail { name, action, message, .. } = rail;
    Some(Trip { rail: name.clone(), action: *action, message: message.clone(), line: excerpt(line, found.start()) })
}

/// At most [`EXCERPT`] characters of `line` around the byte `at`, printable.
fn excerpt(line: &str, at: usize) -> String {
    let before = line.get(..at).map_or(0, |before| before.chars().count());
    let skipped = if line.chars().nth(EXCERPT).is_some() { before.saturating_sub(BEFORE) } else { 0 };
    let mut rest = line.chars().skip(skipped);
    let kept: String = rest.by_ref().take(EXCERPT).collect();
    let (left, right) = (if skipped > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{left}{}{right}", Printable(&kept))
}

#[cfg(test)]
mod tests;
