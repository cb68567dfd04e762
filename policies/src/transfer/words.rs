//! The words of one simple command, with the wildcards that a shell would expand. A smaller language than a shell's on purpose:
//! whatever else a shell would do something about makes the line unreadable here.

use super::pattern::{Pattern, Piece};

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    pieces: Vec<Piece>,
    /// It begins with `~/` or is `~`.
    home: bool,
}

impl Word {
    /// The word, if nothing in it is to be expanded.
    pub(super) fn literal(&self) -> Option<String> {
        match (self.pieces.as_slice(), self.home) {
            ([], false) => Some(String::new()),
            ([Piece::Text(text)], false) => Some(text.clone()),
            _ => None,
        }
    }

    /// The word as a path from the account's home, and the pattern that its last part is. Wildcards further up are not read:
    /// nobody could tell what the files found belong to.
    pub(super) fn path(&self) -> Option<(String, Option<Pattern>)> {
        let (first, rest) = match self.pieces.split_first() {
            None if self.home => return Some((".".to_owned(), None)),
            None => return None,
            Some((Piece::Text(text), rest)) => (text.as_str(), rest),
            Some(_) => ("", self.pieces.as_slice()),
        };
        let first = if self.home { first.trim_start_matches('/') } else { first };
        if rest.is_empty() {
            let whole = if first.is_empty() && self.home { "." } else { first };
            return Some((whole.to_owned(), None));
        }
        if rest.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('/'))) {
            return None;
        }
        let (folder, start) = match first.rsplit_once('/') {
            Some(("", start)) => ("/", start),
            Some((folder, start)) => (folder, start),
            None => (".", first),
        };
        let start = (!start.is_empty()).then(|| Piece::Text(start.to_owned()));
        Some((folder.to_owned(), Some(Pattern::new(start.into_iter().chain(rest.iter().cloned()).collect()))))
    }

    fn push(&mut self, c: char) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.pieces.push(Piece::Text(c.to_string())),
        }
    }
}

/// The words of a line, or `None` where a shell would do more than split, unquote and expand `*`, `?` and a leading `~/`.
pub(super) fn read(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (word, tail) = word(rest)?;
        words.push(word);
        rest = tail.trim_start_matches([' ', '\t']);
    }
    Some(words)
}

/// The first word and what follows it.
fn word(line: &str) -> Option<(Word, &str)> {
    let mut word = Word::default();
    let mut rest = line;
    if let Some(tail) = line.strip_prefix('~') {
        if !(tail.is_empty() || tail.starts_with(['/', ' ', '\t'])) {
            return None;
        }
        (word.home, rest) = (true, tail);
    }
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..)?;
        rest = match c {
            ' ' | '\t' => break,
            '\'' => single(tail, &mut word)?,
            '"' => double(tail, &mut word)?,
            '\\' => {
                let escaped = tail.chars().next().filter(|c| !c.is_control())?;
                word.push(escaped);
                tail.get(escaped.len_utf8()..)?
            }
            '*' => wild(tail, &mut word, Piece::Any),
            '?' => wild(tail, &mut word, Piece::One),
            _ if is_plain(c) || c == '#' && !word.pieces.is_empty() => {
                word.push(c);
                tail
            }
            _ => return None,
        };
    }
    if word.pieces.is_empty() && !word.home {
        word.pieces.push(Piece::Text(String::new()));
    }
    Some((word, rest))
}

fn wild<'a>(tail: &'a str, word: &mut Word, piece: Piece) -> &'a str {
    word.pieces.push(piece);
    tail
}

fn single<'a>(text: &'a str, word: &mut Word) -> Option<&'a str> {
    let (inside, tail) = text.split_once('\'')?;
    inside.chars().all(|c| !c.is_control()).then(|| inside.chars().for_each(|c| word.push(c)))?;
    Some(tail)
}

fn double<'a>(text: &'a str, word: &mut Word) -> Option<&'a str> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return text.get(at + 1..),
            '$' | '`' => return None,
            '\\' => match chars.next()?.1 {
                c @ ('$' | '`' | '"' | '\\') => word.push(c),
                c => {
                    word.push('\\');
                    word.push(c);
                }
            },
            c => word.push(c),
        }
        if c.is_control() {
            return None;
        }
    }
    None
}

/// Characters that stand for themselves in a word that is not quoted.
fn is_plain(c: char) -> bool {
    is_bare(c) || matches!(c, '=' | '%' | '^' | '!' | ']' | '~') || !c.is_ascii() && !c.is_control()
}

/// Characters that every common shell reads as themselves, wherever they stand.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '+' | '@')
}

/// A text in a form that every common shell reads back as that text. csh and fish give `!` and `\` a meaning inside single
/// quotes, but all of them take a character after `\` outside as it is.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let mut out = String::new();
    let mut open = false;
    for c in text.chars() {
        let escape = matches!(c, '\'' | '\\' | '!');
        if open && escape {
            out.push('\'');
            open = false;
        }
        if escape {
            out.push('\\');
        } else if !(open || is_bare(c) || c == '=' && !out.is_empty()) {
            out.push('\'');
            open = true;
        }
        out.push(c);
    }
    if open {
        out.push('\'');
    }
    out
}
