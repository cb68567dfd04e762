//! Words after expansion: literal text, and the patterns that the target expands.

use super::quote::quoted;

/// A stretch of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bit {
    /// Stands for itself.
    Text(String),
    /// `*`, `?`, `[a-z]`: expanded by the target, so it is written without quotes.
    Pattern(String),
    /// `~` or `~user`.
    Home(String),
}

/// One word as a program gets it, but for patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    bits: Vec<Bit>,
}

impl Field {
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self { bits: vec![Bit::Text(text.into())] }
    }

    pub(super) fn push_text(&mut self, text: &str) {
        match self.bits.last_mut() {
            Some(Bit::Text(before)) => before.push_str(text),
            _ => self.bits.push(Bit::Text(text.to_owned())),
        }
    }

    pub(super) fn push_char(&mut self, c: char) {
        match self.bits.last_mut() {
            Some(Bit::Text(before)) => before.push(c),
            _ => self.bits.push(Bit::Text(c.to_string())),
        }
    }

    pub(super) fn push(&mut self, bit: Bit) {
        self.bits.push(bit);
    }

    /// The word without quotes; patterns as they are written.
    pub(super) fn value(&self) -> String {
        self.bits
            .iter()
            .map(|bit| match bit {
                Bit::Text(text) | Bit::Pattern(text) | Bit::Home(text) => text.as_str(),
            })
            .collect()
    }

    /// The word as it is written to the target.
    pub(super) fn text(&self) -> String {
        match self.bits.as_slice() {
            [] => "''".to_owned(),
            [Bit::Text(text)] => quoted(text),
            bits => bits.iter().enumerate().map(|(at, bit)| self.bit_text(at, bit)).collect(),
        }
    }

    fn bit_text(&self, at: usize, bit: &Bit) -> String {
        let after_home = at.checked_sub(1).is_some_and(|before| matches!(self.bits.get(before), Some(Bit::Home(_))));
        match bit {
            Bit::Text(text) if text.is_empty() => String::new(),
            // A quoted slash would end the meaning of the tilde before it.
            Bit::Text(text) if after_home => match text.strip_prefix('/') {
                Some("") | None => text.clone(),
                Some(rest) => format!("/{}", quoted(rest)),
            },
            // Only a whole word may be a bracket without quotes.
            Bit::Text(text) if matches!(text.as_str(), "[" | "]") => format!("'{text}'"),
            Bit::Text(text) => quoted(text),
            Bit::Pattern(text) | Bit::Home(text) => text.clone(),
        }
    }

    /// Whether the target expands it.
    pub(super) fn is_pattern(&self) -> bool {
        self.bits.iter().any(|bit| !matches!(bit, Bit::Text(_)))
    }

    /// Whether it could be more than one word, or another than it looks like: a home directory is one absolute path.
    pub(super) fn is_open(&self) -> bool {
        self.bits.iter().any(|bit| matches!(bit, Bit::Pattern(_)))
    }

    /// Whether what the target makes of it could be taken for an option.
    pub(super) fn may_turn_into_an_option(&self) -> bool {
        let begins_with_pattern = match self.bits.iter().find(|bit| !matches!(bit, Bit::Text(text) if text.is_empty())) {
            Some(Bit::Pattern(_)) => true,
            Some(Bit::Text(text)) => text.starts_with('-'),
            Some(Bit::Home(_)) | None => false,
        };
        self.is_open() && begins_with_pattern
    }
}
