//! At start: seals the recordings and closes the sessions that a crash left open.

use bartizan_recorder::{Recordings, Recovery};

use crate::audit::{AuditLog, Entry};
use crate::model::Clock;
use crate::store::Store;

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
    let found = tokio::task::spawn_blocking(move || all.recover(wall_us, &mut rand::rng())).await.map_err(|e| e.to_string())?;
    for recovered in found.map_err(|e| format!("the recordings cannot be read: {e}"))? {
        let (bytes_cut, detail) = told(&recovered.recovery);
        tracing::warn!(session = %recovered.session, detail, "a recording was found open and closed");
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

fn told(recovery: &Recovery) -> (u64, String) {
    match recovery {
        Recovery::Closed { cut_bytes, kept_bytes } => (*cut_bytes, format!("closed with {kept_bytes} bytes kept")),
        Recovery::Sealed => (0, "its seal was missing and was made".to_owned()),
        Recovery::HeadUnreadable => (0, "its head was never written whole; sealed as such".to_owned()),
        Recovery::Tampered(why) => (0, format!("left as it is, since it does not hold: {why}")),
        Recovery::Failed(error) => (0, format!("it could not be closed now: {error}")),
    }
}
