//! Reads a filter word by word. A quote that is not closed goes to the end; nothing that is typed is an error that stops it.

use jiff::Timestamp;

use super::{FIELDS, Field, Filter, Word};
use crate::clock::parse_moment;

pub(super) fn parse(text: &str, now: Timestamp) -> Filter {
    let mut filter = Filter::default();
    for word in words(text) {
        match read(&word, now) {
            Ok(Some(word)) => filter.words.push(word),
            Ok(None) => {}
            Err(problem) => filter.problem = Some(problem),
        }
    }
    filter
}

fn read(word: &str, now: Timestamp) -> Result<Option<Word>, String> {
    let (not, word) = match word.strip_prefix('-') {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, word),
    };
    let named = word.split_once(':').filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase()) && !name.is_empty());
    let Some((name, value)) = named else {
        return Ok(has(Field::Any, word, not));
    };
    let moment = || parse_moment(value, now).ok_or_else(|| format!("`{name}:` takes 30m, 2h, 7d or 2026-11-22"));
    match name {
        // While it is being typed.
        _ if value.is_empty() => Ok(None),
        "since" => Ok(Some(Word::Since { from: moment()?, not })),
        "until" => Ok(Some(Word::Until { to: moment()?, not })),
        _ => match FIELDS.iter().find(|(own, _)| *own == name) {
            Some((_, Field::Kind)) => Ok(has(Field::Kind, kind(value), not)),
            Some((_, field)) => Ok(has(*field, value, not)),
            None => Err(format!("there is no `{name}:`; there are user target login kind text state verdict id tag since until")),
        },
    }
}

fn has(field: Field, wanted: &str, not: bool) -> Option<Word> {
    let wanted = wanted.replace('"', "").to_lowercase();
    (!wanted.is_empty()).then_some(Word::Has { field, wanted, not })
}

/// Kinds as people call them.
fn kind(text: &str) -> &str {
    match text {
        "pg" | "sql" => "postgres",
        "k8s" => "kubernetes",
        other => other,
    }
}

/// Words between spaces; quotes keep spaces.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
