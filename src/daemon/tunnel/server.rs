//! Takes the connections that a bastion hands over for what is published here, each to its server.

use std::io;
use std::time::Duration;

use russh::ChannelOpenFailure;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::gate::Local;
use super::metrics;
use crate::tunnel::{Handed, Server, carry};

/// Connections that may wait to be looked at; the bastion is refused further ones.
pub(super) const WAITING: usize = 64;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes them until nobody hands anything over any more.
pub(super) async fn serve(mut handed: mpsc::Receiver<Handed>, streams: TaskTracker) {
    while let Some(one) = handed.recv().await {
        streams.spawn(attend(one));
    }
}

async fn attend(handed: Handed) {
    let Handed { publication, channel, reply, place: _place, token: _token } = handed;
    let target = &publication.target;
    let connected = tokio::time::timeout(PATIENCE, connect(&publication.server)).await;
    let local = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(local) => local,
        Err(error) => {
            metrics::stream(target, "no-server");
            tracing::warn!(%target, server = %publication.server, %error, "the published server does not answer");
            return reply.reject(ChannelOpenFailure::ConnectFailed).await;
        }
    };
    reply.accept().await;
    metrics::stream(target, "published");
    let _open = metrics::open(target);
    // Up is what goes to the bastion.
    let (up, down) = Box::pin(carry(local, channel)).await;
    metrics::bytes(target, up, down);
}

async fn connect(server: &Server) -> io::Result<Local> {
    Ok(match server {
        Server::Tcp(place) => {
            let stream = TcpStream::connect(place).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Server::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}
