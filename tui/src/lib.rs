//! Bartizan's terminal UI: `update(&mut State, Event) -> Vec<Effect>` and `view(&State, &mut Frame)`, pure. No sockets, no files, no
//! clock: the host feeds events and carries out effects.
//!
//! | a host | does |
//! |---|---|
//! | begins | [`State::new`] with [`Settings`]; prints [`State::problems`] |
//! | for whatever happens | [`update`] with [`Event::Tick`], then with the event; carries out each [`Effect`] |
//! | when [`State::take_dirty`] | [`view`](view()) into a frame of the terminal's size; not in plain mode |

mod cells;
mod clock;
mod decide;
mod detail;
mod effect;
mod event;
mod filter;
mod fuzzy;
mod heard;
mod input;
mod keys;
mod link;
mod listing;
pub mod model;
mod mouse;
mod overlay;
mod palette;
mod perform;
mod places;
mod plain;
pub mod player;
mod press;
mod replaying;
mod rows;
mod safe;
mod screens;
mod settings;
mod state;
mod statement;
mod theme;
mod update;
mod view;
mod wire;

pub use cells::draw_screen;
pub use effect::{Effect, ReplayOrder, ToSign};
pub use event::{Connection, Event, Replayed, Signature};
pub use keys::manual::manual as manual_of_keys;
pub use keys::{BINDINGS, Binding, Chord, On};
pub use safe::{Text, shown};
pub use settings::{Opening, Screen, Settings, ThemeName};
pub use state::State;
pub use update::update;
pub use view::view;

#[cfg(test)]
mod tests;
