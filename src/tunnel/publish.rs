//! Publishes targets from behind a NAT: the bastion hands over connections for a target's name, and each goes to a server of this side. What
//! nobody published, and what comes when there is no room, is refused.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use russh::client::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Place;
use crate::model::TargetName;
use crate::wire::outbound::Forwards;

/// A target that is published, and the server that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The target's name on the bastion.
    pub target: TargetName,
    /// The server.
    pub server: Server,
}

/// A server on this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A name or address, and a port.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => f.write_str(place),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Publication {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (target, place) = text.split_once('=').ok_or("write TARGET=HOST:PORT, as in orders=127.0.0.1:5432")?;
        let target = target.parse().map_err(|error: crate::model::NameError| error.to_string())?;
        let server = match place.parse() {
            Ok(Place::Tcp(address)) => Server::Tcp(address.to_string()),
            Ok(Place::Unix(path)) => Server::Unix(path),
            Err(error) if place.starts_with("unix:") => return Err(error),
            Err(_) => Server::Tcp(named(place)?),
        };
        Ok(Self { target, server })
    }
}

/// `HOST:PORT` with a name.
fn named(place: &str) -> Result<String, String> {
    let plain = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let parts = place.rsplit_once(':').filter(|(host, port)| plain(host) && port.parse::<u16>().is_ok_and(|port| port > 0));
    parts.map(|_| place.to_owned()).ok_or_else(|| "write HOST:PORT, PORT alone, or unix:/PATH".to_owned())
}

/// A connection that the bastion hands over, and that somebody has to accept or reject.
pub struct Handed {
    /// What it is for.
    pub publication: Publication,
    /// The connection.
    pub channel: Channel<Msg>,
    /// The answer to it.
    pub reply: ChannelOpenHandle,
    /// Its place among all streams.
    pub place: OwnedSemaphorePermit,
    /// The connection to the bastion lasts as long as this.
    pub token: TaskTrackerToken,
}

/// Takes what the bastion hands over, without ever making it wait.
#[derive(Debug, Clone)]
pub struct Publisher {
    publications: Arc<[Publication]>,
    places: Arc<Semaphore>,
    to: mpsc::Sender<Handed>,
    streams: TaskTracker,
}

impl Publisher {
    /// Hands on to `to`, each with one of `places`.
    #[must_use]
    pub fn new(publications: Arc<[Publication]>, places: Arc<Semaphore>, to: mpsc::Sender<Handed>) -> Self {
        Self { publications, places, to, streams: TaskTracker::new() }
    }

    /// The same for one connection, whose streams are counted in `streams`.
    pub(super) fn on(&self, streams: &TaskTracker) -> Self {
        Self { streams: streams.clone(), ..self.clone() }
    }

    /// What is published.
    pub(super) fn publications(&self) -> &[Publication] {
        &self.publications
    }
}

impl Forwards for Publisher {
    async fn come(&mut self, channel: Channel<Msg>, address: &str, reply: ChannelOpenHandle) {
        let Some(publication) = self.publications.iter().find(|one| one.target.as_str() == address) else {
            tracing::warn!(?address, "the bastion hands over a connection for what is not published here");
            return reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        };
        let handed = Handed { publication: publication.clone(), channel, reply, place, token: self.streams.token() };
        if let Err(mpsc::error::TrySendError::Full(handed) | mpsc::error::TrySendError::Closed(handed)) = self.to.try_send(handed) {
            handed.reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_server_may_have_a_name() {
        let shown = |text: &str| text.parse::<Publication>().map(|one| format!("{} is {}", one.target, one.server));
        assert_eq!(shown("orders=5432").as_deref(), Ok("orders is 127.0.0.1:5432"));
        assert_eq!(shown("orders=db.internal:5432").as_deref(), Ok("orders is db.internal:5432"));
        assert_eq!(shown("orders=unix:/run/pg.sock").as_deref(), Ok("orders is unix:/run/pg.sock"));
        for bad in ["orders", "orders=db", "orders=:1", "orders=db:0", "orders=a b:1", "orders=unix:x", "/x=1"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
