//! What is typed, without secrets: a line is given as it was typed only if the target showed it, whole and in one piece, while it
//! was typed; a line whose echo never came, or came in part, is `‹hidden›`, with no length. What is not judged yet is nowhere but
//! in memory, and wiped from there. What is rubbed out while typing is not kept.
//!
//! In doubt a line is hidden: the programs that draw what is typed elsewhere than where it is typed hide it too.

mod keys;
mod line;
mod row;

use std::collections::VecDeque;

use crate::event::Event;
use crate::sanitise::Sanitiser;
use crate::utf8::Joiner;

use keys::{Key, Keys};
use line::Line;
use row::{Drew, Row};

/// Stands for a line that was not shown.
pub(crate) const HIDDEN: &str = "‹hidden›";
/// Lines that wait for their echo; more are hidden.
const WAITING: usize = 32;

/// Looks at both directions of a session with a terminal.
pub struct Typed {
    keys: Keys,
    joiner: Joiner,
    sanitiser: Sanitiser,
    row: Row,
    /// Ended by Enter, and not yet by a line feed on the screen.
    waiting: VecDeque<Line>,
    line: Line,
    text: String,
    out: Vec<Event<'static>>,
}

impl Typed {
    /// A session whose terminal has so many columns.
    #[must_use]
    pub fn new(columns: u16) -> Self {
        Self {
            keys: Keys::default(),
            joiner: Joiner::default(),
            sanitiser: Sanitiser::new(),
            row: Row::new(columns),
            waiting: VecDeque::new(),
            line: Line::default(),
            text: String::new(),
            out: Vec::new(),
        }
    }

    /// The terminal has another width now.
    pub fn resize(&mut self, columns: u16) {
        self.row.resize(columns);
    }

    /// `bytes` were typed; to be told before the target is given them. Returns what is to be recorded now.
    #[must_use]
    pub fn typed(&mut self, bytes: &[u8]) -> Vec<Event<'static>> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.read(bytes, &mut |key| self.press(key));
        self.keys = keys;
        std::mem::take(&mut self.out)
    }

    /// The target showed `bytes`. Returns what is to be recorded now.
    #[must_use]
    pub fn shown(&mut self, bytes: &[u8]) -> Vec<Event<'static>> {
        let mut joined = String::new();
        self.joiner.push(bytes, &mut joined);
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.sanitiser.push(&joined, &mut text);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (drew, later) = self.row.draw(rest);
            rest = later;
            match drew {
                Drew::Text => self.compare(),
                Drew::LineFeed => self.line_feed(),
                Drew::OtherScreen => self.other_screen(),
            }
        }
        self.text = text;
        std::mem::take(&mut self.out)
    }

    /// The session is over: what was not shown until now never will be.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Event<'static>> {
        let last = std::mem::take(&mut self.line);
        for line in std::mem::take(&mut self.waiting).into_iter().chain([last]) {
            self.give(line);
        }
        std::mem::take(&mut self.out)
    }

    fn press(&mut self, key: Key) {
        match key {
            Key::End(end) => {
                self.line.end(end);
                self.waiting.push_back(std::mem::take(&mut self.line));
                if self.waiting.len() > WAITING
                    && let Some(line) = self.waiting.pop_front()
                {
                    self.give(line);
                }
            }
            key => self.line.press(key, self.row.drawn()),
        }
    }

    /// Sees whether the text before the cursor is what was typed.
    fn compare(&mut self) {
        for line in self.waiting.iter_mut().chain([&mut self.line]) {
            line.compare(&self.row);
        }
    }

    /// Ends the line that was ended first; and with a line that was shown, those before it.
    fn line_feed(&mut self) {
        let shown = self.waiting.iter().rposition(Line::is_shown);
        let over = shown.map_or(1, |at| at + 1).min(self.waiting.len());
        for _ in 0..over {
            if let Some(line) = self.waiting.pop_front() {
                self.give(line);
            }
        }
        if over == 0 {
            if self.line.is_shown() {
                // A key that a program did not wait for Enter with.
                let line = std::mem::take(&mut self.line);
                self.give(line);
            } else {
                self.line.spoil();
            }
        }
    }

    /// A full-screen program began or ended: what is typed before belongs to no line behind it.
    fn other_screen(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.give(line);
    }

    fn give(&mut self, line: Line) {
        if let Some(text) = line.text() {
            self.out.push(Event::Input(text.into_bytes().into()));
        }
    }
}

#[cfg(test)]
mod tests;
