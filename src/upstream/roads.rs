//! The ways to targets: a connection to an address, or a channel on the connection of somebody who publishes the target. Of several
//! publishers the one that carries least is taken, and the next where one fails. Never decides who may publish.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use russh::server;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Route;
use crate::model::TargetName;
use crate::record::{Tape, Taped};
use crate::wire::QuickAck;

use super::Socket;
use super::through::Through;

/// How long a publisher may take to open a channel. It dials its own side meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a publisher that failed comes after the others.
const GRUDGE: Duration = Duration::from_secs(30);

/// How long a connection may be silent before it is looked whether the server is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// How long after each other it is looked.
const PROBES: Duration = Duration::from_secs(10);

/// Where a channel comes from, as its publisher is told: nobody it needs to know.
const ORIGIN: &str = "127.0.0.1";

/// Why there is no way to a target.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoadError {
    /// The network.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It is reached through publishers, and there is none.
    #[error("nobody publishes it")]
    Unpublished,
    /// Each publisher was tried.
    #[error("none of its publishers opened a way to it: {0}")]
    Fruitless(String),
}

impl RoadError {
    /// What the visitor reads.
    pub(super) fn sentence(&self, target: &TargetName) -> String {
        match self {
            Self::Connect(_) => format!("{target} cannot be reached now."),
            Self::Unpublished => format!(
                "Nobody publishes {target} now, so it cannot be reached. Whoever runs it opens the way: ssh -N -R {target}:0:HOST:PORT BASTION"
            ),
            Self::Fruitless(_) => format!("{target} cannot be reached now: none of those who publish it opens a way to it."),
        }
    }
}

/// All ways there are.
#[derive(Default)]
pub struct Roads {
    published: Mutex<BTreeMap<TargetName, Vec<Arc<Publication>>>>,
    turns: AtomicU64,
}

/// A target that somebody publishes through their connection.
pub struct Publication {
    target: TargetName,
    /// Who publishes it, in words.
    by: String,
    /// What the publisher asked for: by it they know which channel is for what.
    asked: (String, u32),
    since: Timestamp,
    handle: server::Handle,
    pub(super) streams: AtomicUsize,
    /// When it was its turn last.
    turn: AtomicU64,
    failed: Mutex<Option<Instant>>,
    withdrawn: AtomicBool,
    pub(super) cut: CancellationToken,
}

impl Publication {
    /// `target`, published by whom `by` says, on the connection of `handle`, whose client asked for `asked`, an address and a port.
    #[must_use]
    pub fn new(target: TargetName, by: String, asked: (String, u32), handle: server::Handle, since: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            target,
            by,
            asked,
            since,
            handle,
            streams: AtomicUsize::new(0),
            turn: AtomicU64::new(0),
            failed: Mutex::default(),
            withdrawn: AtomicBool::new(false),
            cut: CancellationToken::new(),
        })
    }

    /// What is published.
    #[must_use]
    pub fn target(&self) -> &TargetName {
        &self.target
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The connection.
    #[must_use]
    pub fn handle(&self) -> &server::Handle {
        &self.handle
    }

    /// How many streams go through it now.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }

    /// Ends what goes through it, at once.
    pub fn cut(&self) {
        self.withdrawn.store(true, Ordering::SeqCst);
        self.cut.cancel();
    }

    async fn open(self: &Arc<Self>) -> Result<Through, String> {
        let (address, port) = self.asked.clone();
        let opening = self.handle.channel_open_forwarded_tcpip(address, port, ORIGIN, 0);
        let opened = tokio::select! {
            opened = tokio::time::timeout(PATIENCE, opening) => opened,
            () = self.cut.cancelled() => return Err("it was withdrawn".to_owned()),
        };
        match opened {
            Ok(Ok(channel)) => Ok(Through::new(Box::new(channel.into_stream()), Arc::clone(self))),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it did not answer in time".to_owned()),
        }
    }

    fn fails(&self, at: Option<Instant>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn failed_lately(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < GRUDGE)
    }
}

impl Roads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetName, Vec<Arc<Publication>>>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers what is published from now on, unless `most` publish that target already; gives how many do now.
    #[must_use]
    pub fn offer(&self, publication: &Arc<Publication>, most: u32) -> Option<usize> {
        let mut published = self.lock();
        let all = published.entry(publication.target.clone()).or_default();
        if all.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return None;
        }
        all.push(Arc::clone(publication));
        Some(all.len())
    }

    /// Offers it no longer; what goes through it goes on. Gives how many publish that target still.
    pub fn withdraw(&self, publication: &Arc<Publication>) -> usize {
        publication.withdrawn.store(true, Ordering::SeqCst);
        let mut published = self.lock();
        let Some(all) = published.get_mut(&publication.target) else { return 0 };
        all.retain(|one| !Arc::ptr_eq(one, publication));
        let left = all.len();
        if left == 0 {
            published.remove(&publication.target);
        }
        left
    }

    /// Who publishes `target` now, the longest first.
    #[must_use]
    pub fn publishers(&self, target: &TargetName) -> Vec<Arc<Publication>> {
        self.lock().get(target).cloned().unwrap_or_default()
    }

    /// The way to a target, on which each publisher is tried once.
    pub(super) fn journey<'r>(&'r self, route: &'r Route) -> Journey<'r> {
        Journey { roads: self, route, tried: Vec::new(), why: String::new() }
    }

    /// Of those not `tried` the one that carries least, who has waited longest for a turn; those that failed lately come last.
    fn choose(&self, target: &TargetName, tried: &[Arc<Publication>]) -> Option<Arc<Publication>> {
        let published = self.lock();
        let open = |one: &&Arc<Publication>| !one.withdrawn.load(Ordering::SeqCst) && !tried.iter().any(|tried| Arc::ptr_eq(tried, one));
        let rank = |one: &&Arc<Publication>| (one.failed_lately(), one.streams(), one.turn.load(Ordering::SeqCst));
        let chosen = published.get(target)?.iter().filter(open).min_by_key(rank)?;
        chosen.turn.store(self.turns.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Some(Arc::clone(chosen))
    }
}

/// One attempt to reach a target.
pub(super) struct Journey<'r> {
    roads: &'r Roads,
    route: &'r Route,
    tried: Vec<Arc<Publication>>,
    why: String,
}

impl Journey<'_> {
    /// A stream to the target: by the next publisher, where it has publishers.
    pub(super) async fn go(&mut self) -> Result<Box<dyn Socket>, RoadError> {
        let name = match self.route {
            Route::Direct(address) => return dial(address).await.map_err(RoadError::Connect),
            Route::Reverse(name) => name,
        };
        while let Some(publication) = self.roads.choose(name, &self.tried) {
            self.tried.push(Arc::clone(&publication));
            match publication.open().await {
                Ok(stream) => {
                    metrics::counter!("bartizan_published_streams_total", "outcome" => "opened").increment(1);
                    publication.fails(None);
                    return Ok(Box::new(stream));
                }
                Err(why) => {
                    Self::fail(&publication, &why);
                    self.why = why;
                }
            }
        }
        Err(if self.tried.is_empty() { RoadError::Unpublished } else { RoadError::Fruitless(std::mem::take(&mut self.why)) })
    }

    /// Whether the way that was found last, and on which `why` happened, leaves another to be tried.
    pub(super) fn goes_on(&mut self, why: &dyn std::fmt::Display) -> bool {
        let (Route::Reverse(name), Some(last)) = (self.route, self.tried.last().cloned()) else { return false };
        Self::fail(&last, why);
        let untried = |one: &Arc<Publication>| !self.tried.iter().any(|tried| Arc::ptr_eq(tried, one));
        self.roads.publishers(name).iter().any(untried)
    }

    /// Writes into the recording of a session who led it to its target, where somebody did.
    pub(super) async fn tell(&self, taped: &Taped) {
        if let Some(publication) = self.tried.last() {
            let text = format!("{} is reached through its publisher {}", publication.target, publication.by);
            // A tape that takes nothing any more ends the session by itself.
            drop(taped.tape().write(vec![Tape::note(text)]).await);
        }
    }

    /// How long one attempt may take, so that time is left for others.
    pub(super) fn patience(&self, all: Duration) -> Duration {
        match self.route {
            Route::Direct(_) => all,
            Route::Reverse(_) => all / 3,
        }
    }

    fn fail(publication: &Publication, why: &dyn std::fmt::Display) {
        metrics::counter!("bartizan_published_streams_total", "outcome" => "failed").increment(1);
        tracing::warn!(target = %publication.target, %why, "a publisher of a target did not lead to it");
        publication.fails(Some(Instant::now()));
    }
}

async fn dial(address: &str) -> io::Result<Box<dyn Socket>> {
    let stream = TcpStream::connect(address).await?;
    keep_watch(&stream)?;
    Ok(Box::new(QuickAck::new(stream)?))
}

/// Has a network that was cut noticed on this side, within about a minute: of a connection on which nothing passes, and of one on which
/// what was sent is not acknowledged.
fn keep_watch(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(SILENCE).with_interval(PROBES).with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(SILENCE + PROBES * 3))
}
