//! What all of a tunnel's tasks know together: the connection that takes new streams, and how the tunnel is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::watch;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::systemd;
use crate::model::TargetName;
use crate::tunnel::{Link, Opened};

/// The tunnel's own view of itself.
pub(super) struct Board {
    link: watch::Sender<Option<Arc<Link>>>,
    patience: Duration,
    draining: AtomicBool,
    said: Mutex<String>,
}

/// Why a program gets no stream.
#[derive(Debug)]
pub(super) enum NoStream {
    /// The bastion refuses it.
    Refused(ChannelOpenFailure),
    /// No bastion was there in time.
    NoBastion,
}

impl Board {
    pub(super) fn new(patience: Duration) -> Self {
        let said = Mutex::new("no bastion was reached yet".to_owned());
        Self { link: watch::Sender::new(None), patience, draining: AtomicBool::new(false), said }
    }

    /// From now on new streams go by `link`; the one before is for its own streams alone.
    pub(super) fn put(&self, link: Option<Arc<Link>>) -> Option<Arc<Link>> {
        super::metrics::connected(link.is_some());
        self.link.send_replace(link)
    }

    /// Says how it is.
    pub(super) fn say(&self, sentence: String) {
        systemd::status(&sentence);
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    /// Whether new connections find a bastion, and a sentence of how it is.
    pub(super) fn readiness(&self) -> (bool, String) {
        if self.draining.load(Ordering::SeqCst) {
            return (false, "draining".to_owned());
        }
        let is_up = self.link.borrow().as_ref().is_some_and(|link| link.takes_streams());
        (is_up, self.said.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// It takes nothing new any more.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        let link = self.link.borrow().clone();
        if let Some(link) = link {
            link.withdraw().await;
        }
    }

    /// Ends the connection.
    pub(super) async fn end(&self) {
        if let Some(link) = self.put(None) {
            link.end().await;
        }
    }

    /// A stream to `target`; waits for a bastion where none is connected now.
    pub(super) async fn open(&self, target: &TargetName, from: (&str, u16)) -> Result<(Channel<Msg>, TaskTrackerToken), NoStream> {
        tokio::time::timeout(self.patience, self.open_some_time(target, from)).await.unwrap_or(Err(NoStream::NoBastion))
    }

    async fn open_some_time(&self, target: &TargetName, from: (&str, u16)) -> Result<(Channel<Msg>, TaskTrackerToken), NoStream> {
        let mut links = self.link.subscribe();
        loop {
            let found = links.wait_for(|link| link.as_ref().is_some_and(|link| link.takes_streams())).await;
            // It is only let go of when the process ends.
            let Some(link) = found.ok().and_then(|link| link.clone()) else { return Err(NoStream::NoBastion) };
            match link.open(target, from).await {
                Opened::Stream(channel, token) => return Ok((channel, token)),
                Opened::Refused(failure) => return Err(NoStream::Refused(failure)),
                Opened::Gone if link.takes_streams() => link.ended().await,
                Opened::Gone => {}
            }
        }
    }
}
