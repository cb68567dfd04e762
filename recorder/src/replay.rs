//! Plays a recording on a screen of cells: forward event by event, and to any moment by way of keyframes. Keeps no time
//! of its own: the caller says how far to play, and skips what idleness it likes.

use crate::channel::Channel;
use crate::event::{Event, Exit};
use crate::events::{Events, ReadError, Timed};
use crate::frames::{Expected, FrameError};
use crate::grid::Grid;
use crate::keyframe::{Keyframe, expected};
use crate::map::Map;
use crate::recording::{OpenError, Recording};
use crate::render::{label_of, one_line};
use crate::screen::{EVENT_COST, Screen};

/// Chunks before the moment sought from which a screen without a terminal is drawn.
const CHUNKS_OF_LINES: usize = 4;

/// What a step showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The screen may have changed.
    Screen,
    /// A named place, or an operation by its text.
    Marker(String),
    /// Keys were pressed.
    Input,
    /// A remark by the bastion.
    Note(String),
    /// The remote side ended.
    Exit(Exit),
    /// Nothing that shows.
    Other,
}

/// A recording being played.
pub struct Replay {
    events: Events<Channel>,
    size: Option<(u16, u16)>,
    screen: Screen,
    map: Map,
    at_us: u64,
    /// When the event happened that was played last.
    event_us: u64,
    /// Chunk that the screen goes back to without a gap: its first frame.
    since: u64,
    exact: bool,
}

impl Replay {
    /// Opens `recording` at its beginning.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be read.
    pub fn open(recording: &Recording) -> Result<Self, OpenError> {
        let index = recording.seal().and_then(|seal| seal.channels.first()).map_or(0, |channel| channel.index);
        let opener = recording.opener();
        let map = Map::load(&recording.channel()?, index, opener.as_ref()).map_err(ReadError::from)?;
        let size = recording.head().terminal.as_ref().map(|terminal| (terminal.cols, terminal.rows));
        let screen = Screen::new(size).ok_or(ReadError::Memory)?;
        let events = recording.events()?;
        Ok(Self { events, size, screen, map, at_us: 0, event_us: 0, since: 0, exact: true })
    }

    /// The recording's length in microseconds, as far as it was written when it was opened.
    #[must_use]
    pub fn duration_us(&self) -> u64 {
        self.map.last_us.max(self.at_us)
    }

    /// The moment shown, in microseconds since the session began.
    #[must_use]
    pub fn at_us(&self) -> u64 {
        self.at_us
    }

    /// False when the screen may lack something: a flood had outrun the keyframes, this is a session without a terminal
    /// and was jumped into, or output was made to be too dear to draw.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// When the next event happens; `None` at the end, or as far as a running recording is written.
    ///
    /// # Errors
    /// [`ReadError`] for a recording that is damaged here.
    pub fn next_us(&mut self) -> Result<Option<u64>, ReadError> {
        untorn(self.events.peek_us())
    }

    /// Plays the next event, whenever it happens. `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] for a recording that is damaged here.
    pub fn step(&mut self) -> Result<Option<Step>, ReadError> {
        let Some(Timed { at_us, event }) = untorn(self.events.next_event())? else { return Ok(None) };
        // What is made to be too dear to draw is left out.
        self.exact &= self.screen.apply(&event, EVENT_COST).is_ok();
        self.at_us = at_us;
        self.event_us = at_us;
        Ok(Some(match event {
            Event::Output(_) | Event::Stderr(_) | Event::Resize { .. } => Step::Screen,
            Event::Input(_) => Step::Input,
            Event::Marker(text) => Step::Marker(one_line(&text, 200)),
            Event::Operation(json) => label_of(&json).map_or(Step::Other, Step::Marker),
            Event::Note(text) => Step::Note(one_line(&text, 200)),
            Event::Exit(exit) => Step::Exit(exit),
            Event::Environment { .. } | Event::Other { .. } => Step::Other,
        }))
    }

    /// Goes to the moment before the event that was played last: one step back.
    ///
    /// # Errors
    /// [`ReadError`] for a recording that is damaged there.
    pub fn step_back(&mut self) -> Result<(), ReadError> {
        self.seek(self.event_us.saturating_sub(1))
    }

    /// Plays everything up to and with `to_us`. Returns true when the screen may have changed.
    ///
    /// # Errors
    /// [`ReadError`] for a recording that is damaged on the way.
    pub fn advance(&mut self, to_us: u64) -> Result<bool, ReadError> {
        let mut changed = false;
        while self.next_us()?.is_some_and(|next| next <= to_us) {
            changed |= self.step()? == Some(Step::Screen);
        }
        self.at_us = self.at_us.max(to_us.min(self.map.last_us));
        Ok(changed)
    }

    /// Goes to the moment `to_us`, back or forth.
    ///
    /// # Errors
    /// [`ReadError`] for a recording that is damaged there.
    pub fn seek(&mut self, to_us: u64) -> Result<(), ReadError> {
        let chunk = self.map.chunk_at(to_us);
        let (start, keyframe) = self.start_for(chunk);
        let ahead = to_us >= self.at_us && self.since >= start.seq;
        if !ahead {
            self.begin(start, keyframe)?;
        }
        self.advance(to_us)?;
        Ok(())
    }

    /// Where to begin to see the chunk numbered `chunk`, and the screen as it was there.
    fn start_for(&self, chunk: Option<usize>) -> (Expected, Option<Keyframe>) {
        let first = (Expected::FIRST, None);
        let Some(chunk) = chunk else { return first };
        if self.size.is_none() {
            let start = chunk.checked_sub(CHUNKS_OF_LINES).and_then(|at| self.map.chunks.get(at));
            return start.map_or(first, |start| (expected(start), None));
        }
        let mut seq = self.map.chunks.get(chunk).map_or(0, |chunk| chunk.seq);
        // A keyframe that cannot be read leaves the one before it.
        while let Some(at) = self.map.keyframe_before(seq) {
            let keyframe = Keyframe::read(self.events.source(), at.offset, self.events.opener());
            if let Some(keyframe) = keyframe.filter(|keyframe| keyframe.before.seq == at.seq) {
                return (expected(&keyframe.before), Some(keyframe));
            }
            match at.seq.checked_sub(1) {
                Some(before) => seq = before,
                None => break,
            }
        }
        first
    }

    fn begin(&mut self, start: Expected, keyframe: Option<Keyframe>) -> Result<(), ReadError> {
        let restored = keyframe.as_ref().map(|keyframe| Screen::restore(&keyframe.snapshot));
        self.screen = restored.unwrap_or_else(|| Screen::new(self.size)).ok_or(ReadError::Memory)?;
        self.exact = keyframe.map_or(start == Expected::FIRST, |keyframe| keyframe.exact);
        self.events.seek(start);
        self.at_us = start.at_us;
        self.event_us = start.at_us;
        self.since = start.seq;
        Ok(())
    }

    /// Puts the screen as it is now into `grid`, which may be used again and again.
    pub fn draw(&self, grid: &mut Grid) {
        self.screen.draw(grid);
    }
}

/// The end that a running recording may have is an end.
pub(crate) fn untorn<T>(read: Result<Option<T>, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Frame(FrameError::Torn { .. })) => Ok(None),
        read => read,
    }
}

/// A place to jump to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When, in microseconds since the session began.
    pub at_us: u64,
    /// What it is called; one line without controls.
    pub label: String,
}

impl Place {
    /// The place that `event` makes, if it makes one.
    pub(crate) fn of(at_us: u64, event: &Event<'_>) -> Option<Self> {
        let label = match event {
            Event::Marker(text) => Some(one_line(text, 200)),
            Event::Operation(json) => label_of(json),
            _ => None,
        };
        label.map(|label| Self { at_us, label })
    }
}

/// The markers and operations of `recording` in order. Reads all of it; `progress` is told how many bytes are behind.
///
/// # Errors
/// [`OpenError`] when it cannot be read. A torn end is none.
pub fn places(recording: &Recording, progress: &mut dyn FnMut(u64)) -> Result<Vec<Place>, OpenError> {
    let mut events = recording.events()?;
    let mut found = Vec::new();
    while let Some(Timed { at_us, event }) = untorn(events.next_event())? {
        found.extend(Place::of(at_us, &event));
        progress(events.offset());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
