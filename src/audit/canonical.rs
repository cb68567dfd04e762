//! JSON in one form only: keys sorted, no spaces, and no character in it that could act on a terminal, so that hashes can be
//! compared and a line can be shown as it is.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use crate::model::Printable;

/// `value` in canonical form. Numbers stand as `serde_json` writes them; we write whole numbers only.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            // Writing to a String does not fail.
            let _infallible = write!(out, "{number}");
        }
        Value::String(text) => write_text(out, text),
        Value::Array(items) => write_all(out, ['[', ']'], items, write_value),
        Value::Object(fields) => {
            // Sorted here: serde_json's own map keeps the order of insertion when any crate asks it to.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            write_all(out, ['{', '}'], sorted, |out, (key, value)| {
                write_text(out, key);
                out.push(':');
                write_value(out, value);
            });
        }
    }
}

fn write_all<T>(out: &mut String, [open, close]: [char; 2], items: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push(open);
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

/// [`canonical`] of what `serde_json` wrote, without a tree of values in between: under load the log gets thousands of lines a second.
/// `None` for what is not JSON without spaces.
pub(super) fn rewritten(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let mut compact = Compact { rest: json };
    compact.value(&mut out)?;
    compact.rest.is_empty().then_some(out)
}

/// What is left of JSON without spaces.
struct Compact<'a> {
    rest: &'a str,
}

impl<'a> Compact<'a> {
    fn take(&mut self, count: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, out: &mut String) -> Option<()> {
        match self.rest.as_bytes().first()? {
            b'"' => write_text(out, &self.text()?),
            b'[' => self.items(out)?,
            b'{' => self.members(out)?,
            _ => {
                let length = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
                out.push_str(self.take(length).filter(|word| !word.is_empty())?);
            }
        }
        Some(())
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.rest.strip_prefix('"')?.as_bytes();
        let (mut length, mut is_escaped) = (0, false);
        while *bytes.get(length)? != b'"' {
            let escapes = bytes.get(length) == Some(&b'\\');
            is_escaped |= escapes;
            length += 1 + usize::from(escapes);
        }
        let quoted = self.take(length + 2)?;
        if is_escaped { serde_json::from_str(quoted).ok().map(Cow::Owned) } else { quoted.get(1..=length).map(Cow::Borrowed) }
    }

    fn items(&mut self, out: &mut String) -> Option<()> {
        out.push_str(self.take(1)?);
        while !self.rest.starts_with(']') {
            self.value(out)?;
            if self.rest.starts_with(',') {
                out.push_str(self.take(1)?);
            }
        }
        out.push_str(self.take(1)?);
        Some(())
    }

    fn members(&mut self, out: &mut String) -> Option<()> {
        out.push_str(self.take(1)?);
        let (start, mut found) = (out.len(), Vec::new());
        while !self.rest.starts_with('}') {
            let (key, begin) = (self.text()?, out.len() - start);
            write_text(out, &key);
            out.push(':');
            self.rest = self.rest.strip_prefix(':')?;
            self.value(out)?;
            found.push((key, begin..out.len() - start));
            self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        }
        let written = out.split_off(start);
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (n, (key, place)) in found.iter().enumerate() {
            // Of two of the same name the later counts, as it does in a map.
            if found.get(n + 1).is_none_or(|(next, _)| next != key) {
                out.push_str(if out.len() > start { "," } else { "" });
                out.push_str(written.get(place.clone())?);
            }
        }
        out.push_str(self.take(1)?);
        Some(())
    }
}

pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while !rest.is_empty() {
        // Nearly all of nearly every text.
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let (before, after) = rest.split_at(plain);
        out.push_str(before);
        let mut others = after.chars();
        if let Some(c) = others.next() {
            write_char(out, c);
        }
        rest = others.as_str();
    }
    out.push('"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn write_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_harmless(c) => out.push(c),
        c => escape(out, c),
    }
}

/// As `model::Printable` sees it: what it would escape is escaped here in JSON's way.
fn is_harmless(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    let shown = Printable(text).to_string();
    shown == *text
}

/// JSON's `\uXXXX`, as a pair of surrogates above U+FFFF (RFC 8259 section 7).
fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String does not fail.
        let _infallible = write!(out, "\\u{unit:04x}");
    }
}
