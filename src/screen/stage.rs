//! The terminal UI's core on a terminal of bytes: events go in, orders for its host and frames come out. Knows no clock and sends
//! nothing.

use bartizan_tui::{Effect, Event, Settings, State, ThemeName, update, view};
use jiff::Timestamp;
use ratatui::Terminal;

use super::{Depth, Painter, Size};

/// The core and what it is shown on.
pub struct Stage {
    state: State,
    terminal: Terminal<Painter>,
    dirty: bool,
}

impl Stage {
    /// The core with these settings, for a terminal of that size and depth.
    #[must_use]
    pub fn new(settings: Settings, size: Size, depth: Depth) -> Self {
        let Ok(terminal) = Terminal::new(Painter::new(size, depth));
        Self { state: State::new(settings), terminal, dirty: true }
    }

    /// What the core has to say at the beginning.
    pub fn begin(&mut self, now: Timestamp) -> Vec<Effect> {
        let Ok(size) = self.terminal.size();
        self.hear(now, Event::Resize { cols: size.width, rows: size.height })
    }

    /// Something happened at `now`.
    pub fn hear(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = self.tick(now);
        effects.extend(update(&mut self.state, event));
        self.dirty |= self.state.take_dirty();
        effects
    }

    /// It is `now`, and nothing happened.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let effects = update(&mut self.state, Event::Tick { now });
        self.dirty |= self.state.take_dirty();
        effects
    }

    /// What is wrong with the settings, in words.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        self.state.problems()
    }

    /// Whether it changes by itself, so that it wants to be told the time more often.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.state.is_moving()
    }

    /// The terminal has another size.
    pub fn resize(&mut self, now: Timestamp, size: Size) -> Vec<Effect> {
        self.terminal.backend_mut().resize(size);
        self.hear(now, Event::Resize { cols: size.columns, rows: size.rows })
    }

    /// The terminal turned out to have 24 bit colours. `theme`: they are used for what is ours, too.
    pub fn deepen(&mut self, theme: bool) {
        self.terminal.backend_mut().set_depth(Depth::True);
        if theme {
            self.state.set_theme(ThemeName::Truecolour);
        }
        self.forget();
    }

    /// Whether there may be something new to see.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What the terminal shows is not known any more: the next frame draws all of it.
    pub fn forget(&mut self) {
        let Ok(()) = self.terminal.clear();
        self.dirty = true;
    }

    /// What makes the terminal show how things are now; nothing if it does already.
    pub fn frame(&mut self) -> Vec<u8> {
        self.dirty = false;
        let state = &self.state;
        let Ok(_) = self.terminal.draw(|frame| view(state, frame));
        self.terminal.backend_mut().take()
    }
}

/// What puts `text` on the terminal's clipboard (OSC 52).
#[must_use]
pub fn clipboard(text: &str) -> Vec<u8> {
    use base64::Engine;
    format!("\x1b]52;c;{}\x07", base64::engine::general_purpose::STANDARD.encode(text)).into_bytes()
}
