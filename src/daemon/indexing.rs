//! Brings the search index up to the recordings: in the background, so that hardly anything is left to do for who searches, and once
//! more before each search. One at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bartizan_recorder::{Recording, SearchError, SearchIndex};
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::secrets::Secrets;

use super::retention::library;
use super::rooms::Rooms;

/// How often it is looked for what ended.
const EVERY: Duration = Duration::from_secs(60);

/// Everything is looked at again after so many looks at what has changed: should a clock or a file system have hidden something.
const LOOKS: u32 = 60;

/// How much earlier than the last look what happened is looked at once more: file systems have clocks of their own.
const SLACK: Duration = Duration::from_secs(60);

/// When all recordings were looked at last. Without that a look at each of very many would take longer and longer.
#[derive(Debug, Default)]
pub(super) struct Looked {
    at: Option<SystemTime>,
    looks: u32,
}

impl Looked {
    /// From when on what changed is looked at; none for everything.
    fn since(&mut self) -> Option<SystemTime> {
        self.looks = if self.looks >= LOOKS { 0 } else { self.looks + 1 };
        self.at.filter(|_| self.looks > 0)?.checked_sub(SLACK)
    }
}

/// Looks at once, and then again and again. What is encrypted is indexed by who can read it, on their own machine.
pub(super) async fn keep(rooms: Arc<Rooms>) {
    if rooms.config.recordings.encrypt_to.is_some() {
        return;
    }
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let turn = Arc::clone(&rooms.index).lock_owned().await;
        let (path, config, runtime) = (rooms.config.server.state_dir.join("search.db"), Arc::clone(&rooms.config), Handle::current());
        let secrets = Arc::clone(&rooms.secrets);
        let (mut turn, now) = (turn, rooms.clock.now().into());
        let done = tokio::task::spawn_blocking(move || with_index(&path, &config, &secrets, &runtime, (&mut turn, now), &mut |_| Ok(())));
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the search index cannot be brought up to the recordings"),
            Err(error) => tracing::warn!(%error, "the search index cannot be brought up to the recordings"),
        }
    }
}

/// Uses the index at `path` once it is up to the recordings as of now; one that is spoilt is made anew. For threads that may wait, and
/// with the turn.
///
/// # Errors
/// What the index says, or `act`.
pub(super) fn with_index<T>(
    path: &Path,
    config: &Config,
    secrets: &Arc<Secrets>,
    runtime: &Handle,
    (looked, now): (&mut Looked, SystemTime),
    act: &mut dyn FnMut(&SearchIndex) -> Result<T, SearchError>,
) -> Result<T, SearchError> {
    let mut up = |looked: &mut Looked| refreshed(path, config, secrets, runtime, (looked, now)).and_then(|index| act(&index));
    match up(looked) {
        Err(error) if error.is_spoilt() => {
            tracing::warn!(%error, "the search index is made anew");
            drop(SearchIndex::renew(path)?);
            *looked = Looked::default();
            up(looked)
        }
        other => other,
    }
}

fn refreshed(
    path: &Path,
    config: &Config,
    secrets: &Arc<Secrets>,
    runtime: &Handle,
    (looked, now): (&mut Looked, SystemTime),
) -> Result<SearchIndex, SearchError> {
    let mut index = SearchIndex::open(path)?;
    let root = &config.recordings.dir;
    // While the store cannot be asked, what lies only there waits.
    let library = library(config, secrets, runtime.clone()).ok().flatten();
    let mut ready = |recording: Recording| match &library {
        _ if recording.is_encrypted() => None,
        Some(library) => library.ready(root, recording).ok(),
        None => None,
    };
    let refreshed = index.refresh(root, looked.since(), &mut ready, &mut |_, _| ())?;
    // What failed is tried again when everything is looked at.
    looked.at = Some(now);
    for (dir, error) in &refreshed.failed {
        tracing::debug!(%error, dir = %dir.display(), "a recording could not be indexed");
    }
    Ok(index)
}
