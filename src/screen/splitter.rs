//! Cuts what a terminal sends into keys, mouse reports and pastes, across the pieces it comes in. What a terminal says by itself
//! (replies to questions: device attributes, cursor position, colours, titles) is thrown away whole, so that no part of it can pass
//! for a key. Memory is bounded whatever comes.

/// The longest sequence that is a key or a mouse report.
const SEQUENCE_MAX: usize = 64;

/// The longest paste that is kept; what is longer is cut there.
const PASTE_MAX: usize = 64 << 10;

const ESC: u8 = 0x1b;
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// A piece that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// One key press or mouse report.
    Key(Vec<u8>),
    /// A letter pressed together with Alt, which is otherwise how a sequence begins.
    Alt(char),
    /// What was pasted.
    Paste(String),
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Inside {
    #[default]
    Nothing,
    /// After ESC.
    Escape,
    /// One more byte after ESC O.
    Single,
    /// A character of UTF-8 that lacks so many bytes.
    Character(usize),
    /// CSI until its final byte.
    Control,
    /// The old form of a mouse report lacks so many bytes.
    OldMouse(usize),
    /// OSC, DCS, SOS, PM, APC until ST or BEL; whether ESC was the last.
    Saying { escape: bool },
    /// Between the brackets of a paste.
    Paste,
}

/// How long to wait for the rest before [`Splitter::silence`] is to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing is begun.
    Nothing,
    /// It may be the Escape key.
    Short,
    /// It is part of something.
    Long,
}

/// The cutter.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    inside: Inside,
    held: Vec<u8>,
    /// The last bytes of a paste, wherever it was cut.
    tail: Vec<u8>,
}

impl Splitter {
    /// Takes one byte.
    pub(super) fn take(&mut self, byte: u8) -> Option<Piece> {
        match self.inside {
            Inside::Nothing => self.begin(byte),
            Inside::Escape => self.after_escape(byte),
            Inside::Single if byte == ESC => self.begin(byte),
            Inside::Single => {
                self.keep(byte);
                self.whole()
            }
            Inside::Character(left) => self.character(byte, left),
            Inside::Control => self.control(byte),
            Inside::OldMouse(left) => {
                self.keep(byte);
                if left <= 1 { self.whole() } else { self.stay(Inside::OldMouse(left - 1)) }
            }
            Inside::Saying { escape } => self.saying(byte, escape),
            Inside::Paste => self.paste(byte),
        }
    }

    /// What is waited for.
    pub(super) fn wait(&self) -> Wait {
        match self.inside {
            Inside::Nothing => Wait::Nothing,
            Inside::Escape => Wait::Short,
            Inside::Single | Inside::Control | Inside::Saying { .. } if self.held.len() == 2 => Wait::Short,
            _ => Wait::Long,
        }
    }

    /// Nothing more came for as long as [`Splitter::wait`] says.
    pub(super) fn silence(&mut self) -> Option<Piece> {
        let held = std::mem::take(&mut self.held);
        let inside = std::mem::take(&mut self.inside);
        self.tail.clear();
        match (inside, held.as_slice()) {
            (Inside::Escape, _) => Some(Piece::Key(vec![ESC])),
            // Nothing followed: it was a letter with Alt.
            (Inside::Single | Inside::Control | Inside::Saying { .. }, [ESC, letter]) => Some(Piece::Alt((*letter).into())),
            // Half of something is nothing.
            _ => None,
        }
    }

    fn begin(&mut self, byte: u8) -> Option<Piece> {
        self.held.clear();
        self.held.push(byte);
        match byte {
            ESC => self.stay(Inside::Escape),
            0xc2..=0xdf => self.stay(Inside::Character(1)),
            0xe0..=0xef => self.stay(Inside::Character(2)),
            0xf0..=0xf4 => self.stay(Inside::Character(3)),
            0x80.. => self.drop_it(),
            _ => self.whole(),
        }
    }

    fn after_escape(&mut self, byte: u8) -> Option<Piece> {
        self.keep(byte);
        match byte {
            b'[' => self.stay(Inside::Control),
            b'O' => self.stay(Inside::Single),
            b']' | b'P' | b'X' | b'^' | b'_' => self.stay(Inside::Saying { escape: false }),
            // Twice Escape: the first is a key, the second begins anew.
            ESC => {
                self.held.truncate(1);
                Some(Piece::Key(vec![ESC]))
            }
            0x20..=0x7e => {
                self.drop_it();
                Some(Piece::Alt(byte.into()))
            }
            // Escape and Enter at once would be no and yes: no wins.
            b'\r' | b'\n' => {
                self.drop_it();
                Some(Piece::Key(vec![ESC]))
            }
            0x00..=0x1f | 0x7f => self.whole(),
            0x80.. => self.begin(byte),
        }
    }

    fn character(&mut self, byte: u8, left: usize) -> Option<Piece> {
        if byte & 0xc0 != 0x80 {
            return self.begin(byte);
        }
        self.keep(byte);
        if left > 1 { self.stay(Inside::Character(left - 1)) } else { self.whole() }
    }

    fn control(&mut self, byte: u8) -> Option<Piece> {
        match byte {
            // The function keys of the Linux console.
            b'[' if self.held.len() == 2 => {
                self.keep(byte);
                self.stay(Inside::Single)
            }
            0x20..=0x3f => {
                self.keep(byte);
                None
            }
            0x40..=0x7e => {
                self.keep(byte);
                self.finish_control()
            }
            ESC => self.begin(byte),
            // Cut off in the middle; what cut it off is no key either.
            _ => self.drop_it(),
        }
    }

    fn finish_control(&mut self) -> Option<Piece> {
        match self.held.get(2..) {
            Some(b"M") => self.stay(Inside::OldMouse(3)),
            Some(b"200~") => {
                self.held.clear();
                self.tail.clear();
                self.stay(Inside::Paste)
            }
            // Replies have these marks; a paste that ends without having begun is nothing.
            Some([b'?' | b'>' | b'=', ..] | b"201~") | None => self.drop_it(),
            // A report of the cursor, which differs from F3 with a modifier by nothing else.
            Some([.., b'R' | b'c' | b'n' | b't' | b'x' | b'y']) => self.drop_it(),
            Some(_) if self.held.len() >= SEQUENCE_MAX => self.drop_it(),
            Some(_) => self.whole(),
        }
    }

    fn saying(&mut self, byte: u8, escape: bool) -> Option<Piece> {
        // The content is not kept, only that there is some.
        if self.held.len() < 3 {
            self.held.push(byte);
        }
        match (byte, escape) {
            (b'\\', true) | (0x07, _) => self.drop_it(),
            (ESC, _) => self.stay(Inside::Saying { escape: true }),
            (_, true) => {
                self.held.clear();
                self.held.push(ESC);
                self.after_escape(byte)
            }
            _ => None,
        }
    }

    fn paste(&mut self, byte: u8) -> Option<Piece> {
        self.tail.push(byte);
        if self.tail.len() > PASTE_ENDS.len() {
            self.tail.remove(0);
        }
        // Kept with what ends it, which is cut off then.
        if self.held.len() < PASTE_MAX + PASTE_ENDS.len() {
            self.held.push(byte);
        }
        if self.tail != PASTE_ENDS {
            return None;
        }
        let held = std::mem::take(&mut self.held);
        let text = held.strip_suffix(PASTE_ENDS).unwrap_or(held.get(..PASTE_MAX).unwrap_or(&held));
        let text = String::from_utf8_lossy(text).into_owned();
        self.drop_it();
        Some(Piece::Paste(text))
    }

    fn keep(&mut self, byte: u8) {
        if self.held.len() < SEQUENCE_MAX {
            self.held.push(byte);
        }
    }

    fn stay(&mut self, inside: Inside) -> Option<Piece> {
        self.inside = inside;
        None
    }

    fn whole(&mut self) -> Option<Piece> {
        self.inside = Inside::Nothing;
        Some(Piece::Key(std::mem::take(&mut self.held)))
    }

    fn drop_it(&mut self) -> Option<Piece> {
        self.held.clear();
        self.tail.clear();
        self.inside = Inside::Nothing;
        None
    }
}
