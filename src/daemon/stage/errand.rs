//! Takes a visitor of the terminal UI to a target, in the channel they have: by an SSH connection of the bastion with itself, in
//! memory, whose server is the one that answers `-J`. So the session walks through every room as any other does, from `Ask` to
//! `Link`, and nothing here can decide, record or forward. Comes back when the session has ended.

use std::sync::Arc;

use bartizan_tui::Effect;
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, client, server};

use crate::frontdoor::Refusal;
use crate::model::{Login, TargetName};
use crate::wire::ssh;

use super::super::rooms::{Foyer, Rooms};
use super::{Curtain, Ends, Guest};
use crate::screen::{Line, Stage};

/// Bytes under way in memory between the bastion and itself.
const PIPE: usize = 64 << 10;

/// How a session that was begun here ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// With this exit status, or with none.
    Ended(Option<u32>),
    /// The visitor left in the middle.
    Gone,
}

/// Leaves the channel to a session and meanwhile keeps the core up to date, so that the bastion need not wait for it.
pub(super) async fn leave_to(
    rooms: &Arc<Rooms>,
    guest: &mut Guest,
    ends: &mut Ends,
    (stage, line): (&mut Stage, &mut Line),
    place: (Login, TargetName),
) -> Result<Result<Back, Refusal>, Curtain> {
    let foyer = Arc::new(Foyer(Arc::clone(rooms)));
    let session = run(&foyer, guest, place, (&mut ends.from, &ends.to));
    tokio::pin!(session);
    let mut connected = true;
    loop {
        tokio::select! {
            ended = &mut session => return Ok(ended),
            () = rooms.stop.cancelled() => return Err(Curtain::because("the bastion is shutting down")),
            event = line.next(), if connected => match event {
                // Of what it wants now only requests make sense; it says again what it wants when it is looked at again.
                Some(event) => for effect in stage.hear(rooms.clock.now(), event) {
                    if let Effect::Send(request) = effect {
                        line.send(&request);
                    }
                },
                None => connected = false,
            },
        }
    }
}

/// Begins a session as `login` on `target` and carries it to its end. `guest` keeps the size that the terminal has then.
async fn run(
    foyer: &Arc<Foyer>,
    guest: &mut Guest,
    (login, target): (Login, TargetName),
    (from, to): (&mut ChannelReadHalf, &ChannelWriteHalf<server::Msg>),
) -> Result<Back, Refusal> {
    let failed = |error: russh::Error| Refusal::unavailable("The session could not be begun; try again.", error.to_string());
    let settings = foyer.0.names.inner(&target).await?;
    let key = settings.keys.first().map(|key| key.public_key().clone());
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let served = Arc::clone(foyer).serve_inside(Arc::clone(&guest.caller), guest.visitor.clone(), target, settings, theirs);
    foyer.0.tasks.spawn(served);
    let config = client::Config { preferred: ssh::preferred(), window_size: 2 << 20, nodelay: true, ..client::Config::default() };
    let mut connection = client::connect_stream(Arc::new(config), ours, Ourselves(key)).await.map_err(failed)?;
    let admitted = connection.authenticate_none(login.as_str()).await.map_err(failed)?;
    if !admitted.success() {
        return Err(Refusal::unavailable("The session could not be begun; try again.", "the inner login was refused"));
    }
    let channel = connection.channel_open_session().await.map_err(failed)?;
    begin(&channel, guest).await.map_err(failed)?;
    let back = carry(channel, guest, from, to).await;
    // It is over either way.
    let _ = connection.disconnect(Disconnect::ByApplication, "", "").await;
    Ok(back)
}

/// How a session ended, in words.
pub(super) fn said(status: Option<u32>) -> String {
    status.map_or_else(|| "the session ended".to_owned(), |status| format!("the session ended with status {status}"))
}

/// Asks for what the visitor's own client asked for.
async fn begin(channel: &Channel<client::Msg>, guest: &Guest) -> Result<(), russh::Error> {
    if let Some(terminal) = &guest.terminal {
        let (size, pixels) = (terminal.size, terminal.pixels);
        channel.request_pty(false, &terminal.term, size.0, size.1, pixels.0, pixels.1, &terminal.modes).await?;
    }
    let reason = guest.reason.iter().map(|reason| (crate::frontdoor::REASON_VARIABLE, reason.as_str()));
    for (name, value) in guest.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(reason) {
        channel.set_env(false, name, value).await?;
    }
    channel.request_shell(true).await
}

/// Both directions, until either side ends.
async fn carry(channel: Channel<client::Msg>, guest: &mut Guest, from: &mut ChannelReadHalf, to: &ChannelWriteHalf<server::Msg>) -> Back {
    let (mut inside, into) = channel.split();
    tokio::select! {
        ended = down(&mut inside, to) => ended,
        () = up(from, &into, guest) => Back::Gone,
    }
}

async fn down(inside: &mut ChannelReadHalf, to: &ChannelWriteHalf<server::Msg>) -> Back {
    let mut status = None;
    while let Some(message) = inside.wait().await {
        let sent = match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => to.data_bytes(data).await,
            ChannelMsg::ExitStatus { exit_status } => {
                status = Some(exit_status);
                Ok(())
            }
            ChannelMsg::Close => break,
            _ => Ok(()),
        };
        if sent.is_err() {
            return Back::Gone;
        }
    }
    Back::Ended(status)
}

/// Ends when the visitor leaves; when the inner side takes no more it waits for `down` to say so.
async fn up(from: &mut ChannelReadHalf, into: &ChannelWriteHalf<client::Msg>, guest: &mut Guest) {
    while let Some(message) = from.wait().await {
        let sent = match message {
            ChannelMsg::Data { data } => into.data_bytes(data).await,
            ChannelMsg::Eof => into.eof().await,
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                guest.resize((col_width, row_height), (pix_width, pix_height));
                into.window_change(col_width, row_height, pix_width, pix_height).await
            }
            ChannelMsg::Signal { signal } => into.signal(signal).await,
            ChannelMsg::Close => return,
            _ => Ok(()),
        };
        if sent.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The other end is this very process; that its key is ours costs nothing to look at.
struct Ourselves(Option<PublicKey>);

impl client::Handler for Ourselves {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.0.as_ref().is_some_and(|ours| ours.key_data() == key.key_data()),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}
