//! The filter language of every list: `user:alice target:db-* kind:pg since:2h text:"drop table" -ok`. Words are joined by "and";
//! a hyphen before a word turns it round; upper and lower case are alike.

mod parse;

use jiff::Timestamp;

/// Fields that a filter can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Any of them.
    Any,
    User,
    Target,
    Login,
    Kind,
    Text,
    State,
    Verdict,
    Id,
    Tag,
}

/// Names in a filter, and what they mean.
pub(crate) const FIELDS: [(&str, Field); 10] = [
    ("user", Field::User),
    ("principal", Field::User),
    ("target", Field::Target),
    ("login", Field::Login),
    ("kind", Field::Kind),
    ("text", Field::Text),
    ("state", Field::State),
    ("verdict", Field::Verdict),
    ("id", Field::Id),
    ("tag", Field::Tag),
];

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Has { field: Field, wanted: String, not: bool },
    Since { from: Timestamp, not: bool },
    Until { to: Timestamp, not: bool },
}

/// A filter. The empty one lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    words: Vec<Word>,
    /// What could not be understood.
    pub(crate) problem: Option<String>,
}

/// What can be filtered.
pub(crate) trait Filtered {
    /// Whether one of the texts of `field` does.
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool;
    /// When it was.
    fn at(&self) -> Option<Timestamp>;
}

impl Filter {
    /// Reads a filter. What cannot be understood is left out, and said.
    pub(crate) fn parse(text: &str, now: Timestamp) -> Self {
        parse::parse(text, now)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn passes(&self, item: &impl Filtered) -> bool {
        self.words.iter().all(|word| word.passes(item))
    }

    /// What a bastion is asked for: the value of the first word of `field` that is not turned round.
    pub(crate) fn wanted(&self, field: Field) -> Option<&str> {
        self.words.iter().find_map(|word| match word {
            Word::Has { field: own, wanted, not: false } if *own == field => Some(wanted.as_str()),
            _ => None,
        })
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.words.iter().find_map(|word| match word {
            Word::Since { from, not: false } => Some(*from),
            _ => None,
        })
    }

    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.words.iter().find_map(|word| match word {
            Word::Until { to, not: false } => Some(*to),
            _ => None,
        })
    }

    /// The same without the words of `field`: those that the bastion has looked at already.
    pub(crate) fn without(&self, field: Field) -> Self {
        let other = |word: &&Word| !matches!(word, Word::Has { field: own, not: false, .. } if *own == field);
        Self { words: self.words.iter().filter(other).cloned().collect(), problem: None }
    }
}

impl Word {
    fn passes(&self, item: &impl Filtered) -> bool {
        match self {
            Self::Has { field, wanted, not } => {
                let whole = matches!(field, Field::Target | Field::Login) && wanted.contains('*');
                item.any(*field, &|text| if whole { fits(wanted, text) } else { holds(text, wanted) }) != *not
            }
            Self::Since { from, not } => item.at().is_some_and(|at| at >= *from) != *not,
            Self::Until { to, not } => item.at().is_some_and(|at| at < *to) != *not,
        }
    }
}

/// Whether `text` has `wanted` (in lower case) in it; in `wanted`, `*` stands for any characters.
fn holds(text: &str, wanted: &str) -> bool {
    if wanted.contains('*') {
        return fits(&format!("*{wanted}*"), text);
    }
    if text.is_ascii() && wanted.is_ascii() {
        let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
        return wanted.is_empty() || text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    }
    text.to_lowercase().contains(wanted)
}

/// Whether the whole of `text` is as `pattern` (in lower case), in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests;
