//! Line mode on a terminal in raw mode: what is typed is echoed and gathered into lines; what is said stands on lines of its own.
//! Nothing is ever taken back from the screen but what is being typed, so that a screen reader can follow.

use crossterm::event::{Event, KeyCode, KeyModifiers};

/// The longest line.
const LONGEST: usize = 1_000;

/// What came of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Nothing but what is to be shown.
    Nothing,
    /// A line.
    Line(String),
    /// They want to leave (Ctrl-C, or Ctrl-D on an empty line).
    Leave,
}

/// The line being typed.
#[derive(Debug, Default)]
pub struct Typing {
    line: String,
}

impl Typing {
    /// Takes an event; what is to be sent to the terminal comes with it.
    pub fn take(&mut self, event: &Event) -> (Typed, String) {
        match event {
            Event::Key(key) => {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('c') if control => (Typed::Leave, "^C\r\n".to_owned()),
                    KeyCode::Char('d') if control && self.line.is_empty() => (Typed::Leave, "\r\n".to_owned()),
                    KeyCode::Char('u') if control => (Typed::Nothing, self.rub(usize::MAX)),
                    // A program that pipes lines into a terminal ends them so.
                    KeyCode::Char('j') if control => self.finish(),
                    KeyCode::Enter => self.finish(),
                    KeyCode::Backspace => (Typed::Nothing, self.rub(1)),
                    KeyCode::Char(c) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => {
                        (Typed::Nothing, self.add(&c.to_string()))
                    }
                    _ => (Typed::Nothing, String::new()),
                }
            }
            Event::Paste(text) => (Typed::Nothing, self.add(text)),
            _ => (Typed::Nothing, String::new()),
        }
    }

    /// What shows `text` on lines of its own, with what is being typed below it.
    #[must_use]
    pub fn say(&self, text: &str) -> String {
        let begun = if self.line.is_empty() { "" } else { "\r\n" };
        format!("{begun}{}{}", for_terminal(text), self.line)
    }

    fn finish(&mut self) -> (Typed, String) {
        (Typed::Line(std::mem::take(&mut self.line)), "\r\n".to_owned())
    }

    fn add(&mut self, text: &str) -> String {
        let room = LONGEST.saturating_sub(self.line.chars().count());
        let added: String = text.chars().filter(|c| !c.is_control()).take(room).collect();
        self.line.push_str(&added);
        added
    }

    fn rub(&mut self, most: usize) -> String {
        let mut shown = String::new();
        for _ in 0..most {
            let Some(c) = self.line.pop() else { break };
            for _ in 0..unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) {
                shown.push_str("\u{8} \u{8}");
            }
        }
        shown
    }
}

/// Lines for a terminal in raw mode, in which nothing acts on it.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let text = tame(text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    format!("{}\r\n", text.replace('\n', "\r\n"))
}

/// `text` in which nothing but line feeds acts on a terminal.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
