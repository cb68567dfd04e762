//! A screen for somebody who watches: fed with text that draws, gives cells. What could act on a terminal never gets into it.

use crate::event::Event;
use crate::grid::Grid;
use crate::screen::{EVENT_COST, Screen};

/// The screen that a watcher is shown.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_screen_goes_on_from_where_it_was_and_nothing_on_it_acts() {
        let mut canvas = Canvas::new(20, 3, "one\r\n\u{1b}[31mtwo").unwrap();
        canvas.feed("\u{1b}]52;c;aGk=\u{7} three\u{1b}[c");
        let mut grid = Grid::default();
        canvas.draw(&mut grid);
        assert_eq!(grid.text(), ["one", "two three", ""]);
        canvas.resize(10, 2);
        canvas.draw(&mut grid);
        assert_eq!(grid.cols(), 10);
        assert!(grid.rows().flatten().all(|cell| !cell.character.is_control()));
    }
}
