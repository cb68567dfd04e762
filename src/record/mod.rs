//! The tape: a permitted session's recording, opened before its target is dialled and written before its bytes go on. A write
//! that fails holds the session back, and after ten seconds ends it. Never decides, never dials.
//! What was written is handed to whoever watches the session.

mod alarm;
mod feed;
mod gap;
mod lanes;
mod recorder;
mod reserve;
mod tape;
mod watcher;

pub use lanes::{Artist, Lane, Lanes, Piece};
pub use recorder::{Recorder, RecorderSettings, terminal};
pub use tape::{Closing, SOON, Tape, TapeError, Taped};
pub use watcher::{Draw, FRAME, Look, Sight, Watchable, Watcher};
