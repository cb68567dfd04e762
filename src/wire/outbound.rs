//! An SSH connection that we make. The other side shows its host key, and answers on the channels that we open. Whatever it asks of
//! us (an agent, a display, a way into our network) is refused; russh would accept it by default. What was forwarded on our own wish is
//! for whoever wished it.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, ChannelOpenFailure, client};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::host::ExpectedHost;
use super::ssh;

/// What takes the connections that the other side forwards to us.
pub trait Forwards: Send + 'static {
    /// One of them comes, for the address that was asked for.
    fn come(&mut self, channel: Channel<client::Msg>, address: &str, reply: client::ChannelOpenHandle) -> impl Future<Output = ()> + Send;
}

/// Nothing is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct NoForwards;

impl Forwards for NoForwards {
    async fn come(&mut self, _channel: Channel<client::Msg>, _address: &str, reply: client::ChannelOpenHandle) {
        reject(reply, "forwarded-tcpip").await;
    }
}

/// The handler of the connection: checks the host's key, takes nothing else but forwards from it.
pub struct Outbound<F: Forwards> {
    expected: ExpectedHost,
    forwards: F,
    /// Tells whoever waits for the end, when the session lets go of its handler.
    _ends: Option<DropGuard>,
}

impl Outbound<NoForwards> {
    /// To the host that is `expected`, which forwards nothing.
    #[must_use]
    pub fn new(expected: ExpectedHost) -> Self {
        Self { expected, forwards: NoForwards, _ends: None }
    }
}

impl<F: Forwards> Outbound<F> {
    /// The same where `forwards` takes what is forwarded; `ends` is cancelled when the connection is over.
    #[must_use]
    pub fn with(expected: ExpectedHost, forwards: F, ends: CancellationToken) -> Self {
        Self { expected, forwards, _ends: Some(ends.drop_guard()) }
    }
}

/// Settings of a connection to `expected` whose channels each take so many bytes of memory in each direction, and which is given up
/// when three times `beat` nothing was heard.
#[must_use]
pub fn settings(expected: &ExpectedHost, window_size: u32, beat: Duration) -> Arc<client::Config> {
    let mut preferred = ssh::preferred();
    if !expected.authorities.is_empty() {
        preferred.host_key_certificates = preferred.key.iter().filter(|a| **a != Algorithm::SkEd25519).cloned().collect::<Vec<_>>().into();
    }
    Arc::new(client::Config {
        window_size,
        maximum_packet_size: 32 << 10,
        preferred,
        keepalive_interval: Some(beat),
        keepalive_max: 3,
        ..client::Config::default()
    })
}

async fn reject(reply: client::ChannelOpenHandle, what: &str) {
    tracing::warn!(what, "the host that we connected to asked for a channel, which none may");
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
}

async fn refuse(reply: client::ChannelOpenHandle, what: &str) -> Result<(), russh::Error> {
    reject(reply, what).await;
    Ok(())
}

impl<F: Forwards> client::Handler for Outbound<F> {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(self.expected.accepts(shown))
    }

    async fn channel_open_failure(
        &mut self,
        _channel: ChannelId,
        reason: ChannelOpenFailure,
        description: &str,
        _language: &str,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        tracing::debug!(?reason, ?description, "a channel was refused");
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<client::Msg>,
        connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        self.forwards.come(channel, connected_address, reply).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "forwarded-streamlocal").await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "auth-agent").await
    }

    async fn should_accept_unknown_server_channel(&mut self, _id: russh::ChannelId, _channel_type: &str) -> bool {
        false
    }

    async fn server_channel_open_unknown(
        &mut self,
        _channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "unknown").await
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "session").await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<client::Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "direct-tcpip").await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "direct-streamlocal").await
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<client::Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), russh::Error> {
        refuse(reply, "x11").await
    }
}
