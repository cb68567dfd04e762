//! The options of a program that runs another, as far as they are known.

use super::{Called, Inside};
use crate::shell::why::{Why, shown};

/// The options that may stand before the inner command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Letters without a value.
    pub(super) flags: &'static str,
    /// Letters with a value, in the same word or the next.
    pub(super) valued: &'static str,
    /// Long names, without the dashes, without a value.
    pub(super) long: &'static [&'static str],
    /// Long names with a value, after `=` or in the next word.
    pub(super) long_valued: &'static [&'static str],
}

impl Options {
    pub(super) const NONE: Self = Self { flags: "", valued: "", long: &[], long_valued: &[] };

    /// Where the first word that is neither option nor value stands; the number of words if there is none.
    pub(super) fn operands(&self, called: &Called<'_>, from: usize) -> Result<usize, Why> {
        let mut at = from;
        while let Some(word) = called.word(at) {
            if called.fields.get(at).is_some_and(|field| field.is_open()) {
                return Err(called.says("is given a pattern before its command"));
            }
            let unknown = || called.says(&format!("has the option `{}`, after which its command is not seen", shown(word)));
            match word.strip_prefix('-') {
                None | Some("") => return Ok(at),
                Some("-") => return Ok(at + 1),
                Some(rest) => at += self.width(rest).ok_or_else(unknown)?,
            }
        }
        Ok(at.min(called.words.len()))
    }

    /// How many words an option takes, given without its first dash.
    fn width(&self, option: &str) -> Option<usize> {
        let Some(long) = option.strip_prefix('-') else { return self.letters(option) };
        match long.split_once('=') {
            Some((name, _)) => self.long_valued.contains(&name).then_some(1),
            None if self.long.contains(&long) => Some(1),
            None => self.long_valued.contains(&long).then_some(2),
        }
    }

    fn letters(&self, letters: &str) -> Option<usize> {
        for (at, letter) in letters.char_indices() {
            if self.valued.contains(letter) {
                return Some(if at + letter.len_utf8() == letters.len() { 2 } else { 1 });
            }
            if !self.flags.contains(letter) {
                return None;
            }
        }
        Some(1)
    }
}

/// Options that make a program do more than its arguments say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Risk {
    pub(super) names: &'static [&'static str],
    /// Letters, looked for in every word that begins with one dash.
    pub(super) letters: &'static str,
    /// Beginnings of words: `--rsh` is also found in `--rs` and `--rsh=x`, since programs take abbreviations.
    pub(super) long: &'static [&'static str],
    /// Beginnings of operands.
    pub(super) operands: &'static [&'static str],
    /// What it does, after the program's name.
    pub(super) why: &'static str,
}

impl Risk {
    pub(super) fn look(&self, called: &Called<'_>) -> Option<Inside> {
        if !self.names.contains(&called.name) {
            return None;
        }
        let risky = called.may_get_options() || called.arguments().iter().any(|word| self.is_risky(word));
        Some(if risky { Inside::Unseen(called.says(self.why)) } else { Inside::Nothing })
    }

    fn is_risky(&self, word: &str) -> bool {
        match word.strip_prefix('-') {
            Some(rest) if rest.starts_with('-') => {
                let name = word.split_once('=').map_or(word, |(name, _)| name);
                name.len() > 2 && self.long.iter().any(|long| long.starts_with(name) || name.starts_with(long))
            }
            // One dash may also stand before a long name.
            Some(rest) => {
                rest.contains(|c| self.letters.contains(c)) || self.long.iter().any(|long| word.len() > 2 && long.starts_with(word))
            }
            None => self.operands.iter().any(|operand| word.starts_with(operand)),
        }
    }
}
