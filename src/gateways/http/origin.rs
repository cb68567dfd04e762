//! The server behind the gateway: what is known of it, and the connections to it that wait to be used again.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::frontdoor::{BoxFuture, Refusal};

use super::body::Body;
use super::tasks::Tasks;

/// The longest head of an answer, in bytes.
const HEAD: usize = 256 << 10;

/// Connections that are kept for later.
const IDLE: usize = 16;

/// What bytes go through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Connects to the server.
pub trait Origin: Send + Sync {
    /// A new connection.
    fn connect(&self) -> BoxFuture<Result<Box<dyn Stream>, Refusal>>;
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
    /// What is put in each request.
    pub headers: Arc<[(HeaderName, HeaderValue)]>,
    /// Headers that policy is shown.
    pub policy_headers: Vec<HeaderName>,
}

/// A connection that can be used again.
pub(super) type Sender = SendRequest<Body>;

/// Why a request got no answer.
pub(super) enum Unanswered {
    Refusal(Refusal),
    Lost(hyper::Error),
}

/// The connections of one session.
pub(super) struct Pool {
    server: Server,
    tasks: Tasks,
    idle: Mutex<Vec<Sender>>,
}

impl Pool {
    pub(super) fn new(server: Server, tasks: Tasks) -> Self {
        Self { server, tasks, idle: Mutex::default() }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Takes back a connection whose answer is over.
    pub(super) fn give_back(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !sender.is_closed() && idle.len() < IDLE {
            idle.push(sender);
        }
    }

    /// Sends a request. One that a connection did not take, since the server had closed it, goes over another.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<(Response<Incoming>, Sender), Unanswered> {
        loop {
            let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (mut sender, is_new) = match waiting {
                Some(mut sender) => match sender.ready().await {
                    Ok(()) => (sender, false),
                    Err(_) => continue,
                },
                None => (self.connect().await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, sender)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(Unanswered::Lost(failed.into_error())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Sender, Unanswered> {
        let stream = self.server.origin.connect().await.map_err(Unanswered::Refusal)?;
        let mut builder = Builder::new();
        builder.max_buf_size(HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Unanswered::Lost)?;
        self.tasks.start(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an HTTP server ended");
            }
        });
        Ok(sender)
    }
}
