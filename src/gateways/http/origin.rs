//! The server behind the gateway: what is known of it, and the connections to it that wait to be used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::frontdoor::{BoxFuture, Refusal};

use super::body::Body;
use super::tasks::Tasks;

/// The longest head of an answer, in bytes.
const HEAD: u32 = 256 << 10;

/// Connections that are kept for later.
const IDLE: usize = 16;

/// How much of an answer over HTTP/2 may wait for the client to take it, and how much of all answers of a connection.
const WINDOW: u32 = 128 << 10;
const WINDOW_OF_ALL: u32 = 4 << 20;

/// How often a server is asked over HTTP/2 whether it is there still, while it is to answer.
const PULSE: Duration = Duration::from_secs(30);

/// What bytes go through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Connects to the server.
pub trait Origin: Send + Sync {
    /// A new connection; over HTTP/2 only where it `may_be_h2`.
    fn connect(&self, may_be_h2: bool) -> BoxFuture<Result<Reached, Refusal>>;

    /// The bastion's credential, as it is now: what is put in a request.
    fn headers(&self) -> BoxFuture<Result<Headers, Refusal>>;

    /// For a server that does not take the credential in `shown`: another one, if there is one.
    fn other_than(&self, shown: Headers) -> BoxFuture<Option<Headers>>;
}

/// What is put in a request.
pub type Headers = Arc<[(HeaderName, HeaderValue)]>;

/// A new connection to the server.
pub struct Reached {
    /// What bytes go through.
    pub stream: Box<dyn Stream>,
    /// Whether HTTP/2 is spoken on it, and not HTTP/1.1.
    pub is_h2: bool,
}

/// What is known of the server.
#[derive(Clone)]
pub struct Server {
    /// How it is reached.
    pub origin: Arc<dyn Origin>,
    /// Its scheme and authority, as in `http://10.0.0.3:8080`: where it leads a client to itself, the client is led to the same path.
    pub itself: String,
    /// What its paths begin with.
    pub prefix: String,
    /// The `Host` that it is told.
    pub host: HeaderValue,
    /// Headers that policy is shown.
    pub policy_headers: Vec<HeaderName>,
}

/// What a request is sent through.
pub(super) enum Sender {
    /// A connection for one request after another.
    One(http1::SendRequest<Body>),
    /// A connection for many at once.
    Many(http2::SendRequest<Body>),
}

impl Sender {
    async fn try_send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match self {
            Self::One(sender) => sender.try_send_request(request).await,
            Self::Many(sender) => sender.try_send_request(request).await,
        }
    }
}

/// Why a request got no answer.
pub(super) enum Unanswered {
    Refusal(Refusal),
    Lost(hyper::Error),
}

/// The connections of one session.
pub(super) struct Pool {
    server: Server,
    tasks: Tasks,
    idle: Mutex<Vec<http1::SendRequest<Body>>>,
    shared: Mutex<Option<http2::SendRequest<Body>>>,
}

impl Pool {
    pub(super) fn new(server: Server, tasks: Tasks) -> Self {
        Self { server, tasks, idle: Mutex::default(), shared: Mutex::default() }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Takes back a connection whose answer is over.
    pub(super) fn give_back(&self, sender: Sender) {
        // One for many is kept where it is.
        let Sender::One(sender) = sender else { return };
        let mut idle = lock(&self.idle);
        if !sender.is_closed() && idle.len() < IDLE {
            idle.push(sender);
        }
    }

    /// Sends a request, over a connection of its own protocol where it `upgrades`. One that a connection did not take, since the server
    /// had closed it, goes over another.
    pub(super) async fn send(&self, mut request: Request<Body>, upgrades: bool) -> Result<(Response<Incoming>, Sender), Unanswered> {
        loop {
            let (mut sender, is_new) = match self.waiting(upgrades).await {
                Some(sender) => (sender, false),
                None => (self.connect(upgrades).await?, true),
            };
            self.address(&mut request, &sender)?;
            match sender.try_send(request).await {
                Ok(answer) => return Ok((answer, sender)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(Unanswered::Lost(failed.into_error())),
                },
            }
        }
    }

    /// A connection that there is already.
    async fn waiting(&self, upgrades: bool) -> Option<Sender> {
        let shared = lock(&self.shared).clone().filter(|_| !upgrades);
        if let Some(mut sender) = shared {
            if sender.ready().await.is_ok() {
                return Some(Sender::Many(sender));
            }
            lock(&self.shared).take_if(|kept| kept.is_closed());
        }
        loop {
            let mut sender = lock(&self.idle).pop()?;
            if sender.ready().await.is_ok() {
                return Some(Sender::One(sender));
            }
        }
    }

    async fn connect(&self, upgrades: bool) -> Result<Sender, Unanswered> {
        let Reached { stream, is_h2 } = self.server.origin.connect(!upgrades).await.map_err(Unanswered::Refusal)?;
        let io = TokioIo::new(stream);
        if is_h2 && upgrades {
            let sentence = "The server is spoken to over HTTP/2 alone, whose connections cannot be turned into another protocol's.";
            return Err(Unanswered::Refusal(Refusal::unavailable(sentence, sentence)));
        }
        if is_h2 {
            let mut builder = http2::Builder::new(self.tasks.clone());
            builder.timer(TokioTimer::new()).keep_alive_interval(PULSE).max_header_list_size(HEAD);
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW_OF_ALL);
            let (sender, connection) = builder.handshake(io).await.map_err(Unanswered::Lost)?;
            self.tasks.start(async move { ended(connection.await) });
            lock(&self.shared).replace(sender.clone());
            return Ok(Sender::Many(sender));
        }
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD as usize);
        let (sender, connection) = builder.handshake(io).await.map_err(Unanswered::Lost)?;
        self.tasks.start(async move { ended(connection.with_upgrades().await) });
        Ok(Sender::One(sender))
    }

    /// Says in a request whom it is for, as the protocol wants it said.
    fn address(&self, request: &mut Request<Body>, sender: &Sender) -> Result<(), Unanswered> {
        let mut parts = hyper::http::uri::Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        let bad = |why: &str| Unanswered::Refusal(Refusal::unavailable("The server cannot be asked for this path.", why));
        if matches!(sender, Sender::Many(_)) {
            let authority = self.server.host.to_str().map_err(|error| bad(&error.to_string()))?.parse();
            parts.authority = Some(authority.map_err(|error: hyper::http::uri::InvalidUri| bad(&error.to_string()))?);
            parts.scheme = self.server.itself.split(':').next().and_then(|scheme| scheme.parse().ok());
            request.headers_mut().remove(HOST);
            *request.version_mut() = Version::HTTP_2;
        } else {
            request.headers_mut().insert(HOST, self.server.host.clone());
            *request.version_mut() = Version::HTTP_11;
        }
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| bad(&error.to_string()))?;
        Ok(())
    }
}

fn ended(connection: Result<(), hyper::Error>) {
    if let Err(error) = connection {
        tracing::debug!(%error, "a connection to an HTTP server ended");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
