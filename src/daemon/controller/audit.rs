//! Reading the audit log: policy's action `audit`, asked about whom each entry is about. One's own is one's own.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{self, Entry, Record, Records};
use crate::control::protocol::{AuditFilter, ReadAudit};
use crate::frontdoor::Refusal;
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
        let now = self.rooms.clock.now();
        let by = self.caller.principal().id.to_string();
        // Who reads is written down before they read.
        let what = serde_json::to_string(&filter_as_text(&filter)).unwrap_or_default();
        let noted = self.rooms.audit.append(Entry::AuditRead { by, filter: what }, now).await;
        let receipt =
            noted.map_err(|e| Refusal::unavailable("The bastion cannot write its audit log, so it is not read now.", e.to_string()))?;
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
