//! The writer threads. Each recording belongs to one lane, which encodes and writes its frames; a session waits until its
//! bytes are in the kernel. Never runs on the async runtime's own threads.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bartizan_recorder::{Event, Exit, Head, Now, Reason, Recordings, WriteError, Writer};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::model::Clock;

use super::reserve::{self, Reserve};

/// How many jobs may wait for one lane; each holds at most one batch of one session.
const QUEUE: usize = 256;

/// How often quiet recordings are looked at, to commit what they hold.
const TICK: Duration = Duration::from_secs(1);

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
    fn event(&self) -> Event<'_> {
        match self {
            Self::Output(bytes) => Event::output(&bytes[..]),
            Self::Stderr(bytes) => Event::stderr(&bytes[..]),
            Self::Event(event) => event.clone(),
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
    bytes: AtomicU64,
}

impl Reel {
    fn now(&self, clock: &dyn Clock) -> Now {
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { at_us, wall_us: clock.now().as_microsecond() }
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
    Create(Box<Head>, Option<Room>, oneshot::Sender<Result<Arc<Reel>, CreateError>>),
    Append(Arc<Reel>, Vec<Piece>, oneshot::Sender<Result<(), WriteError>>),
    Finish(Arc<Reel>, Reason, Option<Exit>, oneshot::Sender<Result<(), WriteError>>),
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
    own: Vec<Weak<Reel>>,
    reels: Reels,
    reserve: Arc<Reserve>,
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
    pub fn new(recordings: &Recordings, clock: &Arc<dyn Clock>, count: usize, reserve: u64) -> (Self, Vec<Lane>) {
        let reels = Reels::default();
        let reserve = Arc::new(Reserve::take(recordings.root(), reserve));
        let (senders, workers) = (0..count.max(1))
            .map(|_| {
                let (sender, jobs) = mpsc::channel(QUEUE);
                let (recordings, clock, own) = (recordings.clone(), Arc::clone(clock), Vec::new());
                (sender, Lane { jobs, recordings, clock, own, reels: Arc::clone(&reels), reserve: Arc::clone(&reserve) })
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
            if tick.elapsed() >= TICK {
                tick = Instant::now();
                self.tick();
            }
        }
    }

    fn work(&mut self, job: Job) {
        // A session that is gone does not hear the answer; its recording is right all the same.
        match job {
            Job::Create(head, room, reply) => drop(reply.send(self.create(&head, room.as_ref()))),
            Job::Append(reel, pieces, reply) => drop(reply.send(self.append(&reel, &pieces))),
            Job::Finish(reel, reason, exit, reply) => drop(reply.send(self.finish(&reel, reason, exit.as_ref()))),
        }
    }

    fn append(&self, reel: &Reel, pieces: &[Piece]) -> Result<(), WriteError> {
        if self.reserve.is_given() {
            let (doing, path) = ("write below", self.recordings.root().to_owned());
            return Err(WriteError::Io { doing, path, source: io::ErrorKind::StorageFull.into() });
        }
        let events: Vec<_> = pieces.iter().map(Piece::event).collect();
        let now = reel.now(&*self.clock);
        reel.with(|writer| writer.append(now, &events))
    }

    /// An end finds room where nothing else does.
    fn finish(&self, reel: &Reel, reason: Reason, exit: Option<&Exit>) -> Result<(), WriteError> {
        let now = reel.now(&*self.clock);
        let end = || reel.with(|writer| writer.finish(now, reason, exit.cloned())).map(drop);
        match end() {
            Err(WriteError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull && self.reserve.give() => end(),
            done => done,
        }
    }

    fn create(&mut self, head: &Head, room: Option<&Room>) -> Result<Arc<Reel>, CreateError> {
        room.map_or(Ok(()), Room::check)?;
        let writer = self.recordings.create(head, &mut rand::rng())?;
        let reel = Arc::new(Reel { writer: Mutex::new(writer), started: Instant::now(), bytes: AtomicU64::new(0) });
        self.own.push(Arc::downgrade(&reel));
        self.reels.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&reel));
        Ok(reel)
    }

    /// Commits what quiet recordings hold. A failure shows again at the next write, which reports it.
    fn tick(&mut self) {
        self.reserve.restore();
        if self.reserve.is_given() {
            return;
        }
        let clock = Arc::clone(&self.clock);
        self.own.retain(|weak| {
            let Some(reel) = weak.upgrade() else { return false };
            let now = reel.now(&*clock);
            if let Err(error) = reel.with(|writer| writer.commit(now)) {
                if matches!(error, WriteError::Ended) {
                    return false;
                }
                tracing::error!(%error, "a recording could not be committed");
            }
            true
        });
    }
}
