//! Runs both directions of a session until one ends, an order comes or the recording fails, and tells the client why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_policies::sql::{Catalog, State, schemas};
use bartizan_recorder::Reason;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::enforce::{Decider, Planner};
use crate::frontdoor::{BoxFuture, Leaving, Patience, Refusal};
use crate::gateways::ssh::{Ended, Orders, Traffic};
use crate::record::Tape;

use super::analyst::Analysts;
use super::cancel::Registered;
use super::client::{Client, Hello};
use super::codec::{self, Severity};
use super::down::{Down, Over};
use super::ledger::Ledger;
use super::outlet::{Outlet, Words};
use super::up::{Parts, Up};

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a session has of the server beside its own connection.
pub trait Library: Planner {
    /// What the database holds: as it is usual to know it, or as it is `now`.
    fn catalog(&self, now: bool) -> BoxFuture<Result<Arc<Catalog>, Refusal>>;

    /// Asks the server to cancel what runs in the session.
    fn cancel(&self) -> BoxFuture<()>;
}

/// Everything that a session is between.
pub struct Between<'a, S> {
    /// The client.
    pub client: Client,
    /// How it opened.
    pub hello: Hello,
    /// The connection to the server.
    pub socket: S,
    /// What was read from it already.
    pub ahead: BytesMut,
    /// What the server reports of its settings.
    pub parameters: Vec<(String, String)>,
    /// Whether the server's queries can be cancelled.
    pub cancellable: bool,
    /// The role in force, and the search path as the server writes it.
    pub state: (String, String),
    /// The database.
    pub database: String,
    /// The recording.
    pub tape: &'a Tape,
    /// Policy.
    pub decider: Decider,
    /// Who reads statements.
    pub analysts: Analysts,
    /// The server's catalogs.
    pub library: Arc<dyn Library>,
    /// What the decider says.
    pub said: mpsc::Receiver<String>,
    /// What its waiting is ended by.
    pub patience: &'a Patience,
    /// Tells when the client is gone.
    pub leaving: Leaving,
    /// The session's place among those that can be cancelled.
    pub registered: Registered,
    /// What passes is counted here.
    pub traffic: &'a Traffic,
    /// Makes the hashes that stand for masked values this deployment's own.
    pub mask_key: Arc<[u8]>,
}

/// Carries the session until it ends.
pub async fn relay<S: AsyncRead + AsyncWrite + Send + Unpin>(between: Between<'_, S>, orders: mpsc::Receiver<Orders>) -> Ended {
    let Between { client, hello, socket, ahead, parameters, cancellable, state, database, tape, .. } = between;
    let Between { decider, analysts, library, said, patience, leaving, mut registered, traffic, mask_key, .. } = between;
    let Client { mut from, to, ahead: from_client } = client;
    let (from_server, to_server) = tokio::io::split(socket);
    let ledger = Ledger::new(State::new(state.0.as_str(), schemas(&state.1)), &parameters);
    let (words, holds) = (Words::default(), AtomicBool::new(false));
    let mut outlet = Outlet::new(&to, traffic);
    if outlet.push(greeting(&parameters, cancellable.then_some(&registered), &hello)).await.is_err() || outlet.flush().await.is_err() {
        return ended(Reason::Disconnected, "the client left");
    }
    let mut down = Down::new((from_server, ahead), outlet, &ledger, &words, tape, mask_key);
    let mut up = Up::new(Parts {
        client: &mut from,
        server: to_server,
        ahead: from_client.freeze(),
        ledger: &ledger,
        words: &words,
        tape,
        traffic,
        decider,
        analysts,
        library: Arc::clone(&library),
        database,
        said,
        holds: &holds,
        leaving,
    });
    let cancel = || {
        if holds.load(Ordering::SeqCst) {
            patience.lose();
            None
        } else {
            Some(library.cancel())
        }
    };
    let (closing, code) = carry(&mut down, &mut up, orders, &mut registered.wishes, &words, cancel).await;
    // Whoever leaves in the middle of something does not want the rest.
    if matches!(closing.reason, Reason::Disconnected) && !ledger.lock().awaited.is_empty() {
        let _ = tokio::time::timeout(LAST_WORDS, library.cancel()).await;
    }
    let between_messages = down.splitter.is_between();
    let _ = up.server.write_all(&codec::terminate()).await;
    let _ = up.server.shutdown().await;
    drop(down);
    if let Some(code) = code.filter(|_| between_messages) {
        let words = codec::error(Severity::Fatal, code, &format!("bartizan: {}", closing.sentence), &[]);
        let _ = tokio::time::timeout(LAST_WORDS, to.data_bytes(words)).await;
    }
    let _ = to.eof().await;
    let _ = to.close().await;
    closing
}

/// Both directions, orders and requests to cancel, until an end: how it ended, and the code that the client is told it with.
async fn carry<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    down: &mut Down<'_, R>,
    up: &mut Up<'_, W>,
    mut orders: mpsc::Receiver<Orders>,
    wishes: &mut mpsc::Receiver<()>,
    words: &Words,
    cancel: impl Fn() -> Option<BoxFuture<()>>,
) -> (Ended, Option<&'static str>) {
    let tape = down.tape;
    let (running_down, running_up) = (down.run(), up.run());
    tokio::pin!(running_down, running_up);
    let mut cancelling: Option<BoxFuture<()>> = None;
    let mut said_goodbye = false;
    loop {
        tokio::select! {
            done = &mut running_down => return match done {
                Err(Over::Closed) if said_goodbye => (ended(Reason::Closed, "the client ended the session"), None),
                Ok(()) => (ended(Reason::Closed, "the server closed the connection"), None),
                Err(over) => told(&over),
            },
            done = &mut running_up, if !said_goodbye => match done {
                // The server still has to take leave.
                Ok(()) => said_goodbye = true,
                Err(over) => return told(&over),
            },
            () = tokio::time::sleep(LAST_WORDS), if said_goodbye => return (ended(Reason::Closed, "the client ended the session"), None),
            Some(()) = wishes.recv(), if cancelling.is_none() => cancelling = cancel(),
            () = async { if let Some(work) = &mut cancelling { work.await } else { std::future::pending().await } } => cancelling = None,
            order = orders.recv() => match order {
                Some(Orders::Notice(text)) => {
                    words.notice(text.trim());
                    if let Err(error) = tape.write(vec![Tape::note(text.trim().to_owned())]).await {
                        return told(&Over::Tape(error));
                    }
                }
                // Nothing freezes a database session.
                Some(Orders::Resume(_)) => {}
                Some(Orders::End(text, reason)) => {
                    if let Err(error) = tape.write(vec![Tape::note(format!("ended: {text}"))]).await {
                        tracing::error!(%error, "the end of a session could not be recorded");
                    }
                    return (ended(reason, &format!("this session was ended: {text}")), Some("57P01"));
                }
                None => return (ended(Reason::Ended, "the bastion stopped"), Some("57P01")),
            },
        }
    }
}

fn ended(reason: Reason, sentence: &str) -> Ended {
    Ended { reason, sentence: sentence.to_owned(), exit: None }
}

fn told(over: &Over) -> (Ended, Option<&'static str>) {
    match over {
        Over::Gone => (ended(Reason::Disconnected, "the client left"), None),
        Over::Closed => (ended(Reason::Closed, "the server closed the connection"), None),
        Over::Lost(error) => {
            tracing::warn!(%error, "the connection to a database was lost");
            (ended(Reason::Failed, "the connection to the server was lost"), Some("08006"))
        }
        Over::Server(why) => {
            tracing::warn!(%why, alert = true, "a database server does not keep to the protocol");
            (ended(Reason::Failed, "the server does not keep to the protocol, so the session ends"), Some("08P01"))
        }
        Over::Client(why) => (ended(Reason::Failed, &format!("the client does not keep to the protocol: {why}")), Some("08P01")),
        Over::Tape(error) => {
            tracing::error!(%error, alert = true, "a session could not be recorded");
            (ended(Reason::Failed, "it could not be recorded any more"), Some("58030"))
        }
    }
}

/// What a client is told before its first statement.
fn greeting(parameters: &[(String, String)], registered: Option<&Registered>, hello: &Hello) -> Bytes {
    let mut bytes = BytesMut::new();
    for (name, value) in parameters {
        bytes.extend_from_slice(&codec::parameter_status(name, value));
    }
    if let Some(registered) = registered {
        bytes.extend_from_slice(&codec::backend_key(registered.process, &registered.key));
    }
    let left_out = hello.left_out();
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(|name| crate::model::Printable(name).to_string()).collect();
        let text = format!("bartizan: not passed on from the first packet: {}; use SET, which policy decides", names.join(", "));
        bytes.extend_from_slice(&codec::error(Severity::Notice, "00000", &text, &[]));
    }
    bytes.extend_from_slice(&codec::ready(b'I'));
    bytes.freeze()
}
