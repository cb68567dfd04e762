//! Decides the operations of one session while it runs: commands of a guarded shell, files of SFTP. Each verdict is written to
//! the audit log before the gateway hears it. It forwards nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_policies::{PolicySet, Request, Resource, Slice, Verdict};
use jiff::Timestamp;

use crate::audit::{AuditLog, Entry};
use crate::frontdoor::Refusal;
use crate::model::Clock;

use super::enforcer::{Place, refusal, verdict, write_all};
use super::permit::Permit;
use super::policies::PoliciesInForce;
use super::questions::{Question, as_principal, as_target, context};

/// Operations that were allowed and are not over. They are asked again when policy changes.
#[derive(Debug, Default)]
pub(super) struct Ongoing {
    next: u64,
    all: HashMap<u64, Arc<Vec<Question>>>,
}

/// Decides the operations of one session. Cheap to clone.
#[derive(Clone)]
pub struct Decider {
    permit: Arc<Permit>,
    policies: Arc<PoliciesInForce>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    /// The slice of the policy epoch it was cut in.
    slice: Arc<Mutex<Option<(u64, Arc<Slice>)>>>,
}

/// An operation that policy allowed. While it is kept, a change of policy that would no longer allow it ends the session; drop
/// it when the operation is over.
#[derive(Debug)]
pub struct Allowed {
    permit: Arc<Permit>,
    number: u64,
    policies: Vec<String>,
}

impl Allowed {
    /// The ids of the policies that had a say.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        lock(&self.permit.ongoing).all.remove(&self.number);
    }
}

impl Decider {
    pub(super) fn new(permit: Arc<Permit>, policies: Arc<PoliciesInForce>, audit: Arc<AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { permit, policies, audit, clock, slice: Arc::default() }
    }

    /// The account on the target, for making questions.
    #[must_use]
    pub fn login(&self) -> &str {
        self.permit.routed().identified().ask().login.as_str()
    }

    /// Whether a command would be allowed, for completion and hints. Nothing is written.
    #[must_use]
    pub fn would_allow(&self, questions: &[Question]) -> bool {
        let (slice, now) = (self.slice(), self.clock.now());
        questions.iter().all(|question| matches!(ask(&self.permit, &slice, now, question).verdict, Verdict::Allow))
    }

    /// The programs that policies in force name where they permit commands here, for completion and hints. Whether one would
    /// be allowed depends on more.
    #[must_use]
    pub fn programs(&self) -> BTreeSet<String> {
        self.slice().programs()
    }

    /// Decides all of `questions`; the worst verdict is the answer. Every verdict up to the first that is not allow is in the
    /// audit log when this returns.
    ///
    /// # Errors
    /// When any is denied or held, or a verdict cannot be written.
    pub async fn decide(&self, questions: Vec<Question>) -> Result<Allowed, Refusal> {
        let (slice, now) = (self.slice(), self.clock.now());
        let (policies, entries, refused) = judge(&self.permit, &slice, now, &questions);
        let number = {
            let mut ongoing = lock(&self.permit.ongoing);
            let number = ongoing.next;
            ongoing.next += 1;
            ongoing.all.insert(number, Arc::new(if refused.is_some() { Vec::new() } else { questions }));
            number
        };
        // Made first, so that a change of policy that comes while the verdicts are written finds it.
        let allowed = Allowed { permit: Arc::clone(&self.permit), number, policies };
        write_all(&self.audit, entries, now).await?;
        refused.map_or(Ok(allowed), Err)
    }

    fn slice(&self) -> Arc<Slice> {
        let epoch = self.policies.epoch();
        let mut held = lock(&self.slice);
        if let Some((cut, slice)) = &*held
            && *cut == epoch
        {
            return Arc::clone(slice);
        }
        let slice = Arc::new(slice_of(&self.permit, &self.policies.current()));
        *held = Some((epoch, Arc::clone(&slice)));
        slice
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of `set` that matters to a permit's session.
pub(super) fn slice_of(permit: &Permit, set: &PolicySet) -> Slice {
    let caller = permit.routed.identified().caller();
    set.slice(&as_principal(caller.principal()), &as_target(permit.routed.target()))
}

fn ask(permit: &Permit, slice: &Slice, now: Timestamp, question: &Question) -> bartizan_policies::Decision {
    let context = context(permit.routed.identified().caller(), now, question.facts.clone());
    slice.decide(&Request { action: question.action, resource: Resource::Target(&as_target(permit.routed.target())), context: &context })
}

/// The verdicts on `questions`, up to the first that is not allow: the policies that had a say, the audit entries, the refusal.
fn judge(permit: &Permit, slice: &Slice, now: Timestamp, questions: &[Question]) -> (Vec<String>, Vec<Entry>, Option<Refusal>) {
    let identified = permit.routed.identified();
    let (mut policies, mut entries) = (Vec::new(), Vec::new());
    for question in questions {
        let decision = ask(permit, slice, now, question);
        let at = Place::of(identified.ask(), permit.session);
        entries.push(verdict(identified.caller(), at, question.action, question.operation.clone(), &decision));
        if !matches!(decision.verdict, Verdict::Allow) {
            return (Vec::new(), entries, Some(refusal(&decision)));
        }
        policies.extend(decision.policies.iter().map(ToString::to_string));
    }
    policies.sort();
    policies.dedup();
    (policies, entries, None)
}

/// Asks once more about everything that goes on under `permit`.
pub(super) fn recheck_ongoing(permit: &Permit, slice: &Slice, now: Timestamp) -> Result<(), Refusal> {
    let ongoing: Vec<_> = lock(&permit.ongoing).all.values().cloned().collect();
    for question in ongoing.iter().flat_map(|questions| questions.iter()) {
        let decision = ask(permit, slice, now, question);
        if !matches!(decision.verdict, Verdict::Allow) {
            return Err(refusal(&decision));
        }
    }
    Ok(())
}
