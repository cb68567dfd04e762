//! Hides one value, so that what is left is still of the column's type, in text and in binary. Where no such value says nothing, it
//! becomes NULL.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::rule::Mask;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// As text.
    Text,
    /// As the type's own bytes.
    Binary,
}

/// What a type is made of, as far as masks care. Numbers of types are PostgreSQL's own and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
    Jsonb,
    /// So many bytes.
    Int(usize),
    Numeric,
    Uuid,
    Bytes,
    Other,
}

fn kind(type_oid: u32) -> Kind {
    match type_oid {
        25 | 1042 | 1043 => Kind::Text,
        114 => Kind::Json,
        3802 => Kind::Jsonb,
        21 => Kind::Int(2),
        23 => Kind::Int(4),
        20 => Kind::Int(8),
        1700 => Kind::Numeric,
        2950 => Kind::Uuid,
        17 => Kind::Bytes,
        _ => Kind::Other,
    }
}

const REDACTED: &str = "[redacted]";
const HIDDEN: &str = "****";

/// The value that is shown instead; `None` is NULL, which stays NULL. `key` makes the hashes of one deployment its own.
#[must_use]
pub fn masked<'v>(mask: Mask, type_oid: u32, format: Format, value: Option<&'v [u8]>, key: &[u8]) -> Option<Cow<'v, [u8]>> {
    let value = value?;
    let shown = match (mask, kind(type_oid)) {
        (Mask::Null, _) => None,
        (Mask::Redact, Kind::Text) => Some(REDACTED.as_bytes().to_vec()),
        (Mask::Redact, Kind::Json | Kind::Jsonb) => Some(json(REDACTED, type_oid, format)),
        (Mask::Hash, kind) => hashed(kind, type_oid, format, &hash(key, &comparable(kind, format, value))),
        (Mask::Last4, Kind::Text) => std::str::from_utf8(value).ok().map(|text| last4(text).into_bytes()),
        (Mask::Last4, Kind::Int(size)) => number(size, format, value).and_then(|number| write(size, format, last4_of(number)?)),
        (Mask::Last4, Kind::Numeric) => last4_numeric(format, value),
        (Mask::Email, Kind::Text) => std::str::from_utf8(value).ok().map(|text| email(text).into_bytes()),
        (Mask::Redact | Mask::Last4 | Mask::Email, _) => None,
    };
    shown.map(Cow::Owned)
}

/// A text as a JSON value.
fn json(text: &str, type_oid: u32, format: Format) -> Vec<u8> {
    let quoted = format!("\"{text}\"").into_bytes();
    // Binary jsonb begins with its version.
    if kind(type_oid) == Kind::Jsonb && format == Format::Binary { [vec![1], quoted].concat() } else { quoted }
}

/// The last four characters, where they are no more than half of it.
fn last4(text: &str) -> String {
    let text = text.trim_end();
    let mut places = text.char_indices().rev().map(|(place, _)| place);
    let fourth = places.nth(3).filter(|_| places.nth(3).is_some());
    let end = fourth.and_then(|place| text.get(place..)).unwrap_or_default();
    [HIDDEN, end].concat()
}

/// `a****@example.com`
fn email(text: &str) -> String {
    match text.trim_end().rsplit_once('@') {
        Some((person, domain)) if !person.is_empty() && !domain.is_empty() => {
            let first = person.char_indices().nth(1).and_then(|(second, _)| person.get(..second)).unwrap_or_default();
            [first, HIDDEN, "@", domain].concat()
        }
        _ => HIDDEN.to_owned(),
    }
}

fn hash(key: &[u8], value: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; none would be a programming mistake, and then every value hashes to the same.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(value);
    mac.finalize().into_bytes().into()
}

/// One text for one value, so that the hash is the same in text and in binary.
fn comparable(kind: Kind, format: Format, value: &[u8]) -> Vec<u8> {
    let text = match (kind, format) {
        (Kind::Int(size), _) => number(size, format, value).map(|number| number.to_string()),
        (Kind::Uuid, Format::Binary) => Some(hex::encode(value)),
        (Kind::Uuid, Format::Text) => std::str::from_utf8(value).ok().map(|text| text.replace('-', "").to_ascii_lowercase()),
        (Kind::Bytes, Format::Binary) => Some(format!("\\x{}", hex::encode(value))),
        (Kind::Jsonb, Format::Binary) => return value.get(1..).unwrap_or_default().to_vec(),
        (Kind::Numeric, Format::Binary) => return numeric_text(value).unwrap_or_default().into_bytes(),
        _ => None,
    };
    text.map_or_else(|| value.to_vec(), String::into_bytes)
}

fn hashed(kind: Kind, type_oid: u32, format: Format, hash: &[u8; 32]) -> Option<Vec<u8>> {
    let (half, _) = hash.split_first_chunk::<16>()?;
    let (eight, _) = hash.split_first_chunk::<8>()?;
    let large = i64::from_be_bytes(*eight) & i64::MAX;
    match kind {
        Kind::Text => Some(hex::encode(half).into_bytes()),
        Kind::Json | Kind::Jsonb => Some(json(&hex::encode(half), type_oid, format)),
        Kind::Int(size) => {
            let most = match size {
                2 => i64::from(i16::MAX),
                4 => i64::from(i32::MAX),
                _ => i64::MAX,
            };
            write(size, format, large & most)
        }
        Kind::Numeric => Some(numeric(large, format)),
        Kind::Uuid => {
            // Version 8 and variant 1: made by a rule of one's own (RFC 9562).
            let mut bytes = *half;
            let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
            *version = (*version & 0x0f) | 0x80;
            *variant = (*variant & 0x3f) | 0x80;
            Some(match format {
                Format::Binary => bytes.to_vec(),
                Format::Text => {
                    let text = hex::encode(bytes);
                    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
                    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)).into_bytes()
                }
            })
        }
        Kind::Bytes => Some(match format {
            Format::Binary => hash.to_vec(),
            Format::Text => format!("\\x{}", hex::encode(hash)).into_bytes(),
        }),
        Kind::Other => None,
    }
}

fn number(size: usize, format: Format, value: &[u8]) -> Option<i64> {
    match (format, size) {
        (Format::Text, _) => std::str::from_utf8(value).ok()?.parse().ok(),
        (Format::Binary, 2) => Some(i64::from(i16::from_be_bytes(value.try_into().ok()?))),
        (Format::Binary, 4) => Some(i64::from(i32::from_be_bytes(value.try_into().ok()?))),
        (Format::Binary, _) => Some(i64::from_be_bytes(value.try_into().ok()?)),
    }
}

fn write(size: usize, format: Format, number: i64) -> Option<Vec<u8>> {
    Some(match (format, size) {
        (Format::Text, _) => number.to_string().into_bytes(),
        (Format::Binary, 2) => i16::try_from(number).ok()?.to_be_bytes().to_vec(),
        (Format::Binary, 4) => i32::try_from(number).ok()?.to_be_bytes().to_vec(),
        (Format::Binary, _) => number.to_be_bytes().to_vec(),
    })
}

/// The last four digits of a number of at least eight.
fn last4_of(number: i64) -> Option<i64> {
    let number = number.checked_abs()?;
    (number >= 10_000_000).then_some(number % 10_000)
}

fn last4_numeric(format: Format, value: &[u8]) -> Option<Vec<u8>> {
    let text = match format {
        Format::Text => std::str::from_utf8(value).ok()?.to_owned(),
        Format::Binary => numeric_text(value)?,
    };
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let whole = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let end = digits.get(digits.len().checked_sub(4)?..).filter(|_| whole)?;
    Some(numeric(end.parse().ok()?, format))
}

/// A whole number of type numeric: in binary, digits to the base of ten thousand.
fn numeric(number: i64, format: Format) -> Vec<u8> {
    if format == Format::Text {
        return number.to_string().into_bytes();
    }
    let (mut digits, mut rest) = (Vec::new(), number);
    while rest > 0 {
        digits.push(i16::try_from(rest % 10_000).unwrap_or(0));
        rest /= 10_000;
    }
    digits.reverse();
    let count = i16::try_from(digits.len()).unwrap_or(0);
    let head = [count, (count - 1).max(0), 0, 0];
    head.iter().chain(&digits).flat_map(|half| half.to_be_bytes()).collect()
}

/// A binary numeric as text; `None` for what is no number or too long.
fn numeric_text(value: &[u8]) -> Option<String> {
    let halves: Vec<i16> = value.chunks_exact(2).filter_map(|half| half.try_into().ok().map(i16::from_be_bytes)).collect();
    let [count, weight, sign, scale, digits @ ..] = halves.as_slice() else { return None };
    let places = usize::try_from(*scale).ok()?;
    if !matches!(*sign, 0 | 0x4000) || usize::try_from(*count).ok()? != digits.len() || *weight > 1_000 || places > 10_000 {
        return None;
    }
    let digit = |place: i16| usize::try_from(*weight - place).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0);
    let whole: String = (0..=(*weight).max(0)).rev().map(|place| format!("{:04}", digit(place))).collect();
    let whole = whole.trim_start_matches('0');
    let groups = i16::try_from(places.div_ceil(4)).ok()?;
    let fraction: String = (1..=groups).map(|place| format!("{:04}", digit(-place))).collect();
    let fraction = fraction.get(..places)?;
    let minus = if *sign == 0x4000 { "-" } else { "" };
    let dot = if places > 0 { "." } else { "" };
    Some(format!("{minus}{}{dot}{fraction}", if whole.is_empty() { "0" } else { whole }))
}

#[cfg(test)]
mod tests;
