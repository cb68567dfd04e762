//! What every host of the terminal UI stands on. A terminal known by its bytes alone: keys out of what it sends, frames into what it
//! is sent, with the size and the colours that its user's client says; and the core's errands on the control connection: recordings
//! fetched and played. Never touches the terminal of the process, never reads its environment, spawns nothing.

mod asking;
mod colour;
mod keyboard;
mod library;
mod line;
mod lines;
mod painter;
mod replayer;
mod splitter;
mod stage;
mod truth;
mod typing;

pub use colour::Depth;
pub use keyboard::Keyboard;
pub use library::{Ask, FarFile, far_recording};
pub use line::Line;
pub use painter::{ENTER, LEAVE, Painter, Size};
pub use replayer::{Keys, Replayer};
pub use stage::{Stage, clipboard};
pub use truth::{ASK, Listening};
pub use typing::{Typed, Typing, for_terminal, tame};

#[cfg(test)]
mod tests;
