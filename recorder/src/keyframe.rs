//! Keyframes: the screen as it was before the first frame of a chunk. They are made from the file, behind the writing
//! and within a budget, so that neither a flood nor an idle session pays for a terminal model.

use std::fs::File;

use crate::events::Events;
use crate::frame::{BODY_LIMIT, Kind};
use crate::frames::{Expected, Frames, ReadAt, frame_at};
use crate::index::{ChunkStart, KeyframeAt};
use crate::present::PresentWork;
use crate::ratchet::{Opener, Ratchet};
use crate::screen::{Screen, Snapshot};
use crate::squeeze::Unpacker;
use crate::wire::{Bytes, put_varint};

/// What one chunk may cost (see `Screen`), about a quarter of a second: a chunk made to cost more ends the keyframes of
/// its recording.
const CHUNK_COST: u64 = 1 << 29;
/// Stored bytes behind which catching up is given up, and a screen is begun anew close to the end.
const FAR_BEHIND: u64 = 64 << 20;
/// Chunks of output that make up a screen begun anew.
const RECENT: usize = 4;

/// A keyframe's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyframe {
    /// The chunk whose first frame it stands before.
    pub(crate) before: ChunkStart,
    /// False when the screen was begun anew on the way and may lack what was drawn long before.
    pub(crate) exact: bool,
    pub(crate) snapshot: Snapshot,
}

impl Keyframe {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Snapshot { size, resume, dump } = &self.snapshot;
        let mut out = Vec::with_capacity(48 + resume.len() + dump.len());
        out.extend_from_slice(&self.before.seq.to_le_bytes());
        out.extend_from_slice(&self.before.at_us.to_le_bytes());
        out.extend_from_slice(&self.before.offset.to_le_bytes());
        out.extend_from_slice(&size.0.to_le_bytes());
        out.extend_from_slice(&size.1.to_le_bytes());
        out.push(u8::from(self.exact));
        put_varint(&mut out, resume.len() as u64);
        out.extend_from_slice(resume);
        out.extend_from_slice(dump.as_bytes());
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(body);
        let before = ChunkStart { seq: bytes.u64()?, at_us: bytes.u64()?, offset: bytes.u64()? };
        let size = (bytes.u16()?, bytes.u16()?);
        let exact = bytes.u8()? == 1;
        let len = usize::try_from(bytes.varint()?).ok()?;
        let resume = bytes.take(len)?.to_vec();
        let dump = std::str::from_utf8(bytes.0).ok()?.to_owned();
        Some(Self { before, exact, snapshot: Snapshot { size, resume, dump } })
    }

    /// The keyframe in the frame at `offset`, if there is one and `opener` opens it.
    pub(crate) fn read<R: ReadAt>(source: &R, offset: u64, opener: Option<&Opener>) -> Option<Self> {
        let (header, body) = frame_at(source, offset).ok()??;
        let mut unpacker = Unpacker::new(opener.cloned())?;
        let body = unpacker.other(&header, &body).ok()?;
        (header.kind == Kind::KEYFRAME).then(|| Self::decode(body))?
    }
}

/// Follows one recording with a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Keyframer {
    first_size: (u16, u16),
    size: (u16, u16),
    /// The chunk that has the latest keyframe, and where that keyframe lies.
    done: Option<(ChunkStart, KeyframeAt)>,
    /// The latest chunks.
    recent: Vec<ChunkStart>,
    given_up: bool,
    /// For an encrypted recording: opens what lies behind the latest keyframe, and nothing before it.
    opener: Option<Opener>,
}

impl Keyframer {
    pub(crate) fn new(size: (u16, u16), opener: Option<Opener>) -> Self {
        Self { first_size: size, size, done: None, recent: Vec::new(), given_up: false, opener }
    }

    /// The terminal has a new size.
    pub(crate) fn resized(&mut self, size: (u16, u16)) {
        self.size = size;
    }

    /// Chunks were begun.
    pub(crate) fn began(&mut self, chunks: &[ChunkStart]) {
        for chunk in chunks {
            if self.recent.len() == RECENT {
                self.recent.remove(0);
            }
            self.recent.push(*chunk);
        }
    }

    /// Bytes of memory held outside the struct.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.recent.capacity() * size_of::<ChunkStart>()
    }

    /// What it can still open.
    pub(crate) fn opener(&self) -> Option<Opener> {
        self.opener.clone()
    }

    /// A keyframe was written. The keys of what lies before it are wiped.
    pub(crate) fn wrote(&mut self, before: ChunkStart, at: KeyframeAt, ratchet: Option<Ratchet>) {
        self.done = Some((before, at));
        if let (Some(opener), Some(ratchet)) = (&mut self.opener, ratchet) {
            opener.begin_at(ratchet);
        }
    }

    /// The work of drawing the screen as it is in `file` now, which ends at `end`.
    pub(crate) fn present(&self, file: &File, end: u64) -> Option<PresentWork> {
        let (file, size) = (file.try_clone().ok()?, self.size);
        Some(PresentWork { keyframer: self.clone(), file, end, size })
    }

    /// The work of drawing what is missing in `file`, if anything is.
    pub(crate) fn work(&self, file: &File) -> Option<KeyframeWork> {
        let latest = self.recent.last().copied()?;
        if self.given_up || !self.lacks(latest) {
            return None;
        }
        let file = file.try_clone().ok()?;
        Some(KeyframeWork { keyframer: self.clone(), file, latest })
    }

    /// True when the chunk that begins at `before` comes behind the one with the latest keyframe.
    pub(crate) fn lacks(&self, before: ChunkStart) -> bool {
        self.done.as_ref().is_none_or(|(done, _)| done.seq < before.seq)
    }

    /// No more keyframes are to be drawn.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
        self.opener = None;
    }

    fn make(&self, file: &File, latest: ChunkStart, budget: u64) -> Option<Vec<Drawn>> {
        let (mut screen, start, exact) = self.begin(file, latest)?;
        let mut events = Events::over(Frames::at(file, start), self.opener.clone()).ok()?;
        let (mut made, mut spent, mut chunk_cost) = (Vec::new(), 0, 0);
        while let Some(passed) = events.next_frame().ok()? {
            if passed.begins_chunk && passed.seq > start.seq {
                let before = ChunkStart { seq: passed.seq, at_us: passed.at_us, offset: passed.offset };
                let keyframe = Keyframe { before, exact, snapshot: screen.snapshot() };
                if keyframe.snapshot.dump.len() > BODY_LIMIT / 2 {
                    return None;
                }
                made.push(Drawn { keyframe, ratchet: events.ratchet() });
                if passed.seq >= latest.seq || spent >= budget {
                    break;
                }
                chunk_cost = 0;
            }
            while let Some(timed) = events.body_event().ok()? {
                let cost = screen.apply(&timed.event, CHUNK_COST.saturating_sub(chunk_cost)).ok()?;
                chunk_cost += cost;
                spent += cost;
            }
        }
        Some(made)
    }

    /// The screen to go on from, the frame to read first, and whether nothing was left out.
    pub(crate) fn begin(&self, file: &File, latest: ChunkStart) -> Option<(Screen, Expected, bool)> {
        let from = self.done.as_ref().map_or(Expected::FIRST.offset, |(done, _)| done.offset);
        if latest.offset.saturating_sub(from) > FAR_BEHIND {
            let start = expected(self.recent.first()?);
            return Some((Screen::new(Some(self.size))?, start, false));
        }
        match &self.done {
            None => Some((Screen::new(Some(self.first_size))?, Expected::FIRST, true)),
            Some((done, at)) => {
                let keyframe = Keyframe::read(file, at.offset, self.opener.as_ref())?;
                Some((Screen::restore(&keyframe.snapshot)?, expected(done), keyframe.exact))
            }
        }
    }
}

/// Keyframes that are missing from a recording, to be drawn away from its writer: milliseconds of work on what is in the
/// file already. What goes wrong costs the recording keyframes and nothing else.
#[derive(Debug)]
pub struct KeyframeWork {
    keyframer: Keyframer,
    file: File,
    latest: ChunkStart,
}

impl KeyframeWork {
    /// Draws as many as `budget` (half nanoseconds, roughly) allows, but at least one.
    #[must_use]
    pub fn run(self, budget: u64) -> Keyframes {
        Keyframes(self.keyframer.make(&self.file, self.latest, budget))
    }
}

/// Keyframes drawn, to be given back to the writer they are for. `None`: they cannot be drawn.
#[derive(Debug)]
pub struct Keyframes(pub(crate) Option<Vec<Drawn>>);

/// A keyframe, and for an encrypted recording the row of keys as it stands where it belongs.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) keyframe: Keyframe,
    pub(crate) ratchet: Option<Ratchet>,
}

/// Where to read a chunk from.
pub(crate) fn expected(chunk: &ChunkStart) -> Expected {
    Expected { offset: chunk.offset, seq: chunk.seq, at_us: chunk.at_us }
}

#[cfg(test)]
mod tests;
