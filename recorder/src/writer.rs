//! Writes one recording: events in, signed and chained frames out, each call one `write()`.
//! Sync; never spawns, never reads a clock, never holds back a byte it was given. A call that fails has changed nothing
//! and may be tried again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::chain::Epoch;
use crate::draft::{Draft, State};
use crate::envelope;
use crate::event::{Event, Exit};
use crate::frame::Kind;
use crate::head::{BadHead, ChannelSeal, Reason, Seal};
use crate::index::{Index, KeyframeAt};
use crate::keyframe::{Drawn, KeyframeWork, Keyframer, Keyframes};
use crate::log::{Log, Position};
use crate::place::INPUT;
use crate::present::PresentWork;
use crate::ratchet::{Opener, Sealer};
use crate::recipients::{Recipients, WrapError};
use crate::seal::{EndText, Identity, channel_seal, make_seal, save_seal};
use crate::sha256::digest;
use crate::squeeze::{History, Pool};

/// What catching up with keyframes may cost in one tick, in half nanoseconds.
pub const KEYFRAMES_PER_TICK: u64 = 8_000_000;
/// The same at the end.
const KEYFRAMES_AT_END: u64 = 100_000_000;

/// The moment of a call. The recorder reads no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Microseconds since the session began, by a clock that never runs backwards.
    pub at_us: u64,
    /// Wall clock in microseconds since 1970-01-01 UTC; it is stated in commits and may jump.
    pub wall_us: i64,
}

/// Why a recording could not be begun or continued. What was written before stays good.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The caller's head does not do.
    #[error("the recording's head is refused: {0}")]
    Head(#[from] BadHead),
    /// One operation, marker, note or the like is over 1 MiB.
    #[error("one event is longer than the format allows")]
    TooLong,
    /// The recording has ended.
    #[error("the recording has ended")]
    Ended,
    /// The file system refused: full, read-only, broken.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No memory for a compressor.
    #[error("there is no memory left to compress with")]
    Memory,
    /// The session's key cannot be wrapped for the recipients.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// So many writes of an encrypted recording failed that its keys are used up.
    #[error("too many writes have failed: the recording's keys are used up")]
    KeysSpent,
}

impl WriteError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// What every recording of a deployment shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: PathBuf,
    pub(crate) key: SigningKey,
    pub(crate) older: Vec<VerifyingKey>,
    pub(crate) recipients: Option<Recipients>,
    pub(crate) pool: Pool,
}

/// The writer of one recording. Dropping it without [`Writer::finish`] leaves a recording that the next
/// [`crate::Recordings::recover`] closes.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    dir: PathBuf,
    identity: Identity,
    log: Log<File>,
    state: State,
    history: History,
    index: Index,
    /// `None` for a recording in the clear.
    sealer: Option<Sealer>,
    /// `None` without a terminal.
    keyframer: Option<Keyframer>,
    /// `None` once the end is written.
    epoch: Option<Epoch>,
    seal: Option<Seal>,
    /// What is typed, where it is recorded: a channel file of its own, which is ended and sealed with this one.
    input: Option<Box<Writer>>,
    /// What a seal says of it, once it has ended.
    input_seal: Option<ChannelSeal>,
    /// Where the latest commit ends, and the chain there.
    committed: Option<(u64, [u8; 32])>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, dir: PathBuf, identity: Identity, log: Log<File>, epoch: Epoch) -> Self {
        let state = State { position: log.position(), pace: Default::default(), counts: Default::default() };
        let (history, index, epoch) = (History::default(), Index::default(), Some(epoch));
        Self {
            shared,
            dir,
            identity,
            log,
            state,
            history,
            index,
            sealer: None,
            keyframer: None,
            epoch,
            seal: None,
            input: None,
            input_seal: None,
            committed: None,
        }
    }

    /// Bodies are encrypted.
    pub(crate) fn encrypting(self, sealer: Sealer) -> Self {
        Self { sealer: Some(sealer), ..self }
    }

    /// The session has a terminal, of this size; `opener` reads back what was recorded of it.
    pub(crate) fn with_terminal(self, size: (u16, u16), opener: Option<Opener>) -> Self {
        Self { keyframer: Some(Keyframer::new(size, opener)), ..self }
    }

    /// What is typed goes to `input`.
    pub(crate) fn with_input(self, input: Self) -> Self {
        Self { input: Some(Box::new(input)), ..self }
    }

    /// Whether what is typed is recorded.
    #[must_use]
    pub fn records_input(&self) -> bool {
        self.input.is_some()
    }

    /// Records what was typed, in its own channel file. Without one, nothing.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_input(&mut self, now: Now, events: &[Event<'_>]) -> Result<(), WriteError> {
        match &mut self.input {
            Some(input) => input.append(now, events),
            None if self.epoch.is_none() => Err(WriteError::Ended),
            None => Ok(()),
        }
    }

    /// The recording's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes in the channel file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.log.position().offset
    }

    /// SHA-256 of head.json.
    #[must_use]
    pub fn head_hash(&self) -> [u8; 32] {
        self.identity.head
    }

    /// SHA-256 of seal.json, once it is written.
    #[must_use]
    pub fn seal_hash(&self) -> Option<[u8; 32]> {
        Some(digest(&envelope::sign(self.seal.as_ref()?, &self.shared.key).ok()?))
    }

    /// Where the latest commit ends, and the chain there: what the transparency log is told of a recording under way.
    #[must_use]
    pub fn committed(&self) -> Option<(u64, [u8; 32])> {
        self.committed
    }

    /// Records `events`, in order, as of `now`. When this returns, their bytes are in the kernel.
    ///
    /// # Errors
    /// Any [`WriteError`]; then nothing of `events` is recorded and the call may be repeated.
    pub fn append(&mut self, now: Now, events: &[Event<'_>]) -> Result<(), WriteError> {
        if events.is_empty() {
            return self.tick(now);
        }
        self.write(now, false, |draft| draft.events(events).map_err(|_| WriteError::TooLong))?;
        let mut sizes = events.iter().filter_map(|event| match event {
            Event::Resize { cols, rows } => Some((*cols, *rows)),
            _ => None,
        });
        if let (Some(keyframer), Some(size)) = (&mut self.keyframer, sizes.next_back()) {
            keyframer.resized(size);
        }
        Ok(())
    }

    /// Commits what is due, ends a chunk that has run its time, draws keyframes that are missing. To be called about once
    /// a second while the session lives; costs nothing when there is nothing to do. A host that serves many sessions
    /// with one thread takes [`Self::commit`] and [`Self::keyframe_work`] apart: drawing may take ten milliseconds.
    ///
    /// # Errors
    /// [`WriteError::Io`], [`WriteError::Ended`].
    pub fn tick(&mut self, now: Now) -> Result<(), WriteError> {
        self.draw_keyframes(now, KEYFRAMES_PER_TICK)?;
        self.commit(now)
    }

    /// [`Self::tick`] without drawing keyframes.
    ///
    /// # Errors
    /// [`WriteError::Io`], [`WriteError::Ended`].
    pub fn commit(&mut self, now: Now) -> Result<(), WriteError> {
        if let Some(input) = &mut self.input {
            input.commit(now)?;
        }
        if self.state.pace.is_over(now.at_us) {
            self.state.pace.end_chunk();
            self.history.forget();
        }
        if self.epoch.is_some() && !self.state.pace.commit_is_due(now.at_us) {
            return Ok(());
        }
        self.write(now, true, |_| Ok(()))
    }

    /// Keyframes that are missing, as work for another thread. Its result goes to [`Self::keep_keyframes`]; one work at
    /// a time, or the later result is not kept.
    #[must_use]
    pub fn keyframe_work(&self) -> Option<KeyframeWork> {
        self.keyframer.as_ref()?.work(self.log.tape())
    }

    /// The work of drawing the screen as it is now, for another thread; `None` without a terminal.
    #[must_use]
    pub fn present_work(&self) -> Option<PresentWork> {
        self.keyframer.as_ref()?.present(self.log.tape(), self.log.position().offset)
    }

    /// Records keyframes drawn elsewhere.
    ///
    /// # Errors
    /// [`WriteError::Io`]; then they are drawn again later.
    pub fn keep_keyframes(&mut self, now: Now, drawn: Keyframes) -> Result<(), WriteError> {
        let Some(keyframer) = &mut self.keyframer else { return Ok(()) };
        let Some(mut drawn) = drawn.0 else {
            keyframer.give_up();
            return Ok(());
        };
        drawn.retain(|one| keyframer.lacks(one.keyframe.before));
        if drawn.is_empty() {
            return Ok(());
        }
        let mut written = Vec::new();
        self.write(now, true, |draft| {
            for Drawn { keyframe, .. } in &drawn {
                let offset = draft.keyframe(&keyframe.encode());
                written.push(KeyframeAt { seq: keyframe.before.seq, offset });
            }
            Ok(())
        })?;
        if let (Some(keyframer), Some(at), Some(latest)) = (&mut self.keyframer, written.last(), drawn.pop()) {
            keyframer.wrote(latest.keyframe.before, *at, latest.ratchet);
        }
        self.index.keyframes.extend(written);
        Ok(())
    }

    fn draw_keyframes(&mut self, now: Now, budget: u64) -> Result<(), WriteError> {
        match self.keyframe_work() {
            Some(work) => self.keep_keyframes(now, work.run(budget)),
            None => Ok(()),
        }
    }

    /// One write: what `fill` drafts, then an index frame if it is due, and a commit if it is due and no one waits for the
    /// bytes, or long due.
    fn write(&mut self, now: Now, has_time: bool, fill: impl FnOnce(&mut Draft<'_>) -> Result<(), WriteError>) -> Result<(), WriteError> {
        let epoch = self.epoch.as_ref().ok_or(WriteError::Ended)?;
        if self.sealer.as_ref().is_some_and(|sealer| sealer.is_spent(self.state.position.seq)) {
            return Err(WriteError::KeysSpent);
        }
        let shared = Arc::clone(&self.shared);
        let written = shared.pool.lend(|scratch| {
            let mut draft = Draft::new(self.state, scratch, self.sealer.as_mut(), now.at_us);
            draft.recall(&self.history);
            fill(&mut draft)?;
            let index = self.index.is_due().then(|| draft.alone(Kind::INDEX, &self.index.encode()));
            let pace = draft.state.pace;
            let commits = if has_time { pace.commit_is_due(draft.at_us()) } else { pace.commit_is_overdue(draft.at_us()) };
            if commits {
                draft.commit(now.wall_us, epoch);
            }
            self.log.write(draft.bytes(), draft.state.position).map_err(WriteError::io("write", &self.dir))?;
            self.history.copy_from(draft.history());
            Ok::<_, WriteError>((draft.state, draft.chunks, index, commits))
        });
        if let (Some(Err(_)), Some(sealer)) = (&written, &mut self.sealer) {
            // What was tried may lie on the disk: no frame is ever encrypted twice under one key.
            sealer.advance();
        }
        let (state, chunks, index, commits) = written.ok_or(WriteError::Memory)??;
        self.state = state;
        if commits {
            self.committed = Some((state.position.offset, state.position.chain.0));
        }
        if let Some(offset) = index {
            self.index.written_at(offset);
        }
        if let Some(keyframer) = &mut self.keyframer {
            keyframer.began(&chunks);
        }
        self.index.chunks.extend(chunks);
        if commits {
            // The old secret is wiped as it is dropped.
            self.epoch = self.epoch.take().map(|epoch| epoch.next());
        }
        Ok(())
    }

    /// Ends the recording: index, end frame, seal. After an error it may be repeated until it succeeds; once it has, it
    /// returns the same seal again.
    ///
    /// # Errors
    /// [`WriteError::Io`], [`WriteError::Head`].
    pub fn finish(&mut self, now: Now, reason: Reason, exit: Option<Exit>) -> Result<Seal, WriteError> {
        let seal = match self.seal.take() {
            Some(seal) => seal,
            None => {
                if let Some(input) = &mut self.input {
                    let (position, text) = input.end(now, reason, None)?;
                    self.input_seal = Some(channel_seal(INPUT, &position, &text));
                }
                self.input = None;
                match self.draw_keyframes(now, KEYFRAMES_AT_END) {
                    // They only make seeking faster: on a full disk what room there is belongs to the end and the seal.
                    Ok(()) | Err(WriteError::Io { .. }) => {}
                    Err(error) => return Err(error),
                }
                let (position, text) = self.end(now, reason, exit)?;
                let channels = std::iter::once(channel_seal(0, &position, &text)).chain(self.input_seal.clone()).collect();
                make_seal(&self.identity, channels, text, now.wall_us)
            }
        };
        let saved = save_seal(&self.shared.key, &self.dir, &seal);
        self.seal = Some(seal.clone());
        saved.map(|()| seal)
    }

    fn end(&mut self, now: Now, reason: Reason, exit: Option<Exit>) -> Result<(Position, EndText), WriteError> {
        let epoch = self.epoch.as_ref().ok_or(WriteError::Ended)?;
        let shared = Arc::clone(&self.shared);
        let ended = shared.pool.lend(|scratch| {
            let mut draft = Draft::new(self.state, scratch, None, now.at_us);
            let index = match self.index.is_empty() {
                true => self.index.previous,
                false => draft.alone(Kind::INDEX, &self.index.encode()),
            };
            let counts = draft.state.counts;
            let (commits, events, output_bytes) = (counts.commits, counts.events, counts.output_bytes);
            let text = EndText { commits, events, exit, index, output_bytes, reason };
            let json = serde_json::to_vec(&text).map_err(|_| BadHead::Form)?;
            draft.finish(now.wall_us, epoch, &json);
            self.log.write(draft.bytes(), draft.state.position).map_err(WriteError::io("end", &self.dir))?;
            Ok::<_, WriteError>((draft.state, text))
        });
        let (state, text) = ended.ok_or(WriteError::Memory)??;
        self.state = state;
        self.epoch = None;
        self.sealer = None;
        self.keyframer = None;
        self.history.forget();
        Ok((state.position, text))
    }
}

#[cfg(test)]
mod tests;
