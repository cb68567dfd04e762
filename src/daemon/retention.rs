//! Removes recordings whose time is over, by the rules of the configuration: nothing that is held, that runs, or that no rule is
//! about. What goes is in the audit log and the transparency log first.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bartizan_recorder::{Filter, Recording, SearchIndex};
use jiff::{SignedDuration, Timestamp};

use crate::audit::Entry;
use crate::config::Retention;
use crate::ledger::Ledger;

use super::rooms::Rooms;

/// How often it is looked.
const SWEEP: Duration = Duration::from_secs(600);

/// A recording whose time is over.
struct Due {
    recording: Recording,
    reason: String,
}

/// Looks at once, and then every ten minutes.
pub(super) async fn sweep(rooms: Arc<Rooms>, ledger: Ledger) {
    let mut beat = tokio::time::interval(SWEEP);
    loop {
        beat.tick().await;
        if rooms.config.retention.iter().any(|rule| rule.keep.is_some()) {
            rooms.remove_what_is_due(&ledger).await;
        }
    }
}

impl Rooms {
    async fn remove_what_is_due(&self, ledger: &Ledger) {
        let (root, rules, now) = (self.config.recordings.dir.clone(), self.config.retention.clone(), self.clock.now());
        let found = tokio::task::spawn_blocking(move || {
            bartizan_recorder::sweep(&root)?;
            due(&root, &rules, now)
        });
        let due = match found.await {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => return tracing::error!(%error, "recordings whose time is over cannot be looked for"),
            Err(error) => return tracing::error!(%error, "recordings whose time is over cannot be looked for"),
        };
        for one in due {
            if let Err(error) = self.remove_one(&one, ledger).await {
                tracing::error!(%error, session = %one.recording.head().session, "a recording whose time is over stays");
            }
        }
    }

    async fn remove_one(&self, due: &Due, ledger: &Ledger) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let head = due.recording.head();
        let entry = Entry::RecordingDeleted {
            session: head.session.as_str().parse()?,
            number: head.number,
            reason: due.reason.clone(),
            by: "bartizan".to_owned(),
        };
        let receipt = self.audit.append(entry, self.clock.now()).await?;
        // Else whoever verifies later takes it for removed.
        ledger.holds(&receipt).await?;
        let (root, dir, session) = (self.config.recordings.dir.clone(), due.recording.dir().to_owned(), head.session.clone());
        let index = self.config.server.state_dir.join("search.db");
        let removed = tokio::task::spawn_blocking(move || {
            bartizan_recorder::remove(&root, &dir, &session)?;
            forget(&index, &session)
        });
        removed.await??;
        Ok(())
    }
}

/// Takes a recording out of the search index, if there is one; one that cannot be used is made anew at the next search.
fn forget(index: &Path, session: &bartizan_recorder::SessionId) -> io::Result<()> {
    if index.exists()
        && let Err(error) = SearchIndex::open(index).and_then(|mut index| index.remove(session))
        && !error.is_spoilt()
    {
        return Err(io::Error::other(error));
    }
    Ok(())
}

fn due(root: &Path, rules: &[Retention], now: Timestamp) -> io::Result<Vec<Due>> {
    let mut due = Vec::new();
    for (dir, _) in bartizan_recorder::newest(root, &Filter::default())? {
        let Ok(recording) = Recording::open(dir) else { continue };
        if let Some(reason) = is_due(&recording, rules, now)
            && bartizan_recorder::held(recording.dir())?.is_none()
        {
            due.push(Due { recording, reason });
        }
    }
    Ok(due)
}

/// Why the recording's time is over, if it is.
fn is_due(recording: &Recording, rules: &[Retention], now: Timestamp) -> Option<String> {
    let seal = recording.seal()?;
    let keep = rules.iter().find(|rule| rule.covers(&recording.head().tags))?.keep?;
    let ended = Timestamp::from_microsecond(seal.ended_us).ok()?;
    let until = ended.checked_add(SignedDuration::try_from(keep).ok()?).ok()?;
    (until < now).then(|| format!("kept for {} days", keep.as_secs() / 86_400))
}
