//! A session while it is recorded: its screen as it is now, and what is drawn on it next, for whoever watches. Only what draws
//! passes: nothing of it can act on a watcher's terminal, however naive that is.

use std::fs::File;

use crate::event::Event;
use crate::events::Events;
use crate::frames::Frames;
use crate::grid::Grid;
use crate::index::ChunkStart;
use crate::keyframe::Keyframer;
use crate::render::{Renderer, Style};
use crate::screen::{DEFAULT_SIZE, EVENT_COST, Screen, Snapshot};

/// What drawing the present screen may cost, about four seconds. A recording made to cost more is shown from a blank screen on.
const MOST: u64 = 1 << 33;

/// A screen as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    snapshot: Snapshot,
    has_terminal: bool,
    /// False when it may lack what was drawn long before.
    exact: bool,
}

impl Present {
    /// A blank screen; without a size, that of a session without a terminal.
    #[must_use]
    pub fn blank(size: Option<(u16, u16)>) -> Self {
        let snapshot = Snapshot { size: size.unwrap_or(DEFAULT_SIZE), resume: Vec::new(), dump: String::new() };
        Self { snapshot, has_terminal: size.is_some(), exact: false }
    }

    /// The screen of a session without a terminal after `events`.
    #[must_use]
    pub fn after<'a>(events: impl IntoIterator<Item = &'a Event<'a>>) -> Self {
        let blank = Self::blank(None);
        let Some(mut screen) = Screen::new(None) else { return blank };
        for event in events {
            // What is made to be too dear to draw is left out.
            let _ = screen.apply(event, EVENT_COST);
        }
        Self { snapshot: screen.snapshot(), ..blank }
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.snapshot.size
    }

    /// What draws it on a blank screen of its size.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.snapshot.dump
    }

    /// False when it may lack what was drawn long before.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// What is drawn on it from here on.
    #[must_use]
    pub fn follow(&self) -> Drawing {
        let mut drawing = Drawing { renderer: Renderer::new(Style::Drawn, self.has_terminal), text: String::new() };
        // What was held back when the screen was drawn is held back again.
        drawing.push(&Event::output(&self.snapshot.resume[..]));
        drawing
    }
}

/// Turns what comes next in a session into what draws it.
#[derive(Debug)]
pub struct Drawing {
    renderer: Renderer,
    text: String,
}

impl Drawing {
    /// What `event` draws; empty for what draws nothing.
    pub fn push(&mut self, event: &Event<'_>) -> &str {
        self.text.clear();
        self.renderer.push(event, &mut self.text);
        &self.text
    }
}

/// The screen that a watcher is shown: fed with a [`Present`]'s text and then with what a [`Drawing`] made, gives cells.
pub struct Canvas(Screen);

impl Canvas {
    /// A screen of that size, drawn by `text`. `None` when there is no model for it.
    #[must_use]
    pub fn new(cols: u16, rows: u16, text: &str) -> Option<Self> {
        let mut canvas = Self(Screen::new(Some((cols, rows)))?);
        canvas.feed(text);
        Some(canvas)
    }

    /// Draws `text`; what is made to be too dear to draw is left out.
    pub fn feed(&mut self, text: &str) {
        let _ = self.0.apply(&Event::output(text.as_bytes()), EVENT_COST);
    }

    /// The terminal has a new size.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        let _ = self.0.apply(&Event::Resize { cols, rows }, EVENT_COST);
    }

    /// Puts the screen as it is now into `grid`, which may be used again and again.
    pub fn draw(&self, grid: &mut Grid) {
        self.0.draw(grid);
    }
}

/// The work of drawing the present screen of a recording under way from its file, away from its writer.
#[derive(Debug)]
pub struct PresentWork {
    pub(crate) keyframer: Keyframer,
    pub(crate) file: File,
    /// Where the file ended when the work was taken: what is behind belongs to what comes next.
    pub(crate) end: u64,
    /// The terminal's size then.
    pub(crate) size: (u16, u16),
}

impl PresentWork {
    /// Draws it. Blocks.
    #[must_use]
    pub fn run(self) -> Present {
        let blank = Present::blank(Some(self.size));
        self.draw().unwrap_or(blank)
    }

    fn draw(&self) -> Option<Present> {
        let here = ChunkStart { seq: u64::MAX, at_us: u64::MAX, offset: self.end };
        let (mut screen, start, exact) = self.keyframer.begin(&self.file, here)?;
        let mut events = Events::over(Frames::at(&self.file, start), self.keyframer.opener()).ok()?;
        let mut spent = 0;
        while events.offset() < self.end && events.next_frame().ok()?.is_some() {
            while let Some(timed) = events.body_event().ok()? {
                spent += screen.apply(&timed.event, MOST.saturating_sub(spent)).ok()?;
            }
        }
        Some(Present { snapshot: screen.snapshot(), has_terminal: true, exact })
    }
}

#[cfg(test)]
mod tests;
