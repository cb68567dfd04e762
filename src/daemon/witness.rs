//! Serves a witness over HTTP/1.1: `POST /add-checkpoint` (C2SP tlog-witness) and `GET /checkpoint/FINGERPRINT`. Bodies, headers,
//! connections and time are bounded; whoever asks needs no login, since what counts is signed.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::http::{self, Clerk, TEXT};
use super::{ServeError, SystemClock};
use crate::model::Clock;
use crate::witness::{Answer, Witness};

/// Most bytes of a request's body: a checkpoint with its signatures and a proof have a few thousand.
const BODY: usize = 64 * 1024;

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
        () = http::accept(listener, Arc::new(Desk(Arc::new(witness)))) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

struct Desk(Arc<Witness>);

impl Clerk for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Answer { status, content_type, body } = answer(request, Arc::clone(&self.0)).await;
        http::response(status, content_type, body)
    }
}

async fn answer(request: Request<Incoming>, witness: Arc<Witness>) -> Answer {
    let plain = |status, body: &str| Answer { status, content_type: TEXT, body: format!("{body}\n") };
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
    let failed = |error: tokio::task::JoinError| Answer { status: 500, content_type: TEXT, body: format!("{error}\n") };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(failed)
}
