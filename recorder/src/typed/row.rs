//! The line that the cursor stands in, as far as it was drawn in place: which characters stand before the cursor, and when each
//! was drawn. Where the cursor jumps elsewhere, nothing is known any more.

/// Cells kept of a line that wraps.
const REACH: usize = 8192;

/// What a piece of output did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drew {
    /// The line may have changed.
    Text,
    /// The line is over.
    LineFeed,
    /// Another screen was switched to.
    OtherScreen,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    character: char,
    /// How many characters had been drawn with it.
    drawn: u64,
}

/// The line.
#[derive(Debug)]
pub(super) struct Row {
    columns: usize,
    /// Rows above that wrapped into this one.
    past: Vec<Cell>,
    cells: Vec<Cell>,
    column: usize,
    saved: usize,
    drawn: u64,
}

impl Row {
    pub(super) fn new(columns: u16) -> Self {
        Self { columns: usize::from(columns.max(1)), past: Vec::new(), cells: Vec::new(), column: 0, saved: 0, drawn: 0 }
    }

    pub(super) fn resize(&mut self, columns: u16) {
        self.columns = usize::from(columns.max(1));
    }

    /// How many characters have been drawn.
    pub(super) fn drawn(&self) -> u64 {
        self.drawn
    }

    /// Whether the text before the cursor ends with `text`, all of it drawn after so many characters.
    pub(super) fn ends_with(&self, text: &str, after: u64) -> bool {
        let before = self.cells.get(..self.column.min(self.cells.len())).unwrap_or_default();
        if self.column > self.cells.len() {
            return false;
        }
        let mut cells = before.iter().rev().chain(self.past.iter().rev());
        text.chars().rev().all(|wanted| cells.next().is_some_and(|cell| cell.character == wanted && cell.drawn > after))
    }

    /// Draws the first piece of `text`, which is sanitised; gives what is left.
    pub(super) fn draw<'a>(&mut self, text: &'a str) -> (Drew, &'a str) {
        let mut chars = text.chars();
        let Some(next) = chars.next() else { return (Drew::Text, "") };
        let rest = chars.as_str();
        match next {
            '\x1b' => return self.sequence(rest),
            '\n' | '\x0b' | '\x0c' => {
                self.lost();
                return (Drew::LineFeed, rest);
            }
            '\r' => self.column = 0,
            '\x08' => self.column = self.column.saturating_sub(1),
            '\t' => self.column = (self.column / 8 + 1) * 8,
            next if next.is_control() => {}
            next => self.print(next),
        }
        (Drew::Text, rest)
    }

    fn print(&mut self, character: char) {
        if self.column >= self.columns {
            self.past.append(&mut self.cells);
            let stale = self.past.len().saturating_sub(REACH);
            self.past.drain(..stale);
            self.column = 0;
        }
        self.drawn += 1;
        let blank = Cell { character: ' ', drawn: 0 };
        if self.cells.len() <= self.column {
            self.cells.resize(self.column + 1, blank);
        }
        if let Some(cell) = self.cells.get_mut(self.column) {
            *cell = Cell { character, drawn: self.drawn };
        }
        self.column += 1;
    }

    /// Nothing is known of the line any more.
    fn lost(&mut self) {
        self.past.clear();
        self.cells.clear();
        self.column = 0;
    }

    /// What stands behind an ESC: whole, as the sanitiser lets nothing else through.
    fn sequence<'a>(&mut self, text: &'a str) -> (Drew, &'a str) {
        let Some(body) = text.strip_prefix('[') else {
            return (Drew::Text, self.escape(text));
        };
        let end = body.find(|c: char| ('@'..='~').contains(&c));
        let (parameters, last) = body.split_at(end.unwrap_or(body.len()));
        let mut chars = last.chars();
        let drew = chars.next().map_or(Drew::Text, |last| self.csi(parameters, last));
        (drew, chars.as_str())
    }

    fn escape<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.chars();
        match chars.next() {
            // Sets of characters, and the test pattern: one more character.
            Some('(' | ')') => drop(chars.next()),
            Some('7') => self.saved = self.column,
            Some('8') => self.column = self.saved,
            Some('H') => {}
            _ => self.lost(),
        }
        chars.as_str()
    }

    fn csi(&mut self, parameters: &str, last: char) -> Drew {
        let count = parameters.split(';').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        let many = count.clamp(1, REACH);
        let at = self.column.min(self.cells.len());
        match last {
            'C' | 'a' => self.column = (self.column + many).min(self.columns),
            'D' => self.column = self.column.saturating_sub(many),
            'G' | '`' => self.column = many - 1,
            'K' | 'J' if count == 0 => self.cells.truncate(self.column),
            'P' => drop(self.cells.drain(at..(at + many).min(self.cells.len()))),
            '@' => drop(self.cells.splice(at..at, std::iter::repeat_n(Cell { character: ' ', drawn: 0 }, many.min(self.columns)))),
            'X' => {
                let end = (at + many).min(self.cells.len());
                for cell in self.cells.get_mut(at..end).unwrap_or_default() {
                    *cell = Cell { character: ' ', drawn: 0 };
                }
            }
            'h' | 'l' if ["?1049", "?1047", "?47"].contains(&parameters) => {
                self.lost();
                return Drew::OtherScreen;
            }
            'm' | 'h' | 'l' | 'g' | 'q' => {}
            _ => self.lost(),
        }
        Drew::Text
    }
}
