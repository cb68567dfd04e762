//! The guard rails in force, and where what they did is written: audit log, store, log and metrics.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use crate::audit::{AuditLog, Entry};
use crate::config::{GuardRail, Target};
use crate::enforce::Mode;
use crate::gateways::ssh::{Rail, RailDesk, Rails, Trip};
use crate::model::{Clock, PrincipalId, SessionId};
use crate::record::Taped;
use crate::store::{Frozen, Store, StoreError};

use super::metrics;
use super::rooms::Rooms;

/// How long between two tries to tell the store that a session stands still.
const RETRY: Duration = Duration::from_secs(1);

/// Today's guard rails.
pub(super) struct RailsInForce(ArcSwap<Book>);

struct Book {
    /// From 1.
    epoch: u64,
    rails: Vec<GuardRail>,
}

impl RailsInForce {
    pub(super) fn new(rails: Vec<GuardRail>) -> Self {
        Self(ArcSwap::from_pointee(Book { epoch: 1, rails }))
    }

    /// Puts others in force; false when they are the same. Only one task may call it.
    pub(super) fn swap(&self, rails: Vec<GuardRail>) -> bool {
        let book = self.0.load();
        if book.rails == rails {
            return false;
        }
        self.0.store(Arc::new(Book { epoch: book.epoch + 1, rails }));
        true
    }
}

/// What the guard rails of one session did.
struct Desk {
    rails: Arc<RailsInForce>,
    audit: Arc<AuditLog>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    session: SessionId,
    token: u64,
    principal: PrincipalId,
    target: Target,
}

impl Rooms {
    /// The guard rails of a session: only ordinary shells have any.
    pub(super) fn rails(&self, taped: &Taped) -> Option<Box<Rails>> {
        let permit = taped.permit();
        if !matches!(permit.mode(), Mode::Shell) {
            return None;
        }
        let identified = permit.routed().identified();
        let desk = Desk {
            rails: Arc::clone(&self.rails),
            audit: Arc::clone(&self.audit),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            session: permit.session(),
            token: taped.lease().token,
            principal: identified.caller().principal().id.clone(),
            target: permit.routed().target().clone(),
        };
        let size = crate::record::terminal(identified.ask()).map(|terminal| (terminal.cols, terminal.rows));
        Some(Box::new(Rails::new(Arc::new(desk), permit.session(), size)))
    }
}

impl Desk {
    /// What cannot be written is in the operator's own log: an alert must not be lost, and a frozen session does not go on for it.
    async fn write(&self, entry: Entry) {
        if let Err(error) = self.audit.append(entry, self.clock.now()).await {
            tracing::error!(%error, session = %self.session, alert = true, "what a guard rail did could not be audited");
        }
    }

    /// Tells the store, again and again while it does not answer.
    async fn mark(&self, frozen: Option<Frozen>) {
        loop {
            match self.store.freeze_session(self.session, self.token, frozen.clone()).await {
                Err(StoreError::Unavailable(error)) => {
                    tracing::error!(error, session = %self.session, "the store does not learn that a session is frozen or goes on");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return tracing::error!(%error, session = %self.session, "a session cannot be marked as frozen"),
                Ok(()) => return,
            }
        }
    }
}

impl RailDesk for Desk {
    fn changed(&self, known: u64) -> Option<(u64, Vec<Rail>)> {
        let book = self.rails.0.load();
        if book.epoch == known {
            return None;
        }
        Some((book.epoch, book.rails.iter().filter(|rail| rail.covers(&self.target)).map(rail).collect()))
    }

    fn triggered<'a>(&'a self, trip: &'a Trip) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            metrics::guard_rail(trip.action);
            tracing::warn!(
                session = %self.session,
                principal = %self.principal,
                target = %self.target.name,
                guard_rail = trip.rail,
                action = %trip.action,
                note = trip.message,
                alert = true,
                "a guard rail was triggered"
            );
            self.write(Entry::GuardRailTriggered {
                session: self.session,
                guard_rail: trip.rail.clone(),
                action: trip.action,
                principal: self.principal.clone(),
                target: self.target.name.clone(),
                line: trip.line.clone(),
            })
            .await;
        })
    }

    fn frozen<'a>(&'a self, rail: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.mark(Some(Frozen { at: self.clock.now(), guard_rail: rail.to_owned() })))
    }

    fn resumed<'a>(&'a self, rail: &'a str, by: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tracing::info!(session = %self.session, guard_rail = rail, by, "a frozen session goes on");
            self.write(Entry::GuardRailResumed { session: self.session, guard_rail: rail.to_owned(), by: by.to_owned() }).await;
            self.mark(None).await;
        })
    }
}

fn rail(rail: &GuardRail) -> Rail {
    Rail { name: rail.name.clone(), pattern: rail.pattern.clone(), action: rail.action, message: rail.message.clone() }
}
