//! The replay screen: plays a recording's screen of cells, never its bytes. Used by itself (`recordings play`) and as a part of the
//! terminal UI.

mod keys;
mod timeline;
mod view;

use bartizan_recorder::Place;
use crossterm::event::KeyEvent;

use crate::input::Input;

pub(crate) use keys::{back, perform, type_key};
pub(crate) use timeline::moment_at;
pub use view::view;
pub(crate) use view::{draw, parts};

/// The speeds that `<` and `>` choose from.
const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0];

/// Idle time longer than this is skipped, in microseconds, where skipping is on.
const IDLE_US: u64 = 2_000_000;

/// What the player knows.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Who, where, when: one line. It is escaped when it is shown.
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
    /// Markers and operations, in order.
    pub places: Vec<Place>,
    /// How much happens over its length: weights of equal parts of it.
    pub weights: Vec<u64>,
    /// What was looked for last.
    pub found: String,
    /// Where it was found, in order.
    pub hits: Vec<Place>,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether the events are listed.
    pub events: bool,
    /// Whether colours are shown.
    pub colour: bool,
    /// False when the screen may lack what was drawn before a jump.
    pub exact: bool,
    /// A sentence for the reader, until the next key.
    pub notice: Option<String>,
    /// The event that is selected in the list.
    pub(crate) event: usize,
    /// What is looked for, while it is typed.
    pub(crate) typing: Option<Input>,
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
            weights: Vec::new(),
            found: String::new(),
            hits: Vec::new(),
            help: false,
            events: false,
            colour: true,
            exact: true,
            notice: None,
            event: 0,
            typing: None,
        }
    }

    /// Whether keys go into a line that is typed.
    #[must_use]
    pub fn is_typing(&self) -> bool {
        self.typing.is_some()
    }

    /// Has the host look for `text`; the answer is [`Event::Found`].
    pub fn find(&mut self, text: String) -> Vec<Effect> {
        self.notice = Some("looking for it".to_owned());
        self.hits.clear();
        self.found.clone_from(&text);
        vec![Effect::Find(text)]
    }

    /// Where what was looked for was found. The player stays where it is.
    pub(crate) fn set_hits(&mut self, hits: Vec<Place>) {
        self.notice = hits.is_empty().then(|| format!("\"{}\" was not found", crate::safe::shown(&self.found)));
        self.hits = hits;
    }

    /// To the first place found from here on, or from the beginning.
    fn first_hit(&mut self) -> Vec<Effect> {
        let found = self.hits.iter().find(|hit| hit.at_us >= self.at_us).or(self.hits.first());
        let at = found.map(|hit| hit.at_us);
        self.playing &= at.is_none();
        at.map_or_else(Vec::new, |at| self.jump(at))
    }

    /// To the next place found; from the last one to the first.
    pub fn next_hit(&mut self, forward: bool) -> Vec<Effect> {
        let here = self.at_us;
        let found = if forward {
            self.hits.iter().find(|hit| hit.at_us > here).or(self.hits.first())
        } else {
            self.hits.iter().rev().find(|hit| hit.at_us < here).or(self.hits.last())
        };
        match found.map(|hit| hit.at_us) {
            Some(at) => {
                self.playing = false;
                self.jump(at)
            }
            None => {
                self.notice = Some("/ finds text; then n and N go through the places".to_owned());
                Vec::new()
            }
        }
    }

    /// Which of the hits is shown, from 1, and how many there are.
    #[must_use]
    pub fn hit(&self) -> Option<(usize, usize)> {
        (!self.hits.is_empty()).then(|| (self.hits.partition_point(|hit| hit.at_us <= self.at_us), self.hits.len()))
    }

    /// The last event that is behind, by its place in the list.
    pub(crate) fn event_now(&self) -> Option<usize> {
        self.places.partition_point(|place| place.at_us <= self.at_us).checked_sub(1)
    }

    fn faster(&mut self, up: bool) {
        let next = if up { SPEEDS.iter().find(|s| **s > self.speed) } else { SPEEDS.iter().rev().find(|s| **s < self.speed) };
        self.speed = next.copied().unwrap_or(self.speed);
    }

    pub(crate) fn jump(&mut self, to_us: u64) -> Vec<Effect> {
        self.at_us = to_us.min(self.duration_us);
        self.event = self.event_now().unwrap_or(0);
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
    /// Text was pasted: into the line that is typed, or nowhere.
    Paste(String),
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
    /// Where what was looked for was found, in order: the player goes to the first of them from here on.
    Found(Vec<Place>),
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
    /// Go back by one event.
    StepBack,
    /// Find this text; the answer is [`Event::Found`].
    Find(String),
    /// End.
    Quit,
}

/// Takes an event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) => return keys::press(state, key),
        Event::Tick { elapsed_us, next_us } => return state.tick(elapsed_us, next_us),
        Event::Found(hits) => {
            state.set_hits(hits);
            return state.first_hit();
        }
        Event::Paste(text) => {
            if let Some(typing) = &mut state.typing {
                typing.insert(&text);
            }
        }
        Event::Stepped { at_us } => state.at_us = at_us,
        Event::Exact(exact) => state.exact = exact,
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
