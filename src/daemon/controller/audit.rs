//! Reading the audit log, and proving what it says: policy's action `audit`, asked about whom each entry is about. One's own is one's own.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{self, Entry, Receipt, Record, Records};
use crate::control::protocol::{AuditFilter, ProveAudit, ReadAudit};
use crate::frontdoor::Refusal;
use crate::ledger::{self, EntryProof};
use crate::model::{Principal, PrincipalId};

use super::{Client, LIMIT, at_most, written};

/// How many entries are looked at for one answer at most: the client asks again for those before.
const LOOKED_AT: usize = 200_000;

/// An entry as it is shown.
#[derive(Serialize)]
struct Shown {
    seq: u64,
    at: jiff::Timestamp,
    node: String,
    alert: bool,
    #[serde(flatten)]
    entry: Value,
}

impl Client<'_> {
    pub(super) async fn audit(&self, ReadAudit { before, limit, filter }: ReadAudit) -> Result<Value, Refusal> {
        let receipt = self.note_audit_read(&filter_as_text(&filter)).await?;
        let folder = audit::folder(&self.rooms.config.server.state_dir);
        let found = tokio::task::spawn_blocking(move || look(&folder, before, &filter)).await;
        let unreadable = |error: String| Refusal::unavailable("The audit log cannot be read now; tell the operator.", error);
        let (found, oldest) = found.map_err(|e| unreadable(e.to_string()))?.map_err(|e| unreadable(e.to_string()))?;
        let mut known = HashMap::new();
        let mut shown = Vec::new();
        for record in found {
            if shown.len() >= at_most(limit) {
                break;
            }
            if self.may_read(&record, &mut known) {
                let Record { seq, time, node, alert, entry, .. } = record;
                shown.push(Shown { seq, at: time, node, alert, entry });
            }
        }
        let checkpoint = hex::encode(receipt.hash);
        written(&json!({ "entries": shown, "size": receipt.seq, "checkpoint": checkpoint, "looked_back_to": oldest }))
    }

    /// Proves that the transparency log has an entry that the caller may read.
    pub(super) async fn prove(&self, ProveAudit { entry }: ProveAudit) -> Result<Value, Refusal> {
        self.note_audit_read(&json!({ "proof": entry })).await?;
        let config = Arc::clone(&self.rooms.config);
        let reading = tokio::task::spawn_blocking(move || {
            let state_dir = &config.server.state_dir;
            let of_entry = |record: &Result<Record, audit::AuditError>| record.as_ref().map_or(true, |record| record.seq >= entry);
            let found = Records::open(&audit::folder(state_dir)).and_then(|mut all| all.find(of_entry).transpose());
            let Some(record) = found.map_err(|e| e.to_string())?.filter(|record| record.seq == entry) else { return Ok(None) };
            let key = ledger::read_public_key(&ledger::public_key_file(state_dir)).map_err(|e| e.to_string())?;
            let witnesses: Vec<_> = config.witnesses.iter().map(|witness| witness.key.clone()).collect();
            let proof = ledger::prove_entry((&ledger::folder(state_dir), &key, &witnesses), entry).map_err(|e| e.to_string())?;
            Ok(Some((record, key.to_string(), proof)))
        });
        let unreadable = |error: String| Refusal::unavailable("The log cannot be read now; tell the operator.", error);
        let found = reading.await.map_err(|e| unreadable(e.to_string()))?.map_err(unreadable)?;
        // One that may not be read is like one that is not there.
        let Some((record, key, proof)) = found.filter(|(record, ..)| self.may_read(record, &mut HashMap::new())) else {
            let sentence = format!("There is no entry {entry} of the audit log that you may read.");
            return Err(Refusal::denied(sentence.clone(), sentence));
        };
        let Some(EntryProof { proof, witnesses }) = proof else {
            let sentence = "The transparency log does not have this entry yet; ask again in a second.";
            return Err(Refusal::unavailable(sentence, sentence));
        };
        written(&json!({ "entry": record.seq, "line": record.line, "proof": proof, "key": key, "witnesses": witnesses }))
    }

    /// Who reads is written down before they read.
    pub(super) async fn note_audit_read(&self, what: &Value) -> Result<Receipt, Refusal> {
        let entry = Entry::AuditRead { by: self.caller.principal().id.to_string(), filter: what.to_string() };
        let noted = self.rooms.audit.append(entry, self.rooms.clock.now()).await;
        noted.map_err(|e| Refusal::unavailable("The bastion cannot write its audit log, so it is not read now.", e.to_string()))
    }

    /// Whether the caller may read what is about the principal of `record`; asked once for each.
    fn may_read(&self, record: &Record, known: &mut HashMap<Option<(PrincipalId, Vec<String>)>, bool>) -> bool {
        let text = |key: &str| record.entry.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let about: Option<PrincipalId> = text("principal").or_else(|| text("by"));
        if about.as_ref() == Some(&self.caller.principal().id) {
            return true;
        }
        let groups = record.entry.get("groups").and_then(Value::as_array);
        let groups: Vec<String> = groups.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let about = about.map(|id| (id, groups));
        *known.entry(about.clone()).or_insert_with(|| {
            let about = about.map(|(id, groups)| Principal {
                kind: self.kind_of(&id),
                id,
                groups: groups.iter().filter_map(|group| group.parse().ok()).collect(),
            });
            self.rooms.enforcer.may_read_audit(self.caller, about.as_ref())
        })
    }
}

/// What was looked for, as it is written down.
fn filter_as_text(filter: &AuditFilter) -> Value {
    json!({
        "principal": filter.principal,
        "target": filter.target,
        "kind": filter.kind,
        "verdict": filter.verdict,
        "since": filter.since,
        "until": filter.until,
        "text": filter.text,
    })
}

/// The latest entries that fit, newest first, and the number of the oldest that was looked at. Blocks.
fn look(folder: &std::path::Path, before: Option<u64>, filter: &AuditFilter) -> Result<(Vec<Record>, u64), audit::AuditError> {
    let records: Box<dyn Iterator<Item = Result<Record, audit::AuditError>>> = match before {
        None => Box::new(audit::last(folder, LOOKED_AT)?.0.into_iter().map(Ok)),
        Some(_) => Box::new(Records::open(folder)?),
    };
    let keep = usize::try_from(LIMIT).unwrap_or(usize::MAX);
    let mut found = std::collections::VecDeque::new();
    let mut oldest = 0;
    for record in records {
        let record = record?;
        if before.is_some_and(|before| record.seq >= before) {
            break;
        }
        if oldest == 0 {
            oldest = record.seq;
        }
        if fits(filter, &record) {
            found.push_back(record);
            if found.len() > keep {
                found.pop_front();
            }
        }
    }
    Ok((found.into_iter().rev().collect(), oldest))
}

fn fits(filter: &AuditFilter, record: &Record) -> bool {
    let common =
        audit::RecordFilter { since: filter.since, until: filter.until, kind: filter.kind.clone(), principal: filter.principal.clone() };
    let is = |key: &str, wanted: &str| record.entry.get(key).and_then(Value::as_str) == Some(wanted);
    let verdict = filter.verdict.and_then(|verdict| serde_json::to_value(verdict).ok());
    common.takes(record)
        && filter.target.as_deref().is_none_or(|target| is("target", target))
        && verdict.is_none_or(|verdict| record.entry.get("verdict") == Some(&verdict))
        && filter.text.as_deref().is_none_or(|text| record.line.to_lowercase().contains(&text.to_lowercase()))
}
