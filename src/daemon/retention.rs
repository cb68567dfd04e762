//! Removes recordings whose time is over, here and in the object store, by the rules of the configuration: nothing that is held, that
//! runs, or that no rule is about. What goes is in the audit log and the transparency log first.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bartizan_recorder::{Filter, Recording, SearchIndex, SessionId};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;

use crate::audit::Entry;
use crate::config::{Config, Retention};
use crate::depot::{Bucket, DepotError, Library, Whole};
use crate::secrets::Secrets;

use super::rooms::Rooms;

/// How often it is looked.
const SWEEP: Duration = Duration::from_secs(600);
/// Every so many times also at what lies only in the object store.
const FAR: u32 = 6;
/// Recordings in the store that are looked at together.
const BATCH: usize = 256;

/// A recording whose time is over.
struct Due {
    whole: Whole,
    reason: String,
}

/// What is looked for.
struct Looking {
    config: Arc<Config>,
    secrets: Arc<Secrets>,
    rules: Vec<Retention>,
    now: Timestamp,
    /// Also at what lies only in the object store.
    far: bool,
    runtime: Handle,
}

/// Looks at once, and then every ten minutes.
pub(super) async fn sweep(rooms: Arc<Rooms>) {
    let mut beat = tokio::time::interval(SWEEP);
    // What cannot be removed is told once, and tried again.
    let mut told = HashSet::new();
    for round in 0_u32.. {
        beat.tick().await;
        if rooms.config.retention.iter().any(|rule| rule.keep.is_some()) {
            rooms.remove_what_is_due(round.is_multiple_of(FAR), &mut told).await;
        }
    }
}

impl Rooms {
    async fn remove_what_is_due(&self, far: bool, told: &mut HashSet<SessionId>) {
        let looking = Looking {
            config: Arc::clone(&self.config),
            secrets: Arc::clone(&self.secrets),
            rules: self.config.retention.clone(),
            now: self.clock.now(),
            far,
            runtime: Handle::current(),
        };
        let found = tokio::task::spawn_blocking(move || looking.due());
        let due = match found.await {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => return tracing::error!(%error, "recordings whose time is over cannot be looked for"),
            Err(error) => return tracing::error!(%error, "recordings whose time is over cannot be looked for"),
        };
        for one in due {
            let session = one.whole.recording().head().session.clone();
            if let Err(error) = self.remove_one(one, told).await {
                tracing::error!(%error, %session, "a recording whose time is over stays");
            }
        }
    }

    async fn remove_one(&self, due: Due, told: &mut HashSet<SessionId>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Due { whole, reason } = due;
        let head = whole.recording().head();
        let (session, number) = (head.session.clone(), head.number);
        if !told.contains(&session) {
            let entry = Entry::RecordingDeleted { session: session.as_str().parse()?, number, reason, by: "bartizan".to_owned() };
            let receipt = self.audit.append(entry, self.clock.now()).await?;
            // Else whoever verifies later takes it for removed.
            self.ledger.holds(&receipt).await?;
            told.insert(session.clone());
        }
        let (index, gone) = (self.config.server.state_dir.join("search.db"), session.clone());
        tokio::task::spawn_blocking(move || {
            whole.remove()?;
            forget(&index, &gone).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        })
        .await??;
        told.remove(&session);
        Ok(())
    }
}

/// The object store to read from, where there is one. Waits on `runtime`: for threads that may.
pub(super) fn library(config: &Config, secrets: &Arc<Secrets>, runtime: Handle) -> Result<Option<Library>, DepotError> {
    let Some(settings) = &config.recordings.bucket else { return Ok(None) };
    Ok(Some(Library::new(Bucket::open(settings, secrets)?, runtime)))
}

/// Takes a recording out of the search index, if there is one; one that cannot be used is made anew at the next search.
pub(super) fn forget(index: &Path, session: &SessionId) -> io::Result<()> {
    if index.exists()
        && let Err(error) = SearchIndex::open(index).and_then(|mut index| index.remove(session))
        && !error.is_spoilt()
    {
        return Err(io::Error::other(error));
    }
    Ok(())
}

impl Looking {
    fn due(self) -> Result<Vec<Due>, DepotError> {
        let root = &self.config.recordings.dir;
        let unreadable = |error: io::Error| DepotError::Local(root.clone(), error.to_string());
        bartizan_recorder::sweep(root).map_err(unreadable)?;
        let library = library(&self.config, &self.secrets, self.runtime.clone())?;
        let (mut due, mut here) = (Vec::new(), HashSet::new());
        for (dir, session) in bartizan_recorder::newest(root, &Filter::default()).map_err(unreadable)? {
            here.insert(session);
            let Some(reason) = Recording::open(&dir).ok().and_then(|recording| is_due(&recording, &self.rules, self.now)) else { continue };
            let whole = Whole::here(root, &dir, library.as_ref())?;
            if whole.stays(library.is_some())?.is_none() {
                due.push(Due { whole, reason });
            }
        }
        if let Some(library) = library.filter(|_| self.far) {
            due.extend(self.due_far_away(&library, &here)?);
        }
        Ok(due)
    }

    /// What lies only in the store, of sessions of this bastion: those of others are theirs to remove.
    fn due_far_away(&self, library: &Library, here: &HashSet<SessionId>) -> Result<Vec<Due>, DepotError> {
        let shortest = self.rules.iter().filter_map(|rule| rule.keep).min().unwrap_or_default();
        let before = SignedDuration::try_from(shortest).ok().and_then(|keep| self.now.checked_sub(keep).ok());
        let Some(last) = before.map(|moment| moment.strftime("%Y/%m/%d").to_string()) else { return Ok(Vec::new()) };
        let mut all = library.recordings(None)?;
        all.retain(|stored| !here.contains(stored.session()) && stored.place() <= format!("{last}/~").as_str());
        let mut due = Vec::new();
        for batch in all.chunks(BATCH) {
            for (stored, opened) in batch.iter().zip(library.open_all(batch)) {
                // One that cannot be read is not removed unread.
                let Ok(recording) = opened else { continue };
                let ours = recording.head().server == self.config.server.name;
                let Some(reason) = is_due(&recording, &self.rules, self.now).filter(|_| ours) else { continue };
                let whole = Whole::away(&self.config.recordings.dir, stored.clone(), recording);
                if whole.stays(true)?.is_none() {
                    due.push(Due { whole, reason });
                }
            }
        }
        Ok(due)
    }
}

/// Why the recording's time is over, if it is.
fn is_due(recording: &Recording, rules: &[Retention], now: Timestamp) -> Option<String> {
    let seal = recording.seal()?;
    let keep = rules.iter().find(|rule| rule.covers(&recording.head().tags))?.keep?;
    let ended = Timestamp::from_microsecond(seal.ended_us).ok()?;
    let until = ended.checked_add(SignedDuration::try_from(keep).ok()?).ok()?;
    (until < now).then(|| format!("kept for {} days", keep.as_secs() / 86_400))
}
