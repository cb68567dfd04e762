//! Decides the operations of one session while it runs: commands of a guarded shell, files of SFTP. Each verdict is written to
//! the audit log before the gateway hears it; what is held waits for people. It forwards nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_policies::{Slice, Verdict};
use jiff::Timestamp;

use crate::approvals::{Broker, Grant};
use crate::audit::{AuditLog, Entry};
use crate::frontdoor::{Cause, Refusal, Voice};
use crate::model::Clock;
use crate::store::Needed;

use super::enforcer::{refusal, wait_for_people, write_all};
use super::judge::{Asker, settled};
use super::moderation::Moderation;
use super::outlines;
use super::permit::Permit;
use super::policies::PoliciesInForce;
use super::questions::Question;
use super::sql::{Lately, SqlCase};
use super::verdicts::Known;

/// Operations that were allowed and are not over. They are asked again when policy changes.
#[derive(Debug, Default)]
pub(super) struct Ongoing {
    next: u64,
    all: HashMap<u64, Arc<Standing>>,
}

/// One of them, with what people answered.
#[derive(Debug)]
pub(super) struct Standing {
    asked: Asked,
    answered: Vec<Needed>,
}

/// What was asked about it.
#[derive(Debug)]
enum Asked {
    Questions(Vec<Question>),
    Sql(Arc<SqlCase>),
}

impl Standing {
    fn questions(questions: Vec<Question>, answered: Vec<Needed>) -> Self {
        Self { asked: Asked::Questions(questions), answered }
    }

    pub(super) fn sql(case: Arc<SqlCase>, answered: Vec<Needed>) -> Self {
        Self { asked: Asked::Sql(case), answered }
    }
}

/// A slice, and the policy epoch it was cut in.
pub(super) type Cut = Option<(u64, Arc<Slice>)>;

/// Decides the operations of one session. Cheap to clone.
#[derive(Clone)]
pub struct Decider {
    pub(super) permit: Arc<Permit>,
    pub(super) policies: Arc<PoliciesInForce>,
    pub(super) audit: Arc<AuditLog>,
    pub(super) broker: Arc<Broker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) voice: Voice,
    pub(super) slice: Arc<Mutex<Cut>>,
    pub(super) lately: Arc<Mutex<Lately>>,
    pub(super) known: Arc<Mutex<Known>>,
}

/// An operation that policy allowed. While it is kept, a change of policy that would no longer allow it, or a revoked approval,
/// ends the session; drop it when the operation is over.
#[derive(Debug)]
pub struct Allowed {
    pub(super) permit: Arc<Permit>,
    number: u64,
    policies: Vec<String>,
    grant: Option<Arc<Grant>>,
}

impl Allowed {
    /// The ids of the policies that had a say.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The approval that was given for it, if it was held.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_deref()
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        lock(&self.permit.ongoing).all.remove(&self.number);
    }
}

impl Decider {
    /// Who has to watch the session, and who does.
    #[must_use]
    pub fn moderation(&self) -> &Arc<Moderation> {
        &self.permit.moderation
    }

    /// The account on the target, for making questions.
    #[must_use]
    pub fn login(&self) -> &str {
        self.permit.routed().identified().ask().account()
    }

    /// The target, for making questions.
    #[must_use]
    pub fn target(&self) -> &crate::config::Target {
        self.permit.routed().target()
    }

    /// Whether all of this would be allowed now, for completion and hints. Nothing is written.
    #[must_use]
    pub fn would_allow(&self, questions: &[Question]) -> bool {
        let (slice, now) = (self.slice(), self.clock.now());
        let asker = Asker::of(self.permit.routed(), self.permit.session());
        questions.iter().all(|question| matches!(asker.ask(&slice, now, question).verdict, Verdict::Allow))
    }

    /// The programs that policies in force name where they permit commands here, for completion and hints. Whether one would
    /// be allowed depends on more.
    #[must_use]
    pub fn programs(&self) -> BTreeSet<String> {
        self.slice().programs()
    }

    /// Notes something that is refused without being asked of policy, because it cannot be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn refused(&self, what: &str, detail: &str) -> Result<(), Refusal> {
        let caller = self.permit.routed().identified().caller();
        let entry = Entry::Refused {
            what: what.to_owned(),
            principal: Some(caller.principal().id.clone()),
            source: caller.source(),
            detail: format!("session {}: {detail}", self.permit.session()),
        };
        write_all(&self.audit, vec![entry], self.clock.now()).await
    }

    /// Decides all of `questions`; the worst verdict is the answer. What is held waits until people have answered: the visitor is
    /// told, and their leaving or Ctrl-C takes it back. Every verdict is in the audit log when this returns.
    ///
    /// # Errors
    /// When any is denied, a hold is not approved, or a verdict cannot be written.
    pub async fn decide(&self, questions: Vec<Question>) -> Result<Allowed, Refusal> {
        self.decide_beside(questions, None, |_| std::future::ready(())).await.map(|(allowed, ())| allowed)
    }

    /// As [`Decider::decide`]; people who are asked about it see `operation`, which has to be all of what will be done.
    ///
    /// # Errors
    /// As [`Decider::decide`].
    pub async fn decide_shown(&self, questions: Vec<Question>, operation: String) -> Result<Allowed, Refusal> {
        self.decide_beside(questions, Some(operation), |_| std::future::ready(())).await.map(|(allowed, ())| allowed)
    }

    /// As [`Decider::decide_shown`], or without `shown` as [`Decider::decide`]; what else has to be done before what is allowed goes on
    /// is done by `beside`, while the verdict is being written where nobody has to be asked. It may be done in vain: what is not allowed
    /// after all was refused afterwards.
    ///
    /// # Errors
    /// As [`Decider::decide`].
    pub async fn decide_beside<F: Future>(
        &self,
        questions: Vec<Question>,
        shown: Option<String>,
        beside: impl FnOnce(&Allowed) -> F,
    ) -> Result<(Allowed, F::Output), Refusal> {
        if !self.permit.moderation.is_open() {
            self.wait_for_watchers().await?;
        }
        let asker = Asker::of(self.permit.routed(), self.permit.session());
        let (epoch, slice, now) = (self.policies.epoch(), self.slice(), self.clock.now());
        let standing = |need: &Needed| self.permit.moderation.keeps(need) || self.permit.has_grant(need, now);
        let ask = |question: &Question| self.verdict(&asker, &slice, epoch, now, question);
        let mut judgement = asker.judge_by(ask, &questions, &standing);
        let moderated = judgement.moderated();
        if !moderated.is_empty() && judgement.refused.is_none() {
            write_all(&self.audit, judgement.entries, now).await?;
            self.permit.moderation.require(moderated);
            self.wait_for_watchers().await?;
            return Box::pin(self.decide_beside(questions, shown, beside)).await;
        }
        if let Some(refusal) = judgement.refused {
            write_all(&self.audit, judgement.entries, now).await?;
            return Err(refusal);
        }
        if judgement.needs.is_empty() {
            // Made first, so that a change of policy that comes while the verdicts are written finds it.
            let allowed = self.allowed(Standing::questions(questions, judgement.answered), judgement.policies, None);
            let (written, done) = tokio::join!(write_all(&self.audit, judgement.entries, now), beside(&allowed));
            return written.map(|()| (allowed, done));
        }
        write_all(&self.audit, judgement.entries.clone(), now).await?;
        let all = || questions.iter().map(|question| question.operation.as_str()).collect::<Vec<_>>().join("; ");
        let asking = asker.asking(&judgement, shown.unwrap_or_else(all), outlines::of_questions(&questions));
        let grant = Arc::new(wait_for_people(&self.broker, &self.voice, asking, now).await?);
        self.permit.keep(&grant);
        let allowed = self.decide_approved(&asker, questions, grant).await?;
        let done = beside(&allowed).await;
        Ok((allowed, done))
    }

    /// Decides once more after people have answered: policy may have changed while they thought.
    async fn decide_approved(&self, asker: &Asker<'_>, questions: Vec<Question>, grant: Arc<Grant>) -> Result<Allowed, Refusal> {
        let (slice, now) = (self.slice(), self.clock.now());
        let standing = |need: &Needed| grant.answers(need) || self.permit.moderation.keeps(need) || self.permit.has_grant(need, now);
        let judgement = asker.judge(&slice, now, &questions, &standing);
        let allowed = self.allowed(Standing::questions(questions, judgement.answered), judgement.policies, Some(grant));
        write_all(&self.audit, judgement.entries, now).await?;
        match judgement.refused {
            Some(refusal) => Err(refusal),
            None if judgement.needs.is_empty() => {
                // Kept in use by now: what was taken back before is seen here, what is taken back later ends the session.
                match &allowed.grant {
                    Some(grant) => self.broker.stands(grant).await.map(|()| allowed),
                    None => Ok(allowed),
                }
            }
            None => Err(changed()),
        }
    }

    /// Waits until somebody watches who has to, telling the visitor; until then nothing is decided.
    ///
    /// # Errors
    /// When the visitor will not wait.
    async fn wait_for_watchers(&self) -> Result<(), Refusal> {
        let moderation = &self.permit.moderation;
        self.voice.say(&moderation.notice()).await;
        tokio::select! {
            () = moderation.opened() => Ok(()),
            () = self.voice.left() => {
                let sentence = "Nobody watches who has to, so it was not done.".to_owned();
                Err(Refusal { detail: sentence.clone(), sentence, policies: Vec::new(), cause: Cause::Held })
            }
        }
    }

    pub(super) fn allowed(&self, standing: Standing, policies: Vec<String>, grant: Option<Arc<Grant>>) -> Allowed {
        let mut ongoing = lock(&self.permit.ongoing);
        let number = ongoing.next;
        ongoing.next += 1;
        ongoing.all.insert(number, Arc::new(standing));
        Allowed { permit: Arc::clone(&self.permit), number, policies, grant }
    }

    pub(super) fn slice(&self) -> Arc<Slice> {
        let epoch = self.policies.epoch();
        let mut held = lock(&self.slice);
        if let Some((cut, slice)) = &*held
            && *cut == epoch
        {
            return Arc::clone(slice);
        }
        let slice = Arc::new(Asker::of(self.permit.routed(), self.permit.session()).slice(&self.policies.current()));
        *held = Some((epoch, Arc::clone(&slice)));
        slice
    }
}

/// Policy asks for more than was approved.
pub(super) fn changed() -> Refusal {
    let sentence = "Policy changed while the approval was waited for, and now asks for another; try again.";
    Refusal::denied(sentence, sentence)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks once more about everything that goes on under `permit`.
pub(super) fn recheck_ongoing(permit: &Permit, slice: &Slice, now: Timestamp) -> Result<(), Refusal> {
    let ongoing: Vec<_> = lock(&permit.ongoing).all.values().cloned().collect();
    for standing in &ongoing {
        let answered = |need: &Needed| standing.answered.contains(need);
        match &standing.asked {
            Asked::Questions(questions) => recheck(permit, slice, now, questions, &answered)?,
            Asked::Sql(case) => super::sql::recheck(permit, slice, now, case, &answered)?,
        }
    }
    Ok(())
}

/// Asks `questions` again; holds that people answered are answered, if policy asks for the same still.
pub(super) fn recheck(
    permit: &Permit,
    slice: &Slice,
    now: Timestamp,
    questions: &[Question],
    answered: &dyn Fn(&Needed) -> bool,
) -> Result<(), Refusal> {
    let asker = Asker::of(permit.routed(), permit.session());
    for question in questions {
        let decision = asker.ask(slice, now, question);
        match &decision.verdict {
            Verdict::Allow => {}
            Verdict::Hold(hold) if settled(hold, answered) => {}
            Verdict::Hold(_) | Verdict::Deny(_) => return Err(refusal(&decision)),
        }
    }
    Ok(())
}
