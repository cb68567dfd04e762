//! The walk of one session, in order: Ask, Identified, Routed, Permit, Taped, Link, and then its gateway until it ends.

use std::sync::Arc;

use bartizan_recorder::Reason;
use russh::{Channel, server};

use crate::enforce::Mode;
use crate::frontdoor::{Arrival, Ask, Destination, Missing, Refusal, receive, sentences};
use crate::gateways::ssh::{self, Ended, Traffic};
use crate::identity::Caller;
use crate::model::{Login, TargetName};
use crate::record::{Closing, Taped};
use crate::upstream::Link;

use super::live::Place;
use super::{metrics, rooms::Rooms};

/// What a visitor's channel needs to hear.
pub(super) struct Visit {
    pub(super) channel: Channel<server::Msg>,
    pub(super) handle: server::Handle,
    pub(super) has_terminal: bool,
}

impl Rooms {
    /// Attends one session channel from its first request to its end.
    pub(super) async fn serve_channel(self: Arc<Self>, caller: Arc<Caller>, mut arrival: Arrival) {
        let requests = match receive(&mut arrival, self.config.limits.requests).await {
            Ok(requests) => requests,
            Err(missing) => {
                let visit = Visit { channel: arrival.channel, handle: arrival.handle, has_terminal: false };
                if missing == Missing::Unreadable {
                    let sentence = "The command line is not text of at most 128 KiB, so it cannot be checked and is refused.";
                    visit.refuse(&Refusal::denied(sentence, "unreadable command line")).await;
                }
                return;
            }
        };
        let visit = Visit { channel: arrival.channel, handle: arrival.handle, has_terminal: requests.terminal.is_some() };
        match arrival.destination {
            Destination::Nowhere(sentence) => visit.refuse(&Refusal::denied(sentence, "bad destination")).await,
            Destination::Bastion => self.answer(&caller, &requests.wish, visit).await,
            Destination::Target(login, target) => {
                let ask = Ask {
                    visitor: arrival.visitor,
                    way: arrival.way,
                    target,
                    login,
                    wish: requests.wish,
                    terminal: requests.terminal,
                    environment: requests.environment,
                };
                self.session(caller, ask, visit, &arrival.notices.take()).await;
            }
        }
    }

    async fn session(&self, caller: Arc<Caller>, ask: Ask, visit: Visit, notices: &[String]) {
        let (login, target) = (ask.login.clone(), ask.target.clone());
        match self.walk(caller, ask).await {
            Ok((link, place, orders)) => {
                metrics::session("begun");
                self.carry(link, visit, notices, orders).await;
                drop(place);
            }
            Err(refusal) => self.turn_away(&refusal, &login, &target, visit).await,
        }
    }

    async fn turn_away(&self, refusal: &Refusal, login: &Login, target: &TargetName, visit: Visit) {
        metrics::session("refused");
        tracing::info!(%login, %target, detail = %refusal.detail, "a session was refused");
        visit.refuse(refusal).await;
    }

    /// From what is asked to an open channel at the target. Each step owns the one before it.
    async fn walk(&self, caller: Arc<Caller>, ask: Ask) -> Result<(Link, Place, tokio::sync::mpsc::Receiver<ssh::Orders>), Refusal> {
        let epoch = self.enforcer.policies().epoch();
        let identified = self.identity.identify(caller, ask).await?;
        let routed = self.catalogue().route(identified)?;
        let permit = self.enforcer.permit(routed, rand::random()).await?;
        let taped = self.recorder.tape(permit).await?;
        let Some((place, orders)) = self.live.enter(taped.permit(), self.config.limits.sessions) else {
            let refusal = Refusal::unavailable("Too many sessions are running; try again in a minute.", "the limit of sessions is reached");
            self.abandon(&taped, &refusal).await;
            return Err(refusal);
        };
        if let Err(refusal) = self.still_stands(&taped, epoch).await {
            self.abandon(&taped, &refusal).await;
            return Err(refusal);
        }
        match self.dialer.dial(taped).await {
            Ok(link) => Ok((link, place, orders)),
            Err((refusal, taped)) => {
                self.abandon(&taped, &refusal).await;
                Err(refusal)
            }
        }
    }

    /// Looks once more now that the watch sees the session: a lock, a revocation or a policy that came while it was decided went
    /// past it.
    async fn still_stands(&self, taped: &Taped, epoch: u64) -> Result<(), Refusal> {
        let identified = taped.permit().routed().identified();
        self.identity.stands(identified.caller(), Some(&identified.ask().target)).await?;
        let policies = self.enforcer.policies();
        if policies.epoch() == epoch { Ok(()) } else { taped.permit().recheck(&policies.current(), self.clock.now()) }
    }

    /// Seals a session that never reached its target.
    async fn abandon(&self, taped: &Taped, refusal: &Refusal) {
        tracing::warn!(session = %taped.permit().session(), detail = %refusal.detail, "a session did not reach its target");
        let closing = Closing { reason: Reason::Failed, sentence: refusal.detail.clone(), exit: None };
        self.recorder.close(taped, closing, (0, 0)).await;
    }

    async fn carry(&self, link: Link, visit: Visit, notices: &[String], orders: tokio::sync::mpsc::Receiver<ssh::Orders>) {
        let (taped, mut target, hold) = link.split();
        let ask = taped.permit().routed().identified().ask().clone();
        let traffic = Traffic::default();
        let decider = self.enforcer.decider(taped.permit());
        let transfer = taped.permit().mode().transfer();
        let plan = match transfer {
            Some(transfer) => match Box::pin(ssh::scp::prepare(transfer, hold.open_channel().await, (taped.tape(), &decider))).await {
                Ok(plan) => Some(plan),
                Err(refusal) => {
                    self.abandon(&taped, &refusal).await;
                    hold.end().await;
                    return self.turn_away(&refusal, &ask.login, &ask.target, visit).await;
                }
            },
            None => None,
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
                    (_, None) => ssh::relay(visit.channel, &visit.handle, target, taped.tape(), visit.has_terminal, &traffic, orders).await,
                }
            }
            Ok(false) | Err(_) => {
                let sentence = format!("{} refused to start the {}.", ask.target, ask.wish);
                visit.refuse(&Refusal::unavailable(sentence.clone(), sentence.clone())).await;
                Ended { reason: Reason::Failed, sentence, exit: None }
            }
        };
        metrics::bytes(traffic.counted());
        self.recorder.close(&taped, ended, traffic.counted()).await;
        hold.end().await;
    }
}

impl Visit {
    /// Says yes to the program request, and shows what was refused by name before it.
    async fn welcome(&self, notices: &[String]) {
        let _ = self.handle.channel_success(self.channel.id()).await;
        for notice in notices {
            self.say(&format!("{notice}\n")).await;
        }
    }

    /// Shows `text` on standard error, or on the terminal where there is one.
    async fn say(&self, text: &str) {
        // A visitor who left does not hear it.
        let _ = if self.has_terminal {
            self.channel.data_bytes(sentences::for_terminal(text).into_bytes()).await
        } else {
            self.channel.extended_data_bytes(1, text.as_bytes().to_vec()).await
        };
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
        self.say(&format!("bartizan: {}\n", refusal.sentence)).await;
        self.close(refusal.exit_status()).await;
    }

    async fn close(&self, status: u32) {
        let _ = self.channel.exit_status(status).await;
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }
}
