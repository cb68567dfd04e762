//! Asks the policies in force and writes every verdict to the audit log before anybody acts on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bartizan_policies::{Action, Copier, Decision, Facts, Key, Line, Request, Resource, Transfer, Verdict};
use jiff::Timestamp;
use russh::keys::PublicKey;

use crate::audit::{self, AuditLog, Entry};
use crate::frontdoor::{Ask, Cause, Refusal};
use crate::identity::Caller;
use crate::model::{Clock, Login, SessionId, TargetName, Wish};
use crate::targets::Routed;

use super::decider::Decider;
use super::permit::{Mode, Permit};
use super::policies::PoliciesInForce;
use super::questions::{Question, as_principal, as_target, context};

const NO_AUDIT: &str = "The bastion cannot write its audit log, so nothing is allowed now; tell the operator.";

/// Asks policy.
pub struct Enforcer {
    policies: Arc<PoliciesInForce>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
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
    pub fn new(policies: Arc<PoliciesInForce>, audit: Arc<AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { policies, audit, clock }
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> &Arc<PoliciesInForce> {
        &self.policies
    }

    /// Decides whether a session may begin. `randomness` makes its id unguessable.
    ///
    /// # Errors
    /// When any question is denied or held, or the verdicts cannot be written.
    pub async fn permit(&self, routed: Routed, randomness: u128) -> Result<Permit, Refusal> {
        let now = self.clock.now();
        let session = SessionId::new(u64::try_from(now.as_millisecond()).unwrap_or(0), randomness);
        let (caller, ask) = (Arc::clone(routed.identified().caller()), routed.identified().ask().clone());
        let login = ask.login.as_str();
        let Some(mut mode) = mode_of(&ask.wish) else {
            let what = ask.wish.to_string();
            let principal = Some(caller.principal().id.clone());
            let entry = Entry::Refused { what: what.clone(), principal, source: caller.source(), detail: format!("at {}", ask.target) };
            self.write(entry, now).await?;
            return Err(Refusal::denied(format!("{what} is not offered here."), what));
        };
        let set = self.policies.current();
        let target = as_target(routed.target());
        let slice = set.slice(&as_principal(caller.principal()), &target);
        let mut questions = vec![Question::connect(login, &ask.wish)];
        questions.extend(mode.questions(login));
        let (mut policies, mut entries, mut denied) = (Vec::new(), Vec::new(), None);
        for Question { action, facts, operation } in questions {
            let context = context(&caller, now, facts);
            let decision = slice.decide(&Request { action, resource: Resource::Target(&target), context: &context });
            entries.push(verdict(&caller, Place::of(&ask, session), action, operation, &decision));
            match decision.verdict {
                Verdict::Allow => policies.extend(decision.policies.iter().map(ToString::to_string)),
                // Who may run commands but have no ordinary shell gets the guarded one.
                Verdict::Deny(_) if action == Action::SshShell && Mode::GuardedShell.may_be(&slice) => mode = Mode::GuardedShell,
                Verdict::Deny(_) | Verdict::Hold(_) => {
                    denied = Some(refusal(&decision));
                    break;
                }
            }
        }
        if denied.is_none() && !mode.may_be(&slice) {
            let sentence = format!("No policy permits {} any file on {}.", caller.principal().id, ask.target);
            let refusal = Refusal::denied(sentence.clone(), sentence);
            entries.push(refused(&caller, Place::of(&ask, session), &ask.wish, &refusal));
            denied = Some(refusal);
        }
        write_all(&self.audit, entries, now).await?;
        if let Some(refusal) = denied {
            return Err(refusal);
        }
        policies.sort();
        policies.dedup();
        Ok(Permit { routed, session, mode, started_at: now, policies, digest: set.digest_hex(), ongoing: Mutex::default() })
    }

    /// What decides the operations of a permitted session while it runs.
    #[must_use]
    pub fn decider(&self, permit: &Arc<Permit>) -> Decider {
        Decider::new(Arc::clone(permit), Arc::clone(&self.policies), Arc::clone(&self.audit), Arc::clone(&self.clock))
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
        let context = context(caller, now, Facts::None);
        let request = Request { action: Action::Issue, resource: Resource::Key(&wanted), context: &context };
        let decision = self.policies.current().decide(&as_principal(caller.principal()), &request);
        let operation = format!("issue a certificate for {}", wanted.fingerprint);
        self.write(verdict(caller, Place::default(), Action::Issue, operation, &decision), now).await?;
        match decision.verdict {
            Verdict::Allow => {
                Ok(IssueGrant { ttl: decision.obligations.certificate_ttl, pin_source: decision.obligations.pin_source_address })
            }
            Verdict::Hold(_) | Verdict::Deny(_) => Err(refusal(&decision)),
        }
    }

    /// Which logins of `target` the caller may connect as; asked for display, so that nothing is written.
    #[must_use]
    pub fn reachable(&self, caller: &Caller, target: &crate::config::Target, logins: &[Login]) -> Vec<String> {
        let now = self.clock.now();
        let known = as_target(target);
        let slice = self.policies.current().slice(&as_principal(caller.principal()), &known);
        let allowed = |login: &str| {
            let context = context(caller, now, Facts::Login(login.to_owned()));
            let request = Request { action: Action::Connect, resource: Resource::Target(&known), context: &context };
            matches!(slice.decide(&request).verdict, Verdict::Allow)
        };
        logins.iter().map(ToString::to_string).filter(|login| allowed(login)).collect()
    }

    async fn write(&self, entry: Entry, now: Timestamp) -> Result<(), Refusal> {
        self.audit.append(entry, now).await.map(drop).map_err(|e| Refusal::unavailable(NO_AUDIT, e.to_string()))
    }
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
    }
}

/// Writes `entries`. Handed over together, they are made durable together.
pub(super) async fn write_all(audit: &AuditLog, entries: Vec<Entry>, now: Timestamp) -> Result<(), Refusal> {
    let writes = entries.into_iter().map(|entry| audit.append(entry, now));
    futures_util::future::try_join_all(writes).await.map(drop).map_err(|e| Refusal::unavailable(NO_AUDIT, e.to_string()))
}

fn refused(caller: &Caller, at: Place, wish: &Wish, refusal: &Refusal) -> Entry {
    Entry::Decision {
        principal: caller.principal().id.clone(),
        principal_kind: caller.principal().kind,
        target: at.target,
        login: at.login,
        action: Action::SftpRead.to_string(),
        operation: wish.to_string(),
        verdict: audit::Verdict::Deny,
        policies: Vec::new(),
        reason: refusal.detail.clone(),
        source: Some(caller.source()),
        session: at.session,
    }
}

/// What a decision is about, beside the caller.
#[derive(Default)]
pub(super) struct Place {
    target: Option<TargetName>,
    login: Option<Login>,
    session: Option<SessionId>,
}

impl Place {
    pub(super) fn of(ask: &Ask, session: SessionId) -> Self {
        Self { target: Some(ask.target.clone()), login: Some(ask.login.clone()), session: Some(session) }
    }
}

pub(super) fn verdict(caller: &Caller, at: Place, action: Action, operation: String, decision: &Decision) -> Entry {
    for alert in &decision.obligations.alerts {
        tracing::warn!(alert = true, policy = %alert.policy, principal = %caller.principal().id, %action, "{}", alert.text);
    }
    let (verdict, reason) = match &decision.verdict {
        Verdict::Allow => (audit::Verdict::Allow, String::new()),
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
    }
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
                    "{} on {} needs {}; approvals cannot be asked for in this version, so it is refused.",
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
