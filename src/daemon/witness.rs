//! Serves a witness over HTTP/1.1: `POST /add-checkpoint` (C2SP tlog-witness) and `GET /checkpoint/FINGERPRINT`. Bodies, headers,
//! connections and time are bounded; whoever asks needs no login, since what counts is signed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::{ServeError, SystemClock};
use crate::model::Clock;
use crate::witness::{Answer, Witness};

/// Most bytes of a request's body: a checkpoint with its signatures and a proof have a few thousand.
const BODY: usize = 64 * 1024;
/// Connections at once; further ones wait.
const CONNECTIONS: usize = 256;
/// For a request's headers.
const HEADERS: Duration = Duration::from_secs(10);
/// For one connection, however many requests it carries.
const CONNECTION: Duration = Duration::from_secs(120);

/// Serves `witness` at `listen` until SIGTERM or SIGINT; `ready` is told the address.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve_witness(witness: Witness, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let fail = |error: std::io::Error| ServeError::Start(format!("cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    ready(listener.local_addr().map_err(fail)?);
    tokio::select! {
        () = accept(listener, Arc::new(witness)) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

async fn accept(listener: TcpListener, witness: Arc<Witness>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let witness = Arc::clone(&witness);
                tokio::spawn(async move {
                    let _place = place;
                    // Who is cut off asks again.
                    let _late = tokio::time::timeout(CONNECTION, carry(stream, witness)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn carry(stream: TcpStream, witness: Arc<Witness>) {
    let service = service_fn(move |request| {
        let witness = Arc::clone(&witness);
        async move { Ok::<_, Infallible>(response(answer(request, witness).await)) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn answer(request: Request<Incoming>, witness: Arc<Witness>) -> Answer {
    let plain = |status, body: &str| Answer { status, content_type: "text/plain; charset=utf-8", body: format!("{body}\n") };
    let path = request.uri().path().to_owned();
    match (request.method(), path.strip_prefix("/checkpoint/")) {
        (&Method::GET, Some(fingerprint)) => {
            let fingerprint = fingerprint.to_owned();
            blocking(move || witness.checkpoint(&fingerprint)).await
        }
        (&Method::POST, None) if path == "/add-checkpoint" => {
            let Ok(body) = Limited::new(request.into_body(), BODY).collect().await else {
                return plain(413, "the request is too long, or was cut short");
            };
            let (body, now) = (body.to_bytes(), SystemClock.now().as_second());
            let answer = blocking(move || witness.add_checkpoint(&body, u64::try_from(now).unwrap_or(0))).await;
            let first = answer.body.lines().next().unwrap_or_default().to_owned();
            match answer.status {
                200 => tracing::info!("cosigned a checkpoint"),
                status => tracing::warn!(status, answer = first, "a checkpoint was not cosigned"),
            }
            answer
        }
        (_, None) if path == "/add-checkpoint" => plain(405, "use POST"),
        _ => plain(404, "there is POST /add-checkpoint and GET /checkpoint/FINGERPRINT"),
    }
}

async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let failed =
        |error: tokio::task::JoinError| Answer { status: 500, content_type: "text/plain; charset=utf-8", body: format!("{error}\n") };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(failed)
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let built = Response::builder().status(answer.status).header("content-type", answer.content_type).body(Full::from(answer.body));
    built.unwrap_or_default()
}
