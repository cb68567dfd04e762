//! Small HTTP/1.1 servers of ours: a question, an answer, no login. Headers, connections and time are bounded.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 256;
/// For a request's headers.
const HEADERS: Duration = Duration::from_secs(10);
/// For one connection, however many requests it carries.
const CONNECTION: Duration = Duration::from_secs(120);

/// Plain text in UTF-8.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Whoever answers.
pub(super) trait Clerk: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, clerk: Arc<impl Clerk>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let clerk = Arc::clone(&clerk);
                tokio::spawn(async move {
                    let _place = place;
                    // Who is cut off asks again.
                    let _late = tokio::time::timeout(CONNECTION, carry(stream, clerk)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn carry(stream: TcpStream, clerk: Arc<impl Clerk>) {
    let service = service_fn(move |request| {
        let clerk = Arc::clone(&clerk);
        async move { Ok::<_, Infallible>(clerk.answer(request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// An answer of one piece.
pub(super) fn response(status: u16, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let built = Response::builder().status(status).header("content-type", content_type).body(Full::from(body));
    built.unwrap_or_default()
}
