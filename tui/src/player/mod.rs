//! The replay screen: plays a recording's screen of cells, never its bytes.

mod keys;
mod view;

use bartizan_recorder::Place;
use crossterm::event::KeyEvent;

pub use keys::{BINDINGS, Binding};
pub use view::view;

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
    /// What is searched for, with what was found of it, in order.
    pub finds: Option<Finds>,
    /// What is being typed to search for.
    pub typing: Option<String>,
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
        Self {
            title,
            duration_us,
            at_us: 0,
            playing: true,
            speed: 1.0,
            skip_idle: false,
            places,
            finds: None,
            typing: None,
            help: false,
            colour: true,
            exact: true,
        }
    }

    fn faster(&mut self, up: bool) {
        let next = if up { SPEEDS.iter().find(|s| **s > self.speed) } else { SPEEDS.iter().rev().find(|s| **s < self.speed) };
        self.speed = next.copied().unwrap_or(self.speed);
    }

    fn jump(&mut self, to_us: u64) -> Vec<Effect> {
        self.at_us = to_us.min(self.duration_us);
        vec![Effect::Seek(self.at_us)]
    }

    /// Has the host search.
    pub fn find(&mut self, text: String) -> Vec<Effect> {
        self.finds = Some(Finds { text: text.clone(), places: None });
        vec![Effect::Find(text)]
    }

    /// Goes to the next or last of what was found; round the end.
    fn found(&mut self, forward: bool) -> Vec<Effect> {
        let here = self.at_us;
        let places = self.finds.as_ref().and_then(|finds| finds.places.as_deref()).unwrap_or_default();
        let found = if forward {
            places.iter().find(|p| p.at_us > here).or(places.first())
        } else {
            places.iter().rev().find(|p| p.at_us < here).or(places.last())
        };
        match found.map(|p| p.at_us) {
            Some(at) => self.stop_at(at),
            None => Vec::new(),
        }
    }

    /// Goes there and stands still, to be looked at.
    fn stop_at(&mut self, at_us: u64) -> Vec<Effect> {
        self.playing = false;
        self.jump(at_us)
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

/// A search and its hits.
#[derive(Debug, Clone, PartialEq)]
pub struct Finds {
    /// What is searched for.
    pub text: String,
    /// Where it is, in order; none while the host searches.
    pub places: Option<Vec<Place>>,
}

impl Finds {
    /// Which hit `at_us` stands at or behind, counted from 1; 0 before the first.
    #[must_use]
    pub fn number_at(&self, at_us: u64) -> usize {
        self.places.as_deref().unwrap_or_default().iter().take_while(|place| place.at_us <= at_us).count()
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
    /// What was searched for is at these places, in order.
    Found(Vec<Place>),
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
    /// Go to before the event that was played last.
    StepBack,
    /// Look for this text, from the beginning to the end.
    Find(String),
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
        Event::Found(places) => {
            let here = state.at_us;
            let first = places.iter().find(|place| place.at_us >= here).or(places.first()).map(|place| place.at_us);
            if let Some(finds) = &mut state.finds {
                finds.places = Some(places);
            }
            first.map_or_else(Vec::new, |at| state.stop_at(at))
        }
        Event::Exact(exact) => {
            state.exact = exact;
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
