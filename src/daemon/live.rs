//! The sessions that run now, and the watch over them: expiry, locks, revocations, orders and changed policies act on each
//! within one second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bartizan_recorder::Reason;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::approvals::Broker;
use crate::audit::AuditLog;
use crate::enforce::{Moderation, Permit, PoliciesInForce};
use crate::frontdoor::{Cause, sentences};
use crate::gateways::ssh::Orders;
use crate::identity::{Caller, IdentityDesk};
use crate::model::{Clock, SessionId, TargetName};
use crate::record::{Tape, Taped, Watchable};
use crate::store::{OrderKind, Store};

use super::lines::{Lines, show_out};
use super::publishing::Publishers;

/// The locks in force and the last revocation.
type Barred = (Vec<u64>, Option<u64>);

/// How often the watch looks.
pub(super) const BEAT: Duration = Duration::from_millis(200);

/// How long before its end a session is told of it.
const WARNING: SignedDuration = SignedDuration::from_secs(60);

pub(super) struct Running {
    session: SessionId,
    caller: Arc<Caller>,
    tape: Tape,
    moderation: Arc<Moderation>,
    target: TargetName,
    permit: Arc<Permit>,
    /// When the approval it began with is over.
    lapses: Option<Timestamp>,
    orders: mpsc::Sender<Orders>,
    warned: AtomicBool,
    /// Why it must end, once it must: said again at each beat, since a full inbox takes no order.
    ending: OnceLock<String>,
}

/// The sessions that run now.
#[derive(Default)]
pub(super) struct Live {
    sessions: Mutex<HashMap<SessionId, Arc<Running>>>,
}

/// A session's place among the live ones; leaves it when dropped.
pub(super) struct Place {
    live: Arc<Live>,
    session: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = self.live.lock();
        sessions.remove(&self.session);
        super::metrics::live(sessions.len());
    }
}

impl Live {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Running>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many run.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Puts a permitted session among the live ones, before its target is dialled, unless `most` run already.
    pub(super) fn enter(self: &Arc<Self>, taped: &Taped, most: u32) -> Option<(Place, mpsc::Receiver<Orders>)> {
        let (orders, inbox) = mpsc::channel(4);
        let permit = taped.permit();
        let identified = permit.routed().identified();
        let running = Running {
            session: permit.session(),
            caller: Arc::clone(identified.caller()),
            moderation: Arc::clone(permit.moderation()),
            tape: taped.tape().clone(),
            target: identified.ask().target.clone(),
            permit: Arc::clone(permit),
            lapses: permit.lapses(),
            orders,
            warned: AtomicBool::new(false),
            ending: OnceLock::new(),
        };
        let mut sessions = self.lock();
        if sessions.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return None;
        }
        sessions.insert(permit.session(), Arc::new(running));
        super::metrics::live(sessions.len());
        Some((Place { live: Arc::clone(self), session: permit.session() }, inbox))
    }

    /// The session, if it runs here.
    pub(super) fn find(&self, session: SessionId) -> Option<Arc<Running>> {
        self.lock().get(&session).cloned()
    }

    fn all(&self) -> Vec<(SessionId, Arc<Running>)> {
        self.lock().iter().map(|(id, running)| (*id, Arc::clone(running))).collect()
    }

    /// Says something to every session.
    pub(super) fn tell_all(&self, text: &str) {
        for (_, running) in self.all() {
            running.send(Orders::Notice(text.to_owned()));
        }
    }

    /// Ends every session.
    pub(super) fn end_all(&self, sentence: &str, reason: Reason) {
        for (_, running) in self.all() {
            running.send(Orders::End(sentence.to_owned(), reason));
        }
    }
}

impl Running {
    /// Which session it is.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Who has to watch it, and who does.
    pub(super) fn moderation(&self) -> &Arc<Moderation> {
        &self.moderation
    }

    /// Shows a sentence to its user.
    pub(super) fn say(&self, text: &str) {
        self.send(Orders::Notice(text.to_owned()));
    }

    /// Where it can be watched.
    pub(super) fn watchable(&self) -> Watchable {
        self.tape.watchable()
    }

    /// Writes a remark into its recording; nothing waits for it.
    pub(super) fn remark(&self, tasks: &TaskTracker, text: String) {
        let tape = self.tape.clone();
        tasks.spawn(async move {
            // A recording that has ended takes none.
            drop(tape.write(vec![Tape::note(text)]).await);
        });
    }

    /// A full inbox already holds an order.
    fn send(&self, order: Orders) {
        drop(self.orders.try_send(order));
    }

    /// When it must end, and what runs out then.
    fn ends(&self) -> (Timestamp, &'static str) {
        let login = self.caller.expires_at();
        match self.lapses {
            Some(lapses) if lapses < login => (lapses, "the approval"),
            _ => (login, "the certificate or login"),
        }
    }

    fn end(&self, sentence: &str) {
        let sentence = self.ending.get_or_init(|| sentence.to_owned());
        self.send(Orders::End(sentence.clone(), Reason::Ended));
    }
}

/// Watches over the live sessions.
pub(super) struct Watch {
    pub(super) live: Arc<Live>,
    pub(super) lines: Arc<Lines>,
    pub(super) publishers: Arc<Publishers>,
    pub(super) store: Arc<dyn Store>,
    pub(super) audit: Arc<AuditLog>,
    pub(super) identity: Arc<IdentityDesk>,
    pub(super) broker: Arc<Broker>,
    pub(super) policies: Arc<PoliciesInForce>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: String,
}

impl Watch {
    /// Looks again and again; never returns.
    pub(super) async fn keep(self) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut generation, mut epoch, mut barred) = (None, self.policies.epoch(), None);
        loop {
            beat.tick().await;
            let now = self.clock.now();
            self.expire(now);
            self.count(now).await;
            self.broker.tidy(now).await;
            let today = self.policies.epoch();
            if today != epoch {
                epoch = today;
                self.redecide(now);
            }
            match self.store.generation().await {
                Ok(current) if generation != Some(current) => {
                    if self.obey(now).await && self.show_out(&mut barred, now).await {
                        generation = Some(current);
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the store cannot be asked about live sessions"),
            }
        }
    }

    fn expire(&self, now: Timestamp) {
        for standing in self.publishers.all().iter().filter(|standing| standing.caller().expires_at() <= now) {
            standing.end("the certificate or login it began with has run out; ask again");
        }
        for (_, running) in self.live.all() {
            if let Some(sentence) = running.ending.get() {
                running.end(sentence);
                continue;
            }
            let (until, what) = running.ends();
            let left = until.duration_since(now);
            if left <= SignedDuration::ZERO {
                running.end(&format!("{what} it began with has run out; ask again"));
            } else if left > WARNING {
                // It was renewed, perhaps, and will be told again.
                running.warned.store(false, Ordering::SeqCst);
            } else if !running.warned.swap(true, Ordering::SeqCst) {
                let left = Duration::try_from(left).unwrap_or_default();
                running.send(Orders::Notice(sentences::ends_soon(&format!("{what} it began with runs out"), left)));
            }
        }
    }

    /// Writes down what sessions did again and what came of their statements, where that is due.
    async fn count(&self, now: Timestamp) {
        let due: Vec<_> = self.live.lock().values().flat_map(|running| running.permit.repeated(now, false)).collect();
        for counted in due {
            if let Err(error) = self.audit.append(counted, now).await {
                tracing::error!(%error, alert = true, "how often things were done could not be audited");
            }
        }
    }

    fn redecide(&self, now: Timestamp) {
        let set = self.policies.current();
        for standing in self.publishers.all() {
            if let Err(refusal) = standing.recheck(&set, now) {
                standing.end(&format!("policy changed: {refusal}"));
            }
        }
        for (session, running) in self.live.all() {
            if let Err(refusal) = running.permit.recheck(&set, now) {
                tracing::info!(%session, detail = %refusal.detail, "policy no longer allows a live session");
                running.end(&format!("policy changed: {refusal}"));
            }
        }
    }

    /// Ends the connections of those who are locked out or whose certificate was revoked; false when the store did not answer. They are
    /// many, and looked at only where that has changed since what `barred` says.
    async fn show_out(&self, barred: &mut Option<Barred>, now: Timestamp) -> bool {
        let (Ok(locks), Ok(revoked)) = (self.store.locks(now).await, self.store.revocations().await) else { return false };
        let today = (locks.iter().map(|lock| lock.id).collect(), revoked.last().map(|last| last.id));
        if barred.as_ref() == Some(&today) {
            return true;
        }
        for (caller, line) in self.lines.all() {
            match self.identity.stands(&caller, None).await {
                Err(refusal) if refusal.cause == Cause::Unavailable => return false,
                // Whose time has run out may stay for what else they have: nothing more begins for them.
                Err(refusal) if caller.expires_at() > now => drop(tokio::spawn(show_out(line, refusal.sentence))),
                Ok(()) | Err(_) => {}
            }
        }
        *barred = Some(today);
        true
    }

    /// Applies locks, revocations and orders; false when the store did not answer, to try again at the next beat.
    async fn obey(&self, now: Timestamp) -> bool {
        let running: HashMap<_, _> = self.live.all().into_iter().collect();
        match self.broker.look().await {
            Ok(ended) => {
                for ended in ended {
                    running.get(&ended.session).into_iter().for_each(|session| session.end(&ended.sentence));
                }
            }
            Err(error) => {
                tracing::error!(%error, "approvals cannot be looked at");
                return false;
            }
        }
        let orders = match self.store.take_orders(&self.node, now).await {
            Ok(orders) => orders,
            Err(error) => {
                tracing::error!(%error, "orders cannot be taken");
                return false;
            }
        };
        for order in orders {
            if let Some(session) = running.get(&order.order.session) {
                match order.order.kind {
                    OrderKind::End => session.end(&ordered(&order.order.reason)),
                    OrderKind::Resume => session.send(Orders::Resume(order.order.by)),
                }
            }
        }
        for standing in self.publishers.all() {
            match self.identity.stands(standing.caller(), Some(standing.target())).await {
                Ok(()) => {}
                Err(refusal) if refusal.cause == Cause::Unavailable => return false,
                Err(refusal) => standing.end(&refusal.sentence),
            }
        }
        for session in running.values() {
            match self.identity.stands(&session.caller, Some(&session.target)).await {
                Ok(()) => {}
                Err(refusal) if refusal.cause == Cause::Unavailable => return false,
                Err(refusal) => session.end(&refusal.sentence),
            }
        }
        true
    }
}

fn ordered(reason: &str) -> String {
    let reason = crate::model::Printable(reason).to_string();
    if reason.is_empty() { "the operator ended it".to_owned() } else { format!("the operator ended it ({reason})") }
}
