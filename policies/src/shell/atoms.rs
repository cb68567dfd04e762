//! The pieces that a word is made of before it is split into fields: unquoted characters, quoted text, values of expansions.
//! Here braces are expanded, and patterns and home directories are told from literal characters.

use super::field::{Bit, Field};
use super::why::Why;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    /// A character that is not quoted.
    Char(char),
    /// Quoted text; the empty one makes a word too.
    Quoted(String),
    /// The value of an expansion outside quotes, which is split at blanks.
    Split(String),
    /// `"$@"`.
    Each(Vec<String>),
}

/// More words than this are not made of one.
const MOST: usize = 512;
/// Deeper nests of braces, and more of them, are not looked into.
const MOST_BRACES: usize = 32;

/// The words that braces make of one, as bash and zsh do it.
pub(super) fn braces(atoms: Vec<Atom>) -> Result<Vec<Vec<Atom>>, Why> {
    let open = atoms.iter().filter(|atom| **atom == Atom::Char('{')).count();
    if open == 0 {
        return Ok(vec![atoms]);
    }
    if open > MOST_BRACES {
        return Err(Why::new("it has more braces than can be looked into"));
    }
    let mut words = Vec::new();
    expand(&atoms, &mut words)?;
    Ok(words)
}

fn expand(atoms: &[Atom], words: &mut Vec<Vec<Atom>>) -> Result<(), Why> {
    for (start, _) in atoms.iter().enumerate().filter(|(_, atom)| **atom == Atom::Char('{')) {
        let (before, inside) = atoms.split_at(start);
        let Some((choices, after)) = choices(inside.get(1..).unwrap_or_default())? else { continue };
        let mut rests = Vec::new();
        expand(after, &mut rests)?;
        for choice in choices {
            let mut middles = Vec::new();
            expand(&choice, &mut middles)?;
            for middle in middles {
                for rest in &rests {
                    words.push([before, &middle, rest].concat());
                    if words.len() > MOST {
                        return Err(Why::new("its braces make too many words"));
                    }
                }
            }
        }
        return Ok(());
    }
    words.push(atoms.to_vec());
    Ok(())
}

type Choices<'a> = Option<(Vec<Vec<Atom>>, &'a [Atom])>;

/// What stands between an opening brace and its closing one, cut at the commas, and what follows.
fn choices(inside: &[Atom]) -> Result<Choices<'_>, Why> {
    let mut depth = 0_usize;
    let mut cuts = Vec::new();
    for (at, atom) in inside.iter().enumerate() {
        match atom {
            Atom::Char('{') => depth += 1,
            Atom::Char('}') if depth > 0 => depth -= 1,
            Atom::Char('}') => {
                let (body, rest) = inside.split_at(at);
                let rest = rest.get(1..).unwrap_or_default();
                if cuts.is_empty() {
                    return Ok(sequence(body)?.map(|words| (words, rest)));
                }
                let mut parts = Vec::new();
                let mut from = 0;
                for cut in cuts.into_iter().chain([at]) {
                    parts.push(body.get(from..cut).unwrap_or_default().to_vec());
                    from = cut + 1;
                }
                return Ok(Some((parts, rest)));
            }
            Atom::Char(',') if depth == 0 => cuts.push(at),
            _ => {}
        }
    }
    Ok(None)
}

/// `{1..5}`, `{a..e}`, `{01..10..2}`; `None` if it is not of that form.
fn sequence(body: &[Atom]) -> Result<Option<Vec<Vec<Atom>>>, Why> {
    let text: Option<String> = body.iter().map(|atom| if let Atom::Char(c) = atom { Some(*c) } else { None }).collect();
    let Some(text) = text.filter(|text| text.contains("..")) else { return Ok(None) };
    let parts: Vec<&str> = text.split("..").collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => match step.parse::<i64>() {
            Ok(step) => (*first, *last, step.saturating_abs().max(1)),
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let width = [first, last].iter().filter(|n| has_leading_zero(n)).map(|n| n.len()).max().unwrap_or(0);
    let words: Vec<String> = match (first.parse::<i64>(), last.parse::<i64>(), letter(first), letter(last)) {
        (Ok(from), Ok(to), ..) => steps(from, to, step)?.into_iter().map(|n| format!("{n:0width$}")).collect(),
        (_, _, Some(from), Some(to)) => {
            let codes = steps(i64::from(u32::from(from)), i64::from(u32::from(to)), step)?;
            let letters: Vec<char> = codes.into_iter().filter_map(|n| u8::try_from(n).ok().map(char::from)).collect();
            if !letters.iter().all(char::is_ascii_alphabetic) {
                return Err(Why::new("its braces make words that shells do not agree on"));
            }
            letters.into_iter().map(String::from).collect()
        }
        _ => return Ok(None),
    };
    Ok(Some(words.into_iter().map(|word| vec![Atom::Quoted(word)]).collect()))
}

fn has_leading_zero(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    digits.len() > 1 && digits.starts_with('0')
}

fn letter(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
}

fn steps(from: i64, to: i64, step: i64) -> Result<Vec<i64>, Why> {
    let too_many = || Why::new("its braces make too many words");
    let distance = from.abs_diff(to) / step.unsigned_abs().max(1);
    let count = usize::try_from(distance).ok().filter(|count| *count < MOST).ok_or_else(too_many)?;
    let step = if from <= to { step } else { -step };
    let at = |n: usize| i64::try_from(n).ok()?.checked_mul(step)?.checked_add(from);
    (0..=count).map(|n| at(n).ok_or_else(too_many)).collect()
}

/// The fields that one word splits into.
pub(super) fn fields(atoms: &[Atom]) -> Result<Vec<Field>, Why> {
    let mut done = Vec::new();
    let (mut field, mut rest) = match home(atoms)? {
        Some((home, rest)) => {
            let mut field = Field::default();
            field.push(Bit::Home(home));
            (Some(field), rest)
        }
        None => (None, atoms),
    };
    while let Some((atom, tail)) = rest.split_first() {
        rest = tail;
        match atom {
            Atom::Char(c @ ('*' | '?')) => field.get_or_insert_default().push(Bit::Pattern(c.to_string())),
            Atom::Char('[') => match bracket(tail)? {
                Some((pattern, tail)) => {
                    field.get_or_insert_default().push(Bit::Pattern(pattern));
                    rest = tail;
                }
                None => field.get_or_insert_default().push_char('['),
            },
            Atom::Char(c) => field.get_or_insert_default().push_char(*c),
            Atom::Quoted(text) => field.get_or_insert_default().push_text(text),
            Atom::Split(value) => split(value, &mut field, &mut done)?,
            Atom::Each(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        done.extend(field.take());
                    }
                    field.get_or_insert_default().push_text(value);
                }
            }
        }
        if done.len() > MOST {
            return Err(Why::new("it makes too many words"));
        }
    }
    done.extend(field);
    Ok(done)
}

const BLANKS: [char; 3] = [' ', '\t', '\n'];

/// An expansion outside quotes: blanks in its value end words.
fn split(value: &str, field: &mut Option<Field>, done: &mut Vec<Field>) -> Result<(), Why> {
    if value.contains(['*', '?', '[', '\\']) {
        return Err(Why::new("a variable that holds a pattern stands outside quotes"));
    }
    if value.starts_with(BLANKS) {
        done.extend(field.take());
    }
    for (at, part) in value.split(BLANKS).filter(|part| !part.is_empty()).enumerate() {
        if at > 0 {
            done.extend(field.take());
        }
        field.get_or_insert_default().push_text(part);
    }
    if value.ends_with(BLANKS) {
        done.extend(field.take());
    }
    Ok(())
}

/// `~` or `~user` where a word begins, and what follows.
fn home(atoms: &[Atom]) -> Result<Option<(String, &[Atom])>, Why> {
    let Some((Atom::Char('~'), tail)) = atoms.split_first() else { return Ok(None) };
    let end = tail.iter().position(|atom| !matches!(atom, Atom::Char(c) if is_login(*c))).unwrap_or(tail.len());
    let (name, rest) = tail.split_at(end);
    if !matches!(rest.first(), None | Some(Atom::Char('/'))) {
        // With anything quoted or expanded in it, it is no home directory: shells take the tilde as it is.
        return Ok(None);
    }
    let name: String = name.iter().filter_map(|atom| if let Atom::Char(c) = atom { Some(*c) } else { None }).collect();
    if name.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
        return Err(Why::new("shells do not agree on what its `~` stands for"));
    }
    Ok(Some((format!("~{name}"), rest)))
}

fn is_login(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')
}

/// What follows `[`, if it is a bracket expression: its text, and what follows it.
fn bracket(tail: &[Atom]) -> Result<Option<(String, &[Atom])>, Why> {
    let not = usize::from(matches!(tail.first(), Some(Atom::Char('!' | '^'))));
    let mut text = String::from(if not == 1 { "[!" } else { "[" });
    for (at, atom) in tail.iter().enumerate().skip(not) {
        match atom {
            Atom::Char(']') if at > not => {
                text.push(']');
                return Ok(Some((text, tail.get(at + 1..).unwrap_or_default())));
            }
            Atom::Char(c) if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ',' | ':' | '+' | '@' | '%') => text.push(*c),
            _ if tail.contains(&Atom::Char(']')) => return Err(Why::new("shells do not agree on what its brackets stand for")),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The text of a word where it is not split and patterns are not expanded: an assigned value.
pub(super) fn scalar(atoms: &[Atom]) -> Result<String, Why> {
    if home(atoms)?.is_some() {
        return Err(Why::new("a home directory is not known before it runs"));
    }
    let mut text = String::new();
    for atom in atoms {
        match atom {
            Atom::Char(c) => text.push(*c),
            Atom::Quoted(part) | Atom::Split(part) => text.push_str(part),
            Atom::Each(values) => match values.as_slice() {
                [] => {}
                [value] => text.push_str(value),
                _ => return Err(Why::new("shells do not agree on what `$@` stands for there")),
            },
        }
    }
    Ok(text)
}
