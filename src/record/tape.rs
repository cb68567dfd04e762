//! One session's tape. What it took is in the kernel when the call returns; what it could not take holds the session back, both
//! ways, and after ten seconds ends it. Where it may go on all the same, the gap is counted, marked and told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use bartizan_recorder::{Event, Exit, Reason, Typed, WriteError};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::config::RecordingMode;
use crate::enforce::Permit;
use crate::store::Lease;

use super::alarm::Alarm;
use super::feed::Feed;
use super::gap::{Gap, Missing, Pending};
use super::lanes::{Job, Lanes, Piece, Reel};
use super::watcher::Watchable;

/// How long a write is tried before the session ends, or goes on unrecorded where policy lets it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long in best-effort mode.
const LITTLE_PATIENCE: Duration = Duration::from_secs(1);
/// How long between two tries, and how long one may take before the session is held back.
const RETRY: Duration = Duration::from_millis(250);

/// How long what was left for the next write may wait for one.
pub const SOON: Duration = Duration::from_millis(20);
/// How many pieces may wait for it.
const LEFT: usize = 64;

/// Why a session cannot be recorded any more.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The recorder said so, for as long as patience lasts.
    #[error("the recording cannot be written: {0}")]
    Write(#[from] WriteError),
    /// The disk takes nothing.
    #[error("the recording cannot be written: the disk has not answered for {} seconds", .0.as_secs())]
    Slow(Duration),
    /// It holds as much as the operator lets one recording hold.
    #[error("its recording has reached the {0} MiB that one session may fill")]
    Budget(u64),
    /// The recorder's threads are gone.
    #[error("the recorder has stopped")]
    Stopped,
}

impl TapeError {
    /// What the visitor reads.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Budget(_) => self.to_string(),
            _ => "it could not be recorded any more".to_owned(),
        }
    }
}

/// What the operator set, as far as writing goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) mode: RecordingMode,
    /// Bytes that one channel file may hold.
    pub(super) budget: Option<u64>,
}

/// What all clones of a tape share.
struct State {
    /// True while the disk does not take what was read.
    stuck: watch::Sender<bool>,
    /// What is written with what comes next.
    left: std::sync::Mutex<Vec<Piece>>,
    has_gap: AtomicBool,
    gap: Mutex<Option<Gap>>,
    /// Bytes left out for good: over the budget, or of a session that was never recorded.
    left_out: AtomicU64,
    over_budget: AtomicBool,
    begun: Instant,
}

/// What is to be written at once.
enum Work {
    Shown(Arc<[Piece]>),
    Typed(Vec<Event<'static>>),
}

impl Work {
    fn weight(&self) -> u64 {
        match self {
            Self::Shown(pieces) => weight(pieces),
            Self::Typed(_) => 0,
        }
    }
}

/// Writes one session's recording. Cheap to clone; all clones write the same one.
#[derive(Clone)]
pub struct Tape {
    lanes: Lanes,
    number: u64,
    /// None where policy let the session begin although it could not be recorded.
    reel: Option<Arc<Reel>>,
    rules: Rules,
    permit: Arc<Permit>,
    alarm: Arc<Alarm>,
    state: Arc<State>,
    /// Where what is typed is recorded: what tells it from secrets.
    typing: Option<Arc<std::sync::Mutex<Typed>>>,
}

impl Tape {
    pub(super) fn new(
        lanes: Lanes,
        number: u64,
        reel: Option<Arc<Reel>>,
        rules: Rules,
        permit: Arc<Permit>,
        alarm: Arc<Alarm>,
        typing: Option<Typed>,
    ) -> Self {
        let state = State {
            stuck: watch::Sender::new(false),
            left: std::sync::Mutex::default(),
            has_gap: AtomicBool::new(false),
            gap: Mutex::new(None),
            left_out: AtomicU64::new(0),
            over_budget: AtomicBool::new(false),
            begun: Instant::now(),
        };
        let typing = typing.map(|typing| Arc::new(std::sync::Mutex::new(typing)));
        Self { lanes, number, reel, rules, permit, alarm, state: Arc::new(state), typing }
    }

    /// Whether the session has a recording at all.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.reel.is_some()
    }

    /// Leaves `piece` to be written with what comes next: what came of an operation, never the operation itself, which is written before
    /// it is forwarded. Who leaves something sees to it that [`Tape::write`] is called within [`SOON`], if with nothing; at once where this
    /// is true, for then as much is left as may be.
    pub fn leave(&self, piece: Piece) -> bool {
        let mut left = self.state.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(piece);
        left.len() > LEFT
    }

    /// What was left, before `pieces`.
    fn after_what_was_left(&self, pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
        let mut left = std::mem::take(&mut *self.state.left.lock().unwrap_or_else(PoisonError::into_inner));
        left.extend(pieces);
        left
    }

    fn has_left(&self) -> bool {
        !self.state.left.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Records what was left, then `pieces`. Waits while the disk refuses or does not answer, up to ten seconds.
    ///
    /// # Errors
    /// When it cannot be written for that long and neither mode nor policy lets the session go on.
    pub async fn write(&self, pieces: Vec<Piece>) -> Result<(), TapeError> {
        let Some(typing) = &self.typing else { return self.show(pieces).await };
        let shown = {
            let mut typing = typing.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.iter().flat_map(|piece| see(&mut typing, piece)).collect()
        };
        self.show(pieces).await?;
        self.keep_typed(shown).await
    }

    /// Takes in what is typed, before the target is given it. It is recorded once the target has shown it, where it is recorded at
    /// all.
    ///
    /// # Errors
    /// As [`Tape::write`].
    pub async fn typed(&self, bytes: &[u8]) -> Result<(), TapeError> {
        let Some(typing) = &self.typing else { return Ok(()) };
        let given_up = typing.lock().unwrap_or_else(PoisonError::into_inner).typed(bytes);
        self.keep_typed(given_up).await
    }

    async fn keep_typed(&self, events: Vec<Event<'static>>) -> Result<(), TapeError> {
        let Some(reel) = self.reel.as_ref().filter(|_| !events.is_empty()) else { return Ok(()) };
        // A gap of what is shown is one of what is typed, and marked there.
        if self.state.has_gap.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.persist(reel, &mut Work::Typed(events)).await {
            Ok(()) => Ok(()),
            Err((error, pending)) => Box::pin(self.not_written(error, 0, pending)).await,
        }
    }

    async fn show(&self, pieces: Vec<Piece>) -> Result<(), TapeError> {
        let Some(reel) = &self.reel else {
            self.leave_out(weight(&self.after_what_was_left(pieces.into_iter())));
            return Ok(());
        };
        let pieces = match self.rules.budget.filter(|budget| reel.bytes() >= *budget) {
            // What is rare is boxed: every session holds this future.
            Some(budget) => Box::pin(self.over_budget(budget, pieces)).await?,
            None => pieces,
        };
        let is_nothing = pieces.is_empty() && !self.has_left();
        if is_nothing || (self.state.has_gap.load(Ordering::SeqCst) && Box::pin(self.after_a_gap(reel, &pieces)).await?) {
            return Ok(());
        }
        let mut work = Work::Shown(pieces.into());
        let (error, pending) = match self.persist(reel, &mut work).await {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        Box::pin(self.not_written(error, work.weight(), pending)).await
    }

    async fn not_written(&self, error: TapeError, missing: u64, pending: Option<Pending>) -> Result<(), TapeError> {
        let Some(allowed_by) = self.may_go_on(&error) else {
            self.alarm.failed(&self.permit, error.to_string()).await;
            return Err(error);
        };
        self.open_gap(error, allowed_by, missing, pending).await
    }

    /// Returns at once while the disk takes what is read. What is typed waits as what is shown does.
    pub async fn flows(&self) {
        if *self.state.stuck.borrow() {
            // It cannot fail: the sender is `self`.
            drop(self.state.stuck.subscribe().wait_for(|stuck| !*stuck).await);
        }
    }

    /// Tries until it is written or patience ends. With the error comes the answer that is still waited for.
    async fn persist(&self, reel: &Arc<Reel>, work: &mut Work) -> Result<(), (TapeError, Option<Pending>)> {
        let (begun, patience) = (Instant::now(), self.patience());
        let done = loop {
            let mut answer = self.send(reel, work, patience).await.map_err(|error| (error, None))?;
            let answered = match tokio::time::timeout(RETRY, &mut answer).await {
                Ok(answered) => answered,
                Err(_) => {
                    self.state.stuck.send_replace(true);
                    match tokio::time::timeout(patience.saturating_sub(begun.elapsed()), &mut answer).await {
                        Ok(answered) => answered,
                        Err(_) => break Err((TapeError::Slow(patience), Some(answer))),
                    }
                }
            };
            match answered {
                Err(_) => break Err((TapeError::Stopped, None)),
                Ok(Ok(())) => break Ok(()),
                Ok(Err(error)) if matches!(error, WriteError::Ended | WriteError::TooLong) || begun.elapsed() >= patience => {
                    break Err((error.into(), None));
                }
                Ok(Err(_)) => {
                    self.state.stuck.send_replace(true);
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        // Where it goes on unrecorded, what is typed goes on too; where it ends, nothing does.
        let ends = done.as_ref().err().is_some_and(|(error, _)| self.may_go_on(error).is_none());
        self.state.stuck.send_replace(ends);
        done
    }

    fn patience(&self) -> Duration {
        if self.rules.mode == RecordingMode::BestEffort { LITTLE_PATIENCE } else { PATIENCE }
    }

    /// Hands `work` to the lane, and with it what was left: that is taken once there is a place, for whoever waits may be given up.
    async fn send(&self, reel: &Arc<Reel>, work: &mut Work, patience: Duration) -> Result<Pending, TapeError> {
        let (place, (reply, answer)) = (self.place(patience).await?, oneshot::channel());
        if let Work::Shown(pieces) = work
            && self.has_left()
        {
            *pieces = self.after_what_was_left(pieces.iter().cloned()).into();
        }
        place.send(match work {
            Work::Shown(pieces) => Job::Append(Arc::clone(reel), Arc::clone(pieces), reply),
            Work::Typed(events) => Job::Typed(Arc::clone(reel), events.clone(), reply),
        });
        Ok(answer)
    }

    async fn place(&self, patience: Duration) -> Result<mpsc::Permit<'_, Job>, TapeError> {
        let lane = self.lanes.of(self.number).ok_or(TapeError::Stopped)?;
        match tokio::time::timeout(patience, lane.reserve()).await {
            Ok(place) => place.map_err(|_| TapeError::Stopped),
            Err(_) => Err(TapeError::Slow(patience)),
        }
    }

    /// Who lets the session go on although this happened; none where it ends.
    fn may_go_on(&self, error: &TapeError) -> Option<Vec<String>> {
        match (error, self.rules.mode) {
            // How much one session may fill is no failure, and the mode says nothing of it.
            (TapeError::Budget(_), _) | (_, RecordingMode::Strict) => self.permit.may_go_unrecorded(),
            (_, RecordingMode::BestEffort) => Some(vec!["mode = \"best-effort\"".to_owned()]),
        }
    }

    async fn open_gap(&self, error: TapeError, allowed_by: Vec<String>, missing: u64, pending: Option<Pending>) -> Result<(), TapeError> {
        let why = error.to_string();
        let mut gap = self.state.gap.lock().await;
        if let Some(gap) = &mut *gap {
            gap.miss(missing);
            return Ok(());
        }
        *gap = Some(Gap::open(why.clone(), missing, pending));
        self.state.has_gap.store(true, Ordering::SeqCst);
        self.told(&why, allowed_by, error).await
    }

    /// Nothing goes on unrecorded that nobody can know of; in best-effort mode the operator took that on himself.
    async fn told(&self, why: &str, allowed_by: Vec<String>, error: TapeError) -> Result<(), TapeError> {
        match self.alarm.unrecorded(&self.permit, why, allowed_by, None).await {
            Err(_) if self.rules.mode == RecordingMode::Strict => Err(error),
            _ => Ok(()),
        }
    }

    /// Tries to record again, the gap's mark first. True when that is all that is to be done with `pieces`.
    async fn after_a_gap(&self, reel: &Arc<Reel>, pieces: &[Piece]) -> Result<bool, TapeError> {
        let mut open = self.state.gap.lock().await;
        let Some(gap) = &mut *open else { return Ok(false) };
        let pieces = self.after_what_was_left(pieces.iter().cloned());
        let bytes = weight(&pieces);
        if !gap.may_try(RETRY) {
            gap.miss(bytes);
            return Ok(true);
        }
        let missing = gap.so_far();
        let marked = std::iter::once(Self::note(missing.sentence())).chain(pieces).collect();
        let mut answer = match self.send(reel, &mut Work::Shown(marked), RETRY).await {
            Ok(answer) => answer,
            Err(TapeError::Slow(_)) => {
                gap.miss(bytes);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        match tokio::time::timeout(RETRY, &mut answer).await {
            Ok(Ok(Ok(()))) => {
                *open = None;
                self.state.has_gap.store(false, Ordering::SeqCst);
                self.alarm.gap(&self.permit, &missing).await;
            }
            Ok(_) => gap.miss(bytes),
            Err(_) => gap.wait_for(answer, bytes),
        }
        Ok(true)
    }

    /// What may still be recorded of `pieces`: output is left out where policy lets the session go on; what was asked, decided
    /// and done is recorded all the same.
    async fn over_budget(&self, budget: u64, pieces: Vec<Piece>) -> Result<Vec<Piece>, TapeError> {
        let (bulk, mut rest): (Vec<_>, Vec<_>) = pieces.into_iter().partition(Piece::is_bulk);
        if bulk.is_empty() {
            return Ok(rest);
        }
        let error = TapeError::Budget(budget >> 20);
        let why = error.to_string();
        let Some(allowed_by) = self.may_go_on(&error) else {
            self.alarm.failed(&self.permit, why).await;
            return Err(error);
        };
        self.leave_out(weight(&bulk));
        if !self.state.over_budget.swap(true, Ordering::SeqCst) {
            rest.insert(0, Self::note(format!("gap: from here on output is not recorded: {why}")));
            self.told(&why, allowed_by, error).await?;
        }
        Ok(rest)
    }

    fn leave_out(&self, bytes: u64) {
        self.state.left_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// SHA-256 of the recording's head.json; none where there is no recording.
    #[must_use]
    pub fn head_hash(&self) -> Option<[u8; 32]> {
        self.reel.as_ref().map(|reel| reel.head)
    }

    /// Seals the recording, and tells what is missing of it. Gives SHA-256 of its seal.json; none where there is no recording.
    ///
    /// # Errors
    /// As [`Tape::write`]; the next start of the bastion seals it then.
    pub async fn finish(&self, reason: Reason, exit: Option<Exit>) -> Result<Option<[u8; 32]>, TapeError> {
        if let Err(error) = self.write(Vec::new()).await {
            tracing::error!(%error, session = self.number, "the last of what was left to be written could not be recorded");
        }
        let Some(reel) = &self.reel else {
            self.tell_left_out("it was not recorded").await;
            return Ok(None);
        };
        if let Some(typing) = &self.typing {
            let left = typing.lock().unwrap_or_else(PoisonError::into_inner).finish();
            if let Err(error) = self.keep_typed(left).await {
                tracing::error!(%error, session = self.number, "the last of what was typed could not be recorded");
            }
        }
        if self.state.has_gap.load(Ordering::SeqCst) {
            // The last chance to mark it where it is.
            tokio::time::sleep(RETRY).await;
            drop(Box::pin(self.after_a_gap(reel, &[])).await);
            if let Some(gap) = self.state.gap.lock().await.take() {
                self.alarm.gap(&self.permit, &gap.so_far()).await;
            }
        }
        self.tell_left_out("it was over the budget of one recording").await;
        self.seal(reel, reason, exit).await
    }

    async fn tell_left_out(&self, why: &str) {
        let bytes = self.state.left_out.load(Ordering::Relaxed);
        if bytes > 0 || self.reel.is_none() {
            let missing = Missing { bytes, lasted: self.state.begun.elapsed(), why: why.to_owned() };
            self.alarm.gap(&self.permit, &missing).await;
        }
    }

    async fn seal(&self, reel: &Arc<Reel>, reason: Reason, exit: Option<Exit>) -> Result<Option<[u8; 32]>, TapeError> {
        let begun = Instant::now();
        loop {
            let (reply, answer) = oneshot::channel();
            self.place(PATIENCE).await?.send(Job::Finish(Arc::clone(reel), reason, exit.clone(), reply));
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match tokio::time::timeout(left, answer).await {
                Err(_) => return Err(TapeError::Slow(PATIENCE)),
                Ok(answered) => match answered.map_err(|_| TapeError::Stopped)? {
                    Ok(seal) => return Ok(seal),
                    Err(error) if begun.elapsed() >= PATIENCE => return Err(error.into()),
                    Err(_) => tokio::time::sleep(RETRY).await,
                },
            }
        }
    }

    /// Where the session can be watched.
    #[must_use]
    pub fn watchable(&self) -> Watchable {
        match &self.reel {
            Some(reel) => Watchable { feed: Arc::clone(&reel.feed), reel: Arc::downgrade(reel) },
            None => {
                let feed = Arc::new(Feed::new(None));
                feed.end("it is not recorded, and so it cannot be watched");
                Watchable { feed, reel: Weak::new() }
            }
        }
    }

    /// A remark by the bastion.
    #[must_use]
    pub fn note(text: String) -> Piece {
        Piece::Event(Event::note(text).into_owned())
    }
}

fn weight(pieces: &[Piece]) -> u64 {
    pieces.iter().map(Piece::weight).sum()
}

/// What of what was typed is known once `piece` was shown.
fn see(typing: &mut Typed, piece: &Piece) -> Vec<Event<'static>> {
    match piece {
        Piece::Output(bytes) => typing.shown(bytes),
        Piece::Event(Event::Resize { cols, .. }) => {
            typing.resize(*cols);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// How a session ended.
#[derive(Debug, Clone)]
pub struct Closing {
    /// For the recording's seal.
    pub reason: Reason,
    /// For people.
    pub sentence: String,
    /// The program's end, if it told.
    pub exit: Option<Exit>,
}

/// A permit with its recording under way. Only `record` makes one.
pub struct Taped {
    pub(super) permit: Arc<Permit>,
    pub(super) tape: Tape,
    pub(super) lease: Lease,
}

impl Taped {
    /// What was permitted.
    #[must_use]
    pub fn permit(&self) -> &Arc<Permit> {
        &self.permit
    }

    /// The tape.
    #[must_use]
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The session's number and fencing token.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }
}
