//! All rooms together, as the hall behind the front door.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use russh::keys::Certificate;
use russh::{Channel, server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::approvals::Broker;
use crate::audit::{AuditLog, Entry, LoginMethod};
use crate::config::Config;
use crate::control::protocol::Event;
use crate::enforce::Enforcer;
use crate::frontdoor::{Arrival, CodePrompt, DevicePrompt, Door, Forwarded, Hall, Held, Line, Outcome, Publish, Refusal, Visitor};
use crate::gateways::postgres::{Analysts, Cancels};
use crate::identity::{Caller, IdentityDesk, Proof, Vouchers};
use crate::ledger::Ledger;
use crate::model::{Clock, Secret, TargetKind, TargetName};
use crate::record::Recorder;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::targets::Catalogue;
use crate::upstream::{CatalogDesk, Dialer, Planners, Roads};

use super::indexing::Looked;
use super::lines::Lines;
use super::live::Live;
use super::metrics;
use super::names::Names;
use super::publishing::Publishers;
use super::rails::RailsInForce;

/// Every room of one bastion.
pub(super) struct Rooms {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<dyn Store>,
    pub(super) audit: Arc<AuditLog>,
    pub(super) ledger: Ledger,
    pub(super) identity: Arc<IdentityDesk>,
    pub(super) catalogue: ArcSwap<Catalogue>,
    pub(super) broker: Arc<Broker>,
    pub(super) enforcer: Enforcer,
    pub(super) recorder: Recorder,
    pub(super) secrets: Arc<Secrets>,
    pub(super) dialer: Arc<Dialer>,
    /// The ways to targets, with those that are published.
    pub(super) roads: Arc<Roads>,
    /// The connections of those who have logged in.
    pub(super) lines: Arc<Lines>,
    /// Who publishes targets.
    pub(super) publishers: Arc<Publishers>,
    /// What the databases hold.
    pub(super) catalogs: Arc<CatalogDesk>,
    /// Who asks them how many rows statements are about.
    pub(super) planners: Arc<Planners>,
    /// Who reads statements of SQL.
    pub(super) analysts: Analysts,
    /// Makes the hashes that stand for masked values this deployment's own.
    pub(super) mask_key: Arc<[u8]>,
    /// Says to HTTP servers who callers are.
    pub(super) vouchers: Arc<Vouchers>,
    /// Database sessions whose queries can be cancelled.
    pub(super) cancels: Arc<Cancels>,
    /// Reports on least privilege are worked out one at a time.
    pub(super) reports: Semaphore,
    pub(super) names: Names,
    pub(super) live: Arc<Live>,
    /// What happens, for whoever subscribed.
    pub(super) bulletin: tokio::sync::broadcast::Sender<Event>,
    pub(super) rails: Arc<RailsInForce>,
    /// Whose turn it is to bring the search index up to the recordings.
    pub(super) index: Arc<tokio::sync::Mutex<Looked>>,
    pub(super) tasks: TaskTracker,
    /// Terminals in our hands, which are given back before the process ends.
    pub(super) stages: TaskTracker,
    /// The bastion is shutting down.
    pub(super) stop: CancellationToken,
    pub(super) notes: Arc<Semaphore>,
    /// How many screens may be drawn at a time for watchers.
    pub(super) draws: Arc<Semaphore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Rooms {
    pub(super) fn catalogue(&self) -> arc_swap::Guard<Arc<Catalogue>> {
        self.catalogue.load()
    }

    /// Writes an audit entry that nothing waits for; what cannot be written is an alert in the log.
    pub(super) fn note(&self, entry: Entry) {
        let (audit, now) = (Arc::clone(&self.audit), self.clock.now());
        // While the disk stalls no more than this wait in memory; the operator's own log tells of the rest.
        let Ok(place) = Arc::clone(&self.notes).try_acquire_owned() else {
            return tracing::error!(?entry, alert = true, "the audit log does not keep up; an entry is only here");
        };
        self.tasks.spawn(async move {
            let _place = place;
            if let Err(error) = audit.append(entry, now).await {
                tracing::error!(%error, alert = true, "an audit entry could not be written");
            }
        });
    }

    /// Notes that a visitor could not show who they are.
    pub(super) fn note_failed_login(&self, visitor: &Visitor, method: &'static str, why: &str) {
        metrics::login("failed");
        self.note(Entry::LoginFailed {
            user: visitor.user.clone(),
            method: method_word(method),
            reason: method.to_owned(),
            source: source(visitor),
            detail: why.to_owned(),
        });
    }

    /// Writes that a caller logged in; who cannot be written down is not let in.
    pub(super) async fn admit(&self, outcome: Outcome<Caller>) -> Outcome<Caller> {
        let caller = outcome?;
        let entry = Entry::LoginSucceeded {
            principal: caller.principal().id.clone(),
            principal_kind: caller.principal().kind,
            method: method(caller.proof()),
            issuer: caller.principal().id.issuer().to_owned(),
            source: caller.source(),
            key_fingerprint: caller.key().map(str::to_owned),
        };
        metrics::login("succeeded");
        let written = self.audit.append(entry, self.clock.now()).await;
        written.map_err(|e| {
            Refusal::unavailable("The bastion cannot write its audit log, so nobody is let in now; tell the operator.", e.to_string())
        })?;
        Ok(caller)
    }
}

fn method(proof: Proof) -> LoginMethod {
    match proof {
        Proof::Certificate => LoginMethod::Certificate,
        Proof::Token => LoginMethod::Token,
        Proof::Device => LoginMethod::Device,
        Proof::Code => LoginMethod::Browser,
        Proof::Local => LoginMethod::Local,
    }
}

fn method_word(word: &str) -> LoginMethod {
    match word {
        "certificate" => LoginMethod::Certificate,
        "token" => LoginMethod::Token,
        "device" => LoginMethod::Device,
        "code" => LoginMethod::Browser,
        _ => LoginMethod::Other,
    }
}

fn source(visitor: &Visitor) -> IpAddr {
    visitor.peer.ip().to_canonical()
}

/// The hall: rooms that can hand themselves to a task.
pub(super) struct Foyer(pub(super) Arc<Rooms>);

impl Foyer {
    /// Serves SSH as `target` to somebody whose identity was settled outside, on a stream inside their connection.
    pub(super) async fn serve_inside(
        self: Arc<Self>,
        caller: Arc<Caller>,
        visitor: Visitor,
        target: TargetName,
        settings: Arc<server::Config>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let limits = self.0.config.limits;
        let door = Door::inner(self, limits, caller, visitor, target);
        let ended = match server::run_stream(settings, stream, door).await {
            Ok(session) => session.await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection inside another ended");
        }
    }
}

impl Hall for Foyer {
    type Caller = Caller;

    async fn certificate(&self, visitor: &Visitor, certificate: &Certificate) -> Outcome<Caller> {
        self.0.admit(self.0.identity.certificate(visitor, certificate).await).await
    }

    async fn token(&self, visitor: &Visitor, token: Secret) -> Outcome<Caller> {
        self.0.admit(self.0.identity.token(visitor, token).await).await
    }

    fn issuers(&self) -> Vec<String> {
        self.0.identity.issuers()
    }

    async fn begin_device(&self, visitor: &Visitor, issuer: &str) -> Outcome<DevicePrompt<Caller>> {
        let mut prompt = self.0.identity.begin_device(visitor, issuer).await?;
        let (rooms, outcome) = (Arc::clone(&self.0), prompt.outcome);
        prompt.outcome = Box::pin(async move { rooms.admit(outcome.await).await });
        Ok(prompt)
    }

    async fn begin_code(&self, visitor: &Visitor, issuer: Option<&str>, redirect: &str) -> Outcome<CodePrompt<Caller>> {
        let CodePrompt { authorization_url, finish } = self.0.identity.begin_code(visitor, issuer, redirect).await?;
        let rooms = Arc::clone(&self.0);
        let finish = Box::new(move |answer: String| {
            let outcome = finish(answer);
            let admitted: crate::frontdoor::BoxFuture<Outcome<Caller>> = Box::pin(async move { rooms.admit(outcome.await).await });
            admitted
        });
        Ok(CodePrompt { authorization_url, finish })
    }

    fn note_failure(&self, visitor: &Visitor, method: &'static str, why: &str) {
        self.0.note_failed_login(visitor, method, why);
    }

    fn note_refused(&self, caller: &Caller, visitor: &Visitor, what: &str) {
        self.0.note(Entry::Refused {
            what: what.to_owned(),
            principal: Some(caller.principal().id.clone()),
            source: source(visitor),
            detail: format!("user name {}", visitor.user),
        });
    }

    fn connected(&self, caller: Arc<Caller>, line: Line) -> Box<dyn Send + Sync> {
        self.0.lines.enter(caller, line)
    }

    fn attend(self: &Arc<Self>, caller: Arc<Caller>, arrival: Arrival) {
        let rooms = Arc::clone(&self.0);
        self.0.tasks.spawn(rooms.serve_channel(caller, arrival));
    }

    fn jump_target(&self, _caller: &Caller, host: &str) -> Option<TargetName> {
        let name: TargetName = host.parse().ok()?;
        self.0.catalogue().is_ssh(&name).then_some(name)
    }

    fn stream_target(&self, _caller: &Caller, name: &str, kind: Option<TargetKind>) -> Option<TargetName> {
        self.0.stream_target(name, kind)
    }

    fn is_closing(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    fn stream(self: &Arc<Self>, caller: Arc<Caller>, stream: Forwarded) {
        let rooms = Arc::clone(&self.0);
        self.0.tasks.spawn(rooms.stream(caller, stream));
    }

    fn published_kind(&self, name: &TargetName) -> Option<TargetKind> {
        self.0.catalogue().find(name).filter(|target| target.is_published()).map(|target| target.kind())
    }

    async fn publish(self: &Arc<Self>, caller: Arc<Caller>, publish: Publish) -> Outcome<Box<dyn Held>> {
        self.0.publish(caller, publish).await
    }

    fn explain(&self, line: Line, sentence: String) {
        self.0.tasks.spawn(Arc::clone(&self.0).explain(line, sentence));
    }

    fn jump(self: &Arc<Self>, caller: Arc<Caller>, visitor: Visitor, target: TargetName, stream: Channel<server::Msg>) {
        let hall = Arc::clone(self);
        self.0.tasks.spawn(async move {
            let settings = match hall.0.names.inner(&target).await {
                Ok(settings) => settings,
                Err(refusal) => return tracing::error!(detail = %refusal.detail, %target, "no host certificate for a target"),
            };
            hall.serve_inside(caller, visitor, target, settings, stream.into_stream()).await;
        });
    }
}
