//! The events of one channel file in order, decoded from its frames. Lends each event from the decoded body; bounded by
//! the format's limits whatever the file says; verifies nothing.

use crate::event::{Event, take_record};
use crate::frame::{Flags, Kind};
use crate::frames::{Expected, Frame, FrameError, Frames, ReadAt};
use crate::ratchet::{Opener, Ratchet};
use crate::squeeze::{BadBody, Unpacker};
use crate::wire::Bytes;

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<'a> {
    /// Microseconds since the session began; never less than the event's before.
    pub at_us: u64,
    /// What happened.
    pub event: Event<'a>,
}

/// Why an event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame whose body cannot be decoded.
    #[error("the frame at byte {offset} cannot be decoded: {bad}")]
    Body {
        /// Where the frame begins.
        offset: u64,
        /// What is wrong.
        bad: BadBody,
    },
    /// A body that holds no proper records.
    #[error("the frame at byte {offset} holds no proper events")]
    Records {
        /// Where the frame begins.
        offset: u64,
    },
    /// No memory for a decompressor.
    #[error("there is no memory left to decompress with")]
    Memory,
}

/// What a step of the walk came upon, beside events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) kind: Kind,
    pub(crate) begins_chunk: bool,
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) at_us: u64,
    pub(crate) end: u64,
}

impl Passed {
    fn of(frame: &Frame<'_>) -> Self {
        Self {
            kind: frame.header.kind,
            begins_chunk: frame.header.kind == Kind::EVENTS && frame.header.flags.has(Flags::CHUNK),
            offset: frame.offset,
            seq: frame.header.seq,
            at_us: frame.header.at_us,
            end: frame.end(),
        }
    }
}

/// The walk over events.
pub struct Events<R> {
    frames: Frames<R>,
    unpacker: Unpacker,
    /// The decoded body at hand, how much of it is read, and the time of its last record.
    body: Vec<u8>,
    read: usize,
    at_us: u64,
    offset: u64,
}

impl<R: ReadAt> Events<R> {
    /// Begins at the first event. An encrypted recording's events are had from [`crate::Recording::events`].
    ///
    /// # Errors
    /// [`ReadError::Frame`] when this is no recording, [`ReadError::Memory`].
    pub fn open(source: R) -> Result<Self, ReadError> {
        Self::over(Frames::open(source)?, None)
    }

    /// Goes on from where `frames` stands, decrypting with `opener`.
    pub(crate) fn over(frames: Frames<R>, opener: Option<Opener>) -> Result<Self, ReadError> {
        let unpacker = Unpacker::new(opener).ok_or(ReadError::Memory)?;
        Ok(Self { frames, unpacker, body: Vec::new(), read: 0, at_us: 0, offset: 0 })
    }

    /// Goes to the first frame of a chunk.
    pub(crate) fn seek(&mut self, chunk: Expected) {
        self.frames.seek(chunk);
        self.body.clear();
        self.read = 0;
        self.at_us = chunk.at_us;
    }

    pub(crate) fn source(&self) -> &R {
        self.frames.source()
    }

    /// What decrypts here, if anything does.
    pub(crate) fn opener(&self) -> Option<&Opener> {
        self.unpacker.opener()
    }

    /// Where the row of keys stands after the frame at hand.
    pub(crate) fn ratchet(&self) -> Option<Ratchet> {
        Some(self.unpacker.opener()?.ratchet().clone())
    }

    /// Bytes of the file behind us: for a progress bar.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.frames.expected().offset
    }

    /// Where the frame begins that the last event came from.
    #[must_use]
    pub fn frame_offset(&self) -> u64 {
        self.offset
    }

    /// The next event; `None` at the end of the file, where more may be found later if it grows.
    ///
    /// # Errors
    /// Any [`ReadError`]; a torn last frame is [`FrameError::Torn`].
    pub fn next_event(&mut self) -> Result<Option<Timed<'_>>, ReadError> {
        if self.fill()? { self.body_event() } else { Ok(None) }
    }

    /// The time of the next event, without taking it.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn peek_us(&mut self) -> Result<Option<u64>, ReadError> {
        if !self.fill()? {
            return Ok(None);
        }
        let mut bytes = Bytes(self.body.get(self.read..).unwrap_or_default());
        let (interval, _) = take_record(&mut bytes).ok_or(ReadError::Records { offset: self.offset })?;
        Ok(Some(self.at_us.saturating_add(interval)))
    }

    /// The next event of the frame at hand.
    pub(crate) fn body_event(&mut self) -> Result<Option<Timed<'_>>, ReadError> {
        if self.read >= self.body.len() {
            return Ok(None);
        }
        let mut bytes = Bytes(self.body.get(self.read..).unwrap_or_default());
        let (interval, event) = take_record(&mut bytes).ok_or(ReadError::Records { offset: self.offset })?;
        self.read = self.body.len() - bytes.0.len();
        self.at_us = self.at_us.saturating_add(interval);
        Ok(Some(Timed { at_us: self.at_us, event }))
    }

    /// Has a body with events left at hand; false at the end of the file.
    fn fill(&mut self) -> Result<bool, ReadError> {
        while self.read >= self.body.len() {
            if self.next_frame()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads one frame whole, whatever its kind; its events, if any, are what `next_event` gives next.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Passed>, ReadError> {
        self.body.clear();
        self.read = 0;
        let Some(frame) = self.frames.next_frame()? else {
            return Ok(None);
        };
        let passed = Passed::of(&frame);
        if passed.kind == Kind::EVENTS {
            let bad = |bad| ReadError::Body { offset: passed.offset, bad };
            let body = self.unpacker.events(&frame.header, frame.body).map_err(bad)?;
            self.body.extend_from_slice(body);
            self.at_us = self.at_us.max(passed.at_us);
            self.offset = passed.offset;
        }
        Ok(Some(passed))
    }

    /// All remaining events, each owning its bytes. Ends after the first error.
    pub fn owned(mut self) -> impl Iterator<Item = Result<Timed<'static>, ReadError>> {
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let next = self.next_event().map(|timed| timed.map(|Timed { at_us, event }| Timed { at_us, event: event.into_owned() }));
            over = next.is_err();
            next.transpose()
        })
    }
}

/// The events of a recording, and those of what was typed, in order of time.
pub(crate) struct AllEvents<R> {
    main: Events<R>,
    typed: Option<Events<R>>,
}

impl<R: ReadAt> AllEvents<R> {
    pub(crate) fn new(main: Events<R>, typed: Option<Events<R>>) -> Self {
        Self { main, typed }
    }

    /// When what was typed next was, if that is next. Its torn end, as a running recording may have, is an end.
    fn typed_next(&mut self) -> Result<Option<u64>, ReadError> {
        let Some(typed) = &mut self.typed else { return Ok(None) };
        let next = match typed.peek_us() {
            Err(ReadError::Frame(FrameError::Torn { .. })) => None,
            next => next?,
        };
        let main = self.main.peek_us().ok().flatten();
        Ok(next.filter(|next| main.is_none_or(|main| *next < main)))
    }

    /// As [`Events::next_event`].
    pub(crate) fn next_event(&mut self) -> Result<Option<Timed<'_>>, ReadError> {
        match (self.typed_next()?, &mut self.typed) {
            (Some(_), Some(typed)) => typed.next_event(),
            _ => self.main.next_event(),
        }
    }

    /// As [`Events::peek_us`].
    pub(crate) fn peek_us(&mut self) -> Result<Option<u64>, ReadError> {
        match self.typed_next()? {
            Some(next) => Ok(Some(next)),
            None => self.main.peek_us(),
        }
    }

    /// Bytes of the first channel file behind us: for a progress bar.
    pub(crate) fn offset(&self) -> u64 {
        self.main.offset()
    }

    /// Where the frame of the first channel begins that was read last.
    pub(crate) fn frame_offset(&self) -> u64 {
        self.main.frame_offset()
    }
}

#[cfg(test)]
mod tests;
