//! Brings the search index up to the recordings: in the background, so that hardly anything is left to do for who searches, and once
//! more before each search. One at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bartizan_recorder::{Recording, SearchError, SearchIndex};
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::secrets::Secrets;

use super::retention::library;
use super::rooms::Rooms;

/// How often it is looked for what ended.
const EVERY: Duration = Duration::from_secs(60);

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
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            with_index(&path, &config, &secrets, &runtime, &mut |_| Ok(()))
        });
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the search index cannot be brought up to the recordings"),
            Err(error) => tracing::warn!(%error, "the search index cannot be brought up to the recordings"),
        }
    }
}

/// Uses the index at `path` once it is up to the recordings; one that is spoilt is made anew. For threads that may wait, and with the
/// turn.
///
/// # Errors
/// What the index says, or `act`.
pub(super) fn with_index<T>(
    path: &Path,
    config: &Config,
    secrets: &Arc<Secrets>,
    runtime: &Handle,
    act: &mut dyn FnMut(&SearchIndex) -> Result<T, SearchError>,
) -> Result<T, SearchError> {
    match refreshed(path, config, secrets, runtime).and_then(|index| act(&index)) {
        Err(error) if error.is_spoilt() => {
            tracing::warn!(%error, "the search index is made anew");
            drop(SearchIndex::renew(path)?);
            refreshed(path, config, secrets, runtime).and_then(|index| act(&index))
        }
        other => other,
    }
}

fn refreshed(path: &Path, config: &Config, secrets: &Arc<Secrets>, runtime: &Handle) -> Result<SearchIndex, SearchError> {
    let mut index = SearchIndex::open(path)?;
    let root = &config.recordings.dir;
    // While the store cannot be asked, what lies only there waits.
    let library = library(config, secrets, runtime.clone()).ok().flatten();
    let mut ready = |recording: Recording| match &library {
        _ if recording.is_encrypted() => None,
        Some(library) => library.ready(root, recording).ok(),
        None => None,
    };
    let refreshed = index.refresh(root, &mut ready, &mut |_, _| ())?;
    for (dir, error) in &refreshed.failed {
        tracing::debug!(%error, dir = %dir.display(), "a recording could not be indexed");
    }
    Ok(index)
}
