//! At start: seals the recordings and closes the sessions that a crash left open. Never seals a recording whose session the
//! store says had ended: that would launder one that was cut short and had its seal removed.

use std::collections::HashSet;

use bartizan_recorder::{Recordings, Recovered, Recovery};

use crate::audit::{AuditLog, Entry};
use crate::model::Clock;
use crate::store::{SessionFilter, Store};

/// Mends what the last run left. Recordings that cannot be mended are told and left as they are.
///
/// # Errors
/// When the folder of recordings or the store cannot be read.
pub(super) async fn recover(
    recordings: &Recordings,
    store: &dyn Store,
    audit: &AuditLog,
    clock: &dyn Clock,
    node: &str,
) -> Result<(), String> {
    let now = clock.now();
    let (all, wall_us) = (recordings.clone(), now.as_microsecond());
    let open = left_open(store, node).await?;
    let mend = move || all.recover(wall_us, &|session| open.contains(session.as_str()), &mut rand::rng());
    let found = tokio::task::spawn_blocking(mend).await.map_err(|e| e.to_string())?;
    for recovered in found.map_err(|e| format!("the recordings cannot be read: {e}"))? {
        let (bytes_cut, detail) = told(&recovered.recovery);
        log(&recovered, &detail);
        let Ok(session) = recovered.session.as_str().parse() else { continue };
        let entry = Entry::RecordingRecovered { session, bytes_cut, detail };
        audit.append(entry, now).await.map_err(|e| e.to_string())?;
    }
    let closed = store.close_orphans(node, now, "the bastion stopped").await.map_err(|e| e.to_string())?;
    if !closed.is_empty() {
        tracing::warn!(sessions = closed.len(), "sessions were left open by the last run");
    }
    Ok(())
}

/// Sessions of this node that nobody has closed: to be asked before the orphans among them are closed.
async fn left_open(store: &dyn Store, node: &str) -> Result<HashSet<String>, String> {
    let filter = SessionFilter { node: Some(node.to_owned()), live: true, limit: u32::MAX, ..SessionFilter::default() };
    let sessions = store.sessions(filter).await.map_err(|e| e.to_string())?;
    Ok(sessions.iter().map(|session| session.opening.id.to_string()).collect())
}

fn log(recovered: &Recovered, detail: &str) {
    let session = &recovered.session;
    match recovered.recovery {
        Recovery::Closed { .. } | Recovery::Sealed => tracing::warn!(%session, detail, "a recording was found open and closed"),
        Recovery::HeadUnreadable | Recovery::NotOpen | Recovery::Tampered(_) | Recovery::Failed(_) => {
            tracing::error!(%session, detail, alert = true, "a recording without a seal was not recovered");
        }
    }
}

fn told(recovery: &Recovery) -> (u64, String) {
    match recovery {
        Recovery::Closed { cut_bytes, kept_bytes } => (*cut_bytes, format!("closed with {kept_bytes} bytes kept")),
        Recovery::Sealed => (0, "its seal was missing and was made".to_owned()),
        Recovery::HeadUnreadable => (0, "its head was never written whole; sealed as such".to_owned()),
        Recovery::NotOpen => {
            let why = "left as it is: it has no seal although its session had ended; its seal was removed, or its end was never written";
            (0, why.to_owned())
        }
        Recovery::Tampered(why) => (0, format!("left as it is, since it does not hold: {why}")),
        Recovery::Failed(error) => (0, format!("it could not be closed now: {error}")),
    }
}
