//! What a session does again of SQL. The audit log has each thing that is done to each object once for the session and the policies in
//! force; how often it was done after that is counted here, and written now and then, and when the session ends. A crash loses the
//! counts of the last minute, never a decision.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::decider::lock;
use super::permit::Permit;
use crate::audit::{Entry, Repeated};

/// How long counts wait.
pub(super) const WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Things that are counted apart; of what comes later only the decisions are written.
const MOST: usize = 4_096;
/// How many stand in one entry.
const TOGETHER: usize = 128;

/// The counts of one session.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    counts: HashMap<String, Repeated>,
    /// Since when something waits.
    since: Option<Timestamp>,
}

impl Repeats {
    /// Something is done for the first time: `decision` is written for it.
    pub(super) fn first(&mut self, key: &str, decision: &Entry) {
        let Entry::Decision { action, facts: Some(facts), .. } = decision else { return };
        if self.counts.len() < MOST && !self.counts.contains_key(key) {
            self.counts.insert(key.to_owned(), Repeated { action: action.clone(), about: facts.about.clone(), times: 0 });
        }
    }

    /// The same is done again.
    pub(super) fn again<'a>(&mut self, keys: impl Iterator<Item = &'a String>, now: Timestamp) {
        for key in keys {
            if let Some(repeated) = self.counts.get_mut(key) {
                repeated.times += 1;
                self.since.get_or_insert(now);
            }
        }
    }

    fn take(&mut self) -> Vec<Repeated> {
        self.since = None;
        let counted = self.counts.values_mut().filter(|repeated| repeated.times > 0);
        counted.map(|repeated| Repeated { times: std::mem::take(&mut repeated.times), ..repeated.clone() }).collect()
    }
}

impl Permit {
    /// What was done again since this was last asked, and what came of statements, as entries that are to be written now: once a minute,
    /// and at the end.
    #[must_use]
    pub fn repeated(&self, now: Timestamp, at_the_end: bool) -> Vec<Entry> {
        let all = {
            let mut repeats = lock(&self.repeats);
            let is_due = repeats.since.is_some_and(|since| at_the_end || now.duration_since(since) >= WAIT);
            if is_due { repeats.take() } else { Vec::new() }
        };
        let identified = self.routed.identified();
        let entry = |operations: &[Repeated]| Entry::SessionRepeated {
            session: self.session,
            principal: identified.caller().principal().id.clone(),
            target: identified.ask().target.clone(),
            login: identified.ask().login.clone(),
            operations: operations.to_vec(),
        };
        all.chunks(TOGETHER).map(entry).chain(self.calls(now, at_the_end)).collect()
    }
}
