//! The writer threads. Each recording belongs to one lane, which encodes and writes its frames; a session waits until its
//! bytes are in the kernel. Never runs on the async runtime's own threads.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bartizan_recorder::tlog::Leaf;
use bartizan_recorder::{Event, Exit, Head, Now, Reason, Recordings, WriteError, Writer};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::ledger::Ledger;
use crate::model::Clock;

use super::feed::Feed;
use super::reserve::{self, Reserve};

/// How many jobs may wait for one lane; each holds at most one batch of one session.
const QUEUE: usize = 256;

/// How often quiet recordings are looked at, to commit what they hold.
const TICK: Duration = Duration::from_secs(1);

/// Every so many ticks the transparency log is told how far recordings are.
const TICKS_PER_LEAF: u32 = 5;

/// What one round of drawing may cost for one recording, as the recorder counts it.
const KEYFRAME_BUDGET: u64 = bartizan_recorder::KEYFRAMES_PER_TICK;

/// One thing to record. Bytes are shared with the data path, not copied.
#[derive(Debug, Clone)]
pub enum Piece {
    /// From the target.
    Output(Bytes),
    /// From the target's standard error.
    Stderr(Bytes),
    /// Anything else.
    Event(Event<'static>),
}

impl Piece {
    /// An operation, as JSON that is written without a tree of values in between where `event` has none: there are two for each statement
    /// and each request.
    #[must_use]
    pub fn operation(event: &impl Serialize) -> Self {
        let unknown = |error: serde_json::Error| json!({ "action": "unknown", "text": error.to_string() }).to_string();
        Self::Event(Event::operation(serde_json::to_string(event).unwrap_or_else(unknown)))
    }

    pub(super) fn event(&self) -> Event<'_> {
        match self {
            Self::Output(bytes) => Event::output(&bytes[..]),
            Self::Stderr(bytes) => Event::stderr(&bytes[..]),
            Self::Event(event) => event.borrowed(),
        }
    }

    /// Whether it is what a program prints, of which there may be any amount.
    pub(super) fn is_bulk(&self) -> bool {
        !matches!(self, Self::Event(_))
    }

    /// Bytes of it, as a gap counts them.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Output(bytes) | Self::Stderr(bytes) => bytes.len() as u64,
            Self::Event(event) => event.data().len() as u64,
        }
    }
}

/// A recording under way, shared between its session and its lane.
pub(super) struct Reel {
    writer: Mutex<Writer>,
    started: Instant,
    number: u64,
    /// Bytes of its channel file after the last call.
    bytes: AtomicU64,
    /// SHA-256 of its head.json.
    pub(super) head: [u8; 32],
    /// For whoever watches.
    pub(super) feed: Arc<Feed>,
}

impl Drop for Reel {
    fn drop(&mut self) {
        self.feed.end("the session has ended");
    }
}

impl Reel {
    /// Microseconds since the recording began.
    pub(super) fn at_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn now(&self, clock: &dyn Clock) -> Now {
        Now { at_us: self.at_us(), wall_us: clock.now().as_microsecond() }
    }

    /// Records `pieces` and hands them to whoever watches, in one go.
    fn append(&self, clock: &dyn Clock, pieces: &[Piece]) -> Result<(), WriteError> {
        let events: Vec<_> = pieces.iter().map(Piece::event).collect();
        let now = self.now(clock);
        self.with(|writer| {
            writer.append(now, &events)?;
            self.feed.publish(now.at_us, pieces);
            Ok(())
        })
    }

    /// Looks at the writer while nothing is written.
    pub(super) fn still<T>(&self, look: impl FnOnce(&Writer) -> T) -> T {
        look(&self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes of its channel file after the last call.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Writer) -> Result<T, WriteError>) -> Result<T, WriteError> {
        // A writer whose call panicked has changed nothing that a later call would trust wrongly: its own contract.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut writer);
        self.bytes.store(writer.bytes(), Ordering::Relaxed);
        done
    }
}

/// How much room there must be for a recording to begin.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) dir: PathBuf,
    /// Free bytes, at least.
    pub(super) free: u64,
}

/// Why a recording does not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum CreateError {
    #[error("{}: {why}", .dir.display())]
    NoRoom { dir: PathBuf, why: String },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Room {
    /// Below the low-water mark no session begins, so that those under way can be sealed. Blocks.
    fn check(&self) -> Result<(), CreateError> {
        let no_room = |why: String| CreateError::NoRoom { dir: self.dir.clone(), why };
        let free = reserve::free(&self.dir).map_err(|error| no_room(error.to_string()))?;
        if free < self.free { Err(no_room(format!("only {} MiB are free", free >> 20))) } else { Ok(()) }
    }
}

/// One call of a session to its lane.
pub(super) enum Job {
    /// The flag tells whether what is typed is recorded.
    Create(Box<Head>, bool, Option<Room>, oneshot::Sender<Result<Arc<Reel>, CreateError>>),
    Append(Arc<Reel>, Arc<[Piece]>, oneshot::Sender<Result<(), WriteError>>),
    Typed(Arc<Reel>, Vec<Event<'static>>, oneshot::Sender<Result<(), WriteError>>),
    /// Answers with SHA-256 of its seal.json.
    Finish(Arc<Reel>, Reason, Option<Exit>, oneshot::Sender<Result<Option<[u8; 32]>, WriteError>>),
}

/// The lanes of one bastion.
#[derive(Clone)]
pub struct Lanes {
    lanes: Arc<[mpsc::Sender<Job>]>,
    reels: Reels,
    reserve: Arc<Reserve>,
}

/// The recordings under way, of all lanes.
type Reels = Arc<Mutex<Vec<Weak<Reel>>>>;

/// One lane, to be run on a thread of its own by `daemon`.
pub struct Lane {
    jobs: mpsc::Receiver<Job>,
    recordings: Recordings,
    clock: Arc<dyn Clock>,
    own: Vec<Own>,
    reels: Reels,
    reserve: Arc<Reserve>,
    ledger: Ledger,
    ticks: u32,
}

/// A recording of this lane.
struct Own {
    reel: Weak<Reel>,
    /// Its latest commit at the tick before, which is on disk by now, and the last one that the log was told.
    before: Option<(u64, [u8; 32])>,
    told: u64,
}

/// Draws the keyframes of all recordings, on a thread of its own: drawing may take ten milliseconds, and no session waits for it.
pub struct Artist {
    reels: Reels,
    clock: Arc<dyn Clock>,
    reserve: Arc<Reserve>,
}

impl Artist {
    /// Draws what is missing in each recording. Blocks.
    pub fn draw(&self) {
        if self.reserve.is_given() {
            return;
        }
        let all: Vec<_> = {
            let mut reels = self.reels.lock().unwrap_or_else(PoisonError::into_inner);
            reels.retain(|reel| reel.strong_count() > 0);
            reels.iter().filter_map(Weak::upgrade).collect()
        };
        for reel in all {
            let Ok(Some(work)) = reel.with(|writer| Ok(writer.keyframe_work())) else { continue };
            let drawn = work.run(KEYFRAME_BUDGET);
            let now = reel.now(&*self.clock);
            match reel.with(|writer| writer.keep_keyframes(now, drawn)) {
                // It ended meanwhile: it needs none any more.
                Ok(()) | Err(WriteError::Ended) => {}
                Err(error) => tracing::warn!(%error, "keyframes could not be recorded; they are drawn again later"),
            }
        }
    }
}

impl Lanes {
    /// `count` lanes and their workers, with `reserve` bytes of the disk kept free for ends and seals. Blocks.
    #[must_use]
    pub fn new(recordings: &Recordings, clock: &Arc<dyn Clock>, count: usize, ledger: &Ledger, reserve: u64) -> (Self, Vec<Lane>) {
        let reels = Reels::default();
        let reserve = Arc::new(Reserve::take(recordings.root(), reserve));
        let (senders, workers) = (0..count.max(1))
            .map(|_| {
                let (sender, jobs) = mpsc::channel(QUEUE);
                let (recordings, clock, reels, ledger) = (recordings.clone(), Arc::clone(clock), Arc::clone(&reels), ledger.clone());
                (sender, Lane { jobs, recordings, clock, own: Vec::new(), reels, reserve: Arc::clone(&reserve), ledger, ticks: 0 })
            })
            .unzip::<_, _, Vec<_>, Vec<_>>();
        (Self { lanes: senders.into(), reels, reserve }, workers)
    }

    /// Who draws the keyframes of what goes through these lanes.
    #[must_use]
    pub fn artist(&self, clock: &Arc<dyn Clock>) -> Artist {
        Artist { reels: Arc::clone(&self.reels), clock: Arc::clone(clock), reserve: Arc::clone(&self.reserve) }
    }

    /// Tells whether the lanes are still in use, without keeping them.
    pub fn in_use(&self) -> impl Fn() -> bool + Send + 'static {
        let lanes = Arc::downgrade(&self.lanes);
        move || lanes.strong_count() > 0
    }

    /// The lane of the session with this number.
    pub(super) fn of(&self, number: u64) -> Option<&mpsc::Sender<Job>> {
        let count = self.lanes.len().max(1) as u64;
        usize::try_from(number % count).ok().and_then(|n| self.lanes.get(n))
    }
}

impl Lane {
    /// Works until all sessions and [`Lanes`] are gone. Blocks; `runtime` lends its timer.
    pub fn run(mut self, runtime: &tokio::runtime::Handle) {
        let mut tick = Instant::now();
        loop {
            let next = runtime.block_on(async { tokio::time::timeout(TICK, self.jobs.recv()).await });
            match next {
                Ok(Some(job)) => self.work(job),
                Ok(None) => return,
                Err(_) => {}
            }
            for _ in 0..QUEUE {
                match self.jobs.try_recv() {
                    Ok(job) => self.work(job),
                    Err(_) => break,
                }
            }
            if tick.elapsed() >= TICK {
                tick = Instant::now();
                self.tick();
            }
        }
    }

    fn work(&mut self, job: Job) {
        // A session that is gone does not hear the answer; its recording is right all the same.
        match job {
            Job::Create(head, input, room, reply) => drop(reply.send(self.create(&head, input, room.as_ref()))),
            Job::Append(reel, pieces, reply) => drop(reply.send(self.append(&reel, &pieces))),
            Job::Typed(reel, events, reply) => drop(reply.send(self.append_typed(&reel, &events))),
            Job::Finish(reel, reason, exit, reply) => drop(reply.send(self.finish(&reel, reason, exit.as_ref()))),
        }
    }

    fn append(&self, reel: &Reel, pieces: &[Piece]) -> Result<(), WriteError> {
        if self.reserve.is_given() {
            return Err(self.full());
        }
        reel.append(&*self.clock, pieces)
    }

    fn append_typed(&self, reel: &Reel, events: &[Event<'static>]) -> Result<(), WriteError> {
        if self.reserve.is_given() {
            return Err(self.full());
        }
        let now = reel.now(&*self.clock);
        reel.with(|writer| writer.append_input(now, events))
    }

    /// What room is left is for ends and seals.
    fn full(&self) -> WriteError {
        let (doing, path) = ("write below", self.recordings.root().to_owned());
        WriteError::Io { doing, path, source: io::ErrorKind::StorageFull.into() }
    }

    /// An end finds room where nothing else does.
    fn finish(&self, reel: &Reel, reason: Reason, exit: Option<&Exit>) -> Result<Option<[u8; 32]>, WriteError> {
        let now = reel.now(&*self.clock);
        let end = || reel.with(|writer| writer.finish(now, reason, exit.cloned()).map(|_| writer.seal_hash()));
        match end() {
            Err(WriteError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull && self.reserve.give() => end(),
            done => done,
        }
    }

    fn create(&mut self, head: &Head, input: bool, room: Option<&Room>) -> Result<Arc<Reel>, CreateError> {
        room.map_or(Ok(()), Room::check)?;
        let writer = match input {
            true => self.recordings.create_with_input(head, &mut rand::rng())?,
            false => self.recordings.create(head, &mut rand::rng())?,
        };
        let hash = writer.head_hash();
        let size = head.terminal.as_ref().map(|terminal| (terminal.cols, terminal.rows));
        let (writer, feed, bytes) = (Mutex::new(writer), Arc::new(Feed::new(size)), AtomicU64::new(0));
        let reel = Arc::new(Reel { writer, started: Instant::now(), number: head.number, bytes, head: hash, feed });
        self.own.push(Own { reel: Arc::downgrade(&reel), before: None, told: 0 });
        self.reels.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&reel));
        Ok(reel)
    }

    /// Commits what quiet recordings hold, and now and then tells the log. A failure shows again at the next write, which
    /// reports it.
    fn tick(&mut self) {
        self.reserve.restore();
        if self.reserve.is_given() {
            return;
        }
        let clock = Arc::clone(&self.clock);
        self.ticks = self.ticks.wrapping_add(1);
        let tell = self.ticks.is_multiple_of(TICKS_PER_LEAF);
        let mut leaves = Vec::new();
        self.own.retain_mut(|own| {
            let Some(reel) = own.reel.upgrade() else { return false };
            let now = reel.now(&*clock);
            if tell {
                leaves.extend(own.leaf(reel.number));
            }
            if let Err(error) = reel.with(|writer| writer.commit(now)) {
                if matches!(error, WriteError::Ended) {
                    return false;
                }
                tracing::error!(%error, "a recording could not be committed");
            }
            own.before = reel.with(|writer| Ok(writer.committed())).ok().flatten();
            true
        });
        self.ledger.commits(leaves);
    }
}

impl Own {
    /// How far the recording is on disk, if that is further than the log knows: a power cut takes nothing that the log has.
    fn leaf(&mut self, number: u64) -> Option<Leaf> {
        let (bytes, chain) = self.before.filter(|(bytes, _)| *bytes > self.told)?;
        self.told = bytes;
        Some(Leaf::Commit { number, bytes, chain })
    }
}
