//! The replay screen: plays a recording's screen of cells, never its bytes.

mod keys;
mod view;

use bartizan_recorder::Place;
use crossterm::event::KeyEvent;

pub use keys::{BINDINGS, Binding};
pub use view::{draw_grid, view};

/// The speeds that `<` and `>` choose from.
const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0];

/// Idle time longer than this is skipped, in microseconds, where skipping is on.
const IDLE_US: u64 = 2_000_000;

/// What the player knows.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Who, where, when: one line, already safe to show.
    pub title: String,
    /// The recording's length in microseconds.
    pub duration_us: u64,
    /// The moment shown.
    pub at_us: u64,
    /// Whether time goes on.
    pub playing: bool,
    /// Times real time.
    pub speed: f64,
    /// Whether long pauses are skipped.
    pub skip_idle: bool,
    /// Where one can jump to, in order.
    pub places: Vec<Place>,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether colours are shown.
    pub colour: bool,
    /// False when the screen may lack what was drawn before a jump.
    pub exact: bool,
}

impl State {
    /// A player at the beginning, running.
    #[must_use]
    pub fn new(title: String, duration_us: u64, places: Vec<Place>) -> Self {
        Self { title, duration_us, at_us: 0, playing: true, speed: 1.0, skip_idle: false, places, help: false, colour: true, exact: true }
    }

    fn faster(&mut self, up: bool) {
        let next = if up { SPEEDS.iter().find(|s| **s > self.speed) } else { SPEEDS.iter().rev().find(|s| **s < self.speed) };
        self.speed = next.copied().unwrap_or(self.speed);
    }

    fn jump(&mut self, to_us: u64) -> Vec<Effect> {
        self.at_us = to_us.min(self.duration_us);
        vec![Effect::Seek(self.at_us)]
    }

    fn place(&mut self, forward: bool) -> Vec<Effect> {
        // A second of grace, so that going back twice goes back twice.
        let here = self.at_us;
        let found = if forward {
            self.places.iter().find(|p| p.at_us > here)
        } else {
            self.places.iter().rev().find(|p| p.at_us.saturating_add(1_000_000) < here)
        };
        match found.map(|p| p.at_us) {
            Some(at) => self.jump(at),
            None => Vec::new(),
        }
    }

    /// Where to be after `elapsed_us` of real time, when the next event is at `next_us`.
    fn tick(&mut self, elapsed_us: u64, next_us: Option<u64>) -> Vec<Effect> {
        if !self.playing {
            return Vec::new();
        }
        let Some(next) = next_us else {
            self.at_us = self.duration_us;
            self.playing = false;
            return Vec::new();
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a display's clock, bounded by one tick"
        )]
        let step = (elapsed_us as f64 * self.speed) as u64;
        let mut to = self.at_us.saturating_add(step);
        if self.skip_idle && next.saturating_sub(self.at_us) > IDLE_US {
            to = to.max(next);
        }
        self.at_us = to.min(self.duration_us);
        vec![Effect::Advance(self.at_us)]
    }
}

/// What happens to the player.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// Real time passed; the recording's next event is at `next_us`, or there is none.
    Tick {
        /// Microseconds since the last tick.
        elapsed_us: u64,
        /// When the next event happens.
        next_us: Option<u64>,
    },
    /// A step was played and came to `at_us`.
    Stepped {
        /// The moment it came to.
        at_us: u64,
    },
    /// The screen shown is exact, or is not.
    Exact(bool),
}

/// What the host has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Go to this moment.
    Seek(u64),
    /// Play up to this moment.
    Advance(u64),
    /// Play one event.
    Step,
    /// End.
    Quit,
}

/// Takes an event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) => keys::press(state, key),
        Event::Tick { elapsed_us, next_us } => state.tick(elapsed_us, next_us),
        Event::Stepped { at_us } => {
            state.at_us = at_us;
            Vec::new()
        }
        Event::Exact(exact) => {
            state.exact = exact;
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
