//! Serves the requests of one client, by HTTP/1.1 or HTTP/2, until it leaves, an order comes or the recording fails.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_recorder::{Exit, Reason};
use bytes::{Buf, BytesMut};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use russh::{Channel, server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc};

use crate::enforce::Decider;
use crate::frontdoor::{BoxFuture, Refusal};
use crate::gateways::ssh::{Ended, Orders, Traffic};
use crate::record::Tape;

use super::body::Body;
use super::dialect::Dialect;
use super::exchange::{Shared, exchange};
use super::headers::{Caller, Voucher};
use super::origin::{Pool, Server, Stream};
use super::problem::Problem;
use super::tasks::Tasks;

/// What a client that speaks HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the first bytes may take, and the head of a request or the pause before it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;

/// Requests that one client has open at once over HTTP/2.
const STREAMS: u32 = 100;

/// A client that has begun to speak.
pub struct Visitor {
    /// What it has said already.
    ahead: BytesMut,
    stream: Box<dyn Stream>,
}

impl Visitor {
    /// Waits until a client speaks, and where its `whole_line` is wanted until that is over; `None` if it does not.
    pub async fn hear(channel: Channel<server::Msg>, whole_line: bool) -> Option<Self> {
        let mut stream = Box::new(channel.into_stream());
        let mut ahead = BytesMut::new();
        let hearing = async {
            let is_over = |ahead: &[u8]| {
                let might_be_h2 = PREFACE.starts_with(ahead.get(..PREFACE.len()).unwrap_or(ahead));
                let has_line = ahead.len() >= HEAD || ahead.contains(&b'\n');
                if might_be_h2 { ahead.len() >= PREFACE.len() } else { has_line || !whole_line }
            };
            while !is_over(&ahead) {
                if stream.read_buf(&mut ahead).await? == 0 {
                    break;
                }
            }
            io::Result::Ok(())
        };
        tokio::time::timeout(PATIENCE, hearing).await.ok()?.ok()?;
        (!ahead.is_empty()).then_some(Self { ahead, stream })
    }

    /// What was heard so far.
    #[must_use]
    pub fn heard(&self) -> &[u8] {
        &self.ahead
    }
}

/// Everything that a session is between.
pub struct Between<'a> {
    /// What kind of server it is.
    pub dialect: Arc<dyn Dialect>,
    /// The client.
    pub visitor: Visitor,
    /// The server.
    pub server: Server,
    /// Whose session it is, as the server is told.
    pub principal: &'a str,
    /// Which session it is.
    pub session: String,
    /// Says who the caller is in a signed token, where the server wants one.
    pub voucher: Option<Voucher>,
    /// What would be said to the caller while a request waits for people.
    pub said: mpsc::Receiver<String>,
    /// The recording.
    pub tape: &'a Tape,
    /// Policy.
    pub decider: Decider,
    /// What runs beside.
    pub tasks: Tasks,
    /// What passes is counted here.
    pub traffic: Arc<Traffic>,
    /// Makes the hashes that stand for masked values this deployment's own.
    pub mask_key: Arc<[u8]>,
}

/// Serves the session until it ends.
pub async fn relay(between: Between<'_>, mut orders: mpsc::Receiver<Orders>) -> Ended {
    let Between { dialect, visitor, server, principal, session, voucher, mut said, tape, decider, tasks, traffic, mask_key } = between;
    let whose = session.clone();
    let (Ok(principal), Ok(session)) = (HeaderValue::from_str(principal), HeaderValue::from_str(&session)) else {
        return ended(Reason::Failed, "the principal's name cannot be told to an HTTP server");
    };
    let shared = Arc::new(Shared {
        dialect,
        decider,
        tape: tape.clone(),
        pool: Pool::new(server, tasks.clone()),
        tasks: tasks.clone(),
        caller: Caller { principal, session, voucher },
        mask_key,
        requests: AtomicU64::new(0),
        will_write: AtomicBool::new(false),
        much_is_left: Notify::new(),
        failed: Mutex::default(),
        exit: Mutex::default(),
    });
    let answering = Arc::clone(&shared);
    let mut serving = Some(serve(visitor, traffic, &tasks, move |request| Box::pin(exchange(Arc::clone(&answering), request))));
    let mut closing = loop {
        tokio::select! {
            () = async { if let Some(serving) = &mut serving { serving.await } else { std::future::pending().await } } => serving = None,
            () = tasks.done(), if serving.is_none() => break ended(Reason::Closed, "the client ended the session"),
            () = tasks.over() => {
                let failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
                let sentence = failed.map_or_else(|| "it could not be recorded any more".to_owned(), |error| error.sentence());
                break ended(Reason::Failed, &sentence);
            }
            Some(text) = said.recv() => {
                tracing::info!(session = %whose, said = text.trim(), "an HTTP request waits for people");
                if tape.write(vec![Tape::note(text.trim().to_owned())]).await.is_err() {
                    break ended(Reason::Failed, "it could not be recorded any more");
                }
            }
            order = orders.recv() => match order {
                // There is nowhere to show it.
                Some(Orders::Notice(text)) => {
                    if tape.write(vec![Tape::note(text.trim().to_owned())]).await.is_err() {
                        break ended(Reason::Failed, "it could not be recorded any more");
                    }
                }
                Some(Orders::Resume(_)) => {}
                Some(Orders::End(text, reason)) => break ended(reason, &format!("this session was ended: {text}")),
                None => break ended(Reason::Ended, "the bastion stopped"),
            },
        }
    };
    drop(serving);
    tasks.end();
    // Answers that were under way say in the recording that they were cut short.
    let _ = tokio::time::timeout(LAST_WORDS, tasks.done()).await;
    let exit = shared.exit.lock().unwrap_or_else(PoisonError::into_inner).take();
    closing.exit = exit.and_then(|code| u32::try_from(code).ok()).map(Exit::status);
    closing
}

/// Answers whatever a client asks with why it has no session.
pub async fn refuse(visitor: Visitor, dialect: Arc<dyn Dialect>, refusal: &Refusal, tasks: &Tasks) {
    let problem = Problem::of(refusal);
    let answer = move |_request| -> BoxFuture<Result<Response<Body>, Infallible>> {
        let (dialect, problem) = (Arc::clone(&dialect), problem.clone());
        Box::pin(async move { Ok(dialect.tell(&problem)) })
    };
    let _ = tokio::time::timeout(LAST_WORDS * 5, serve(visitor, Arc::default(), tasks, answer)).await;
    tasks.end();
}

/// Speaks HTTP with a client until its connection ends or becomes another protocol's.
fn serve<A>(visitor: Visitor, traffic: Arc<Traffic>, tasks: &Tasks, answer: A) -> BoxFuture<()>
where
    A: Fn(Request<Incoming>) -> BoxFuture<Result<Response<Body>, Infallible>> + Send + Sync + 'static,
{
    let Visitor { ahead, stream } = visitor;
    let is_h2 = ahead.starts_with(PREFACE);
    let io = TokioIo::new(Spoken { ahead, stream, traffic });
    let (tasks, answer) = (tasks.clone(), Answering(Arc::new(answer)));
    Box::pin(async move {
        let done = if is_h2 {
            let mut builder = http2::Builder::new(tasks);
            let size = u32::try_from(HEAD).unwrap_or(u32::MAX);
            builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(size);
            builder.keep_alive_interval(PATIENCE).serve_connection(io, answer).await
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD);
            builder.serve_connection(io, answer).with_upgrades().await
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a client's HTTP connection ended");
        }
    })
}

/// What answers, as `hyper` asks it. Cheap to clone.
struct Answering<A>(Arc<A>);

impl<A> Service<Request<Incoming>> for Answering<A>
where
    A: Fn(Request<Incoming>) -> BoxFuture<Result<Response<Body>, Infallible>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        (self.0)(request)
    }
}

fn ended(reason: Reason, sentence: &str) -> Ended {
    Ended { reason, sentence: sentence.to_owned(), exit: None }
}

/// A client's stream, of which the first bytes were read already; what passes is counted.
struct Spoken {
    ahead: BytesMut,
    stream: Box<dyn Stream>,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Spoken {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = if self.ahead.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        } else {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(self.ahead.get(..count).unwrap_or_default());
            self.ahead.advance(count);
            Poll::Ready(Ok(()))
        };
        self.traffic.add_up(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Spoken {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.traffic.add_down(*count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
