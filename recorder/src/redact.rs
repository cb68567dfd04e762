//! Makes a copy of a recording from which what rules name is taken out: each character of it becomes `█`, so that all else stays
//! where it is. Rules look at whole lines of output, however they were split into events, and at what a terminal would show: a copy
//! that still shows something of a rule's is no copy. The recording itself is never changed.

mod classes;
mod stream;

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

pub(crate) use stream::{Item, Stream};

/// Stands for one character.
const MASK: char = '█';
/// What a rule's pattern may take once it is compiled, in bytes.
const COMPILED: usize = 1 << 20;

/// The rules, and what they found.
#[derive(Debug, Default)]
pub struct Redaction {
    rules: Vec<Rule>,
    /// Whether a private key's lines are being taken out.
    in_key: bool,
}

#[derive(Debug)]
struct Rule {
    name: String,
    pattern: Regex,
    /// What a match must be besides.
    is_one: fn(&str) -> bool,
    /// From a line that matches up to the end of a key.
    is_key: bool,
    hits: u64,
}

impl Redaction {
    /// The names of the classes.
    #[must_use]
    pub fn classes() -> Vec<&'static str> {
        classes::ALL.iter().map(|class| class.name).collect()
    }

    /// Takes out what matches `pattern`, a regular expression (of the crate regex), which is called `name`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn add_pattern(&mut self, name: &str, pattern: &str) -> Result<(), String> {
        let pattern = RegexBuilder::new(pattern).size_limit(COMPILED).build().map_err(|error| error.to_string())?;
        if pattern.is_match("") {
            return Err("it matches nothing at all, and so everywhere".to_owned());
        }
        self.rules.push(Rule { name: name.to_owned(), pattern, is_one: |_| true, is_key: false, hits: 0 });
        Ok(())
    }

    /// Takes out what is of the class `class`.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn add_class(&mut self, class: &str) -> Result<(), String> {
        let found = classes::ALL.iter().find(|one| one.name == class);
        let found = found.ok_or_else(|| format!("there is no class \"{class}\"; there are {}", Self::classes().join(", ")))?;
        let pattern = Regex::new(found.pattern).map_err(|error| error.to_string())?;
        self.rules.push(Rule { name: class.to_owned(), pattern, is_one: found.is_one, is_key: class == classes::PRIVATE_KEY, hits: 0 });
        Ok(())
    }

    /// Each rule's name and how often it was met.
    pub fn hits(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), rule.hits))
    }

    /// What is to be taken out of one line, in order and apart.
    fn ranges(&mut self, line: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.in_key {
            found.push(0..line.len());
            self.in_key = !line.contains(classes::KEY_END);
        }
        for rule in &mut self.rules {
            for one in rule.pattern.find_iter(line).filter(|one| (rule.is_one)(one.as_str())) {
                rule.hits += 1;
                if rule.is_key {
                    self.in_key = !line.get(one.end()..).unwrap_or_default().contains(classes::KEY_END);
                    found.push(one.start()..line.len());
                } else {
                    found.push(one.range());
                }
            }
        }
        joined(found)
    }

    /// The rule that `line` still holds something of.
    fn left_in(&self, line: &str) -> Option<&str> {
        let is_left = |text: &str| text.chars().any(|next| next != MASK && !next.is_whitespace());
        let holds = |rule: &&Rule| rule.pattern.find_iter(line).any(|one| (rule.is_one)(one.as_str()) && is_left(one.as_str()));
        self.rules.iter().find(holds).map(|rule| rule.name.as_str())
    }

    /// `text` without what the rules name, line by line.
    pub(crate) fn masked(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for part in text.split_inclusive(['\n', '\r']) {
            let line = part.trim_end_matches(['\n', '\r']);
            let ranges = self.ranges(line);
            out.extend(line.char_indices().map(|(at, next)| if inside(&ranges, at) { MASK } else { next }));
            out.push_str(part.get(line.len()..).unwrap_or_default());
        }
        out
    }

    /// The same for every string of a JSON text.
    pub(crate) fn masked_json(&mut self, json: &str) -> String {
        match serde_json::from_str(json) {
            Ok(value) => self.value(value).to_string(),
            Err(_) => self.masked(json),
        }
    }

    fn value(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, self.value(value))).collect()),
            other => other,
        }
    }
}

fn inside(ranges: &[Range<usize>], at: usize) -> bool {
    ranges.iter().any(|range| range.contains(&at))
}

/// Ranges that touch or overlap become one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

#[cfg(test)]
mod tests;
