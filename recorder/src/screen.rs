//! The screen as a grid of cells: a terminal model behind a trait of our own, fed only with what the sanitiser let
//! through. A front end draws the cells; recorded bytes never reach anyone's terminal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::Event;
use crate::grid::{Cell, CellStyle, Colour, Grid};
use crate::render::{Renderer, Style};
use crate::sanitise::Cost;

/// Largest screen that is modelled; a larger one is cropped.
const MOST_COLS: u16 = 1000;
/// Largest screen that is modelled; a larger one is cropped.
const MOST_ROWS: u16 = 500;
/// The screen of a session without a terminal.
pub(crate) const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// A terminal model. It is given drawing text only, never a partial sequence.
pub(crate) trait Model: Send {
    fn feed(&mut self, text: &str);
    fn resize(&mut self, cols: u16, rows: u16);
    fn size(&self) -> (u16, u16);
    /// Text that brings a new model of the same size into this state.
    fn dump(&self) -> String;
    fn draw(&self, grid: &mut Grid);
}

/// asciinema's own model.
struct Avt {
    terminal: avt::Terminal,
}

impl Avt {
    fn new((cols, rows): (u16, u16)) -> Option<Self> {
        let (cols, rows) = clamp(cols, rows);
        let terminal = avt::Terminal::new(usize::from(cols), usize::from(rows)).ok()?;
        Some(Self { terminal })
    }
}

pub(crate) fn clamp(cols: u16, rows: u16) -> (u16, u16) {
    (cols.clamp(1, MOST_COLS), rows.clamp(1, MOST_ROWS))
}

fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

impl Model for Avt {
    fn feed(&mut self, text: &str) {
        self.terminal.feed(text);
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        let (cols, rows) = clamp(cols, rows);
        self.terminal.resize(usize::from(cols), usize::from(rows));
    }

    fn size(&self) -> (u16, u16) {
        let (cols, rows) = self.terminal.size();
        (small(cols), small(rows))
    }

    fn dump(&self) -> String {
        self.terminal.dump()
    }

    fn draw(&self, grid: &mut Grid) {
        let (cols, rows) = self.size();
        grid.cols = cols;
        grid.cells.clear();
        for line in self.terminal.screen().visible_lines() {
            grid.cells.extend(line.cells().iter().map(cell));
        }
        let cursor = self.terminal.cursor().position();
        grid.cursor = cursor.map(|(col, row)| (small(col).min(cols - 1), small(row).min(rows - 1)));
    }
}

fn cell(cell: &avt::Cell) -> Cell {
    let pen = cell.pen();
    let style = CellStyle {
        foreground: pen.foreground().map(colour),
        background: pen.background().map(colour),
        bold: pen.is_bold(),
        faint: pen.is_faint(),
        italic: pen.is_italic(),
        underline: pen.is_underline(),
        strikethrough: pen.is_strikethrough(),
        blink: pen.is_blink(),
        inverse: pen.is_inverse(),
    };
    let character = if cell.char().is_control() { ' ' } else { cell.char() };
    Cell { character, width: cell.width(), style }
}

fn colour(colour: avt::Color) -> Colour {
    match colour {
        avt::Color::Indexed(index) => Colour::Indexed(index),
        avt::Color::RGB(rgb) => Colour::Rgb(rgb.r, rgb.g, rgb.b),
    }
}

/// What one event may cost a watcher, about half a second. No honest event comes near.
pub(crate) const EVENT_COST: u64 = 1 << 30;

/// Half nanoseconds, roughly: a printed character 16, a cell that is blanked 1.
pub(crate) fn price(cost: Cost, (cols, rows): (u16, u16)) -> u64 {
    let (cols, rows) = (u64::from(cols), u64::from(rows));
    cost.chars * 16 + cost.rows * cols + cost.screens * cols * rows
}

/// What a screen was at one moment: enough to go on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) size: (u16, u16),
    /// Output bytes that were held back.
    pub(crate) resume: Vec<u8>,
    pub(crate) dump: String,
}

/// A piece would cost more than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooDear;

/// Renders events into a model.
pub(crate) struct Screen {
    renderer: Renderer,
    model: Box<dyn Model>,
    text: String,
}

impl Screen {
    /// A blank screen. `None` never happens with a size from outside: it is clamped.
    pub(crate) fn new(size: Option<(u16, u16)>) -> Option<Self> {
        let renderer = Renderer::new(Style::Drawn, size.is_some());
        let model = Box::new(Avt::new(size.unwrap_or(DEFAULT_SIZE))?);
        Some(Self { renderer, model, text: String::new() })
    }

    /// A terminal's screen as it was.
    pub(crate) fn restore(snapshot: &Snapshot) -> Option<Self> {
        let mut screen = Self::new(Some(snapshot.size))?;
        // A keyframe is as little to be trusted as any other recorded bytes.
        let events = [Event::output(snapshot.dump.as_bytes()), Event::output(&snapshot.resume[..])];
        for event in &events {
            screen.apply(event, u64::MAX).ok()?;
        }
        Some(screen)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { size: self.model.size(), resume: self.renderer.resume(), dump: self.model.dump() }
    }

    /// Applies an event unless it costs more than `limit`. Returns its cost.
    pub(crate) fn apply(&mut self, event: &Event<'_>, limit: u64) -> Result<u64, TooDear> {
        if let Event::Resize { cols, rows } = *event {
            let (cols, rows) = clamp(cols, rows);
            let cost = u64::from(cols) * u64::from(rows) * 8;
            return self.run(cost, limit, |model, _| model.resize(cols, rows));
        }
        self.text.clear();
        self.renderer.push(event, &mut self.text);
        let cost = price(self.renderer.take_cost(), self.model.size());
        self.run(cost, limit, |model, text| model.feed(text))
    }

    /// The model is another's code at work on a stranger's bytes: should it panic, the screen is blanked, nothing else.
    fn run(&mut self, cost: u64, limit: u64, work: impl FnOnce(&mut dyn Model, &str)) -> Result<u64, TooDear> {
        if cost > limit {
            return Err(TooDear);
        }
        let (model, text) = (&mut self.model, self.text.as_str());
        if catch_unwind(AssertUnwindSafe(|| work(model.as_mut(), text))).is_err()
            && let Some(blank) = Avt::new(DEFAULT_SIZE)
        {
            self.model = Box::new(blank);
        }
        Ok(cost)
    }

    /// The screen as cells, into a grid that may be used again.
    pub(crate) fn draw(&self, grid: &mut Grid) {
        self.model.draw(grid);
    }
}

/// Collects the lines that scroll off a terminal, and at the end those still on it.
pub(crate) struct Lines {
    terminal: avt::Terminal,
    transcript: avt::observer::Transcript,
}

impl Lines {
    pub(crate) fn new((cols, rows): (u16, u16)) -> Option<Self> {
        let terminal = Avt::new((cols, rows))?.terminal;
        Some(Self { terminal, transcript: avt::observer::Transcript::new() })
    }

    /// Lines that are complete after `text`, which costs a terminal `cost`. What costs too much is left out, and said so.
    pub(crate) fn feed(&mut self, text: &str, cost: Cost) -> Vec<String> {
        let (cols, rows) = self.terminal.size();
        if price(cost, (small(cols), small(rows))) > EVENT_COST {
            return vec!["[output made to be too dear to draw is left out here]".to_owned()];
        }
        self.terminal.feed_with(text, &mut self.transcript)
    }

    pub(crate) fn resize(&mut self, cols: u16, rows: u16) -> Vec<String> {
        let (cols, rows) = clamp(cols, rows);
        self.terminal.resize_with(usize::from(cols), usize::from(rows), &mut self.transcript)
    }

    /// The lines on the screen now, wrapped ones joined; without the one the cursor stands in, which may still change, unless
    /// `with_last` is set.
    pub(crate) fn visible(&self, with_last: bool) -> Vec<String> {
        let cursor = self.terminal.cursor().position().map(|(_, row)| row).filter(|_| !with_last);
        let (mut lines, mut line, mut has_cursor) = (Vec::new(), String::new(), false);
        for (row, part) in self.terminal.screen().visible_lines().enumerate() {
            line.extend(part.chars());
            has_cursor |= cursor == Some(row);
            if !part.is_wrapped() {
                let whole = std::mem::take(&mut line);
                if !std::mem::take(&mut has_cursor) {
                    lines.push(whole);
                }
            }
        }
        if !has_cursor {
            lines.push(line);
        }
        lines
    }

    pub(crate) fn finish(self) -> Vec<String> {
        self.transcript.finish(&self.terminal)
    }
}

#[cfg(test)]
mod tests;
