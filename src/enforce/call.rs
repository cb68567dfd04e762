//! What came of a request that was let through, for the audit log: nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Entry;
use crate::frontdoor::BoxFuture;

use super::Decider;
use super::enforcer::groups;

/// A request over HTTP that is over.
#[derive(Debug)]
pub struct Call {
    /// Its number in the session.
    pub request: u64,
    /// Method and target.
    pub operation: String,
    /// The policies that let it through.
    pub policies: Vec<String>,
    /// The status of the answer, or of what stands in for it.
    pub status: u16,
    /// Bytes of its body, where they are known.
    pub bytes_in: Option<u64>,
    /// Bytes of the answer's body, as the server sent it.
    pub bytes_out: u64,
    /// From being read to the end of the answer.
    pub duration: Duration,
    /// Why it was cut short.
    pub cut: Option<String>,
}

impl Decider {
    /// Writes down what came of a call, soon: nobody waits for that, but where what comes back says that somebody has to. What cannot be
    /// written is an alert in the bastion's own log: the call itself is in the audit log already, and in the recording.
    #[must_use]
    pub fn ended(&self, call: Call) -> Option<BoxFuture<()>> {
        let (now, caller) = (self.clock.now(), self.permit.routed().identified().caller());
        let since = now.duration_since(self.permit.started_at());
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let into = u64::try_from(since.as_millis()).unwrap_or(0);
        let entry = Entry::CallEnded {
            session: self.permit.session(),
            principal: caller.principal().id.clone(),
            principal_kind: caller.principal().kind,
            groups: groups(caller),
            target: self.permit.routed().target().name.clone(),
            request: call.request,
            operation: call.operation,
            policies: call.policies,
            status: call.status,
            bytes_in: call.bytes_in,
            bytes_out: call.bytes_out,
            duration_ms: milliseconds(call.duration),
            recording_ms: into.saturating_sub(milliseconds(call.duration)),
            cut: call.cut,
        };
        let entry = self.audit.leave(entry, now).err()?;
        let (audit, session) = (Arc::clone(&self.audit), self.permit.session());
        Some(Box::pin(async move {
            if let Err(error) = audit.append(*entry, now).await {
                tracing::error!(%error, alert = true, %session, "the end of a call is not in the audit log");
            }
        }))
    }
}
