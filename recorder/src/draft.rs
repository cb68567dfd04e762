//! The bytes of one write and the state of the recording once they are written. A draft that fails to be written is
//! dropped, and nothing has changed.

use crate::chain::Epoch;
use crate::event::{Event, RECORD_OVERHEAD, put_record};
use crate::frame::{BODY_LIMIT, Flags, HEADER_LEN, Kind};
use crate::index::ChunkStart;
use crate::log::{Position, Signed};
use crate::pace::{CHUNK_BYTES, Pace};
use crate::ratchet::{NUMBER_LEN, Sealer};
use crate::squeeze::{History, Scratch};

/// A frame is closed when it holds this much.
const FRAME_FILL: usize = CHUNK_BYTES;

/// What a recording has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) output_bytes: u64,
    pub(crate) commits: u64,
    pub(crate) chunks: u64,
}

/// What a successful write leaves behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) position: Position,
    pub(crate) pace: Pace,
    pub(crate) counts: Counts,
}

/// One datum is longer than a frame may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooLong;

pub(crate) struct Draft<'a> {
    pub(crate) state: State,
    pub(crate) chunks: Vec<ChunkStart>,
    scratch: &'a mut Scratch,
    /// For an encrypted recording. It moves on with each chunk, whether or not the draft is written: no key is used twice.
    sealer: Option<&'a mut Sealer>,
    open: Option<usize>,
}

impl<'a> Draft<'a> {
    /// Begins a write at `at_us`; time never runs backwards.
    pub(crate) fn new(mut state: State, scratch: &'a mut Scratch, sealer: Option<&'a mut Sealer>, at_us: u64) -> Self {
        state.position.at_us = state.position.at_us.max(at_us);
        scratch.out.clear();
        scratch.is_secret = sealer.is_some();
        Self { state, chunks: Vec::new(), scratch, sealer, open: None }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.scratch.out
    }

    /// Brings in what the open chunk held so far.
    pub(crate) fn recall(&mut self, history: &History) {
        self.scratch.history.copy_from(history);
    }

    /// What the open chunk holds once this is written.
    pub(crate) fn history(&self) -> &History {
        &self.scratch.history
    }

    pub(crate) fn at_us(&self) -> u64 {
        self.state.position.at_us
    }

    pub(crate) fn events(&mut self, events: &[Event<'_>]) -> Result<(), TooLong> {
        for event in events {
            match event.stream() {
                Some(bytes) => self.stream(event, bytes),
                None => self.record(event.code(), &event.data())?,
            }
        }
        self.close();
        Ok(())
    }

    /// A stream's bytes may be cut over several records and frames.
    fn stream(&mut self, event: &Event<'_>, bytes: &[u8]) {
        if !matches!(event, Event::Input(_)) {
            self.state.counts.output_bytes += bytes.len() as u64;
        }
        let mut rest = bytes;
        loop {
            let room = FRAME_FILL.saturating_sub(self.filled() + RECORD_OVERHEAD);
            let (now, later) = rest.split_at(rest.len().min(room));
            if !now.is_empty() || bytes.is_empty() {
                self.put(event.code(), now);
            }
            rest = later;
            if rest.is_empty() {
                return;
            }
            self.close();
        }
    }

    /// Any other datum stays whole, alone in a large frame if it must.
    fn record(&mut self, code: u8, data: &[u8]) -> Result<(), TooLong> {
        let len = data.len() + RECORD_OVERHEAD;
        if len > BODY_LIMIT {
            return Err(TooLong);
        }
        if self.filled() + len > FRAME_FILL {
            self.close();
        }
        self.put(code, data);
        Ok(())
    }

    fn put(&mut self, code: u8, data: &[u8]) {
        if self.open.is_none() {
            self.open = Some(self.begin());
        }
        // One call is one moment: the interval is zero.
        put_record(&mut self.scratch.out, 0, code, data);
        self.state.counts.events += 1;
    }

    /// Decoded bytes in the open frame.
    fn filled(&self) -> usize {
        self.open.map_or(0, |from| self.scratch.out.len() - self.body_at(from))
    }

    fn close(&mut self) {
        let len = self.filled();
        let Some(from) = self.open.take() else { return };
        let State { position, pace, .. } = &mut self.state;
        let chunk = pace.begins_chunk(position.at_us, len);
        if chunk {
            self.chunks.push(ChunkStart { seq: position.seq, at_us: position.at_us, offset: position.offset });
            // The first chunk begins with the first key.
            if let Some(sealer) = self.sealer.as_deref_mut().filter(|_| self.state.counts.chunks > 0) {
                sealer.advance();
            }
            self.state.counts.chunks += 1;
        }
        let body = self.body_at(from);
        let flags = self.scratch.pack_events(body, chunk, self.state.pace.is_flood());
        let State { position, pace, .. } = &mut self.state;
        pace.wrote(position.at_us, len, chunk);
        self.end(from, Kind::EVENTS, flags);
    }

    /// Leaves room for a header, and for the key's number where a body is encrypted. Returns where the frame begins.
    fn begin(&mut self) -> usize {
        let from = Position::open(&mut self.scratch.out);
        if self.sealer.is_some() {
            self.scratch.out.extend_from_slice(&[0; NUMBER_LEN]);
        }
        from
    }

    /// Where the body begins that is packed, of the frame that begins at `from`.
    fn body_at(&self, from: usize) -> usize {
        from + HEADER_LEN + if self.sealer.is_some() { NUMBER_LEN } else { 0 }
    }

    /// Encrypts the body if that is due, and fills in the header.
    fn end(&mut self, from: usize, kind: Kind, flags: Flags) {
        let position = &mut self.state.position;
        let out = &mut self.scratch.out;
        let Some(sealer) = self.sealer.as_deref() else {
            return position.close(out, from, kind, flags);
        };
        let flags = flags.with(Flags::AEAD);
        let body = out.get_mut(from + HEADER_LEN..).unwrap_or_default();
        let header = position.header(kind, flags, body.len() + Sealer::GROWTH - NUMBER_LEN);
        let tag = sealer.seal(&header, body);
        out.extend_from_slice(&tag);
        position.close(out, from, kind, flags);
    }

    /// Appends a keyframe. Returns where its frame begins in the file.
    pub(crate) fn keyframe(&mut self, body: &[u8]) -> u64 {
        let offset = self.state.position.offset;
        let from = self.begin();
        self.scratch.out.extend_from_slice(body);
        let flags = self.scratch.pack_alone(self.body_at(from));
        self.state.pace.wrote_other(self.state.position.at_us);
        self.end(from, Kind::KEYFRAME, flags);
        offset
    }

    /// Appends a body that stands alone and in the clear: it holds no more than the headers do. Returns where its frame
    /// begins in the file.
    pub(crate) fn alone(&mut self, kind: Kind, body: &[u8]) -> u64 {
        let State { position, pace, .. } = &mut self.state;
        let offset = position.offset;
        let from = Position::open(&mut self.scratch.out);
        self.scratch.out.extend_from_slice(body);
        let flags = self.scratch.pack_alone(from + HEADER_LEN);
        pace.wrote_other(position.at_us);
        position.close(&mut self.scratch.out, from, kind, flags);
        offset
    }

    /// Appends a commit by `epoch`, whose secret is to be dropped once this draft is written.
    pub(crate) fn commit(&mut self, wall_us: i64, epoch: &Epoch) {
        let State { position, pace, counts } = &mut self.state;
        // A recovery cannot count what it cannot read.
        let text = self.sealer.as_ref().map(|_| format!("{{\"events\":{},\"output_bytes\":{}}}", counts.events, counts.output_bytes));
        let said = Signed { wall_us, next_key: epoch.next().public(), text: text.as_deref().unwrap_or_default().as_bytes() };
        position.put_signed(&mut self.scratch.out, Kind::COMMIT, &epoch.key(), &said);
        pace.committed(position.at_us);
        counts.commits += 1;
    }

    /// Appends the end, signed by `epoch`, after which there is no next.
    pub(crate) fn finish(&mut self, wall_us: i64, epoch: &Epoch, text: &[u8]) {
        let said = Signed { wall_us, next_key: [0; 32], text };
        self.state.position.put_signed(&mut self.scratch.out, Kind::END, &epoch.key(), &said);
    }
}
