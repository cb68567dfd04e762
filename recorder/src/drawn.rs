//! The lines of a terminal as they are drawn, for whoever looks out for something in them: controls interpreted, rows that
//! wrapped joined, each line shown whenever drawing leaves it, so also lines that are wiped or scroll past in one read.
//! Shows text, never a control; keeps one screen and at most one long line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use avt::parser::Function;
use avt::{Line, Observation, Observer, Operation, ScreenKind, Terminal};

use crate::event::Event;
use crate::render::{Renderer, Style};
use crate::screen::{DEFAULT_SIZE, clamp, price};

/// Cells before and behind the one drawn last that are looked at together.
const REACH: usize = 4096;
/// Cells printed in one go after which a line that goes on is shown.
const OFTEN: usize = 1024;
/// What a character shown, a cell looked at and a cell that scrolls off cost, in half nanoseconds.
const CHARACTER: u64 = 8;
const CELL: u64 = 1;
const SCROLLED: u64 = 4;

/// A terminal that is watched.
pub struct DrawnLines {
    renderer: Renderer,
    terminal: Terminal,
    look: Look,
    text: String,
}

#[derive(Default)]
struct Look {
    /// Cells drawn since a line was shown last.
    fresh: usize,
    /// What scrolled off of the line that the topmost row goes on with; not longer than [`REACH`] bytes and a row.
    past: String,
    line: String,
    cost: u64,
}

struct Looking<'a> {
    look: &'a mut Look,
    show: &'a mut dyn FnMut(&str),
}

impl DrawnLines {
    /// A blank screen of so many columns and rows; `None` stands for a session without a terminal.
    #[must_use]
    pub fn new(size: Option<(u16, u16)>) -> Option<Self> {
        let renderer = Renderer::new(Style::Drawn, size.is_some());
        let terminal = blank(size.unwrap_or(DEFAULT_SIZE))?;
        Some(Self { renderer, terminal, look: Look::default(), text: String::new() })
    }

    /// Draws `event` and calls `show` with every line that it changed, without trailing blanks: a line that grows is shown
    /// more than once. Gives what that cost, in half nanoseconds, roughly. Takes as long as it takes: who has little time gives
    /// little at once.
    pub fn push(&mut self, event: &Event<'_>, show: &mut dyn FnMut(&str)) -> u64 {
        self.look.cost = 0;
        if let Event::Resize { cols, rows } = *event {
            let (cols, rows) = clamp(cols, rows);
            self.look.cost = u64::from(cols) * u64::from(rows) * 8;
            self.run(show, |terminal, looking| terminal.resize_with(cols.into(), rows.into(), looking));
            return self.look.cost;
        }
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.renderer.push(event, &mut text);
        self.look.cost = price(self.renderer.take_cost(), self.size());
        self.run(show, |terminal, looking| terminal.feed_with(text.as_str(), looking));
        self.text = text;
        self.look.cost
    }

    /// Cells on the screen: what the dearest sequence may cost is in proportion to them.
    #[must_use]
    pub fn cells(&self) -> usize {
        let (cols, rows) = self.terminal.size();
        cols * rows
    }

    fn size(&self) -> (u16, u16) {
        let (cols, rows) = self.terminal.size();
        let small = |number| u16::try_from(number).unwrap_or(u16::MAX);
        (small(cols), small(rows))
    }

    /// The model is another's code at work on a stranger's bytes: should it panic, the screen is blanked, nothing else.
    fn run(&mut self, show: &mut dyn FnMut(&str), work: impl FnOnce(&mut Terminal, Looking<'_>)) {
        let size = self.size();
        let (terminal, look) = (&mut self.terminal, &mut self.look);
        let worked = catch_unwind(AssertUnwindSafe(|| work(terminal, Looking { look, show })));
        if worked.is_err()
            && let Some(blank) = blank(size)
        {
            self.terminal = blank;
            self.look = Look { cost: self.look.cost, ..Look::default() };
        }
    }
}

fn blank((cols, rows): (u16, u16)) -> Option<Terminal> {
    let (cols, rows) = clamp(cols, rows);
    Terminal::new(cols.into(), rows.into()).ok()
}

/// How many cells an operation draws in the row of the cursor. What erases and moves text within a row draws it, too.
fn draws(operation: &Operation) -> usize {
    match operation {
        Operation::Function(Function::Print(_)) => 1,
        Operation::Function(Function::Rep(count)) => usize::from(*count).max(1),
        Operation::Function(Function::Ich(_) | Function::Dch(_) | Function::Ech(_) | Function::El(_)) => 1,
        _ => 0,
    }
}

/// Whether drawing goes on where it was.
fn goes_on(operation: &Operation) -> bool {
    matches!(operation, Operation::Function(Function::Print(_) | Function::Rep(_) | Function::Sgr(_)))
}

impl Observer for Looking<'_> {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        if self.look.fresh > 0 && !goes_on(operation) {
            self.show_line(context.terminal());
        }
    }

    fn after(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        let drawn = draws(operation);
        if drawn == 0 {
            return;
        }
        self.look.fresh += drawn;
        if self.look.fresh >= OFTEN {
            self.show_line(context.terminal());
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        let Look { past, fresh, cost, .. } = &mut *self.look;
        *cost += line.len() as u64 * SCROLLED;
        if !line.is_wrapped() {
            return past.clear();
        }
        // What was shown before this row went is shown again with it.
        *fresh += 1;
        let over = past.len().saturating_sub(REACH);
        let cut = (over..=past.len()).find(|at| past.is_char_boundary(*at)).unwrap_or(past.len());
        past.drain(..cut);
        past.extend(line.chars());
    }

    fn end(&mut self, context: &mut Observation<'_>) {
        if self.look.fresh > 0 {
            self.show_line(context.terminal());
        }
    }
}

impl Looking<'_> {
    /// Shows the line that the cursor is in, with the rows that it wrapped over.
    fn show_line(&mut self, terminal: &Terminal) {
        let screen = terminal.screen();
        let (row, reach) = (terminal.cursor().row, REACH / terminal.size().0.max(1));
        let wraps = |row: usize| screen.line(row).is_some_and(Line::is_wrapped);
        let mut first = row;
        while first > 0 && row - first < reach && wraps(first - 1) {
            first -= 1;
        }
        let Look { line, past, fresh, cost } = &mut *self.look;
        line.clear();
        if first == 0 && terminal.active_screen_kind() == ScreenKind::Primary {
            line.push_str(past);
        }
        for part in (first..=row + reach).map_while(|at| screen.line(at)) {
            *cost += part.len() as u64 * CELL;
            if part.is_wrapped() {
                line.extend(part.chars());
                continue;
            }
            let end = part.cells().iter().rposition(|cell| cell.char() != ' ').map_or(0, |last| last + 1);
            line.extend(part.cells().iter().take(end).filter(|cell| cell.width() > 0).map(avt::Cell::char));
            break;
        }
        *fresh = 0;
        *cost += line.len() as u64 * CHARACTER;
        (self.show)(line.trim_end());
    }
}

#[cfg(test)]
mod tests;
