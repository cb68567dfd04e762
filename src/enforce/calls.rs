//! What came of statements of SQL that were let through, for the audit log. Equal ones of a session are counted together and written
//! once a minute and when the session ends: a statement is too short to wait for an entry of its own, and the recording has each by
//! itself. A crash loses the counts of the last minute, never a decision.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bartizan_policies::sql::{Judged, Statement};
use jiff::Timestamp;

use super::decider::lock;
use super::enforcer::groups;
use super::permit::Permit;
use super::questions::ABOUT_MAX;
use super::repeats::WAIT;
use super::sql::Ruling;
use crate::approvals::Grant;
use crate::audit::{Calls, Entry};
use crate::model::ApprovalId;

/// Kinds of statement that wait to be written; with more, they are written at once.
const MOST: usize = 256;
/// How many stand in one entry.
const TOGETHER: usize = 64;

/// What a statement is counted with: what policy was asked about it, and by which policies it was let through.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    key: Arc<str>,
    statement: &'static str,
    /// The text, not all of a long one.
    text: Arc<str>,
    policies: Arc<[String]>,
    approval: Option<ApprovalId>,
}

impl Kind {
    /// `keys` tell what was asked about the statement.
    pub(super) fn of(statement: &Statement, judged: &Judged, keys: &[String], text: &str) -> Self {
        let ids = || judged.asked.iter().flat_map(|(_, decision)| &decision.policies);
        let policies: BTreeSet<&str> = ids().map(AsRef::as_ref).collect();
        let mut key = keys.join("\n");
        for policy in &policies {
            key.push('\n');
            key.push_str(policy);
        }
        let text: String = text.chars().take(ABOUT_MAX).collect();
        let policies = policies.into_iter().map(str::to_owned).collect();
        Self { key: key.into(), statement: statement.kind, text: text.into(), policies, approval: None }
    }

    /// The same, let through by people.
    pub(super) fn approved(mut self, grant: &Grant) -> Self {
        let approval = grant.approval();
        self.key = format!("{}\n{approval}", self.key).into();
        self.approval = Some(approval);
        self
    }
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server has done it, or a part that was asked for.
    Done,
    /// The server could not.
    Failed,
    /// It was not begun, or its end was not seen.
    Unfinished,
}

/// The end of a statement.
#[derive(Debug)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// From being sent to its end.
    pub duration: Duration,
    /// Rows that the server sent.
    pub rows: u64,
    /// Bytes of the messages that had it done, with the data copied in.
    pub bytes_in: u64,
    /// Bytes of rows, and of data copied out, as the server sent them.
    pub bytes_out: u64,
}

impl Ruling {
    /// The statement at `place` of the text has ended.
    pub fn ended(&self, place: usize, end: &End) {
        let Some(kind) = self.kinds.get(place) else { return };
        lock(&self.allowed.permit.tally).add(kind, self.at, self.allowed.permit.started_at, end);
    }
}

/// What one session's statements came to since that was last written.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pending: HashMap<Arc<str>, Calls>,
    /// Since when something waits.
    since: Option<Timestamp>,
}

impl Tally {
    fn add(&mut self, kind: &Kind, at: Timestamp, started: Timestamp, end: &End) {
        self.since.get_or_insert(at);
        let into = u64::try_from(at.duration_since(started).as_millis()).unwrap_or(0);
        let micros = u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX);
        if !self.pending.contains_key(&kind.key) {
            let calls = Calls {
                statement: kind.statement.to_owned(),
                operation: kind.text.to_string(),
                policies: kind.policies.to_vec(),
                approval: kind.approval,
                recording_ms: into,
                ..Calls::default()
            };
            self.pending.insert(Arc::clone(&kind.key), calls);
        }
        let Some(calls) = self.pending.get_mut(&kind.key) else { return };
        calls.times += 1;
        calls.failed += u64::from(end.outcome == Outcome::Failed);
        calls.unfinished += u64::from(end.outcome == Outcome::Unfinished);
        calls.rows += end.rows;
        calls.bytes_in += end.bytes_in;
        calls.bytes_out += end.bytes_out;
        calls.duration_us = calls.duration_us.saturating_add(micros);
        calls.longest_us = calls.longest_us.max(micros);
        calls.recording_ms = calls.recording_ms.min(into);
        calls.recording_until_ms = calls.recording_until_ms.max(into);
    }

    fn is_due(&self, now: Timestamp, at_the_end: bool) -> bool {
        let waited = |since| now.duration_since(since) >= WAIT;
        at_the_end || self.pending.len() >= MOST || self.since.is_some_and(waited)
    }

    fn take(&mut self) -> Vec<Calls> {
        self.since = None;
        let mut all: Vec<Calls> = std::mem::take(&mut self.pending).into_values().collect();
        all.sort_by(|a, b| (a.recording_ms, &a.operation).cmp(&(b.recording_ms, &b.operation)));
        all
    }
}

impl Permit {
    /// What statements came to, as entries that are to be written now.
    pub(super) fn calls(&self, now: Timestamp, at_the_end: bool) -> Vec<Entry> {
        let all = {
            let mut tally = lock(&self.tally);
            if tally.is_due(now, at_the_end) { tally.take() } else { Vec::new() }
        };
        let identified = self.routed.identified();
        let caller = identified.caller();
        let entry = |calls: &[Calls]| Entry::CallsEnded {
            session: self.session,
            principal: caller.principal().id.clone(),
            principal_kind: caller.principal().kind,
            groups: groups(caller),
            target: identified.ask().target.clone(),
            login: identified.ask().login.clone(),
            calls: calls.to_vec(),
        };
        all.chunks(TOGETHER).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn kind(key: &str) -> Kind {
        Kind { key: key.into(), statement: "select", text: key.into(), policies: Arc::from(["p".to_owned()]), approval: None }
    }

    fn end(outcome: Outcome, millis: u64) -> End {
        End { outcome, duration: Duration::from_millis(millis), rows: 2, bytes_in: 10, bytes_out: 100 }
    }

    #[test]
    fn equal_statements_are_counted_together_until_they_are_due() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let mut tally = Tally::default();
        tally.add(&kind("a"), at(5), start, &end(Outcome::Done, 3));
        tally.add(&kind("b"), at(6), start, &end(Outcome::Failed, 1));
        tally.add(&kind("a"), at(9), start, &end(Outcome::Unfinished, 4));
        assert!(!tally.is_due(at(64), false) && tally.is_due(at(65), false) && tally.is_due(at(9), true));
        let all = tally.take();
        assert_eq!(all.iter().map(|calls| (calls.times, calls.failed, calls.unfinished)).collect::<Vec<_>>(), [(2, 0, 1), (1, 1, 0)]);
        let Calls { rows, bytes_in, bytes_out, duration_us, longest_us, recording_ms, recording_until_ms, .. } = all[0];
        assert_eq!((rows, bytes_in, bytes_out), (4, 20, 200));
        assert_eq!((duration_us, longest_us, recording_ms, recording_until_ms), (7_000, 4_000, 5_000, 9_000));
        assert!(tally.take().is_empty() && !tally.is_due(at(9_999), false), "what was written is not written again");
    }

    #[test]
    fn a_session_that_does_too_many_things_does_not_keep_them() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut tally = Tally::default();
        for n in 0..MOST {
            assert!(!tally.is_due(start, false));
            tally.add(&kind(&n.to_string()), start, start, &end(Outcome::Done, 1));
        }
        assert!(tally.is_due(start, false) && tally.take().len() == MOST);
    }
}
