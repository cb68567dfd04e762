//! What the recording says of statements: each as it was decided, before it is forwarded, and what came of it. Rows are counted,
//! and kept only where policy says so.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::Printable;
use crate::record::Piece;

use super::codec::Fault;
use super::refusal::Denial;
use super::results::Seen;

/// How much of a text stands in one event; a longer one goes on in the next.
const PART: usize = 128 << 10;

/// How much of one value is recorded, in characters.
pub(super) const VALUE: usize = 1_000;

/// How many values of one statement are recorded.
pub(super) const VALUES: usize = 200;

/// What a statement was decided to be.
pub(super) struct Decided<'a> {
    pub(super) database: &'a str,
    pub(super) text: &'a str,
    pub(super) values: &'a [String],
    /// The kinds of its statements.
    pub(super) kinds: Vec<&'static str>,
    pub(super) policies: &'a [String],
    /// The approval that it was let through with.
    pub(super) approval: Option<String>,
    pub(super) denial: Option<&'a Denial>,
}

#[derive(Serialize)]
struct Statement<'a> {
    action: &'static str,
    text: String,
    statement: &'a str,
    values: &'a [String],
    kinds: &'a [&'static str],
    verdict: &'static str,
    policies: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

#[derive(Serialize)]
struct Done<'a> {
    action: &'static str,
    text: String,
    tag: &'a str,
    rows: u64,
    bytes: u64,
    duration_ms: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    results: Option<Results<'a>>,
}

#[derive(Serialize)]
struct Results<'a> {
    results: &'a [Vec<Option<String>>],
    results_cut: bool,
}

/// The statement and its verdict.
pub(super) fn decided(about: &Decided<'_>) -> Vec<Piece> {
    let values = beneath(about.values);
    let mut parts = parts(about.text);
    let first = parts.next().unwrap_or_default();
    let verdict = about.denial.map_or("allow", |denial| denial.verdict);
    let policies = about.denial.map_or(about.policies, |denial| denial.policies.as_slice());
    let event = Statement {
        action: "pg.statement",
        text: format!("{}=> {}{}", Printable(about.database), Lines(first), Lines(&values)),
        statement: first,
        values: about.values,
        kinds: &about.kinds,
        verdict,
        policies,
        approval: about.approval.as_deref(),
        sqlstate: about.denial.map(|denial| denial.code.as_str()),
        result: about.denial.map(|denial| format!("ERROR:  {}: {}", denial.code, Lines(&denial.message))),
    };
    let rest =
        parts.map(|part| Piece::operation(&json!({ "action": "pg.statement.more", "text": Lines(part).to_string(), "statement": part })));
    std::iter::once(Piece::operation(&event)).chain(rest).collect()
}

/// The values of a statement, as a line of remarks beneath it; nothing where it has none.
pub(super) fn beneath(values: &[String]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = values.iter().enumerate().map(|(n, value)| format!("${} = {value}", n + 1)).collect();
    format!("\n-- {}", shown.join(", "))
}

/// The text in parts that fit an event.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = rest.split_at(rest.floor_char_boundary(PART));
        rest = after;
        Some(part)
    })
}

/// Text whose lines stay lines.
struct Lines<'a>(&'a str);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.0.split('\n').enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { "\n" }, Printable(line))?;
        }
        Ok(())
    }
}

/// What ran, as far as the recording tells.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) duration: Duration,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Its rows, where policy wants them recorded.
    pub(super) seen: Option<Seen>,
}

/// A statement that the server finished.
pub(super) fn finished(tag: &str, ran: Ran) -> Piece {
    let ms = milliseconds(ran.duration);
    let rows = ran.seen.as_ref().map(Seen::lines).unwrap_or_default();
    Piece::operation(&Done {
        action: "pg.result",
        text: format!("{rows}{} ({ms} ms)", Lines(tag)),
        tag,
        rows: ran.rows,
        bytes: ran.bytes,
        duration_ms: ms,
        results: ran.seen.as_ref().map(|seen| Results { results: &seen.rows, results_cut: seen.cut }),
    })
}

/// A statement that failed in the server.
pub(super) fn failed(fault: &Fault, ran: Option<Ran>) -> Piece {
    let (code, message) = (fault.get(b'C'), fault.get(b'M'));
    let message: String = message.chars().take(2_000).collect();
    Piece::operation(&json!({
        "action": "pg.result",
        "text": format!("{}:  {}: {}", Printable(fault.get(b'S')), Printable(code), Lines(&message)),
        "sqlstate": code,
        "rows": ran.as_ref().map(|ran| ran.rows),
        "bytes": ran.as_ref().map(|ran| ran.bytes),
        "duration_ms": ran.as_ref().map(|ran| milliseconds(ran.duration)),
    }))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The values of a `Bind`, from what follows its names, as they are recorded; as many and as much as there is of them.
pub(super) fn values(rest: &[u8]) -> Vec<String> {
    let mut taken = Vec::new();
    let _cut = read_values(rest, &mut taken);
    taken
}

/// Takes `count` bytes from the front.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(bytes)
}

fn short(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn read_values(mut rest: &[u8], taken: &mut Vec<String>) -> Option<()> {
    let count = short(&mut rest)?;
    let formats: Vec<u16> = (0..count).map(|_| short(&mut rest)).collect::<Option<_>>()?;
    let count = usize::from(short(&mut rest)?);
    for n in 0..count.min(VALUES) {
        let length = i32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let Ok(length) = usize::try_from(length) else {
            taken.push("NULL".to_owned());
            continue;
        };
        let format = formats.get(n).or(formats.first().filter(|_| formats.len() == 1)).copied().unwrap_or(0);
        // Of a value that is longer than what is seen of the message, its beginning.
        let seen = rest.get(..length).unwrap_or(rest);
        taken.push(value(seen, length, format));
        take(&mut rest, length)?;
    }
    Some(())
}

fn value(bytes: &[u8], length: usize, format: u16) -> String {
    let seen = bytes.get(..bytes.len().min(VALUE)).unwrap_or_default();
    let cut = if seen.len() < length { format!("… ({length} bytes)") } else { String::new() };
    match (format, std::str::from_utf8(seen)) {
        (0, Ok(text)) => format!("'{}'{cut}", Printable(text)),
        (0, Err(error)) if !cut.is_empty() && error.error_len().is_none() => {
            let whole = seen.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
            format!("'{}'{cut}", Printable(whole))
        }
        _ => format!("'\\x{}'{cut}", hex::encode(seen)),
    }
}

/// A statement that the server skipped, since one before it failed.
pub(super) fn skipped() -> Piece {
    Piece::operation(&json!({ "action": "pg.result", "text": "(not run: one before it failed)" }))
}
