//! One line that is being typed. Pasted line ends become spaces; controls are left out; it never grows over its limit.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::safe::is_unsafe;

/// Most characters in a line.
const MOST: usize = 500;

/// A line with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: Vec<char>,
    at: usize,
}

/// What a key did to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The text changed.
    Changed,
    /// Only the cursor moved, or nothing could change.
    Same,
    /// It was enter.
    Done,
    /// It was esc.
    Left,
    /// It is no key of a line.
    Other,
}

impl Input {
    pub(crate) fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.insert(text);
        input
    }

    pub(crate) fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text before the cursor and the rest.
    pub(crate) fn halves(&self) -> (String, String) {
        let (before, behind) = self.text.split_at(self.at.min(self.text.len()));
        (before.iter().collect(), behind.iter().collect())
    }

    pub(crate) fn set(&mut self, text: &str) {
        *self = Self::new(text);
    }

    /// Puts in pasted or typed text.
    pub(crate) fn insert(&mut self, text: &str) {
        for c in text.chars() {
            let c = if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
            if !is_unsafe(c) && self.text.len() < MOST {
                self.text.insert(self.at, c);
                self.at += 1;
            }
        }
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let length = self.text.len();
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::Left,
            KeyCode::Char('u') if control => self.cut(0, self.at),
            KeyCode::Char('w') if control => self.cut(self.word_before(), self.at),
            KeyCode::Char('k') if control => self.cut(self.at, length),
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = length,
            KeyCode::Char('h') if control => self.cut(self.at.saturating_sub(1), self.at),
            KeyCode::Char(c) if !control && !alt => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.cut(self.at.saturating_sub(1), self.at),
            KeyCode::Delete => self.cut(self.at, (self.at + 1).min(length)),
            KeyCode::Left if !alt => self.at = self.at.saturating_sub(1),
            KeyCode::Right if !alt => self.at = (self.at + 1).min(length),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = length,
            _ => return Typed::Other,
        }
        let moved = matches!(key.code, KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End);
        if moved || (control && matches!(key.code, KeyCode::Char('a' | 'e'))) { Typed::Same } else { Typed::Changed }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to && to <= self.text.len() {
            self.text.drain(from..to);
            self.at = from;
        }
    }

    fn word_before(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        let end = before.iter().rposition(|c| *c != ' ').map_or(0, |at| at + 1);
        before.get(..end).unwrap_or_default().iter().rposition(|c| *c == ' ').map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, code: KeyCode, modifiers: KeyModifiers) -> Typed {
        input.press(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut input = Input::new("user:alice target:db");
        press(&mut input, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(input.text(), "user:alice ");
        press(&mut input, KeyCode::Home, KeyModifiers::NONE);
        press(&mut input, KeyCode::Char('-'), KeyModifiers::NONE);
        assert_eq!(input.halves(), ("-".to_owned(), "user:alice ".to_owned()));
        press(&mut input, KeyCode::Char('k'), KeyModifiers::CONTROL);
        press(&mut input, KeyCode::Backspace, KeyModifiers::NONE);
        assert!(input.is_empty());
        assert_eq!(press(&mut input, KeyCode::Enter, KeyModifiers::NONE), Typed::Done);
    }

    #[test]
    fn pasted_text_stays_one_line_without_controls_and_ends_somewhere() {
        let mut input = Input::default();
        input.insert("one\r\ntwo\u{1b}[A\u{202e}");
        assert_eq!(input.text(), "one  two[A");
        input.insert(&"x".repeat(10_000));
        assert_eq!(input.text().chars().count(), MOST);
    }
}
