//! At start: seals the recordings and closes the sessions that a crash left open, and sees that each number given to a session
//! is accounted for in the transparency log. Never seals a recording whose session the store says had ended: that would launder
//! one that was cut short and had its seal removed.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use bartizan_recorder::{Recordings, Recovered, Recovery, document_hashes, find};

use crate::audit::{AuditLog, Entry};
use crate::ledger::Scribe;
use crate::model::{Clock, SessionId};
use crate::store::{SessionFilter, Store};

/// Mends what the last run left. Recordings that cannot be mended are told and left as they are.
///
/// # Errors
/// When the folder of recordings, the store or the transparency log cannot be read.
pub(super) async fn recover(
    recordings: &Recordings,
    store: &dyn Store,
    audit: &AuditLog,
    scribe: &Scribe,
    clock: &dyn Clock,
    node: &str,
) -> Result<(), String> {
    let now = clock.now();
    let (all, wall_us) = (recordings.clone(), now.as_microsecond());
    let open = left_open(store, node).await?;
    let may_close: HashSet<String> = open.keys().map(SessionId::to_string).collect();
    let mend = move || all.recover(wall_us, &|session| may_close.contains(session.as_str()), &mut rand::rng());
    let found = tokio::task::spawn_blocking(mend).await.map_err(|e| e.to_string())?;
    let mut told_of = HashSet::new();
    for recovered in found.map_err(|e| format!("the recordings cannot be read: {e}"))? {
        let (bytes_cut, detail) = told(&recovered.recovery);
        log(&recovered, &detail);
        let Ok(session) = recovered.session.as_str().parse() else { continue };
        let number = open.get(&session).copied();
        let entry = Entry::RecordingRecovered { session, bytes_cut, detail, number, seal: seal_of(&recovered.dir) };
        audit.append(entry, now).await.map_err(|e| e.to_string())?;
        told_of.insert(session);
    }
    account_for(&open, &told_of, recordings, audit, scribe, clock).await?;
    let closed = store.close_orphans(node, now, "the bastion stopped").await.map_err(|e| e.to_string())?;
    if !closed.is_empty() {
        tracing::warn!(sessions = closed.len(), "sessions were left open by the last run");
    }
    Ok(())
}

/// Tells of each session that was left open what the log does not know: that its recording was sealed all the same, or that it
/// never began.
async fn account_for(
    open: &HashMap<SessionId, u64>,
    told_of: &HashSet<SessionId>,
    recordings: &Recordings,
    audit: &AuditLog,
    scribe: &Scribe,
    clock: &dyn Clock,
) -> Result<(), String> {
    let opened = scribe.opened_among(&open.values().copied().collect()).map_err(|e| e.to_string())?;
    for (&session, &number) in open {
        let id = session.to_string().parse().map_err(|e| format!("session {session}: {e}"))?;
        let dir = find(recordings.root(), &id).map_err(|e| format!("the recordings cannot be read: {e}"))?;
        let seal = dir.as_deref().and_then(seal_of);
        let entry = if !opened.contains(&number) {
            Some(Entry::SessionVoid { session, number, reason: "the bastion stopped before it began".to_owned(), seal })
        } else if told_of.contains(&session) || seal.is_none() {
            None
        } else {
            let detail = "it was sealed; that it ended was not written".to_owned();
            Some(Entry::RecordingRecovered { session, bytes_cut: 0, detail, number: Some(number), seal })
        };
        if let Some(entry) = entry {
            audit.append(entry, clock.now()).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// SHA-256 of the seal in `dir`, hexadecimal.
fn seal_of(dir: &Path) -> Option<String> {
    document_hashes(dir).ok()?.1.map(hex::encode)
}

/// Sessions of this node that nobody has closed, with their numbers: to be asked before the orphans among them are closed.
async fn left_open(store: &dyn Store, node: &str) -> Result<HashMap<SessionId, u64>, String> {
    let filter = SessionFilter { node: Some(node.to_owned()), live: true, limit: u32::MAX, ..SessionFilter::default() };
    let sessions = store.sessions(filter).await.map_err(|e| e.to_string())?;
    Ok(sessions.iter().map(|session| (session.opening.id, session.lease.number)).collect())
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
