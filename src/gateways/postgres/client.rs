//! A client before its session: what it opens with, and what it is told when nothing comes of it. It is never asked for a password:
//! who it is was settled by SSH.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, server};
use tokio::sync::mpsc;

use crate::frontdoor::{Cause, Refusal};

use super::codec::{self, CodecError, First, Opening, Severity};

/// How long the first packet may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest minor version of protocol 3 that is spoken.
const MINOR: u16 = 2;

/// Requests for encryption that are answered: one for TLS, one for GSSAPI.
const REQUESTS: usize = 2;

/// Settings that a client may send with its first packet. What changes the meaning of names or of text is not among them.
const SETTINGS: &[&str] = &[
    "application_name",
    "datestyle",
    "intervalstyle",
    "timezone",
    "extra_float_digits",
    "bytea_output",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "geqo",
];

/// A client whose session has not begun.
pub struct Client {
    pub(super) from: ChannelReadHalf,
    pub(super) to: ChannelWriteHalf<server::Msg>,
    pub(super) ahead: BytesMut,
}

/// What a client came with.
pub enum Received {
    /// It opens a session.
    Hello(Hello),
    /// It asks that another connection's query be cancelled: which process, and the key to it.
    Cancel(u32, Bytes),
    /// Nothing that can be gone on with; it was told so.
    Nothing,
}

/// How a client opens its session.
#[derive(Debug, Clone)]
pub struct Hello {
    opening: Opening,
}

impl Hello {
    /// The role that it names.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.opening.get("user")
    }

    /// The database that it names.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.opening.get("database")
    }

    /// Why, if it says so: the setting `bartizan.reason`.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let reason = self.opening.get("bartizan.reason")?;
        let plain = !reason.trim().is_empty() && reason.len() <= 1_000 && crate::model::Printable(reason).to_string() == reason;
        plain.then(|| reason.to_owned())
    }

    /// What the server is told of it: settings that are harmless, and those that the bastion reads statements by.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let harmless = |name: &str| SETTINGS.contains(&name.to_ascii_lowercase().as_str());
        let chosen = self.opening.parameters.iter().filter(|(name, _)| harmless(name)).cloned();
        let own = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];
        chosen.chain(own.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    }

    /// Settings that it sent in vain.
    pub(super) fn left_out(&self) -> Vec<&str> {
        let known = ["user", "database", "client_encoding", "standard_conforming_strings", "bartizan.reason"];
        let names = self.opening.parameters.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| !known.contains(name) && !name.starts_with("_pq_.") && !SETTINGS.contains(&name.to_ascii_lowercase().as_str()))
            .collect()
    }

    /// How long a key a client of this version takes for its requests to cancel.
    #[must_use]
    pub fn key_length(&self) -> usize {
        if self.opening.minor >= 2 { 32 } else { 4 }
    }

    /// Why such a session cannot be had at all.
    fn refused(&self) -> Option<String> {
        let replication = self.opening.get("replication").unwrap_or("false").to_ascii_lowercase();
        if !["false", "off", "no", "0", ""].contains(&replication.as_str()) {
            return Some("replication connections are not served: what they read is not decided by policy".to_owned());
        }
        let encoding = self.opening.get("client_encoding").unwrap_or("UTF8").trim_matches('\'').to_ascii_uppercase();
        if !["UTF8", "UTF-8", "UNICODE", "AUTO", "SQL_ASCII"].contains(&encoding.as_str()) {
            return Some(format!("client_encoding {} is not served; set it to UTF8", crate::model::Printable(&encoding)));
        }
        None
    }
}

impl Client {
    /// A client on a stream that was just opened.
    #[must_use]
    pub fn new(channel: Channel<server::Msg>) -> Self {
        let (from, to) = channel.split();
        Self { from, to, ahead: BytesMut::new() }
    }

    /// Waits for what the client opens with.
    pub async fn receive(&mut self) -> Received {
        let first = tokio::time::timeout(PATIENCE, self.first()).await.unwrap_or(Ok(None));
        match first {
            Ok(Some(First::Startup(opening))) => {
                let hello = Hello { opening };
                match hello.refused() {
                    Some(why) => self.turn_away("0A000", &why).await,
                    None => Received::Hello(hello),
                }
            }
            Ok(Some(First::Cancel(process, key))) => Received::Cancel(process, key),
            Ok(Some(First::Encryption) | None) => Received::Nothing,
            Err(error) => {
                let words = match error {
                    CodecError::DirectTls => {
                        "TLS is not spoken inside the SSH tunnel, which is encrypted already; connect with sslmode=disable or prefer"
                            .to_owned()
                    }
                    other => other.to_string(),
                };
                self.turn_away("08P01", &words).await
            }
        }
    }

    async fn turn_away(&mut self, code: &str, words: &str) -> Received {
        self.fail(code, words, "").await;
        Received::Nothing
    }

    async fn first(&mut self) -> Result<Option<First>, CodecError> {
        let mut requests = 0;
        loop {
            match codec::first(&mut self.ahead)? {
                Some(First::Encryption) if requests < REQUESTS => {
                    requests += 1;
                    if self.send(Bytes::from_static(b"N")).await.is_err() {
                        return Ok(None);
                    }
                }
                Some(First::Encryption) => return Err(CodecError::Early),
                Some(first) => return Ok(Some(first)),
                None => match self.from.wait().await {
                    Some(ChannelMsg::Data { data }) => self.ahead.extend_from_slice(&data),
                    Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ok(None),
                    Some(_) => {}
                },
            }
        }
    }

    /// Tells that the login is over, and which version is spoken; from now on notices may come.
    pub async fn welcome(&self, hello: &Hello) {
        let unknown: Vec<&str> =
            hello.opening.parameters.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("_pq_.")).collect();
        if hello.opening.minor > MINOR || !unknown.is_empty() {
            let _ = self.send(codec::negotiate(hello.opening.minor.min(MINOR), &unknown)).await;
        }
        let _ = self.send(codec::authentication_ok()).await;
    }

    /// Shows what is said to the client while `work` goes on.
    pub async fn hearing<T>(&self, mut said: mpsc::Receiver<String>, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(text) = said.recv() => {
                    for line in text.lines().filter(|line| !line.trim().is_empty()) {
                        let _ = self.send(codec::error(Severity::Notice, "00000", line, &[])).await;
                    }
                }
            }
        }
    }

    async fn send(&self, bytes: Bytes) -> Result<(), russh::Error> {
        self.to.data_bytes(bytes).await
    }

    /// Refuses the session.
    pub async fn refuse(self, refusal: &Refusal) {
        let code = match refusal.cause {
            Cause::Denied | Cause::Barred => "28000",
            Cause::Held => "57014",
            Cause::Unavailable => "08006",
        };
        let (first, rest) = refusal.sentence.split_once('\n').unwrap_or((&refusal.sentence, ""));
        self.fail(code, first, rest).await;
    }

    /// Ends the connection without a word.
    pub async fn close(self) {
        let _ = self.to.eof().await;
        let _ = self.to.close().await;
    }

    async fn fail(&self, code: &str, words: &str, hint: &str) {
        // The client may be gone, which is as good.
        let _ = self.send(codec::error(Severity::Fatal, code, &format!("bartizan: {words}"), &[(b'H', hint)])).await;
        let _ = self.to.eof().await;
        let _ = self.to.close().await;
    }
}
