//! Requests that hold recordings, release them and delete them: policy's actions `hold` and `delete`. Each is in the audit log before
//! it is done, and a deletion in the transparency log, too.

use std::sync::Arc;

use bartizan_policies::Action;
use bartizan_recorder::Hold;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::audit::Entry;
use crate::control::recordings::Keeping;
use crate::depot::Whole;
use crate::frontdoor::Refusal;
use crate::identity::Caller;
use crate::model::{Printable, SessionId};

use super::super::retention::{forget, library};
use super::Rooms;
use super::recordings::{WORDS_MAX, bad, blocking, recorded};

impl Rooms {
    pub(super) async fn hold_recording(&self, caller: &Caller, Keeping { session, reason }: Keeping) -> Result<Value, Refusal> {
        let reason = said(reason).ok_or_else(|| bad("a recording is held for a `reason`"))?;
        let whole = self.kept(caller, Action::Hold, session, Some(&reason)).await?;
        let by = caller.principal().id.to_string();
        let hold = Hold { by: by.clone(), reason: reason.clone(), since_us: self.clock.now().as_microsecond() };
        self.put(Entry::RecordingHeld { session, reason, by }).await?;
        blocking(move || whole.hold(&hold)).await?;
        Ok(json!({ "session": session }))
    }

    pub(super) async fn release_recording(&self, caller: &Caller, Keeping { session, reason }: Keeping) -> Result<Value, Refusal> {
        let whole = self.kept(caller, Action::Hold, session, said(reason).as_deref()).await?;
        let (whole, held) = blocking(move || whole.held().map(|held| (whole, held))).await?;
        if held.is_none() {
            return Err(Refusal::denied(format!("Recording {session} is not held."), "not held"));
        }
        self.put(Entry::RecordingReleased { session, by: caller.principal().id.to_string() }).await?;
        blocking(move || whole.release()).await?;
        Ok(json!({ "session": session }))
    }

    pub(super) async fn delete_recording(&self, caller: &Caller, Keeping { session, reason }: Keeping) -> Result<Value, Refusal> {
        let reason = said(reason).ok_or_else(|| bad("a recording is deleted for a `reason`"))?;
        let whole = self.kept(caller, Action::Delete, session, Some(&reason)).await?;
        let has_store = self.config.recordings.bucket.is_some();
        let (whole, stays) = blocking(move || whole.stays(has_store).map(|stays| (whole, stays))).await?;
        if let Some(why) = stays {
            return Err(Refusal::denied(format!("It stays: {}.", Printable(&why)), why));
        }
        let (number, by) = (whole.recording().head().number, caller.principal().id.to_string());
        let entry = Entry::RecordingDeleted { session, number, reason, by };
        let written = self.audit.append(entry, self.clock.now()).await.map_err(|error| unwritten(&error))?;
        // In the transparency log first: else whoever verifies later takes it for removed.
        self.ledger.holds(&written).await.map_err(|error| unwritten(&error))?;
        let (index, id) = (self.config.server.state_dir.join("search.db"), recorded(session)?);
        blocking(move || {
            whole.remove().map_err(|error| error.to_string()).and_then(|()| forget(&index, &id).map_err(|error| error.to_string()))
        })
        .await?;
        Ok(json!({ "session": session }))
    }

    /// The recording, wherever it is, once policy permits `action`.
    async fn kept(&self, caller: &Caller, action: Action, session: SessionId, reason: Option<&str>) -> Result<Whole, Refusal> {
        let (config, secrets, runtime, id) = (self.config.clone(), Arc::clone(&self.secrets), Handle::current(), recorded(session)?);
        let found = blocking(move || Whole::find(&config.recordings.dir, library(&config, &secrets, runtime)?.as_ref(), &id)).await?;
        let no_such = || Refusal::denied(format!("There is no recording {session}."), "no such recording");
        let whole = found.ok_or_else(no_such)?;
        let evidence = self.evidence(whole.recording().head()).ok_or_else(no_such)?;
        self.enforcer.permit_with(caller, action, &evidence, reason).await?;
        Ok(whole)
    }
}

fn said(reason: Option<String>) -> Option<String> {
    reason.map(|reason| reason.chars().take(WORDS_MAX).collect::<String>()).filter(|reason| !reason.trim().is_empty())
}

fn unwritten(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::unavailable("The bastion cannot write its logs, so nothing is deleted now; tell the operator.", error.to_string())
}
