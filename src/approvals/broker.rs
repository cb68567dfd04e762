//! Opens, reviews and ends holds, and wakes who waits. All state that matters is in the store, so that any node can answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, oneshot};

use crate::audit::{self, AuditLog, Entry};
use crate::config;
use crate::frontdoor::Refusal;
use crate::model::{ApprovalId, Clock, Login, Principal, PrincipalId, SessionId, TargetName};
use crate::store::{Approval, ApprovalEnd, ApprovalFilter, ApprovalState, Needed, NewApproval, Outline, Review, Signed, Store, StoreError};

use super::grant::{Ended, Grant, InUse};
use super::notify::Notifier;
use super::waiting::Waiting;

const NO_AUDIT: &str = "The bastion cannot write its audit log, so nothing can be approved now; tell the operator.";
const STOPPING: &str = "The bastion is stopping, so nothing can be approved now; try again in a minute.";
const NO_STORE: &str = "The bastion cannot reach its store, so nothing can be approved now; tell the operator.";

/// Changes that a subscriber may be behind.
const CHANGES: usize = 1_024;

/// What is asked of people.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The session it belongs to.
    pub session: SessionId,
    /// Who wants it.
    pub principal: Principal,
    /// Where they are.
    pub source: IpAddr,
    /// At which target.
    pub target: TargetName,
    /// As which account.
    pub login: Option<Login>,
    /// The action that is held.
    pub action: String,
    /// The whole operation.
    pub operation: String,
    /// What it does, taken apart, where that is known. No answer is bound to it: it follows from the operation.
    pub outline: Option<Outline>,
    /// What its policies ask for.
    pub needs: Vec<Needed>,
    /// Why, as the caller says.
    pub reason: Option<String>,
}

/// What somebody says to an approval.
#[derive(Debug, Clone)]
pub struct Said {
    /// Yes or no.
    pub approve: bool,
    /// Why; the caller is told.
    pub reason: String,
    /// For how long at most, if shorter than policy allows.
    pub valid: Option<Duration>,
    /// Their signature; `key` is the one they proved to hold when they logged in.
    pub signed: Option<Signed>,
}

/// How far a signature's moment may be from the bastion's own.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

impl Said {
    /// Checks the signature, if there is one, and that there is one where policy wants it.
    fn check(&self, standing: &Approval, by: &Principal, now: Timestamp) -> Result<(), Refusal> {
        let refuse = |sentence: String| Err(Refusal::denied(sentence.clone(), sentence));
        let Some(signed) = &self.signed else {
            let wanted = standing.asked.needs.iter().find(|need| self.approve && need.signed && need.asks(by));
            return wanted.map_or(Ok(()), |need| {
                refuse(format!(
                    "Policy \"{}\" wants the answer signed with your own key: bartizan approvals approve {} --bastion HOST",
                    need.policy, standing.asked.id
                ))
            });
        };
        if signed.at.duration_since(now).abs() > SKEW {
            return refuse("Your answer is not taken: it was signed more than five minutes from now; is the clock right?".to_owned());
        }
        let said = self.signable(standing, by, signed.at);
        said.check(&signed.signature, &signed.key)
            .or_else(|why| refuse(format!("Your answer is not taken, since its signature is not right: {why}.")))
    }

    fn signable<'a>(&'a self, standing: &'a Approval, by: &'a Principal, at: Timestamp) -> audit::Said<'a> {
        audit::Said {
            approval: standing.asked.id,
            digest: &standing.asked.digest,
            approve: self.approve,
            for_seconds: self.valid.map(|valid| valid.as_secs()),
            reason: &self.reason,
            approver: &by.id,
            at,
        }
    }

    fn entry(&self, standing: &Approval, by: &Principal, source: IpAddr) -> Entry {
        Entry::ApprovalReviewed {
            approval: standing.asked.id,
            by: by.id.clone(),
            approve: self.approve,
            reason: self.reason.clone(),
            valid_seconds: self.valid.map(|valid| valid.as_secs()),
            source,
            digest: Some(standing.asked.digest.clone()),
            signature: self.signed.as_ref().map(|signed| signed.signature.clone()),
            signed_by: self.signed.as_ref().map(|signed| signed.key.clone()),
            signed_at: self.signed.as_ref().map(|signed| signed.at),
        }
    }
}

/// Until when each waits, and where its answer goes; none once it was sent.
type Waits = HashMap<ApprovalId, Wait>;

/// One wait.
pub(super) struct Wait {
    deadline: Timestamp,
    by: PrincipalId,
    answer: Option<oneshot::Sender<Box<Approval>>>,
}

/// Who waits on this node.
pub(super) struct Desk {
    waiting: Mutex<Waits>,
    /// Whether nobody may begin to wait any more. Written while `waiting` is locked.
    closed: AtomicBool,
    left: Mutex<Vec<ApprovalId>>,
    pub(super) in_use: Arc<InUse>,
}

impl Desk {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waits> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Vec<ApprovalId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one who waited is gone. What was not answered is withdrawn at the next beat; there are no more of these than may wait.
    pub(super) fn forget(&self, id: ApprovalId) {
        if self.waiting().remove(&id).is_some_and(|wait| wait.answer.is_some()) {
            self.left().push(id);
        }
    }

    /// Hands an answer to who waits for it.
    fn wake(&self, approval: &Approval) {
        let sender = self.waiting().get_mut(&approval.asked.id).and_then(|wait| wait.answer.take());
        // Who went away meanwhile needs no answer.
        drop(sender.map(|sender| sender.send(Box::new(approval.clone()))));
    }
}

/// The broker of one node.
pub struct Broker {
    store: Arc<dyn Store>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    node: String,
    limits: config::Approvals,
    randomness: fn() -> u128,
    notifier: Notifier,
    changes: broadcast::Sender<ApprovalId>,
    desk: Arc<Desk>,
}

impl Broker {
    /// A broker that keeps its state in `store`. `randomness` makes the ids unguessable.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
        node: &str,
        limits: config::Approvals,
        randomness: fn() -> u128,
        notifier: Notifier,
    ) -> Self {
        let desk =
            Arc::new(Desk { waiting: Mutex::default(), closed: AtomicBool::new(false), left: Mutex::default(), in_use: Arc::default() });
        Self { store, audit, clock, node: node.to_owned(), limits, randomness, notifier, changes: broadcast::Sender::new(CHANGES), desk }
    }

    /// Asks for an approval. It is in the audit log and the store when this returns.
    ///
    /// # Errors
    /// When too many wait already, or it cannot be written.
    pub async fn ask(&self, asking: Asking) -> Result<Waiting, Refusal> {
        let now = self.clock.now();
        let id = ApprovalId::new(u64::try_from(now.as_millisecond()).unwrap_or(0), (self.randomness)());
        let deadline = now.checked_add(SignedDuration::try_from(self.limits.wait).unwrap_or(SignedDuration::ZERO)).unwrap_or(now);
        let asked = open(id, asking, &self.node, (now, deadline));
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = self.desk.waiting();
            if self.desk.closed.load(Ordering::Relaxed) {
                return Err(Refusal::unavailable(STOPPING, "the bastion is stopping"));
            }
            let by = asked.principal.id.clone();
            if waiting.values().filter(|wait| wait.by == by).count() >= usize::try_from(self.limits.waiting_each).unwrap_or(usize::MAX) {
                let sentence = "Too many operations of yours wait for approval already; wait for those, or take some back.";
                return Err(Refusal::unavailable(sentence, format!("the limit of waiting approvals of {by} is reached")));
            }
            if waiting.len() >= usize::try_from(self.limits.waiting).unwrap_or(usize::MAX) {
                let sentence = "Too many operations wait for approval already; try again in a minute.";
                return Err(Refusal::unavailable(sentence, "the limit of waiting approvals is reached"));
            }
            waiting.insert(id, Wait { deadline, by, answer: Some(sender) });
        }
        let waiting = Waiting { asked, answer, desk: Arc::clone(&self.desk) };
        let written = self.audit.append(entry(&waiting.asked), now).await;
        written.map_err(|error| Refusal::unavailable(NO_AUDIT, error.to_string()))?;
        let opened = self.store.open_approval(waiting.asked.clone()).await;
        opened.map_err(|error| Refusal::unavailable(NO_STORE, error.to_string()))?;
        self.notifier.tell(&Approval::new(waiting.asked.clone()), true, now);
        self.changed(id);
        Ok(waiting)
    }

    /// Adds what somebody says to an approval. That they may say it was decided before.
    ///
    /// # Errors
    /// When it waits no more, they answered before, their signature is not right or one is missing, or it cannot be written.
    pub async fn review(&self, (by, source): (&Principal, IpAddr), id: ApprovalId, said: Said) -> Result<Approval, Refusal> {
        let now = self.clock.now();
        let standing = self.find(id).await?;
        if standing.state != ApprovalState::Waiting {
            return Err(refusal(&StoreError::Settled(id, standing.state)));
        }
        if now >= standing.asked.deadline {
            return Err(refusal(&StoreError::Settled(id, ApprovalState::Expired)));
        }
        if standing.reviewed_by(&by.id) {
            return Err(refusal(&StoreError::Reviewed(id)));
        }
        said.check(&standing, by, now)?;
        let entry = said.entry(&standing, by, source);
        let Said { approve, reason, valid, signed } = said;
        let valid_seconds = valid.map(|valid| valid.as_secs());
        self.audit.append(entry, now).await.map_err(|error| Refusal::unavailable(NO_AUDIT, error.to_string()))?;
        let review = Review { by: by.clone(), approve, reason, valid_seconds, at: now, signed };
        let counted = self.store.review_approval(id, review).await;
        let approval = self.or_void(counted, &standing, format!("answer to approval {id}"), Some((&by.id, source))).await?;
        if approval.state == ApprovalState::Waiting {
            self.changed(id);
        } else {
            self.settled(&approval, now);
        }
        Ok(approval)
    }

    /// Ends a wait, or takes an approval back: `state` is `withdrawn` or `revoked`.
    ///
    /// # Errors
    /// When it stands so that this cannot be, or it cannot be written.
    pub async fn end(&self, id: ApprovalId, state: ApprovalState, reason: String, by: Option<String>) -> Result<Approval, Refusal> {
        let now = self.clock.now();
        let standing = self.find(id).await?;
        // What is settled is not ended once more, neither in the store nor in the audit log.
        let revokes = state == ApprovalState::Revoked && standing.state == ApprovalState::Approved;
        if standing.state != ApprovalState::Waiting && !revokes {
            return Err(refusal(&StoreError::Settled(id, standing.state)));
        }
        let entry = Entry::ApprovalEnded { approval: id, state: state.to_string(), reason: reason.clone(), by };
        self.audit.append(entry, now).await.map_err(|error| Refusal::unavailable(NO_AUDIT, error.to_string()))?;
        let done = self.store.end_approval(id, ApprovalEnd { state, reason, at: now }).await;
        let approval = self.or_void(done, &standing, format!("end of approval {id}"), None).await?;
        self.settled(&approval, now);
        Ok(approval)
    }

    /// What was written to the audit log and then came too late for the store is called back there.
    async fn or_void(
        &self,
        done: Result<Approval, StoreError>,
        standing: &Approval,
        what: String,
        by: Option<(&PrincipalId, IpAddr)>,
    ) -> Result<Approval, Refusal> {
        let error = match done {
            Ok(approval) => return Ok(approval),
            Err(error) => error,
        };
        let (principal, source) = by.map_or((None, standing.asked.source), |(by, source)| (Some(by.clone()), source));
        let entry = Entry::Refused { what, principal, source, detail: format!("it does not count: {error}") };
        if let Err(error) = self.audit.append(entry, self.clock.now()).await {
            tracing::error!(%error, alert = true, "an audit entry could not be written");
        }
        Err(refusal(&error))
    }

    fn settled(&self, approval: &Approval, now: Timestamp) {
        self.desk.wake(approval);
        self.notifier.tell(approval, false, now);
        self.changed(approval.asked.id);
    }

    /// Nobody need listen.
    fn changed(&self, id: ApprovalId) {
        drop(self.changes.send(id));
    }

    /// The ids of approvals that are asked for, answered or ended from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<ApprovalId> {
        self.changes.subscribe()
    }

    /// The approval with this id.
    ///
    /// # Errors
    /// When there is none, or the store does not answer.
    pub async fn find(&self, id: ApprovalId) -> Result<Approval, Refusal> {
        let found = self.store.approval(id).await.map_err(|error| refusal(&error))?;
        found.ok_or_else(|| refusal(&StoreError::NotFound(format!("approval {id}"))))
    }

    /// Those that fit, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, Refusal> {
        self.store.approvals(filter).await.map_err(|error| refusal(&error))
    }

    /// Ends what an earlier run of this node left waiting: its callers are gone.
    ///
    /// # Errors
    /// When store or audit log fail.
    pub async fn recover(&self) -> Result<(), Refusal> {
        let filter = ApprovalFilter { waiting: true, node: Some(self.node.clone()), limit: u32::MAX, ..ApprovalFilter::default() };
        for approval in self.list(filter).await? {
            let reason = "the bastion was restarted while it waited".to_owned();
            self.end(approval.asked.id, ApprovalState::Withdrawn, reason, None).await?;
        }
        Ok(())
    }

    /// Ends all waits of this node, which stops: who waits reads so instead of losing the connection. Nobody begins to wait any
    /// more. Gives how many there were.
    pub async fn close(&self) -> usize {
        let waiting: Vec<_> = {
            let waiting = self.desk.waiting();
            self.desk.closed.store(true, Ordering::Relaxed);
            waiting.iter().filter(|(_, wait)| wait.answer.is_some()).map(|(id, _)| *id).collect()
        };
        for id in &waiting {
            let reason = "the bastion stopped while it waited".to_owned();
            if let Err(refusal) = self.end(*id, ApprovalState::Withdrawn, reason, None).await {
                // It was settled a moment before; or the next start ends it.
                tracing::warn!(approval = %id, detail = %refusal.detail, "an approval could not be ended");
            }
        }
        waiting.len()
    }

    /// Ends what lapsed and what was left.
    pub async fn tidy(&self, now: Timestamp) {
        let lapsed: Vec<_> =
            self.desk.waiting().iter().filter(|(_, wait)| wait.deadline <= now && wait.answer.is_some()).map(|(id, _)| *id).collect();
        let left = std::mem::take(&mut *self.desk.left());
        let lapsed = lapsed.into_iter().map(|id| (id, ApprovalState::Expired, "nobody answered in time"));
        let left = left.into_iter().map(|id| (id, ApprovalState::Withdrawn, "the caller did not wait for it"));
        for (id, state, reason) in lapsed.chain(left) {
            match self.end(id, state, reason.to_owned(), None).await {
                Ok(_) => {}
                // It was settled a moment before, here or elsewhere: who waits is woken by that.
                Err(refusal) if refusal.cause == crate::frontdoor::Cause::Denied => self.wake_settled(id).await,
                Err(refusal) => tracing::warn!(approval = %id, detail = %refusal.detail, "an approval could not be ended"),
            }
        }
    }

    async fn wake_settled(&self, id: ApprovalId) {
        if let Ok(approval) = self.find(id).await {
            self.desk.wake(&approval);
        }
    }

    /// Whether what was approved still stands.
    ///
    /// # Errors
    /// When it was taken back, or the store does not answer.
    pub async fn stands(&self, grant: &Grant) -> Result<(), Refusal> {
        let approval = self.find(grant.approval()).await?;
        if approval.state == ApprovalState::Approved {
            return Ok(());
        }
        Err(refusal(&StoreError::Settled(approval.asked.id, approval.state)))
    }

    /// Looks at what other nodes changed: wakes who waits, and names the sessions whose approval was revoked. Call it when the
    /// store's generation has changed.
    ///
    /// # Errors
    /// When the store does not answer; then nothing is lost, call again.
    pub async fn look(&self) -> Result<Vec<Ended>, StoreError> {
        let waiting: Vec<_> = self.desk.waiting().iter().filter(|(_, wait)| wait.answer.is_some()).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(approval) = self.store.approval(id).await?
                && approval.state != ApprovalState::Waiting
            {
                self.desk.wake(&approval);
            }
        }
        let mut ended = Vec::new();
        for (id, session) in self.desk.in_use.all() {
            if let Some(approval) = self.store.approval(id).await?
                && approval.state == ApprovalState::Revoked
            {
                let why = approval.end_reason.unwrap_or_default();
                let why = crate::model::Printable(&why).to_string();
                ended.push(Ended { session, sentence: format!("the approval {id} was taken back ({why})") });
            }
        }
        Ok(ended)
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::NotFound(_) | StoreError::Settled(..) | StoreError::Reviewed(_) => {
            let mut sentence = error.to_string();
            sentence.push('.');
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            Refusal::denied(sentence.clone(), sentence)
        }
        _ => Refusal::unavailable(NO_STORE, error.to_string()),
    }
}

fn open(id: ApprovalId, asking: Asking, node: &str, (asked_at, deadline): (Timestamp, Timestamp)) -> NewApproval {
    let digest = digest(&asking);
    let Asking { session, principal, source, target, login, action, operation, outline, needs, reason } = asking;
    let node = node.to_owned();
    NewApproval {
        id,
        session,
        node,
        principal,
        target,
        login,
        action,
        operation,
        outline,
        digest,
        needs,
        reason,
        source,
        asked_at,
        deadline,
    }
}

/// What the answer is bound to, each part with its length, so that no two askings read the same.
fn digest(asking: &Asking) -> String {
    let mut hash = Sha256::new();
    let login = asking.login.as_ref().map(ToString::to_string).unwrap_or_default();
    let (session, target) = (asking.session.to_string(), asking.target.to_string());
    for part in [asking.principal.id.as_str(), &target, &login, &session, &asking.action, &asking.operation] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

fn entry(asked: &NewApproval) -> Entry {
    Entry::ApprovalAsked {
        approval: asked.id,
        session: asked.session,
        principal: asked.principal.id.clone(),
        target: asked.target.clone(),
        action: asked.action.clone(),
        operation: asked.operation.clone(),
        digest: asked.digest.clone(),
        policies: asked.needs.iter().map(|need| need.policy.clone()).collect(),
        groups: asked.groups(),
        reason: asked.reason.clone().unwrap_or_default(),
        source: asked.source,
        deadline: asked.deadline,
    }
}
