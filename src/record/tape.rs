//! One session's tape. What it took is in the kernel when the call returns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bartizan_recorder::{Event, Exit, Reason, Typed, WriteError};
use tokio::sync::oneshot;

use crate::config::RecordingMode;
use crate::enforce::Permit;
use crate::store::Lease;

use super::lanes::{Job, Lanes, Piece, Reel};
use super::watcher::Watchable;

/// How long a write is tried again before the session ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long between two tries.
const RETRY: Duration = Duration::from_millis(250);

/// Why a session cannot be recorded any more.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The recorder said so, for as long as patience lasts.
    #[error("the recording cannot be written: {0}")]
    Write(#[from] WriteError),
    /// The recorder's threads are gone.
    #[error("the recorder has stopped")]
    Stopped,
}

/// Writes one session's recording. Cheap to clone; all clones write the same one.
#[derive(Clone)]
pub struct Tape {
    pub(super) lanes: Lanes,
    pub(super) number: u64,
    pub(super) reel: Arc<Reel>,
    pub(super) mode: RecordingMode,
    /// Where what is typed is recorded: what tells it from secrets.
    pub(super) typing: Option<Arc<Mutex<Typed>>>,
}

impl Tape {
    /// Records `pieces`. Waits while the disk refuses, up to ten seconds.
    ///
    /// # Errors
    /// In strict mode, when it cannot be written for that long. In best-effort mode only when the recorder is gone.
    pub async fn write(&self, pieces: Vec<Piece>) -> Result<(), TapeError> {
        self.keep(&|reply| Job::Append(Arc::clone(&self.reel), pieces.clone(), reply)).await?;
        let Some(typing) = &self.typing else { return Ok(()) };
        let shown = {
            let mut typing = typing.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.iter().flat_map(|piece| see(&mut typing, piece)).collect()
        };
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
        if events.is_empty() {
            return Ok(());
        }
        self.keep(&|reply| Job::Typed(Arc::clone(&self.reel), events.clone(), reply)).await
    }

    async fn keep(&self, job: &(dyn Fn(oneshot::Sender<Result<(), WriteError>>) -> Job + Sync)) -> Result<(), TapeError> {
        let begun = Instant::now();
        loop {
            let (reply, answer) = oneshot::channel();
            self.send(job(reply)).await?;
            match answer.await.map_err(|_| TapeError::Stopped)? {
                Ok(()) => return Ok(()),
                Err(error) if self.mode == RecordingMode::BestEffort => {
                    tracing::error!(%error, session = self.number, alert = true, "a session goes on unrecorded");
                    return Ok(());
                }
                Err(error) if matches!(error, WriteError::Ended | WriteError::TooLong) || begun.elapsed() >= PATIENCE => {
                    return Err(error.into());
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    async fn send(&self, job: Job) -> Result<(), TapeError> {
        let lane = self.lanes.of(self.number).ok_or(TapeError::Stopped)?;
        lane.send(job).await.map_err(|_| TapeError::Stopped)
    }

    /// SHA-256 of the recording's head.json.
    #[must_use]
    pub fn head_hash(&self) -> [u8; 32] {
        self.reel.head
    }

    /// Seals the recording. Gives SHA-256 of its seal.json.
    ///
    /// # Errors
    /// As [`Tape::write`]; the next start of the bastion seals it then.
    pub async fn finish(&self, reason: Reason, exit: Option<Exit>) -> Result<Option<[u8; 32]>, TapeError> {
        if let Some(typing) = &self.typing {
            let left = typing.lock().unwrap_or_else(PoisonError::into_inner).finish();
            if let Err(error) = self.keep_typed(left).await {
                tracing::error!(%error, session = self.number, "the last of what was typed could not be recorded");
            }
        }
        let begun = Instant::now();
        loop {
            let (reply, answer) = oneshot::channel();
            self.send(Job::Finish(Arc::clone(&self.reel), reason, exit.clone(), reply)).await?;
            match answer.await.map_err(|_| TapeError::Stopped)? {
                Ok(seal) => return Ok(seal),
                Err(error) if begun.elapsed() >= PATIENCE => return Err(error.into()),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Where the session can be watched.
    #[must_use]
    pub fn watchable(&self) -> Watchable {
        Watchable { feed: Arc::clone(&self.reel.feed), reel: Arc::downgrade(&self.reel) }
    }

    /// A remark by the bastion.
    #[must_use]
    pub fn note(text: String) -> Piece {
        Piece::Event(Event::note(text).into_owned())
    }
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
