//! Verdicts on requests that a session makes again, kept where they cannot differ: the question is the same in every part, the policies
//! are those of the same epoch, who asks from where and for which reason stays for a session, and no policy that matters to it asks what
//! time it is. Keeps what policy said, not what people answered.

use std::collections::HashMap;
use std::sync::Arc;

use bartizan_policies::http::Body;
use bartizan_policies::{Action, Decision, Facts, Slice};
use jiff::Timestamp;

use super::Decider;
use super::decider::lock;
use super::judge::Asker;
use super::questions::Question;

/// Questions that are remembered; then all are forgotten.
const MOST: usize = 1_024;

/// What was decided in one epoch.
#[derive(Debug, Default)]
pub(super) struct Known {
    epoch: u64,
    verdicts: HashMap<(Action, String), (Facts, Arc<Decision>)>,
}

impl Known {
    fn find(&self, epoch: u64, key: &(Action, String), facts: &Facts) -> Option<Arc<Decision>> {
        let (known, decision) = self.verdicts.get(key).filter(|_| self.epoch == epoch)?;
        (known == facts).then(|| Arc::clone(decision))
    }

    fn keep(&mut self, epoch: u64, key: (Action, String), facts: Facts, decision: Arc<Decision>) {
        if self.epoch != epoch || self.verdicts.len() >= MOST {
            *self = Self { epoch, ..Self::default() };
        }
        self.verdicts.insert(key, (facts, decision));
    }
}

impl Decider {
    /// Asks policy, or remembers what it said. `epoch` was read before `slice` was taken.
    pub(super) fn verdict(&self, asker: &Asker<'_>, slice: &Slice, epoch: u64, now: Timestamp, question: &Question) -> Arc<Decision> {
        let is_plain = match &question.facts {
            Facts::HttpRequest(request) => request.body == Body::Absent,
            Facts::ApiRequest(_) => true,
            _ => false,
        };
        if !is_plain || slice.asks_for_time() {
            return Arc::new(asker.ask(slice, now, question));
        }
        let key = (question.action, question.operation.clone());
        if let Some(known) = lock(&self.known).find(epoch, &key, &question.facts) {
            return known;
        }
        let decision = Arc::new(asker.ask(slice, now, question));
        lock(&self.known).keep(epoch, key, question.facts.clone(), Arc::clone(&decision));
        decision
    }
}
