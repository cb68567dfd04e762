//! Names with the wildcards `*` and `?`, as shells and fnmatch(3) read them.

use super::words::quoted;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Exactly this.
    Text(String),
    /// `*`: any characters, or none.
    Any,
    /// `?`: one character.
    One,
}

/// What a name has to look like. It holds no `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

/// A pattern taken apart to characters: `None` is `*`, `Some(None)` is `?`.
type Atom = Option<Option<char>>;

impl Pattern {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    /// Whether `name` looks like it. A name that begins with a dot does so only if the pattern begins with that dot.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let hidden = name.starts_with('.') && !matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with('.'));
        !hidden && !name.contains('/') && whole(&self.atoms(), &name.chars().collect::<Vec<_>>())
    }

    fn atoms(&self) -> Vec<Atom> {
        let of = |piece: &Piece| match piece {
            Piece::Any => vec![None],
            Piece::One => vec![Some(None)],
            Piece::Text(text) => text.chars().map(|c| Some(Some(c))).collect(),
        };
        self.0.iter().flat_map(of).collect()
    }

    /// The pattern for a shell: wildcards bare, all else quoted.
    pub(super) fn written(&self) -> String {
        let of = |piece: &Piece| match piece {
            Piece::Any => "*".to_owned(),
            Piece::One => "?".to_owned(),
            Piece::Text(text) => quoted(text),
        };
        self.0.iter().map(of).collect()
    }
}

/// Greedy, remembering only the last `*`: no pattern makes it slow.
fn whole(pattern: &[Atom], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        match pattern.get(p) {
            Some(None) => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(Some(atom)) if atom.is_none_or(|a| a == c) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((after, from)) => {
                    (p, n) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(Option::is_none)
}
