//! The walk of one session, in order: Ask, Identified, Routed, Permit, Taped, Link, and then its gateway until it ends.

use std::sync::Arc;

use bartizan_recorder::Reason;
use russh::{Channel, client, server};

use crate::control::protocol::Event;
use crate::enforce::Mode;
use crate::frontdoor::{Arrival, Ask, Destination, Forwarded, Leaving, Missing, Refusal, Requests, Voice, receive, sentences};
use crate::gateways::ssh::guarded::{Between, Far};
use crate::gateways::ssh::{self, Ended, Traffic};
use crate::identity::Caller;
use crate::model::{SessionId, TargetName};
use crate::record::{Closing, Taped};
use crate::upstream::{Hold, Link};

use super::live::Place;
use super::moderated::ended;
use super::stage::Guest;
use super::{metrics, rooms::Rooms};

/// A session that has been admitted, and the way to its target.
pub(super) struct Begun<L> {
    pub(super) link: L,
    pub(super) place: Place,
    pub(super) orders: tokio::sync::mpsc::Receiver<ssh::Orders>,
}

/// What a visitor's channel needs to hear.
pub(super) struct Visit {
    pub(super) channel: Channel<server::Msg>,
    pub(super) handle: server::Handle,
    pub(super) has_terminal: bool,
    pub(super) voice: Voice,
    leaving: Leaving,
}

impl Visit {
    fn new(channel: Channel<server::Msg>, handle: server::Handle, has_terminal: bool, leaving: Leaving) -> Self {
        let voice = Voice::new(handle.clone(), channel.id(), has_terminal, leaving.clone());
        Self { channel, handle, has_terminal, voice, leaving }
    }
}

impl Rooms {
    /// Attends one session channel from its first request to its end.
    pub(super) async fn serve_channel(self: Arc<Self>, caller: Arc<Caller>, mut arrival: Arrival) {
        let requests = match receive(&mut arrival, self.config.limits.requests).await {
            Ok(requests) => requests,
            Err(missing) => {
                let visit = Visit::new(arrival.channel, arrival.handle, false, arrival.leaving);
                if missing == Missing::Unreadable {
                    let sentence = "The command line is not text of at most 128 KiB, so it cannot be checked and is refused.";
                    visit.refuse(&Refusal::denied(sentence, "unreadable command line")).await;
                }
                return;
            }
        };
        let visit = Visit::new(arrival.channel, arrival.handle, requests.terminal.is_some(), arrival.leaving);
        match arrival.destination {
            Destination::Nowhere(sentence) => visit.refuse(&Refusal::denied(sentence, "bad destination")).await,
            Destination::Bastion => match self.stream_of(&requests.wish) {
                Some(target) => {
                    visit.accept().await;
                    let leaving = visit.leaving;
                    let stream = Forwarded { visitor: arrival.visitor, target, channel: visit.channel, handle: visit.handle, leaving };
                    Arc::clone(&self).stream(caller, stream).await;
                }
                None => {
                    let Requests { wish, terminal, environment, reason } = requests;
                    let guest = Guest { caller, visitor: arrival.visitor, terminal, environment, reason };
                    self.answer(guest, &wish, visit).await;
                }
            },
            Destination::Target(login, target) => {
                let ask = Ask {
                    visitor: arrival.visitor,
                    way: arrival.way,
                    target,
                    login: Some(login),
                    wish: requests.wish,
                    terminal: requests.terminal,
                    environment: requests.environment,
                    reason: requests.reason,
                };
                self.session(caller, ask, visit, &arrival.notices.take()).await;
            }
        }
    }

    async fn session(&self, caller: Arc<Caller>, ask: Ask, visit: Visit, notices: &[String]) {
        let (login, target) = (ask.account().to_owned(), ask.target.clone());
        // Boxed, so that a session that has begun does not keep the room for it.
        match Box::pin(self.begin(caller, ask, &visit.voice, |taped| self.dialer.dial(taped))).await {
            Ok(Begun { link, place, orders }) => {
                metrics::session("begun");
                let session = link.session();
                self.changed(session);
                self.carry(link, visit, notices, orders).await;
                drop(place);
                self.changed(session);
            }
            Err(refusal) => self.turn_away(&refusal, &login, &target, visit).await,
        }
    }

    /// Tells whoever subscribed; nobody need listen.
    pub(super) fn changed(&self, session: SessionId) {
        drop(self.bulletin.send(Event::Session(session)));
    }

    async fn turn_away(&self, refusal: &Refusal, login: &str, target: &TargetName, visit: Visit) {
        metrics::session("refused");
        tracing::info!(%login, %target, detail = %refusal.detail, "a session was refused");
        visit.refuse(refusal).await;
    }

    /// From what is asked to the way to the target, as `dial` finds it. Each step owns the one before it.
    pub(super) async fn begin<L, D>(
        &self,
        caller: Arc<Caller>,
        ask: Ask,
        voice: &Voice,
        dial: impl FnOnce(Taped) -> D,
    ) -> Result<Begun<L>, Refusal>
    where
        D: Future<Output = Result<L, (Refusal, Box<Taped>)>>,
    {
        let (taped, place, orders) = self.permitted(caller, ask, voice).await?;
        match dial(taped).await {
            Ok(link) => Ok(Begun { link, place, orders }),
            Err((refusal, taped)) => {
                self.abandon(&taped, &refusal).await;
                Err(refusal)
            }
        }
    }

    /// From what is asked to a session that is permitted and recorded, before its target is dialled.
    async fn permitted(
        &self,
        caller: Arc<Caller>,
        ask: Ask,
        voice: &Voice,
    ) -> Result<(Taped, Place, tokio::sync::mpsc::Receiver<ssh::Orders>), Refusal> {
        let identified = self.identity.identify(caller, ask).await?;
        let routed = self.catalogue().route(identified)?;
        let permit = self.enforcer.permit(routed, rand::random(), voice).await?;
        let taped = self.recorder.tape(permit).await?;
        let Some((place, orders)) = self.live.enter(&taped, self.config.limits.sessions) else {
            let refusal = Refusal::unavailable("Too many sessions are running; try again in a minute.", "the limit of sessions is reached");
            self.abandon(&taped, &refusal).await;
            return Err(refusal);
        };
        let mut orders = orders;
        if let Err(refusal) = self.wait_for_watchers(&taped, voice, &mut orders).await {
            self.abandon(&taped, &refusal).await;
            return Err(refusal);
        }
        if let Err(refusal) = self.still_stands(&taped).await {
            self.abandon(&taped, &refusal).await;
            return Err(refusal);
        }
        Ok((taped, place, orders))
    }

    /// Looks once more now that the watch sees the session: a lock, a revocation or a policy that came while it was decided went
    /// past it.
    async fn still_stands(&self, taped: &Taped) -> Result<(), Refusal> {
        let identified = taped.permit().routed().identified();
        self.identity.stands(identified.caller(), Some(&identified.ask().target)).await?;
        if let Some(grant) = taped.permit().grant() {
            self.broker.stands(grant).await?;
        }
        let set = self.enforcer.policies().current();
        if set.digest_hex() == taped.permit().digest() { Ok(()) } else { taped.permit().recheck(&set, self.clock.now()) }
    }

    /// Counts and seals a session that is over.
    pub(super) async fn close(&self, taped: &Taped, ended: Ended, traffic: &Traffic) {
        metrics::bytes(traffic.counted());
        self.recorder.close(taped, ended, traffic.counted()).await;
    }

    /// Seals a session that never reached its target.
    pub(super) async fn abandon(&self, taped: &Taped, refusal: &Refusal) {
        tracing::warn!(session = %taped.permit().session(), detail = %refusal.detail, "a session did not reach its target");
        let closing = Closing { reason: Reason::Failed, sentence: refusal.detail.clone(), exit: None };
        self.recorder.close(taped, closing, (0, 0)).await;
    }

    async fn carry(&self, link: Link, visit: Visit, notices: &[String], mut orders: tokio::sync::mpsc::Receiver<ssh::Orders>) {
        let (taped, mut target, hold) = link.split();
        let unrecorded = (!taped.tape().is_recorded()).then(|| sentences::UNRECORDED.to_owned());
        let notices = &[notices, unrecorded.as_slice()].concat()[..];
        let ask = taped.permit().routed().identified().ask().clone();
        let traffic = Traffic::default();
        if *taped.permit().mode() == Mode::GuardedShell {
            return self.guard(taped, target, hold, visit, notices, orders).await;
        }
        let decider = self.enforcer.decider(taped.permit(), &visit.voice);
        let transfer = taped.permit().mode().transfer();
        let planning = async {
            let Some(transfer) = transfer else { return Ok(None) };
            let plan = Box::pin(ssh::scp::prepare(transfer, hold.open_channel().await, (taped.tape(), &decider))).await?;
            // It may have taken as long as people need to answer.
            self.still_stands(&taped).await.map(|()| Some(plan))
        };
        // People may be asked about what it copies; meanwhile it hears what it is ordered.
        let planned = tokio::select! {
            planned = planning => planned,
            sentence = ended(&mut orders, &visit.voice) => Err(Refusal::denied(format!("It was ended before it began: {sentence}."), sentence)),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(refusal) => {
                self.abandon(&taped, &refusal).await;
                hold.end().await;
                return self.turn_away(&refusal, ask.account(), &ask.target, visit).await;
            }
        };
        let planned = plan.as_ref().map(ssh::scp::Plan::line);
        let ended = match ssh::begin(&mut target, &ask, taped.permit().mode(), planned).await {
            Ok(true) => {
                visit.welcome(notices).await;
                match (taped.permit().mode(), transfer.zip(plan)) {
                    (_, Some(copying)) => {
                        let (deciding, terminal) = ((taped.tape(), decider), visit.has_terminal);
                        Box::pin(ssh::scp::relay(visit.channel, &visit.handle, target, deciding, copying, terminal, &traffic, orders)).await
                    }
                    (Mode::Sftp, None) => {
                        let deciding = (taped.tape(), decider);
                        Box::pin(ssh::sftp::relay(visit.channel, &visit.handle, target, deciding, &traffic, orders)).await
                    }
                    (_, None) => {
                        let rails = self.rails(&taped);
                        let watched = taped.permit().moderation();
                        ssh::relay(visit.channel, &visit.handle, target, taped.tape(), visit.has_terminal, &traffic, orders, rails, watched)
                            .await
                    }
                }
            }
            Ok(false) | Err(_) => {
                let sentence = format!("{} refused to start the {}.", ask.target, ask.wish);
                visit.refuse(&Refusal::unavailable(sentence.clone(), sentence.clone())).await;
                Ended { reason: Reason::Failed, sentence, exit: None }
            }
        };
        self.close(&taped, ended, &traffic).await;
        hold.end().await;
    }

    /// Carries a guarded shell: two channels on the target, and the bastion's own prompt.
    async fn guard(
        &self,
        taped: Taped,
        control: Channel<client::Msg>,
        hold: Hold,
        visit: Visit,
        notices: &[String],
        orders: tokio::sync::mpsc::Receiver<ssh::Orders>,
    ) {
        let ask = taped.permit().routed().identified().ask().clone();
        let traffic = Traffic::default();
        let ended = match Far::start(control, hold.open_channel(), &ask).await {
            Ok(far) => {
                visit.welcome(notices).await;
                let between = Between {
                    visitor: visit.channel,
                    handle: &visit.handle,
                    far,
                    ask: &ask,
                    tape: taped.tape(),
                    decider: self.enforcer.decider(taped.permit(), &visit.voice),
                    traffic: &traffic,
                    randomness: rand::random,
                };
                Box::pin(ssh::guarded::guard(between, orders)).await
            }
            Err(refusal) => {
                tracing::warn!(detail = %refusal.detail, "a guarded shell could not be started");
                visit.refuse(&refusal).await;
                Ended { reason: Reason::Failed, sentence: refusal.detail, exit: None }
            }
        };
        self.close(&taped, ended, &traffic).await;
        hold.end().await;
    }
}

impl Visit {
    /// Says yes to the program request, and shows what was refused by name before it.
    async fn welcome(&self, notices: &[String]) {
        let _ = self.handle.channel_success(self.channel.id()).await;
        for notice in notices {
            self.voice.say(&format!("{notice}\n")).await;
        }
    }

    /// Answers on standard output and ends with `status`.
    pub(super) async fn reply(&self, text: &str, status: u32) {
        let shown = if self.has_terminal { sentences::for_terminal(text) } else { text.to_owned() };
        let _ = self.channel.data_bytes(shown.into_bytes()).await;
        self.close(status).await;
    }

    /// Says yes to the program request.
    pub(super) async fn accept(&self) {
        let _ = self.handle.channel_success(self.channel.id()).await;
    }

    /// Says what stands in the way and ends.
    pub(super) async fn refuse(&self, refusal: &Refusal) {
        self.accept().await;
        self.voice.say(&format!("bartizan: {}\n", refusal.sentence)).await;
        self.close(refusal.exit_status()).await;
    }

    pub(super) async fn close(&self, status: u32) {
        let _ = self.channel.exit_status(status).await;
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }
}
