//! Bartizan's recorder: sealed recordings of sessions, written, read, verified, exported and replayed.
//!
//! The format is specified in bartizan-recording(5). This crate never spawns, never reads a clock, never makes
//! randomness and never writes to a terminal: moments, random numbers and sinks come from the caller.
mod cast;
mod chain;
mod draft;
mod event;
mod events;
mod frame;
mod frames;
mod head;
mod index;
mod keyframe;
mod list;
mod log;
mod map;
mod pace;
mod place;
mod recording;
mod recordings;
mod recover;
mod render;
mod replay;
mod sanitise;
mod screen;
mod squeeze;
#[cfg(test)]
mod testing;
mod transcript;
mod utf8;
mod verify;
mod walk;
mod wire;
mod writer;

pub use cast::{CastVersion, ExportError, export_cast};
pub use event::{Event, Exit};
pub use events::{Events, ReadError, Timed};
pub use frame::BadFrame;
pub use frames::{FrameError, ReadAt};
pub use head::{BadHead, ChannelSeal, Head, Reason, Seal, SessionId, Terminal};
pub use list::{Filter, Found, find, list};
pub use recording::{OpenError, Recording};
pub use recordings::Recordings;
pub use recover::{Recovered, Recovery};
pub use replay::{Place, Replay, Step, places};
pub use screen::{Cell, CellStyle, Colour, Grid};
pub use squeeze::BadBody;
pub use transcript::transcript;
pub use verify::{Check, Outcome, Report, verify};
pub use writer::{Now, WriteError, Writer};
