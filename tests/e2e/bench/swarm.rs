//! Many SSH connections in one process: a target that costs next to nothing, and clients that hold a shell each. OpenSSH's own
//! programs take megabytes a connection, so that a machine that runs ten thousand of them shows nothing of the bastion.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKeyOrCertificate};
use russh::server::{Auth, ChannelOpenHandle, Session};
use russh::{Channel, ChannelId, Preferred, Pty, client, server};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::harness::Visitor;

/// A target of kind `ssh` that lets everybody in and gives back what it gets.
pub(super) struct Far {
    pub(super) port: u16,
    host_key: String,
    serves: tokio::task::JoinHandle<()>,
}

impl Far {
    pub(super) async fn start() -> Self {
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
        let host_key = key.public_key().to_openssh().unwrap();
        let config = Arc::new(server::Config { keys: vec![key], nodelay: true, inactivity_timeout: None, ..server::Config::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serves = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, Gives).await {
                        let _ = session.await;
                    }
                });
            }
        });
        Self { port, host_key, serves }
    }

    /// Its section in the bastion's configuration.
    pub(super) fn section(&self) -> String {
        format!(
            "\n[[target]]\nname = \"far\"\nkind = \"ssh\"\naddress = \"127.0.0.1:{}\"\nlogins = [\"deploy\"]\nhost_key = \"{}\"\ncredential = \"certificate\"\n",
            self.port, self.host_key
        )
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

struct Gives;

impl server::Handler for Gives {
    type Error = russh::Error;

    async fn auth_openssh_certificate(&mut self, _user: &str, _certificate: &Certificate) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<server::Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the library's")]
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
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.data(channel, data.to_vec())
    }
}

/// Somebody with a certificate who opens many connections.
pub(super) struct Swarm {
    port: u16,
    key: Arc<PrivateKey>,
    certificate: Certificate,
    config: Arc<client::Config>,
}

/// The bastion's host key was looked at by OpenSSH when the certificate was fetched.
pub(super) struct Trusts;

impl client::Handler for Trusts {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A connection with a shell on it.
pub(super) struct Held {
    _connection: client::Handle<Trusts>,
    channel: Channel<client::Msg>,
}

impl Swarm {
    pub(super) fn of(visitor: &Visitor, port: u16) -> Self {
        Self::with(&visitor.key(), &visitor.certificate(), port)
    }

    pub(super) fn with(key: &std::path::Path, certificate: &std::path::Path, port: u16) -> Self {
        let key = russh::keys::load_secret_key(key, None).unwrap();
        let certificate = russh::keys::load_openssh_certificate(certificate).unwrap();
        let preferred = Preferred { kex: vec![russh::kex::CURVE25519].into(), ..Preferred::default() };
        let config = client::Config { nodelay: true, preferred, inactivity_timeout: None, ..client::Config::default() };
        Self { port, key: Arc::new(key), certificate, config: Arc::new(config) }
    }

    /// Logs in as `user`.
    pub(super) async fn log_in(&self, user: &str) -> client::Handle<Trusts> {
        let mut connection = client::connect(Arc::clone(&self.config), ("127.0.0.1", self.port), Trusts).await.unwrap();
        let done = connection.authenticate_openssh_cert(user, Arc::clone(&self.key), self.certificate.clone()).await.unwrap();
        assert!(done.success(), "{user} was not let in");
        connection
    }

    async fn shell(&self, user: &str) -> Held {
        let connection = self.log_in(user).await;
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
        channel.request_shell(false).await.unwrap();
        let mut held = Held { _connection: connection, channel };
        held.echoes().await;
        held
    }

    /// So many connections with a shell each, `at_once` of them coming in at any moment.
    pub(super) async fn shells(self: &Arc<Self>, user: &'static str, count: usize, at_once: usize) -> Vec<Held> {
        let gate = Arc::new(Semaphore::new(at_once));
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let (swarm, gate) = (Arc::clone(self), Arc::clone(&gate));
                tokio::spawn(async move {
                    let _place = gate.acquire_owned().await.unwrap();
                    swarm.shell(user).await
                })
            })
            .collect();
        let mut held = Vec::with_capacity(count);
        for task in tasks {
            held.push(task.await.unwrap());
        }
        held
    }
}

impl Held {
    /// Sends a word and waits until it is back.
    pub(super) async fn echoes(&mut self) {
        let word = b"still-here";
        self.channel.data(&word[..]).await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(word.len()).any(|part| part == word) {
            match tokio::time::timeout(Duration::from_secs(60), self.channel.wait()).await.expect("the session answers") {
                Some(russh::ChannelMsg::Data { data }) => seen.extend_from_slice(&data),
                Some(_) => {}
                None => panic!("the session ended: {}", String::from_utf8_lossy(&seen)),
            }
        }
    }
}
