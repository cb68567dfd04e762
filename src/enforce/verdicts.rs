//! Verdicts on requests that a session makes again, kept where they cannot differ: the question is the same in every part, the policies
//! are those of the same epoch, who asks from where and for which reason stays for a session, and no policy that matters to it asks what
//! time it is. Keeps what policy said, not what people answered. The same of how the fields of their answers are shown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bartizan_policies::http::Body;
use bartizan_policies::{Action, Decision, Facts, HttpRequest, Mask, Slice};
use jiff::Timestamp;

use super::Decider;
use super::decider::lock;
use super::judge::Asker;
use super::questions::Question;

/// Questions that are remembered; then all are forgotten.
const MOST: usize = 1_024;

/// The longest request that is remembered, in bytes of what policy is told of it.
const LONGEST: usize = 4 << 10;

/// Requests of whose answers the fields are remembered, and places in one of them.
const ANSWERS: usize = 16;
const PLACES: usize = 256;

/// The longest place that is remembered, in bytes: who answers chooses their names.
const LONGEST_PLACE: usize = 512;

/// How the fields at some places in the answers to one request are shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<String, Option<Mask>>>>);

impl Places {
    /// What is known of `place`, or what `ask` says of it.
    pub(super) fn of(&self, place: &str, ask: impl FnOnce() -> Option<Mask>) -> Option<Mask> {
        if let Some(known) = lock(&self.0).get(place) {
            return *known;
        }
        let mask = ask();
        if place.len() > LONGEST_PLACE {
            return mask;
        }
        let mut all = lock(&self.0);
        if all.len() < PLACES {
            all.insert(place.to_owned(), mask);
        }
        mask
    }
}

/// What was decided in one epoch.
#[derive(Debug, Default)]
pub(super) struct Known {
    epoch: u64,
    verdicts: HashMap<(Action, String), (Facts, Arc<Decision>)>,
    answers: HashMap<String, (HttpRequest, Places)>,
}

impl Known {
    fn under(&mut self, epoch: u64) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }

    fn places(&mut self, epoch: u64, request: &HttpRequest) -> Places {
        self.under(epoch);
        if self.answers.len() >= ANSWERS {
            self.answers.clear();
        }
        let key = format!("{} {}", request.method, request.target());
        let (known, places) = self.answers.entry(key).or_insert_with(|| (request.clone(), Places::default()));
        if known != request {
            (*known, *places) = (request.clone(), Places::default());
        }
        places.clone()
    }

    fn find(&self, epoch: u64, key: &(Action, String), facts: &Facts) -> Option<Arc<Decision>> {
        let (known, decision) = self.verdicts.get(key).filter(|_| self.epoch == epoch)?;
        (known == facts).then(|| Arc::clone(decision))
    }

    fn keep(&mut self, epoch: u64, key: (Action, String), facts: Facts, decision: Arc<Decision>) {
        self.under(epoch);
        if self.verdicts.len() >= MOST {
            self.verdicts.clear();
        }
        self.verdicts.insert(key, (facts, decision));
    }
}

/// About how much is told of a request without its body.
fn size(request: &HttpRequest) -> usize {
    let HttpRequest { method, path, query, content_type, headers, size: _, body: _ } = request;
    let headers: usize = headers.iter().map(String::len).sum();
    method.len() + path.len() + query.len() + content_type.as_ref().map_or(0, String::len) + headers
}

impl Decider {
    /// Where what is said of the fields of the answers to `request` is remembered. `epoch` was read before `slice` was taken.
    pub(super) fn places(&self, slice: &Slice, epoch: u64, request: &HttpRequest) -> Places {
        let is_known = !slice.asks_for_time() && size(request) <= LONGEST;
        if is_known { lock(&self.known).places(epoch, request) } else { Places::default() }
    }

    /// Asks policy, or remembers what it said. `epoch` was read before `slice` was taken.
    pub(super) fn verdict(&self, asker: &Asker<'_>, slice: &Slice, epoch: u64, now: Timestamp, question: &Question) -> Arc<Decision> {
        let is_plain = match &question.facts {
            Facts::HttpRequest(request) => request.body == Body::Absent && size(request) <= LONGEST,
            Facts::ApiRequest(_) => true,
            _ => false,
        };
        if !is_plain || question.operation.len() > LONGEST || slice.asks_for_time() {
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
