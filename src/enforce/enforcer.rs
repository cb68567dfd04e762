//! Asks the policies in force and writes every verdict to the audit log before anybody acts on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bartizan_policies::{Action, Copier, Decision, Facts, Key, Line, Request, Resource, Slice, Transfer, Verdict};
use jiff::Timestamp;
use russh::keys::PublicKey;

use crate::approvals::{Asking, Broker, Grant};
use crate::audit::{self, AuditLog, Entry};
use crate::frontdoor::{Ask, Cause, Refusal, Voice};
use crate::identity::Caller;
use crate::model::{Clock, Login, SessionId, TargetKind, TargetName, Wish};
use crate::store::{Needed, NewApproval, Session};
use crate::targets::{Catalogue, Routed};

use super::decider::{Decider, changed};
use super::judge::Asker;
use super::moderation::Moderation;
use super::permit::{Mode, Permit};
use super::policies::PoliciesInForce;
use super::questions::{Question, as_principal, as_target, context, kept_key, told};

mod recordings;

pub use recordings::Evidence;

const NO_AUDIT: &str = "The bastion cannot write its audit log, so nothing is allowed now; tell the operator.";

/// Asks policy.
pub struct Enforcer {
    pub(super) policies: Arc<PoliciesInForce>,
    audit: Arc<AuditLog>,
    broker: Arc<Broker>,
    pub(super) targets: Arc<Catalogue>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A certificate that policy lets a caller have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueGrant {
    /// How long it may live at most, if policy says.
    pub ttl: Option<Duration>,
    /// Whether it is good only from the address it is asked from.
    pub pin_source: bool,
}

impl Enforcer {
    /// An enforcer of `policies`.
    #[must_use]
    pub fn new(
        policies: Arc<PoliciesInForce>,
        audit: Arc<AuditLog>,
        broker: Arc<Broker>,
        targets: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { policies, audit, broker, targets, clock }
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> &Arc<PoliciesInForce> {
        &self.policies
    }

    /// Decides whether a session may begin. `randomness` makes its ids unguessable. What is held waits until people have
    /// answered: the visitor is told by `voice`, and their leaving or Ctrl-C takes it back.
    ///
    /// # Errors
    /// When any question is denied, a hold is not approved, or the verdicts cannot be written.
    pub async fn permit(&self, routed: Routed, randomness: u128, voice: &Voice) -> Result<Permit, Refusal> {
        let now = self.clock.now();
        let session = SessionId::new(u64::try_from(now.as_millisecond()).unwrap_or(0), randomness);
        let Some(mode) = mode_of(&routed.identified().ask().wish) else { return self.not_offered(&routed, now).await };
        let asker = Asker::of(&routed, session);
        let set = self.policies.current();
        let slice = asker.slice(&set);
        let mode = match mode {
            // Who may run commands but have no ordinary shell gets the guarded one.
            Mode::Shell if self.only_commands(&asker, &slice, now).await? => Mode::GuardedShell,
            mode => mode,
        };
        let questions = beginning(&asker, &mode);
        let mut judgement = asker.judge(&slice, now, &questions, &|_| false);
        if judgement.refused.is_none() && !mode.may_be(&slice) {
            let what = match mode {
                Mode::Exec(_) => "any command",
                Mode::Postgres => "any statement",
                Mode::Http | Mode::Kubernetes => "any request",
                _ => "any file",
            };
            let sentence = format!("No policy permits {} {what} on {}.", asker.caller.principal().id, asker.ask.target);
            let refusal = Refusal::denied(sentence.clone(), sentence);
            let action = match mode {
                Mode::Postgres => Action::PgSelect,
                Mode::Http => Action::HttpGet,
                Mode::Kubernetes => Action::K8sGet,
                _ => Action::SftpRead,
            };
            judgement.entries.push(refused(asker.caller, Place::of(asker.ask, session), action, &asker.ask.wish, &refusal));
            judgement.refused = Some(refusal);
        }
        write_all(&self.audit, std::mem::take(&mut judgement.entries), now).await?;
        if let Some(refusal) = judgement.refused {
            return Err(refusal);
        }
        let moderated = judgement.moderated();
        if !moderated.is_empty() && asker.target.kind() != TargetKind::Ssh {
            let sentence = format!("Policy wants sessions on {} to be watched, and only SSH sessions can be.", asker.ask.target);
            return Err(Refusal::denied(sentence.clone(), sentence));
        }
        let moderation = Arc::new(Moderation::new(asker.caller.principal().id.clone()));
        moderation.require(moderated);
        let mut permit = Permit {
            session,
            reads_only: mode.reads_only(&slice),
            moderation,
            mode,
            started_at: now,
            policies: std::mem::take(&mut judgement.policies),
            digest: set.digest_hex(),
            record_input: judgement.record_input,
            ongoing: Mutex::default(),
            begun_by: None,
            grants: Mutex::default(),
            unrecorded: Mutex::default(),
            repeats: Mutex::default(),
            tally: Mutex::default(),
            routed,
        };
        permit.ask_unrecorded(&slice, now);
        if !judgement.needs.is_empty() {
            let asker = Asker::of(&permit.routed, session);
            let asking = asker.asking(&judgement, asker.ask.wish.to_string(), None);
            let grant = Arc::new(wait_for_people(&self.broker, voice, asking, now).await?);
            self.approved(&mut permit, grant).await?;
        }
        Ok(permit)
    }

    /// Decides once more when somebody has come to watch a moderated session: policy may have changed while they were waited for.
    ///
    /// # Errors
    /// When policy says no by now, or asks for more, or the verdicts cannot be written.
    pub async fn watched(&self, permit: &Permit) -> Result<(), Refusal> {
        let (now, set) = (self.clock.now(), self.policies.current());
        let asker = Asker::of(&permit.routed, permit.session);
        let grant = permit.begun_by.as_ref();
        let settled = |need: &Needed| grant.is_some_and(|grant| grant.answers(need)) || permit.moderation.keeps(need);
        let judgement = asker.judge(&asker.slice(&set), now, &beginning(&asker, &permit.mode), &settled);
        write_all(&self.audit, judgement.entries, now).await?;
        match judgement.refused {
            Some(refusal) => Err(refusal),
            None if judgement.needs.is_empty() => Ok(()),
            None => Err(changed()),
        }
    }

    /// Decides once more after people have answered: policy may have changed while they thought.
    async fn approved(&self, permit: &mut Permit, grant: Arc<Grant>) -> Result<(), Refusal> {
        let now = self.clock.now();
        let set = self.policies.current();
        let asker = Asker::of(&permit.routed, permit.session);
        let slice = asker.slice(&set);
        let settled = |need: &Needed| grant.answers(need) || permit.moderation.keeps(need);
        let judgement = asker.judge(&slice, now, &beginning(&asker, &permit.mode), &settled);
        write_all(&self.audit, judgement.entries, now).await?;
        if let Some(refusal) = judgement.refused {
            return Err(refusal);
        }
        if !judgement.needs.is_empty() {
            return Err(changed());
        }
        (permit.started_at, permit.policies, permit.digest) = (now, judgement.policies, set.digest_hex());
        permit.ask_unrecorded(&slice, now);
        permit.record_input = judgement.record_input;
        permit.keep(&grant);
        permit.begun_by = Some(grant);
        Ok(())
    }

    async fn not_offered(&self, routed: &Routed, now: Timestamp) -> Result<Permit, Refusal> {
        let (caller, ask) = (routed.identified().caller(), routed.identified().ask());
        let what = ask.wish.to_string();
        let principal = Some(caller.principal().id.clone());
        let entry = Entry::Refused { what: what.clone(), principal, source: caller.source(), detail: format!("at {}", ask.target) };
        self.write(entry, now).await?;
        Err(Refusal::denied(format!("{what} is not offered here."), what))
    }

    /// Whether an ordinary shell is denied where commands may be permitted; written down if so.
    async fn only_commands(&self, asker: &Asker<'_>, slice: &Slice, now: Timestamp) -> Result<bool, Refusal> {
        let question = Question::shell(asker.ask.account());
        let decision = asker.ask(slice, now, &question);
        if !matches!(decision.verdict, Verdict::Deny(_)) || !Mode::GuardedShell.may_be(slice) {
            return Ok(false);
        }
        let at = Place::of(asker.ask, asker.session).telling(asker.told(&question));
        self.write(verdict(asker.caller, at, question.action, question.operation, &decision, false), now).await?;
        Ok(true)
    }

    /// What decides the operations of a permitted session while it runs.
    #[must_use]
    pub fn decider(&self, permit: &Arc<Permit>, voice: &Voice) -> Decider {
        Decider {
            permit: Arc::clone(permit),
            policies: Arc::clone(&self.policies),
            audit: Arc::clone(&self.audit),
            broker: Arc::clone(&self.broker),
            clock: Arc::clone(&self.clock),
            voice: voice.clone(),
            slice: Arc::default(),
            lately: Arc::default(),
            known: Arc::default(),
        }
    }

    /// Decides whether `caller` may have a certificate for `key`.
    ///
    /// # Errors
    /// When policy says no, or the verdict cannot be written.
    pub async fn permit_issue(&self, caller: &Caller, key: &PublicKey) -> Result<IssueGrant, Refusal> {
        let now = self.clock.now();
        let wanted = Key {
            fingerprint: key.fingerprint(Default::default()).to_string(),
            algorithm: key.algorithm().to_string(),
            bits: bits_of(key),
        };
        let context = context(caller, now, None, Facts::None);
        let request = Request { action: Action::Issue, resource: Resource::Key(&wanted), context: &context };
        let decision = self.policies.current().decide(&as_principal(caller.principal()), &request);
        let operation = format!("issue a certificate for {}", wanted.fingerprint);
        let at = Place::default().telling(told(caller, None, kept_key(&wanted)));
        self.write(verdict(caller, at, Action::Issue, operation, &decision, false), now).await?;
        match decision.verdict {
            Verdict::Allow => {
                Ok(IssueGrant { ttl: decision.obligations.certificate_ttl, pin_source: decision.obligations.pin_source_address })
            }
            Verdict::Hold(_) | Verdict::Deny(_) => Err(refusal(&decision)),
        }
    }

    /// Which logins of `target` the caller may connect as; none where they may not connect at all. Asked for display, so that nothing
    /// is written.
    #[must_use]
    pub fn reachable(&self, caller: &Caller, target: &crate::config::Target, logins: &[Login]) -> Option<Vec<String>> {
        let now = self.clock.now();
        let known = as_target(target);
        let slice = self.policies.current().slice(&as_principal(caller.principal()), &known);
        let allowed = |login: &str| {
            let context = context(caller, now, None, Facts::Login(login.to_owned()));
            let request = Request { action: Action::Connect, resource: Resource::Target(&known), context: &context };
            matches!(slice.decide(&request).verdict, Verdict::Allow)
        };
        let found: Vec<String> = logins.iter().map(ToString::to_string).filter(|login| allowed(login)).collect();
        let may = if logins.is_empty() { allowed("") } else { !found.is_empty() };
        may.then_some(found)
    }

    pub(super) async fn write(&self, entry: Entry, now: Timestamp) -> Result<(), Refusal> {
        self.audit.append(entry, now).await.map(drop).map_err(|e| Refusal::unavailable(NO_AUDIT, e.to_string()))
    }
}

/// What has to be allowed before a session begins.
fn beginning(asker: &Asker<'_>, mode: &Mode) -> Vec<Question> {
    let login = asker.ask.account();
    let mut questions = vec![Question::connect(login, &asker.ask.wish)];
    questions.extend(mode.questions(login));
    questions
}

/// Waits until people have answered, telling the visitor.
pub(super) async fn wait_for_people(broker: &Broker, voice: &Voice, asking: Asking, now: Timestamp) -> Result<Grant, Refusal> {
    let waiting = broker.ask(asking).await?;
    voice.say(&waiting.notice(now)).await;
    let id = waiting.id();
    let grant = tokio::select! {
        answered = waiting.answered() => answered?,
        () = voice.left() => {
            let sentence = format!("Approval {id} was taken back.");
            return Err(Refusal { detail: sentence.clone(), sentence, policies: Vec::new(), cause: Cause::Held });
        }
    };
    voice.say(&format!("bartizan: approved by {}\n", grant.by().join(", "))).await;
    Ok(grant)
}

/// What a session of this wish begins as; `None` when it is not offered.
fn mode_of(wish: &Wish) -> Option<Mode> {
    match wish {
        Wish::Shell => Some(Mode::Shell),
        Wish::Exec(text) => {
            let line = Line::read(text.as_bytes());
            Some(match line.transfer().map(Transfer::copier) {
                Some(Copier::Scp) => Mode::Scp(line),
                Some(Copier::Rsync) => Mode::Rsync(line),
                None => Mode::Exec(line),
            })
        }
        Wish::Subsystem(name) => (name == "sftp").then_some(Mode::Sftp),
        Wish::Database(_) => Some(Mode::Postgres),
        Wish::Http => Some(Mode::Http),
        Wish::Kubernetes => Some(Mode::Kubernetes),
    }
}

/// Writes `entries`. Handed over together, they are made durable together.
pub(super) async fn write_all(audit: &AuditLog, entries: Vec<Entry>, now: Timestamp) -> Result<(), Refusal> {
    let writes = entries.into_iter().map(|entry| audit.append(entry, now));
    futures_util::future::try_join_all(writes).await.map(drop).map_err(|e| Refusal::unavailable(NO_AUDIT, e.to_string()))
}

fn refused(caller: &Caller, at: Place, action: Action, wish: &Wish, refusal: &Refusal) -> Entry {
    Entry::Decision {
        principal: caller.principal().id.clone(),
        principal_kind: caller.principal().kind,
        target: at.target,
        login: at.login,
        action: action.to_string(),
        operation: wish.to_string(),
        verdict: audit::Verdict::Deny,
        policies: Vec::new(),
        reason: refusal.detail.clone(),
        source: Some(caller.source()),
        session: at.session,
        groups: groups(caller),
        facts: at.facts,
    }
}

/// What a decision is about, beside the caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    target: Option<TargetName>,
    login: Option<Login>,
    session: Option<SessionId>,
    facts: Option<audit::Facts>,
}

impl Place {
    pub(super) fn of(ask: &Ask, session: SessionId) -> Self {
        Self { target: Some(ask.target.clone()), login: ask.login.clone(), session: Some(session), facts: None }
    }

    pub(super) fn of_approval(asked: &NewApproval) -> Self {
        Self { target: Some(asked.target.clone()), login: asked.login.clone(), session: Some(asked.session), facts: None }
    }

    pub(super) fn of_session(session: &Session) -> Self {
        let opening = &session.opening;
        Self { target: Some(opening.target.clone()), login: opening.login.clone(), session: Some(opening.id), facts: None }
    }

    pub(super) fn of_target(target: Option<TargetName>) -> Self {
        Self { target, ..Self::default() }
    }

    /// With what policy is told.
    pub(super) fn telling(self, facts: audit::Facts) -> Self {
        Self { facts: Some(facts), ..self }
    }
}

/// The audit entry of a decision. `settled` says that people have answered what it was held for.
pub(super) fn verdict(caller: &Caller, at: Place, action: Action, operation: String, decision: &Decision, settled: bool) -> Entry {
    for alert in &decision.obligations.alerts {
        tracing::warn!(alert = true, policy = %alert.policy, principal = %caller.principal().id, %action, "{}", alert.text);
    }
    let (verdict, reason) = match &decision.verdict {
        Verdict::Allow => (audit::Verdict::Allow, String::new()),
        Verdict::Hold(_) if settled => (audit::Verdict::Allow, "approved".to_owned()),
        Verdict::Hold(_) => (audit::Verdict::Hold, refusal(decision).detail),
        Verdict::Deny(_) => (audit::Verdict::Deny, refusal(decision).detail),
    };
    Entry::Decision {
        principal: caller.principal().id.clone(),
        principal_kind: caller.principal().kind,
        target: at.target,
        login: at.login,
        action: action.to_string(),
        operation,
        verdict,
        policies: decision.policies.iter().map(ToString::to_string).collect(),
        reason,
        source: Some(caller.source()),
        session: at.session,
        groups: groups(caller),
        facts: at.facts,
    }
}

pub(super) fn groups(caller: &Caller) -> Vec<String> {
    caller.principal().groups.iter().map(|group| group.as_str().to_owned()).collect()
}

/// What a caller reads of a verdict that is not `allow`.
pub(super) fn refusal(decision: &Decision) -> Refusal {
    let policies: Vec<String> = decision.policies.iter().map(ToString::to_string).collect();
    let (sentence, cause) = match &decision.verdict {
        Verdict::Allow => (String::new(), Cause::Denied),
        Verdict::Deny(refusal) => (refusal.to_string(), Cause::Denied),
        Verdict::Hold(hold) => {
            let wanted: Vec<_> = hold.requirements.iter().map(ToString::to_string).collect();
            (
                format!(
                    "{} on {} needs {}; that cannot be waited for here, so it is refused.",
                    hold.action,
                    hold.on,
                    wanted.join(", and ")
                ),
                Cause::Held,
            )
        }
    };
    Refusal { detail: sentence.replace('\n', " "), sentence, policies, cause }
}

fn bits_of(key: &PublicKey) -> u32 {
    use russh::keys::Algorithm;
    use russh::keys::ssh_key::EcdsaCurve;
    match key.algorithm() {
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => 384,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 } => 521,
        Algorithm::Rsa { .. } => {
            key.key_data().rsa().and_then(|rsa| rsa.n().as_positive_bytes()).map_or(0, |n| u32::try_from(n.len()).unwrap_or(0) * 8)
        }
        _ => 256,
    }
}
