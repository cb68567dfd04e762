//! Accepts connections and gives each a task of its own, so that no handshake runs on the accept loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::server;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::frontdoor::{Door, Gate, Guard, Guarded};
use crate::wire::{QuickAck, ReadAhead};

use super::metrics;
use super::rooms::Foyer;

/// Accepts until `stop`.
pub(super) async fn accept(listener: TcpListener, hall: Arc<Foyer>, gate: Arc<Gate>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &hall, &gate),
            Err(error) => {
                // Out of descriptors, most likely: those that end give some back.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, hall: &Arc<Foyer>, gate: &Arc<Gate>) {
    let Some(place) = gate.enter(peer.ip()) else {
        metrics::connection("full");
        return;
    };
    metrics::connection("accepted");
    let hall = Arc::clone(hall);
    let tasks = hall.0.tasks.clone();
    tasks.spawn(async move {
        let limits = hall.0.config.limits;
        let guard = Guard::new(limits.login_grace);
        let door = Door::outer(Arc::clone(&hall), limits, peer, place, Arc::clone(&guard));
        if let Err(error) = serve(stream, &hall, door, guard).await {
            tracing::debug!(%peer, %error, "a connection ended");
        }
    });
}

async fn serve(
    stream: TcpStream,
    hall: &Arc<Foyer>,
    door: Door<Foyer>,
    guard: Arc<Guard>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let settings = hall.0.names.outer().await.map_err(|refusal| refusal.detail)?;
    let stream = Guarded::new(ReadAhead::new(QuickAck::new(stream)?), guard);
    let session = server::run_stream(settings, stream, door).await?;
    Ok(session.await?)
}
