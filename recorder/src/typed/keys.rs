//! Reads keys from what is typed. A key whose bytes could be part of a secret is no key that is known.

use crate::utf8::Joiner;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Text(char),
    /// Rubs out a character.
    Back,
    /// Rubs out a word.
    Word,
    /// Rubs out the line.
    Line,
    /// Ends the line: Enter, Ctrl-C, Ctrl-D, Ctrl-Z.
    End(char),
    /// Any other that is known, as it was sent.
    Other(&'static str),
    /// Anything else.
    Unknown,
}

/// What the cursor keys and their neighbours send, and what encloses pasted text.
const SEQUENCES: &[&str] = &[
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[H",
    "\x1b[F",
    "\x1b[Z",
    "\x1bOA",
    "\x1bOB",
    "\x1bOC",
    "\x1bOD",
    "\x1bOH",
    "\x1bOF",
    "\x1b[1~",
    "\x1b[2~",
    "\x1b[3~",
    "\x1b[4~",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[1;5C",
    "\x1b[1;5D",
    "\x1b[200~",
    "\x1b[201~",
];

/// The state between two reads.
#[derive(Default)]
pub(super) struct Keys {
    joiner: Joiner,
    sequence: String,
}

impl Keys {
    pub(super) fn read(&mut self, bytes: &[u8], press: &mut dyn FnMut(Key)) {
        let mut text = zeroize::Zeroizing::new(String::new());
        self.joiner.push(bytes, &mut text);
        for next in text.chars() {
            self.next(next, press);
        }
    }

    fn next(&mut self, next: char, press: &mut dyn FnMut(Key)) {
        if self.sequence.is_empty() && next != '\x1b' {
            return press(plain(next));
        }
        if next == '\r' || next == '\n' {
            // No sequence holds these: the line is over, with something in it that is not known.
            self.sequence.clear();
            press(Key::Unknown);
            return press(plain(next));
        }
        self.sequence.push(next);
        let so_far = self.sequence.as_str();
        if let Some(known) = SEQUENCES.iter().find(|known| **known == so_far) {
            press(Key::Other(known));
            self.sequence.clear();
        } else if !SEQUENCES.iter().any(|known| known.starts_with(so_far)) {
            press(Key::Unknown);
            zeroize::Zeroize::zeroize(&mut self.sequence);
        }
    }
}

fn plain(next: char) -> Key {
    match next {
        '\r' | '\n' | '\x03' | '\x04' | '\x1a' => Key::End(next),
        '\x08' | '\x7f' => Key::Back,
        '\x15' => Key::Line,
        '\x17' => Key::Word,
        '\t' => Key::Other("\t"),
        next if next.is_control() => Key::Unknown,
        next => Key::Text(next),
    }
}
