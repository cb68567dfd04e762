//! What happens to the terminal UI, as its host tells it.

use std::time::Duration;

use bartizan_recorder::{Grid, Place};
use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;

/// Something that happened. Hosts send a [`Event::Tick`] before every other event, and every 100 ms besides (every 33 ms while
/// [`State::is_moving`](crate::State::is_moving)), so that the core knows the time without a clock.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Text was pasted (bracketed paste). It never acts as keys.
    Paste(String),
    /// The terminal's size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// It is now this moment.
    Tick {
        /// The moment.
        now: Timestamp,
    },
    /// One line from the control connection, without its end.
    Line(String),
    /// How the control connection stands.
    Connection(Connection),
    /// An answer to [`Effect::Replay`](crate::Effect::Replay).
    Replay(Replayed),
    /// The answer to [`Effect::Sign`](crate::Effect::Sign): the signature, none where the key is not at hand, or why there is none
    /// although there should be.
    Signed {
        /// Of which approval.
        approval: String,
        /// The signature.
        signature: Result<Option<Signature>, String>,
    },
    /// The answer to [`Effect::Connect`](crate::Effect::Connect): the terminal is ours again. A sentence about how the session
    /// ended, or why there was none.
    Returned(Result<String, String>),
    /// The answer to [`Effect::Unlock`](crate::Effect::Unlock), or why it stays locked.
    Unlocked(Result<(), String>),
    /// A line that was typed in plain mode, without its end.
    Typed(String),
}

/// A signature of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// As `ssh-keygen -Y sign` makes it.
    pub text: String,
    /// The moment that is in what was signed.
    pub at: Timestamp,
}

/// The control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// There is one; the bastion's hello is the next line.
    Up,
    /// It broke; the host connects again.
    Lost {
        /// Why.
        why: String,
        /// When the host tries again, from now.
        retry_in: Option<Duration>,
    },
    /// It is over, and the host does not try again.
    Gone {
        /// Why.
        why: String,
    },
}

/// What the host's replayer says. There is one recording at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// The recording is open; its beginning, or the moment asked for, is shown with [`Replayed::Shown`].
    Opened {
        /// Whose.
        session: String,
        /// Who, where, when.
        title: String,
        /// How long it is, in microseconds.
        duration_us: u64,
        /// Its markers and operations, in order.
        places: Vec<Place>,
        /// How much happens over its length: weights of equal parts of it, for the timeline.
        weights: Vec<u64>,
    },
    /// The screen after an order.
    Shown {
        /// The screen.
        grid: Grid,
        /// The moment it shows.
        at_us: u64,
        /// When the next event happens; none at the end.
        next_us: Option<u64>,
        /// False when the screen may lack what was drawn before a jump.
        exact: bool,
    },
    /// Where the text was found, in order.
    Hits {
        /// What was looked for.
        text: String,
        /// The places.
        hits: Vec<Place>,
    },
    /// It cannot be done.
    Failed {
        /// Why.
        why: String,
    },
}
