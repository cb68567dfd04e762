//! The russh handler: every callback answered here, none left to the library's defaults (but
//! `lookup_dh_gex_group`, whose types are private and whose key exchange is not offered). Callbacks only reply; what takes
//! time is handed to the [`Hall`].

use std::collections::HashMap;
use std::sync::Arc;

use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};

use crate::config::Limits;
use crate::model::{Login, Printable, TargetKind, TargetName};

use super::ask::{allows_variable, is_reason};
use super::entrance::Entrance;
use super::publish::Publications;
use super::voice::Presence;
use super::{Arrival, Destination, Forwarded, Guard, HalfOpen, Hall, Line, Notices, Publish, Visitor, Way, sentences};

/// SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254 section 5.1)
const PROHIBITED: u32 = 1;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The protocol or the socket failed.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

/// One connection's handler.
pub struct Door<H: Hall> {
    hall: Arc<H>,
    limits: Limits,
    side: Side<H>,
    channels: HashMap<ChannelId, Progress>,
    notices: Notices,
    refusals: u32,
    published: Publications,
    /// The connection's place among those of all who have logged in.
    connected: Option<Box<dyn Send + Sync>>,
}

enum Side<H: Hall> {
    /// The connection itself: the visitor has to identify themselves.
    Outer(Box<Entrance<H>>),
    /// The stream of a `-J`: whose it is was settled outside.
    Inner { caller: Arc<H::Caller>, visitor: Box<Visitor>, target: TargetName, login: Option<Login> },
}

/// How far a session channel is.
#[derive(Debug, Default)]
struct Progress {
    requests: u32,
    started: bool,
    /// It leads to a target's own protocol, by a forward.
    forwarded: bool,
    /// It was handed to somebody together with its presence.
    served: bool,
    presence: Presence,
}

impl<H: Hall> Door<H> {
    /// The handler of a new TCP connection from `peer`.
    #[must_use]
    pub fn outer(hall: Arc<H>, limits: Limits, peer: std::net::SocketAddr, place: HalfOpen, guard: Arc<Guard>) -> Self {
        let entrance = Entrance::new(Arc::clone(&hall), peer, place, guard, limits.authentication_attempts);
        Self::with(hall, limits, Side::Outer(Box::new(entrance)))
    }

    /// The handler of the SSH connection inside a `-J` stream to `target`.
    #[must_use]
    pub fn inner(hall: Arc<H>, limits: Limits, caller: Arc<H::Caller>, visitor: Visitor, target: TargetName) -> Self {
        Self::with(hall, limits, Side::Inner { caller, visitor: Box::new(visitor), target, login: None })
    }

    fn with(hall: Arc<H>, limits: Limits, side: Side<H>) -> Self {
        Self {
            hall,
            limits,
            side,
            channels: HashMap::new(),
            notices: Notices::default(),
            refusals: 0,
            published: Publications::default(),
            connected: None,
        }
    }

    /// The authenticated caller; russh opens no channel before there is one, and neither do we.
    fn caller(&self) -> Result<Arc<H::Caller>, DoorError> {
        match &self.side {
            Side::Outer(entrance) => entrance.caller().ok_or(DoorError::Ssh(russh::Error::NotAuthenticated)),
            Side::Inner { caller, .. } => Ok(Arc::clone(caller)),
        }
    }

    fn visitor(&self) -> Visitor {
        match &self.side {
            Side::Outer(entrance) => entrance.visitor().clone(),
            Side::Inner { visitor, .. } => Visitor::clone(visitor),
        }
    }

    fn destination(&self) -> Destination {
        match &self.side {
            Side::Outer(entrance) => Destination::read(&entrance.visitor().user),
            Side::Inner { login: Some(login), target, .. } => Destination::Target(login.clone(), target.clone()),
            Side::Inner { login: None, .. } => Destination::Nowhere(sentences::bad_destination("the login is missing")),
        }
    }

    /// Whether one more channel may be opened; streams to targets are counted by themselves. The library does not tell of the end of a
    /// channel that this side closed first: what nobody serves any more is over.
    fn has_room(&mut self, forwarded: bool) -> bool {
        self.channels.retain(|_, channel| !(channel.served && channel.presence.is_alone()));
        let most = if forwarded { self.limits.forwards } else { self.limits.channels };
        let open = self.channels.values().filter(|channel| channel.forwarded == forwarded).count();
        open < usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Where a stream to `name` leads, if it may lead anywhere: from the connection itself, not from inside a `-J`.
    fn stream_target(&self, caller: &H::Caller, name: &str, kind: Option<TargetKind>) -> Option<TargetName> {
        let outer = matches!(self.side, Side::Outer(_)) && self.destination() == Destination::Bastion;
        self.hall.stream_target(caller, name, kind).filter(|_| outer)
    }

    /// Lets a stream through to the gateway of `target`.
    async fn let_through(
        &mut self,
        caller: Arc<H::Caller>,
        target: TargetName,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        handle: russh::server::Handle,
    ) {
        if self.hall.is_closing() {
            // Whoever has another bastion to go to goes there.
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return;
        }
        if !self.has_room(true) {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return;
        }
        self.published.uses();
        let progress = Progress { started: true, forwarded: true, served: true, ..Progress::default() };
        let leaving = progress.presence.leaving();
        self.channels.insert(channel.id(), progress);
        reply.accept().await;
        self.hall.stream(caller, Forwarded { visitor: self.visitor(), target, channel, handle, leaving });
    }

    /// Refuses something by name: noted for the audit log, and told on the next session's standard error.
    fn refuse(&mut self, what: &str) -> Result<(), DoorError> {
        self.refuse_with(what, sentences::refused_by_name(what))
    }

    fn refuse_with(&mut self, what: &str, sentence: String) -> Result<(), DoorError> {
        let caller = self.caller()?;
        // Each is written down: who asks again and again is shown out before the log is theirs.
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals > self.limits.requests {
            return Err(DoorError::Ssh(russh::Error::Disconnect));
        }
        self.hall.note_refused(&caller, &self.visitor(), what);
        self.notices.add(sentence);
        Ok(())
    }

    /// The connection itself, where it leads to the bastion and not to a target.
    fn line(&self, handle: russh::server::Handle) -> Option<Line> {
        match &self.side {
            Side::Outer(entrance) if self.destination() == Destination::Bastion => Some(self.published.line(handle, entrance.guard())),
            _ => None,
        }
    }

    /// Says why a remote forward is refused: the reply itself has no room for it.
    fn explain(&self, session: &mut Session, why: String) -> Result<(), DoorError> {
        // `ssh -v` shows it at once.
        session.debug(true, &why, "")?;
        if let Some(line) = self.line(session.handle()) {
            self.hall.explain(line, why);
        }
        Ok(())
    }

    /// Publishes the target that `address` names; gives the port by which the client is to know it, or the sentence that says why not.
    async fn publish(&mut self, address: &str, port: u32, handle: russh::server::Handle) -> Result<Result<u32, String>, DoorError> {
        let caller = self.caller()?;
        let what = format!("remote forwarding of {}:{port} (tcpip-forward)", Printable(address));
        let Some(line) = self.line(handle) else {
            self.refuse(&what)?;
            return Ok(Err(sentences::publish_by_name(&what)));
        };
        let found = address.parse::<TargetName>().ok().and_then(|name| Some((self.hall.published_kind(&name)?, name)));
        let Some((kind, target)) = found else {
            self.refuse_with(&what, sentences::not_published(address))?;
            return Ok(Err(sentences::not_published(address)));
        };
        // Each that is granted is written down as well.
        if !self.published.counts(self.limits.requests) {
            return Err(DoorError::Ssh(russh::Error::Disconnect));
        }
        let Some(port) = self.published.port(address, port, kind, self.limits.published) else {
            let sentence = sentences::published_already(address, self.limits.published);
            self.refuse_with(&what, sentence.clone())?;
            return Ok(Err(sentence));
        };
        let asked = (address.to_owned(), port);
        let publish = Publish { target, asked: asked.clone(), line };
        match self.hall.publish(caller, publish).await {
            Ok(held) => {
                self.published.keep(asked, held);
                Ok(Ok(port))
            }
            Err(refusal) => {
                let sentence = sentences::not_publishing(address, &refusal.sentence);
                self.notices.add(sentence.clone());
                Ok(Err(sentence))
            }
        }
    }

    /// Whether one more request may be made on `channel`, and whether its program has not started yet.
    fn counts(&mut self, channel: ChannelId) -> bool {
        let most = self.limits.requests;
        let Some(progress) = self.channels.get_mut(&channel) else {
            return false;
        };
        progress.requests = progress.requests.saturating_add(1);
        progress.requests <= most && !progress.started
    }

    /// Marks the program of `channel` as asked for; the reply comes from the session. False for a second program.
    fn starts(&mut self, channel: ChannelId) -> bool {
        let first = self.counts(channel);
        if let Some(progress) = self.channels.get_mut(&channel) {
            progress.started = true;
        }
        first
    }
}

fn prohibited(reason: String) -> ChannelOpenFailure {
    ChannelOpenFailure::Other { code: PROHIBITED, reason }
}

fn answer(session: &mut Session, channel: ChannelId, good: bool) -> Result<(), DoorError> {
    if good {
        session.channel_success(channel)?
    } else {
        session.channel_failure(channel)?
    }
    Ok(())
}

impl<H: Hall> russh::server::Handler for Door<H> {
    type Error = DoorError;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.none(user)?),
            Side::Inner { login, .. } => match user.parse() {
                Ok(name) => {
                    *login = Some(name);
                    Ok(Auth::Accept)
                }
                Err(_) => Ok(Auth::reject()),
            },
        }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.password(user, password).await?),
            Side::Inner { .. } => Ok(Auth::reject()),
        }
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.offered(user, offer.algorithm)?),
            Side::Inner { .. } => Ok(Auth::reject()),
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.bare_key(user, key.public_key)?),
            Side::Inner { .. } => Ok(Auth::reject()),
        }
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.certificate(user, certificate).await?),
            Side::Inner { .. } => Ok(Auth::reject()),
        }
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, DoorError> {
        match &mut self.side {
            Side::Outer(entrance) => Ok(entrance.keyboard_interactive(user, submethods, response).await?),
            Side::Inner { .. } => Ok(Auth::reject()),
        }
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), DoorError> {
        if let Side::Outer(entrance) = &mut self.side {
            entrance.admitted();
            let line = self.published.line(session.handle(), entrance.guard());
            self.connected = entrance.caller().map(|caller| self.hall.connected(caller, line));
        }
        Ok(())
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, DoorError> {
        Ok(None)
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), DoorError> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), DoorError> {
        // Whoever ends a forwarded stream has nothing more to wait for; a program's input may end before its output.
        if let Some(progress) = self.channels.get(&channel).filter(|progress| progress.forwarded) {
            progress.presence.leave();
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), DoorError> {
        let caller = self.caller()?;
        if !self.has_room(false) {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.published.uses();
        let progress = Progress { served: true, ..Progress::default() };
        let leaving = progress.presence.leaving();
        self.channels.insert(channel.id(), progress);
        reply.accept().await;
        let arrival = Arrival {
            visitor: self.visitor(),
            way: if matches!(self.side, Side::Outer(_)) { Way::Direct } else { Way::Jump },
            destination: self.destination(),
            channel,
            handle: session.handle(),
            notices: self.notices.clone(),
            leaving,
        };
        self.hall.attend(caller, arrival);
        Ok(())
    }

    async fn channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), DoorError> {
        self.refuse("X11 forwarding")?;
        reply.reject(prohibited(sentences::refused_by_name("X11 forwarding"))).await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), DoorError> {
        let caller = self.caller()?;
        let visitor = self.visitor();
        if let Some(target) = self.stream_target(&caller, host, None) {
            self.let_through(caller, target, channel, reply, session.handle()).await;
            return Ok(());
        }
        let outer = matches!(self.side, Side::Outer(_)) && self.destination() == Destination::Bastion;
        match self.hall.jump_target(&caller, host).filter(|_| outer) {
            Some(target) if self.has_room(false) => {
                self.published.uses();
                self.channels.insert(channel.id(), Progress { started: true, ..Progress::default() });
                reply.accept().await;
                self.hall.jump(caller, visitor, target, channel);
            }
            Some(_) => reply.reject(ChannelOpenFailure::ResourceShortage).await,
            None => {
                self.refuse(&format!("forwarding to {}:{port} (direct-tcpip)", Printable(host)))?;
                reply.reject(prohibited(sentences::not_a_target(host, port))).await;
            }
        }
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), DoorError> {
        self.refuse("a forwarded-tcpip channel")?;
        reply.reject(prohibited(sentences::refused_by_name("a forwarded-tcpip channel"))).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), DoorError> {
        let caller = self.caller()?;
        let named = socket_path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let target = named.and_then(|(kind, name)| self.stream_target(&caller, name, Some(kind.parse().ok()?)));
        if let Some(target) = target {
            self.let_through(caller, target, channel, reply, session.handle()).await;
            return Ok(());
        }
        self.refuse(&format!("forwarding to {} (direct-streamlocal)", Printable(socket_path)))?;
        reply.reject(prohibited(sentences::not_a_target_path(socket_path))).await;
        Ok(())
    }

    async fn channel_open_unknown(&mut self, channel_type: &str, _session: &mut Session) -> Result<(), DoorError> {
        self.refuse(&format!("a channel of type {}", Printable(channel_type)))
    }

    async fn channel_open_confirmation(
        &mut self,
        _id: ChannelId,
        _packet: u32,
        _window: u32,
        _session: &mut Session,
    ) -> Result<(), DoorError> {
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), DoorError> {
        if let Some(progress) = self.channels.get(&channel) {
            progress.presence.typed(data);
        }
        Ok(())
    }

    async fn extended_data(&mut self, _channel: ChannelId, _code: u32, _data: &[u8], _session: &mut Session) -> Result<(), DoorError> {
        Ok(())
    }

    async fn window_adjusted(&mut self, _channel: ChannelId, _size: u32, _session: &mut Session) -> Result<(), DoorError> {
        Ok(())
    }

    fn adjust_window(&mut self, _channel: ChannelId, current: u32) -> u32 {
        current
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), DoorError> {
        let good = self.counts(channel);
        if let Some(progress) = self.channels.get_mut(&channel).filter(|_| good) {
            progress.presence.has_terminal = true;
        }
        answer(session, channel, good)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), DoorError> {
        self.refuse("X11 forwarding")?;
        answer(session, channel, false)
    }

    async fn env_request(&mut self, channel: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), DoorError> {
        let good = self.counts(channel) && (allows_variable(name, value) || is_reason(name, value));
        answer(session, channel, good)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), DoorError> {
        if self.starts(channel) { Ok(()) } else { answer(session, channel, false) }
    }

    async fn exec_request(&mut self, channel: ChannelId, _command: &[u8], session: &mut Session) -> Result<(), DoorError> {
        if self.starts(channel) { Ok(()) } else { answer(session, channel, false) }
    }

    async fn subsystem_request(&mut self, channel: ChannelId, _name: &str, session: &mut Session) -> Result<(), DoorError> {
        if self.starts(channel) { Ok(()) } else { answer(session, channel, false) }
    }

    async fn window_change_request(
        &mut self,
        _channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), DoorError> {
        Ok(())
    }

    async fn agent_request(&mut self, _channel: ChannelId, _session: &mut Session) -> Result<bool, DoorError> {
        self.refuse("agent forwarding")?;
        Ok(false)
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _session: &mut Session) -> Result<(), DoorError> {
        if let (Some(progress), Sig::INT | Sig::TERM | Sig::HUP) = (self.channels.get(&channel), signal) {
            progress.presence.interrupt();
        }
        Ok(())
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, session: &mut Session) -> Result<bool, DoorError> {
        // Boxed: every packet makes the future that this is a part of.
        let why = match Box::pin(self.publish(address, *port, session.handle())).await? {
            Ok(given) => {
                *port = given;
                return Ok(true);
            }
            Err(why) => why,
        };
        self.explain(session, why)?;
        Ok(false)
    }

    async fn cancel_tcpip_forward(&mut self, address: &str, port: u32, _session: &mut Session) -> Result<bool, DoorError> {
        Ok(self.published.withdraw(address, port))
    }

    async fn streamlocal_forward(&mut self, socket_path: &str, session: &mut Session) -> Result<bool, DoorError> {
        let what = format!("remote forwarding of {} (streamlocal-forward)", Printable(socket_path));
        self.refuse_with(&what, sentences::publish_by_name(&what))?;
        self.explain(session, sentences::publish_by_name(&what))?;
        Ok(false)
    }

    async fn cancel_streamlocal_forward(&mut self, _socket_path: &str, _session: &mut Session) -> Result<bool, DoorError> {
        Ok(false)
    }
}
