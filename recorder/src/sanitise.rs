//! Lets through what draws on a screen and nothing else. What could make a terminal answer, keep, show outside its
//! cells or hand on (OSC 52, OSC 8, titles, DCS, device queries, printing, mouse and key modes) never passes, however
//! it is split. A sequence passes whole or not at all, so what follows always begins on ground.

mod csi;

/// How an escape string ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// OSC: by BEL or ST.
    BellOrSt,
    /// DCS, SOS, PM, APC: by ST.
    St,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    /// Behind ESC, or behind ESC and intermediates.
    Escape,
    Csi,
    /// Inside a string that is dropped; the flag says that its last character was ESC.
    Text(Ends, bool),
}

/// Longest control sequence that is looked at; a longer one is dropped.
const LONGEST: usize = 128;

/// What the text that passed costs a terminal model, in units of about half a nanosecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Characters printed.
    pub(crate) chars: u64,
    /// Rows rewritten.
    pub(crate) rows: u64,
    /// Times that the whole screen is rewritten.
    pub(crate) screens: u64,
}

/// The state between two texts of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Sanitiser {
    state: State,
    /// The sequence so far, from ESC on.
    held: String,
    cost: Cost,
    /// Drops every sequence, and every control but line feed and tab.
    plain: bool,
}

impl Sanitiser {
    /// For a terminal.
    pub(crate) fn new() -> Self {
        Self { state: State::Ground, held: String::new(), cost: Cost::default(), plain: false }
    }

    /// For a text file: no sequence passes.
    pub(crate) fn plain() -> Self {
        Self { plain: true, ..Self::new() }
    }

    /// Appends to `out` what may pass of `text`.
    pub(crate) fn push(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.state == State::Ground {
                let (harmless, special) = rest.split_at(harmless(rest.as_bytes()));
                self.print(harmless, out);
                rest = special;
            }
            let mut chars = rest.chars();
            if let Some(next) = chars.next() {
                self.take(next, out);
            }
            rest = chars.as_str();
        }
    }

    /// What the text that passed since the last call costs.
    pub(crate) fn take_cost(&mut self) -> Cost {
        std::mem::take(&mut self.cost)
    }

    /// Text that brings a new sanitiser into this state.
    pub(crate) fn resume(&self) -> String {
        match self.state {
            State::Ground => String::new(),
            State::Escape | State::Csi => self.held.clone(),
            State::Text(ends, escape) => {
                let begin = if ends == Ends::St { "\x1bP" } else { "\x1b]" };
                format!("{begin}{}", if escape { "\x1b" } else { "" })
            }
        }
    }

    fn print(&mut self, text: &str, out: &mut String) {
        self.cost.chars += text.len() as u64;
        self.cost.rows += text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if self.plain {
            out.extend(text.chars().filter(|&next| next >= ' ' || next == '\n' || next == '\t'));
        } else {
            out.push_str(text);
        }
    }

    fn take(&mut self, next: char, out: &mut String) {
        match (self.state, next) {
            (_, '\x18' | '\x1a') => self.ground(),
            (State::Text(ends, escape), _) => self.inside_text(ends, escape, next, out),
            (_, '\x1b') => self.begin(State::Escape, "\x1b"),
            (_, '\u{80}'..='\u{9f}') => self.c1(next, out),
            (_, '\0'..='\x1f' | '\x7f') => self.c0(next, out),
            (State::Ground, _) => self.print(next.encode_utf8(&mut [0; 4]), out),
            (State::Escape, _) => self.behind_escape(next, out),
            (State::Csi, ' '..='?') if self.held.len() < LONGEST => self.held.push(next),
            (State::Csi, ' '..='?') => {}
            (State::Csi, '@'..='~') => self.end_csi(next, out),
            (State::Csi, _) => {
                self.ground();
                self.print(next.encode_utf8(&mut [0; 4]), out);
            }
        }
    }

    fn ground(&mut self) {
        self.state = State::Ground;
        self.held.clear();
    }

    fn begin(&mut self, state: State, held: &str) {
        self.state = state;
        self.held.clear();
        self.held.push_str(held);
    }

    /// Controls act at once, even inside a sequence (ECMA-48 leaves it open; terminals do so).
    fn c0(&mut self, next: char, out: &mut String) {
        if harmless_c0(next) {
            self.print(next.encode_utf8(&mut [0; 4]), out);
        }
    }

    /// The eight-bit forms of ESC and a letter.
    fn c1(&mut self, next: char, out: &mut String) {
        match next {
            '\u{9b}' => self.begin(State::Csi, "\x1b["),
            '\u{9d}' => self.begin(State::Text(Ends::BellOrSt, false), ""),
            '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => self.begin(State::Text(Ends::St, false), ""),
            _ => {
                self.begin(State::Escape, "\x1b");
                let letter = u8::try_from(u32::from(next)).unwrap_or(0x80) - 0x40;
                self.behind_escape(char::from(letter), out);
            }
        }
    }

    fn inside_text(&mut self, ends: Ends, escape: bool, next: char, out: &mut String) {
        match next {
            '\u{9c}' => self.ground(),
            '\x07' if ends == Ends::BellOrSt => self.ground(),
            '\\' if escape => self.ground(),
            '\x1b' => self.state = State::Text(ends, true),
            // ESC and anything but a backslash ends the string and begins a sequence.
            _ if escape => {
                self.begin(State::Escape, "\x1b");
                self.take(next, out);
            }
            _ => {}
        }
    }

    fn behind_escape(&mut self, next: char, out: &mut String) {
        match (self.held.as_str(), next) {
            ("\x1b", '[') => self.begin(State::Csi, "\x1b["),
            ("\x1b", ']') => self.begin(State::Text(Ends::BellOrSt, false), ""),
            ("\x1b", 'P' | 'X' | '^' | '_') => self.begin(State::Text(Ends::St, false), ""),
            (_, ' '..='/') if self.held.len() < 4 => self.held.push(next),
            (held, _) => {
                if allowed_escape(held, next) {
                    let sequence = format!("{held}{next}");
                    let screens = u64::from(matches!((held, next), ("\x1b", 'c') | ("\x1b#", '8')));
                    self.pass(&sequence, Cost { chars: 1, rows: 1, screens }, out);
                }
                self.ground();
            }
        }
    }

    fn end_csi(&mut self, last: char, out: &mut String) {
        let sequence = std::mem::take(&mut self.held);
        if sequence.len() < LONGEST
            && let Some((sequence, cost)) = csi::allowed(&sequence, last)
        {
            self.pass(&sequence, cost, out);
        }
        self.ground();
    }

    fn pass(&mut self, sequence: &str, cost: Cost, out: &mut String) {
        if self.plain {
            return;
        }
        out.push_str(sequence);
        self.cost.chars += cost.chars;
        self.cost.rows += cost.rows;
        self.cost.screens += cost.screens;
    }
}

/// Tab, line feed, vertical tab, form feed, return, backspace, and the shifts between character sets.
fn harmless_c0(next: char) -> bool {
    matches!(next, '\x08'..='\x0f')
}

/// How many bytes from the beginning on need no look: no control but the harmless, and no eight-bit control.
fn harmless(text: &[u8]) -> usize {
    let special = |at: usize, byte: &u8| match byte {
        0x08..=0x0f => false,
        0x00..=0x1f | 0x7f => true,
        // U+0080 to U+009F are C2 and a byte below A0.
        0xc2 => text.get(at + 1).is_some_and(|next| *next < 0xa0),
        _ => false,
    };
    text.iter().enumerate().position(|(at, byte)| special(at, byte)).unwrap_or(text.len())
}

/// Save and restore cursor, line moves, tab stop, reset; the sets ASCII, British and line drawing; the test pattern.
fn allowed_escape(held: &str, last: char) -> bool {
    match held {
        "\x1b" => matches!(last, '7' | '8' | 'D' | 'E' | 'H' | 'M' | 'c'),
        "\x1b(" | "\x1b)" => matches!(last, '0' | 'A' | 'B'),
        "\x1b#" => last == '8',
        _ => false,
    }
}

#[cfg(test)]
mod tests;
