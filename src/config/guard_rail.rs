//! `[[guard_rail]]`: what is looked for on the screens of ordinary shells, and what happens then. A guard rail is no policy:
//! it keeps nobody out and can be evaded.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};

use crate::model::{Printable, RailAction, TargetKind, TargetName};

use super::Target;
use super::reader::{Placed, Section};

/// Most guard rails of one configuration: each looks at each line.
const MOST: usize = 100;
/// How large a compiled pattern may be, in bytes; every thread needs memory of that order for it.
const PATTERN_SIZE: usize = 1 << 20;
/// Longest message, in characters: it is shown in the middle of a terminal's screen.
const MESSAGE: usize = 500;
/// Longest name, in characters.
const NAME: usize = 64;

/// One guard rail.
#[derive(Debug, Clone)]
pub struct GuardRail {
    /// Its name, which every output about it shows.
    pub name: String,
    /// What it looks for in a line of a screen.
    pub pattern: Regex,
    /// What happens then.
    pub action: RailAction,
    /// What the user and the operator are told besides.
    pub message: Option<String>,
    /// Only at these targets; at all when there is none.
    pub targets: BTreeSet<TargetName>,
    /// Only at targets with all of these tags.
    pub tags: BTreeMap<String, String>,
}

impl PartialEq for GuardRail {
    fn eq(&self, other: &Self) -> bool {
        let parts = |rail: &Self| (rail.name.clone(), rail.pattern.as_str().to_owned(), rail.action, rail.message.clone());
        parts(self) == parts(other) && self.targets == other.targets && self.tags == other.tags
    }
}

impl GuardRail {
    /// Whether it looks at sessions on `target`.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        let tagged = self.tags.iter().all(|(key, value)| target.tags.get(key) == Some(value));
        target.kind() == TargetKind::Ssh && tagged && (self.targets.is_empty() || self.targets.contains(&target.name))
    }
}

/// `targets` is none when they have problems themselves.
pub(super) fn read_all(root: &Section<'_>, targets: Option<&[Target]>) -> Option<Vec<GuardRail>> {
    let sections = root.sections("guard_rail");
    let mut names = BTreeSet::new();
    let mut rails = Vec::new();
    for (number, section) in sections.iter().enumerate() {
        if number == MOST {
            section.problem(&section.whole(), format!("is one more than {MOST}"), "join patterns with `|`");
        }
        let rail = read_one(section, targets);
        if let Some(name) = section.string("name")
            && !names.insert(name.value.clone())
        {
            section.problem(&name, format!("a second guard rail is named `{}`", Printable(&name.value)), "give each its own name");
        }
        section.finish();
        rails.push(rail);
    }
    rails.into_iter().collect()
}

fn read_one(section: &Section<'_>, targets: Option<&[Target]>) -> Option<GuardRail> {
    let name = read_name(section);
    let pattern = read_pattern(section);
    let action = read_action(section);
    let message = read_message(section);
    let named = read_targets(section, targets);
    let tags = read_tags(section, targets);
    let rail = GuardRail { name: name?, pattern: pattern?, action: action?, message: message.ok()?, targets: named?, tags: tags? };
    if let Some(targets) = targets.filter(|targets| !targets.is_empty())
        && !targets.iter().any(|target| rail.covers(target))
    {
        let mend = "leave targets or tags away, or name an ssh target that has the tags";
        section.problem(&section.whole(), "looks at no target", mend);
    }
    Some(rail)
}

fn read_name(section: &Section<'_>) -> Option<String> {
    let mend = "a short name of letters, digits, `-`, `_` and `.`, as in \"no-private-keys\"";
    let placed = section.need_string("name", mend)?;
    let fits = placed.value.len() <= NAME && placed.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !fits {
        section.problem(&placed, format!("`{}` is not a name for a guard rail", Printable(&placed.value)), mend);
    }
    fits.then_some(placed.value)
}

fn read_pattern(section: &Section<'_>) -> Option<Regex> {
    let placed = section.need_string("pattern", "a regular expression, as in \"BEGIN [A-Z]+ PRIVATE KEY\"")?;
    match RegexBuilder::new(&placed.value).size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE).build() {
        Ok(pattern) if pattern.is_match("") => {
            section.problem(&placed, "matches an empty line, and so every screen", "ask for at least one character");
            None
        }
        Ok(pattern) => Some(pattern),
        Err(regex::Error::CompiledTooBig(_)) => {
            let what = format!("is larger than {} KiB when it is compiled", PATTERN_SIZE >> 10);
            section.problem(&placed, what, "repeat less, or write (?-u) before \\w and \\d");
            None
        }
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let what = format!("is not a regular expression: {}", Printable(why));
            section.problem(
                &placed,
                what,
                "see https://docs.rs/regex for the syntax; a literal string in '…' needs no doubled backslashes",
            );
            None
        }
    }
}

fn read_action(section: &Section<'_>) -> Option<RailAction> {
    let words = [RailAction::Alert, RailAction::Freeze].map(|action| (action.word(), action));
    if !section.has("action") {
        section.missing("action", "\"alert\" or \"freeze\"");
        return None;
    }
    section.choice("action", &words, RailAction::Alert)
}

fn read_message(section: &Section<'_>) -> Result<Option<String>, ()> {
    if !section.has("message") {
        return Ok(None);
    }
    let placed = section.string("message").ok_or(())?;
    if placed.value.chars().count() > MESSAGE || Printable(&placed.value).to_string() != placed.value {
        section.problem(&placed, "cannot be shown on a terminal", format!("write one line of at most {MESSAGE} printable characters"));
        return Err(());
    }
    Ok(Some(placed.value))
}

fn read_targets(section: &Section<'_>, targets: Option<&[Target]>) -> Option<BTreeSet<TargetName>> {
    let named = section.strings("targets")?;
    if named.is_empty() && section.has("targets") {
        section.problem(&section.whole(), "names no target in its `targets`", "leave `targets` away to look at all ssh targets");
        return None;
    }
    let read: Vec<_> = named.iter().map(|placed| read_target(section, placed, targets)).collect();
    read.into_iter().collect()
}

fn read_target(section: &Section<'_>, placed: &Placed<String>, targets: Option<&[Target]>) -> Option<TargetName> {
    let Some(targets) = targets else { return placed.value.parse().ok() };
    let shown = Printable(&placed.value);
    match targets.iter().find(|target| target.name.as_str() == placed.value) {
        Some(target) if target.kind() == TargetKind::Ssh => return Some(target.name.clone()),
        Some(target) => {
            let what = format!("`{shown}` is a {} target, which has no shell", target.kind());
            section.problem(placed, what, "name targets of kind \"ssh\"");
        }
        None => section.problem(placed, format!("no target is named `{shown}`"), "name one of the [[target]] sections"),
    }
    None
}

fn read_tags(section: &Section<'_>, targets: Option<&[Target]>) -> Option<BTreeMap<String, String>> {
    if !section.has("tags") {
        return Some(BTreeMap::new());
    }
    let (mut tags, mut whole) = (BTreeMap::new(), true);
    for (key, placed) in section.section("tags")?.string_pairs() {
        if targets.is_some_and(|targets| !targets.iter().any(|target| target.tags.get(&key) == Some(&placed.value))) {
            let what = format!("no target has the tag {} = \"{}\"", Printable(&key), Printable(&placed.value));
            section.problem(&placed, what, "write a tag of a [[target]] section");
            whole = false;
        }
        tags.insert(key, placed.value);
    }
    whole.then_some(tags)
}

#[cfg(test)]
mod tests;
