//! A connection that has become another protocol's, such as WebSocket: bytes go both ways as they are, and messages are counted.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::http::response::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frontdoor::BoxFuture;
use crate::record::Tape;

use super::body::{Body, Kept};
use super::notes;
use super::origin::Stream;
use super::problem::Problem;

/// How long one side may speak on when the other has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Both ends of a connection that has become another protocol's. Nothing was read from either since the server agreed.
pub struct Ends {
    /// The client.
    pub client: Box<dyn Stream>,
    /// The server.
    pub server: Box<dyn Stream>,
    /// What the server said when it agreed.
    pub agreed: HeaderMap,
    /// The recording.
    pub tape: Tape,
    /// Resolves when the session is to be over.
    pub over: BoxFuture<()>,
}

/// Hands on what passes between both ends.
pub type Relay = Box<dyn FnOnce(Ends) -> BoxFuture<Outcome> + Send>;

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages and bytes that the client sent.
    pub up: (u64, u64),
    /// Those that the server sent.
    pub down: (u64, u64),
    /// The exit code, where a command was run and it was told.
    pub exit: Option<i32>,
    /// Why it was ended before its time.
    pub cut: Option<String>,
}

/// How much is handed on at once.
const PIECE: usize = 16 << 10;

/// Hands on the server's consent, and then everything.
pub(super) fn turn(
    mut head: Parts,
    body: Incoming,
    from_client: OnUpgrade,
    protocol: HeaderValue,
    kept: Kept,
    relay: Option<Relay>,
) -> Result<Response<Body>, Problem> {
    let answer = Response::from_parts(head.clone(), body);
    let from_server = hyper::upgrade::on(answer);
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(UPGRADE, protocol.clone());
    head.extensions.clear();
    let (tasks, agreed) = (kept.shared.tasks.clone(), head.headers.clone());
    tasks.clone().finish(async move {
        let outcome = match tokio::join!(from_client, from_server) {
            (Ok(client), Ok(server)) => {
                let (client, server) = (Box::new(TokioIo::new(client)), Box::new(TokioIo::new(server)));
                let over = tasks.clone();
                let ends =
                    Ends { client, server, agreed, tape: kept.shared.tape.clone(), over: Box::pin(async move { over.over().await }) };
                match relay {
                    Some(relay) => relay(ends).await,
                    None => pass(ends).await,
                }
            }
            _ => Outcome { cut: Some("it did not begin".to_owned()), ..Outcome::default() },
        };
        *kept.shared.exit.lock().unwrap_or_else(PoisonError::into_inner) = outcome.exit;
        let protocol = protocol.to_str().unwrap_or_default().to_owned();
        let note = notes::upgraded(kept.call.number, &protocol, &outcome, kept.call.begun);
        drop(kept.shared.write(vec![note]).await);
        let call = super::body::Called { bytes: Some(outcome.up.1), ..kept.call };
        call.ended(&kept.shared, kept.status, outcome.down.1, outcome.cut);
    });
    Ok(Response::from_parts(head, Empty::new().map_err(|never| match never {}).boxed_unsync()))
}

/// Hands everything on as it is, and counts it.
async fn pass(ends: Ends) -> Outcome {
    let (up, down) = (Counter::default(), Counter::default());
    let (mut from_client, mut to_client) = tokio::io::split(ends.client);
    let (mut from_server, mut to_server) = tokio::io::split(ends.server);
    {
        let (upward, downward) = (hand_on(&mut from_client, &mut to_server, &up), hand_on(&mut from_server, &mut to_client, &down));
        tokio::pin!(upward, downward);
        // Whoever hears that the other side has ended has little more to say.
        tokio::select! {
            _ = &mut upward => drop(tokio::time::timeout(LAST_WORDS, downward).await),
            _ = &mut downward => drop(tokio::time::timeout(LAST_WORDS, upward).await),
            () = ends.over => {}
        }
    }
    Outcome { up: up.counted(), down: down.counted(), ..Outcome::default() }
}

async fn hand_on<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(from: &mut R, to: &mut W, counter: &Counter) -> io::Result<()> {
    let (mut piece, mut frames) = (vec![0; PIECE], Frames::default());
    loop {
        let count = from.read(&mut piece).await?;
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        counter.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        counter.messages.fetch_add(frames.ends_in(bytes), Ordering::Relaxed);
        to.write_all(bytes).await?;
        to.flush().await?;
    }
}

#[derive(Default)]
struct Counter {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn counted(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// Finds the ends of WebSocket messages (RFC 6455, section 5.2) without looking into them.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    left: u64,
}

impl Frames {
    /// How many messages of data end in `bytes`, which follow what was seen before.
    fn ends_in(&mut self, mut bytes: &[u8]) -> u64 {
        let mut ends = 0;
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.left -= skipped as u64;
            let Some((first, rest)) = bytes.split_first().filter(|_| self.left == 0) else { break };
            self.head.push(*first);
            bytes = rest;
            if let Some((length, is_end)) = head(&self.head) {
                self.left = length;
                ends += u64::from(is_end);
                self.head.clear();
            }
        }
        ends
    }
}

/// What a frame's head says, once it is whole: how much follows, and whether it ends a message of data.
fn head(bytes: &[u8]) -> Option<(u64, bool)> {
    let (flags, second) = (*bytes.first()?, *bytes.get(1)?);
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (width, length) = payload_length(bytes)?;
    let whole = bytes.len() == 2 + width + mask;
    whole.then_some((length, flags & 0x80 != 0 && flags & 0x0f < 8))
}

/// How many bytes beyond the second a frame's head takes to say how much follows, and how much that is; `None` until they are there.
pub(in crate::gateways) fn payload_length(head: &[u8]) -> Option<(usize, u64)> {
    Some(match head.get(1)? & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(head.get(2..10)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    })
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn messages_are_counted_wherever_the_bytes_are_split() {
        let mut bytes = vec![0x81, 0x02, b'h', b'i'];
        bytes.extend([0x82, 0x81, 1, 2, 3, 4, 9]);
        bytes.extend([0x89, 0x00]);
        bytes.extend([0x01, 0x01, b'a', 0x80, 0x01, b'b']);
        bytes.extend([0x82, 126, 0x01, 0x00]);
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
        for size in 1..bytes.len() {
            let mut frames = Frames::default();
            let ends: u64 = bytes.chunks(size).map(|piece| frames.ends_in(piece)).sum();
            assert_eq!(ends, 5, "{size}");
        }
    }
}
