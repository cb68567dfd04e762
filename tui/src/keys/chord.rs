//! A key with its modifiers: as it is pressed, written in a file (`ctrl-p`, `shift-left`, `G`) and shown (`⇧←`).

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers. Of a character, shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chord {
    code: Code,
    control: bool,
    alt: bool,
    shift: bool,
}

/// What can be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Code {
    Char(char),
    F(u8),
    Named(&'static str),
    /// A key that has no name; nothing is bound to it.
    None,
}

/// Names as they are written and shown.
const NAMES: [(&str, &str, KeyCode); 14] = [
    ("enter", "enter", KeyCode::Enter),
    ("esc", "esc", KeyCode::Esc),
    ("tab", "tab", KeyCode::Tab),
    ("backtab", "⇧tab", KeyCode::BackTab),
    ("backspace", "⌫", KeyCode::Backspace),
    ("delete", "del", KeyCode::Delete),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("home", "home", KeyCode::Home),
    ("end", "end", KeyCode::End),
    ("pageup", "pgup", KeyCode::PageUp),
    ("pagedown", "pgdn", KeyCode::PageDown),
];

impl Chord {
    /// The chord that a key press is.
    #[must_use]
    pub fn of(key: KeyEvent) -> Self {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        match key.code {
            // Terminals differ in whether they tell of shift, and of the letter's case under control.
            KeyCode::Char(c) if control => Self { code: Code::Char(c.to_ascii_lowercase()), control, alt, shift: false },
            KeyCode::Char(c) if shift && c.is_ascii_lowercase() => {
                Self { code: Code::Char(c.to_ascii_uppercase()), control, alt, shift: false }
            }
            KeyCode::Char(c) => Self { code: Code::Char(c), control, alt, shift: false },
            KeyCode::F(n) => Self { code: Code::F(n), control, alt, shift },
            KeyCode::BackTab => Self { code: Code::Named("backtab"), control, alt, shift: false },
            code => {
                let named = NAMES.iter().find(|(_, _, own)| *own == code).map_or(Code::None, |(name, ..)| Code::Named(name));
                Self { code: named, control, alt, shift }
            }
        }
    }
}

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no key; write x, X, space, enter, left, F5, ctrl-x, alt-x or shift-left", crate::safe::shown(text));
        let (mut rest, mut chord) = (text, Self { code: Code::None, control: false, alt: false, shift: false });
        while let Some((before, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            match before {
                "ctrl" => chord.control = true,
                "alt" => chord.alt = true,
                "shift" => chord.shift = true,
                _ => break,
            }
            rest = after;
        }
        let mut chars = rest.chars();
        chord.code = match (chars.next(), chars.as_str()) {
            (Some(c), "") if !c.is_control() => Code::Char(c),
            (Some('F' | 'f'), digits) if digits.parse::<u8>().is_ok_and(|n| (1..=24).contains(&n)) => {
                Code::F(digits.parse().map_err(|_| bad())?)
            }
            _ if rest == "space" => Code::Char(' '),
            _ => NAMES.iter().find(|(name, ..)| *name == rest).map(|(name, ..)| Code::Named(name)).ok_or_else(bad)?,
        };
        if matches!(chord.code, Code::Char(_)) && chord.shift {
            return Err(format!("write `{}` as the character it makes", crate::safe::shown(text)));
        }
        Ok(chord)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.control, "ctrl-"), (self.alt, "alt-"), (self.shift, "⇧")];
        for (_, word) in words.iter().filter(|(on, _)| *on) {
            f.write_str(word)?;
        }
        match self.code {
            Code::Char(' ') => f.write_str("space"),
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            Code::Named(name) => f.write_str(NAMES.iter().find(|(own, ..)| *own == name).map_or(name, |(_, shown, _)| shown)),
            Code::None => f.write_str("?"),
        }
    }
}
