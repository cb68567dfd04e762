//! Wakes the operator where evidence is missing: an entry of the audit log that is an alert, and a line of the log.

use std::sync::Arc;

use crate::audit::{AuditError, AuditLog, Entry};
use crate::enforce::Permit;
use crate::model::Clock;

use super::gap::Missing;

/// Where alerts are written.
pub(super) struct Alarm {
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

impl Alarm {
    pub(super) fn new(audit: Arc<AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { audit, clock }
    }

    /// The session begins or goes on although it cannot be recorded; `allowed_by` says who lets it. One that begins so has the
    /// given number.
    ///
    /// # Errors
    /// When that cannot be written: then it must not.
    pub(super) async fn unrecorded(
        &self,
        permit: &Permit,
        why: &str,
        allowed_by: Vec<String>,
        number: Option<u64>,
    ) -> Result<(), AuditError> {
        let session = permit.session();
        metrics::counter!("bartizan_unrecorded_total").increment(1);
        tracing::error!(%session, why, alert = true, "a session goes on unrecorded");
        let identified = permit.routed().identified();
        let entry = Entry::SessionUnrecorded {
            session,
            principal: identified.caller().principal().id.clone(),
            target: identified.ask().target.clone(),
            login: identified.ask().login.clone(),
            why: why.to_owned(),
            allowed_by,
            number,
        };
        self.audit.append(entry, self.clock.now()).await.map(drop)
    }

    /// What is missing of it, now that this is known.
    pub(super) async fn gap(&self, permit: &Permit, missing: &Missing) {
        let (session, milliseconds) = (permit.session(), u64::try_from(missing.lasted.as_millis()).unwrap_or(u64::MAX));
        metrics::counter!("bartizan_recording_gaps_total").increment(1);
        let entry = Entry::RecordingGap { session, bytes: missing.bytes, milliseconds, why: missing.why.clone() };
        self.write(session, entry).await;
    }

    /// It cannot be recorded, and so it ends.
    pub(super) async fn failed(&self, permit: &Permit, error: String) {
        let session = permit.session();
        metrics::counter!("bartizan_recording_failures_total").increment(1);
        self.write(session, Entry::RecordingFailed { session, error }).await;
    }

    async fn write(&self, session: crate::model::SessionId, entry: Entry) {
        if let Err(error) = self.audit.append(entry, self.clock.now()).await {
            tracing::error!(%error, %session, alert = true, "what is missing of a recording could not be audited");
        }
    }
}
