//! Keys out of the bytes that a terminal sends: UTF-8, control characters, CSI and SS3 sequences (ECMA-48, xterm), bracketed
//! paste; each may be split over packets. It keeps a few bytes at most, never fails, and drops what it does not know: terminals
//! answer questions in these bytes too.

/// What was pressed, or pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character to insert; a line feed or a tab only where it was pasted.
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    /// Ctrl-W: the word before, up to white space.
    KillWordBefore,
    /// Alt-Backspace: the word before, letters and digits only.
    KillNameBefore,
    /// Alt-D
    KillWordAfter,
    /// Ctrl-U
    KillBefore,
    /// Ctrl-K
    KillAfter,
    Yank,
    Transpose,
    ClearScreen,
    Interrupt,
    /// Ctrl-D
    EndOfInput,
    Search,
    /// Ctrl-G, or Escape twice.
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    /// After `ESC [`: the parameter being read, the one before it, whether it is a sequence that is not ours.
    Csi {
        now: u16,
        first: Option<u16>,
        foreign: bool,
    },
    /// After `ESC O`.
    Ss3,
    /// A string that a terminal answers with (OSC, DCS, APC, PM, SOS), and whether its last byte was ESC.
    Text {
        escaped: bool,
    },
}

/// Reads keys byte by byte.
#[derive(Debug)]
pub(super) struct Keys {
    state: State,
    pasting: bool,
    /// The last pasted byte was a carriage return, which makes a line feed after it part of the same line end.
    after_return: bool,
    /// The character being read: what there is of it, how many bytes are to come, the least value that needs so many.
    partial: Option<(u32, u8, u32)>,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { state: State::Ground, pasting: false, after_return: false, partial: None }
    }

    /// Takes one byte; a key, if it ends one.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Key> {
        match self.state {
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Csi { now, first, foreign } => self.csi(byte, now, first, foreign),
            State::Ss3 => {
                self.state = State::Ground;
                let key = if byte == b'M' { Some(Key::Enter) } else { final_key(byte, 0) };
                self.outside_paste(key)
            }
            State::Text { escaped } => {
                let ends = byte == 0x07 || escaped && byte == b'\\' || matches!(byte, 0x18 | 0x1a);
                self.state = if ends { State::Ground } else { State::Text { escaped: byte == 0x1b } };
                None
            }
        }
    }

    fn outside_paste(&self, key: Option<Key>) -> Option<Key> {
        key.filter(|_| !self.pasting)
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        if let Some((value, missing, least)) = self.partial.take()
            && (0x80..0xc0).contains(&byte)
        {
            let value = value << 6 | u32::from(byte & 0x3f);
            if missing > 1 {
                self.partial = Some((value, missing - 1, least));
                return None;
            }
            // Overlong forms are dropped like other bytes that are not UTF-8 (RFC 3629 section 3).
            return char::from_u32(value).filter(|c| value >= least && !c.is_control()).map(Key::Char);
        }
        let after_return = std::mem::take(&mut self.after_return);
        match byte {
            0x1b => {
                self.state = State::Escape;
                None
            }
            _ if self.pasting => self.pasted(byte, after_return),
            0x20..=0x7e => Some(Key::Char(char::from(byte))),
            0x80.. => self.first_of_many(byte),
            _ => control_key(byte),
        }
    }

    fn pasted(&mut self, byte: u8, after_return: bool) -> Option<Key> {
        match byte {
            b'\r' => {
                self.after_return = true;
                Some(Key::Char('\n'))
            }
            b'\n' if after_return => None,
            b'\n' | b'\t' | 0x20..=0x7e => Some(Key::Char(char::from(byte))),
            0x80.. => self.first_of_many(byte),
            _ => None,
        }
    }

    fn first_of_many(&mut self, byte: u8) -> Option<Key> {
        self.partial = match byte {
            0xc2..=0xdf => Some((u32::from(byte & 0x1f), 1, 0x80)),
            0xe0..=0xef => Some((u32::from(byte & 0x0f), 2, 0x800)),
            0xf0..=0xf4 => Some((u32::from(byte & 0x07), 3, 0x1_0000)),
            _ => None,
        };
        None
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        self.state = match byte {
            b'[' => State::Csi { now: 0, first: None, foreign: false },
            b'O' => State::Ss3,
            b']' | b'P' | b'_' | b'^' | b'X' => State::Text { escaped: false },
            _ => State::Ground,
        };
        let key = match byte {
            b'b' => Key::WordLeft,
            b'f' => Key::WordRight,
            b'd' => Key::KillWordAfter,
            0x7f | 0x08 => Key::KillNameBefore,
            0x1b => Key::Cancel,
            _ => return None,
        };
        self.outside_paste(Some(key))
    }

    fn csi(&mut self, byte: u8, now: u16, first: Option<u16>, foreign: bool) -> Option<Key> {
        self.state = match byte {
            b'0'..=b'9' => State::Csi { now: now.saturating_mul(10).saturating_add(u16::from(byte - b'0')), first, foreign },
            b';' => State::Csi { now: 0, first: Some(first.unwrap_or(now)), foreign },
            // Private parameters and intermediates: an answer of the terminal, not a key.
            0x20..=0x3f => State::Csi { now, first, foreign: true },
            0x1b => State::Escape,
            _ => State::Ground,
        };
        if !(0x40..=0x7e).contains(&byte) || foreign {
            return None;
        }
        let (number, modifier) = first.map_or((now, 0), |first| (first, now));
        match (byte, number) {
            (b'~', 200) => self.pasting = true,
            (b'~', 201) => (self.pasting, self.after_return) = (false, false),
            (b'~', 1 | 7) => return self.outside_paste(Some(Key::Home)),
            (b'~', 4 | 8) => return self.outside_paste(Some(Key::End)),
            (b'~', 3) => return self.outside_paste(Some(if modifier > 1 { Key::KillWordAfter } else { Key::Delete })),
            _ => return self.outside_paste(final_key(byte, modifier)),
        }
        None
    }
}

/// The key of a cursor sequence. Any modifier on left and right moves by words.
fn final_key(byte: u8, modifier: u16) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if modifier > 1 => Key::WordRight,
        b'C' => Key::Right,
        b'D' if modifier > 1 => Key::WordLeft,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => return None,
    })
}

fn control_key(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x07 => Key::Cancel,
        0x08 | 0x7f => Key::Backspace,
        0x09 => Key::Tab,
        0x0a | 0x0d => Key::Enter,
        0x0b => Key::KillAfter,
        0x0c => Key::ClearScreen,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x12 => Key::Search,
        0x14 => Key::Transpose,
        0x15 => Key::KillBefore,
        0x17 => Key::KillWordBefore,
        0x19 => Key::Yank,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::new();
        bytes.iter().filter_map(|byte| keys.feed(*byte)).collect()
    }

    #[test]
    fn sequences_of_common_terminals_are_the_keys_they_stand_for() {
        use Key::*;
        let table: &[(&[u8], &[Key])] = &[
            (b"\x1b[A\x1bOB", &[Up, Down]),
            (b"\x1b[1~\x1b[H\x1bOF\x1b[8~", &[Home, Home, End, End]),
            (b"\x1b[3~\x1b[3;5~", &[Delete, KillWordAfter]),
            (b"\x1b[1;5D\x1b[1;3C\x1bb\x1bf", &[WordLeft, WordRight, WordLeft, WordRight]),
            (b"\x7f\x08\x1b\x7f", &[Backspace, Backspace, KillNameBefore]),
            ("é漢😀".as_bytes(), &[Char('é'), Char('漢'), Char('😀')]),
            (b"a\r\n", &[Char('a'), Enter, Enter]),
        ];
        for (bytes, expected) in table {
            assert_eq!(keys(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn answers_of_a_terminal_are_not_keys() {
        for answer in
            ["\x1b[?62;22c", "\x1b[>0;276;0c", "\x1b]11;rgb:0000/0000/0000\x07", "\x1bP1$r0m\x1b\\", "\x1b[?2026;2$y", "\x1b[I\x1b[O"]
        {
            assert_eq!(keys(answer.as_bytes()), [], "{answer:?}");
        }
    }

    #[test]
    fn what_is_not_utf8_or_not_a_character_is_dropped() {
        assert_eq!(keys(b"a\xff\xc0\x80\xed\xa0\x80\xe2\x82b\xc2\x9b\x00c"), [Key::Char('a'), Key::Char('b'), Key::Char('c')]);
    }

    #[test]
    fn pasted_text_presses_no_keys() {
        use Key::Char;
        let pasted = keys(b"\x1b[200~a\r\nb\x03\x04\t\x1b[Ac\nd\x1b[201~\r");
        assert_eq!(pasted, [Char('a'), Char('\n'), Char('b'), Char('\t'), Char('c'), Char('\n'), Char('d'), Key::Enter]);
    }
}
