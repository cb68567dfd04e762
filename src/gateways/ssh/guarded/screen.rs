//! Draws prompt and line: where each character stands on a terminal that wraps at its last column, and the bytes that change
//! what is shown into what is to be shown. Invisible and dangerous characters are drawn escaped, so that what is run is what was
//! seen. It reads no keys and keeps one line.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use crate::model::Printable;

use super::text::Text;

/// Before every line of a command but its first.
const CONTINUATION: &str = "> ";

/// A tab is drawn as so many spaces: the line does not move when it is edited before it.
const TAB: &str = "    ";

/// Row and column, counted from where the prompt begins.
type Spot = (usize, usize);

/// A terminal's idea of what was drawn last.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    /// Without cursor movements: for `TERM=dumb`.
    plain: bool,
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    prompt: String,
    text: Text,
    cursor: Spot,
    end: Spot,
}

impl Screen {
    /// `columns` of 0 means that the width is not known.
    pub(super) fn new(columns: u32, plain: bool) -> Self {
        Self { columns: width(columns), plain, drawn: None }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Shows `prompt` and `text`, with the cursor where it stands.
    pub(super) fn draw(&mut self, prompt: &str, text: &Text) -> String {
        let laid = Laid::new(self.columns, prompt, text);
        let out = match &self.drawn {
            None => laid.fresh(),
            Some(drawn) => drawn.change(&laid, prompt, text, self.columns, self.plain),
        };
        self.drawn = Some(Drawn { prompt: prompt.to_owned(), text: text.clone(), cursor: laid.cursor, end: laid.end });
        out
    }

    /// Goes below what is drawn, to the beginning of a line.
    pub(super) fn leave(&mut self) -> String {
        let Some(drawn) = self.drawn.take() else { return "\r\n".to_owned() };
        let mut out = String::new();
        if !self.plain && drawn.end.0 > drawn.cursor.0 {
            let _ = write!(out, "\x1b[{}B", drawn.end.0 - drawn.cursor.0);
        }
        out + "\r\n"
    }

    /// Takes off the screen what is drawn, so that something else can stand there.
    pub(super) fn lift(&mut self) -> String {
        match self.drawn.take() {
            Some(drawn) if !self.plain => drawn.erase(),
            Some(_) => "\r\n".to_owned(),
            None => String::new(),
        }
    }

    /// The screen was cleared, or something else was written over it.
    pub(super) fn forget(&mut self) {
        self.drawn = None;
    }

    /// The width has changed, and the terminal has wrapped what it shows anew.
    pub(super) fn resize(&mut self, columns: u32) {
        self.columns = width(columns);
        if let Some(drawn) = &mut self.drawn {
            let laid = Laid::new(self.columns, &drawn.prompt, &drawn.text);
            (drawn.cursor, drawn.end) = (laid.cursor, laid.end);
        }
    }
}

/// Widths that no real terminal has are drawn as the nearest that one could have.
fn width(columns: u32) -> usize {
    let columns = if columns == 0 { 80 } else { columns.clamp(8, 4096) };
    usize::try_from(columns).unwrap_or(80)
}

impl Drawn {
    fn erase(&self) -> String {
        format!("{}\r\x1b[J", up(self.cursor.0))
    }

    /// The bytes that make this into `laid`: the least of the usual cases, else all of it.
    fn change(&self, laid: &Laid, prompt: &str, text: &Text, columns: usize, plain: bool) -> String {
        if let Some(added) = self.added(prompt, text)
            && laid.end.0 == self.end.0
            && laid.end.1 < columns
        {
            return added.to_owned();
        }
        if plain {
            return self.change_plainly(laid, prompt, text);
        }
        let same = self.prompt == prompt && self.text.before().len() + self.text.after().len() == text.before().len() + text.after().len();
        if same && self.text.whole() == text.whole() {
            return go(self.cursor, laid.cursor);
        }
        self.erase() + &laid.fresh()
    }

    /// What was typed at the end of the line, if nothing else happened and it stands for itself on the screen.
    fn added<'a>(&self, prompt: &str, text: &'a Text) -> Option<&'a str> {
        let at_end = self.prompt == prompt && self.text.after().is_empty() && text.after().is_empty();
        let added = text.before().strip_prefix(self.text.before()).filter(|_| at_end)?;
        added.chars().all(|c| shown(c).is_none() && c.width().is_some_and(|width| width > 0)).then_some(added)
    }

    fn change_plainly(&self, laid: &Laid, prompt: &str, text: &Text) -> String {
        let taken = self.text.before().strip_prefix(text.before()).filter(|_| self.text.after().is_empty() && self.prompt == prompt);
        match taken {
            Some(taken) if text.after().is_empty() && taken.is_ascii() && !taken.contains(['\n', '\t']) => "\x08 \x08".repeat(taken.len()),
            _ => "\r\n".to_owned() + &laid.out,
        }
    }
}

fn up(rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\x1b[{rows}A") }
}

fn go(from: Spot, to: Spot) -> String {
    let mut out = up(from.0.saturating_sub(to.0));
    if to.0 > from.0 {
        let _ = write!(out, "\x1b[{}B", to.0 - from.0);
    }
    out.push('\r');
    if to.1 > 0 {
        let _ = write!(out, "\x1b[{}C", to.1);
    }
    out
}

/// How a character is drawn when not as itself.
fn shown(c: char) -> Option<String> {
    match c {
        ' '..='~' => None,
        '\t' => Some(TAB.to_owned()),
        _ => {
            let shown = Printable(c.encode_utf8(&mut [0; 4])).to_string();
            (shown.chars().ne([c])).then_some(shown)
        }
    }
}

/// Prompt and line as they stand on the screen.
struct Laid {
    columns: usize,
    out: String,
    cursor: Spot,
    end: Spot,
}

impl Laid {
    fn new(columns: usize, prompt: &str, text: &Text) -> Self {
        let mut laid = Self { columns, out: String::new(), cursor: (0, 0), end: (0, 0) };
        laid.put(prompt);
        laid.put(text.before());
        laid.cursor = laid.end;
        laid.put(text.after());
        // A terminal waits in its last column until there is a next character: make it go on, so that the cursor is where we say.
        if laid.end.1 >= columns {
            laid.break_line();
        }
        if laid.cursor.1 >= columns {
            laid.cursor = (laid.cursor.0 + 1, 0);
        }
        laid
    }

    fn put(&mut self, text: &str) {
        for c in text.chars() {
            match shown(c) {
                _ if c == '\n' => {
                    self.break_line();
                    CONTINUATION.chars().for_each(|c| self.put_char(c));
                }
                None => self.put_char(c),
                Some(shown) => shown.chars().for_each(|c| self.put_char(c)),
            }
        }
    }

    fn put_char(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        if self.end.1 + width > self.columns {
            self.end = (self.end.0 + 1, 0);
        }
        self.end.1 += width;
        self.out.push(c);
    }

    fn break_line(&mut self) {
        self.end = (self.end.0 + 1, 0);
        self.out.push_str("\r\n");
    }

    /// Everything, and the cursor to its place.
    fn fresh(&self) -> String {
        if self.cursor == self.end { self.out.clone() } else { self.out.clone() + &go(self.end, self.cursor) }
    }
}

#[cfg(test)]
mod tests;
