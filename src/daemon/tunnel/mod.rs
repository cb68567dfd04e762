//! `bartizan tunnel`: keeps a connection to a bastion, listens for a service's programs, and ends when it is told to. Decides nothing:
//! the bastion does.

mod board;
mod gate;
mod health;
mod keeper;
mod metrics;
mod server;
mod systemd;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::board::Board;
use self::gate::Gate;
use self::keeper::Keeper;
use super::SystemClock;
use super::http;
use crate::model::TargetName;
use crate::tunnel::{Plan, Publisher};

/// Why a tunnel ended that nobody told to.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// A bastion refused it, or is not the one that is known.
    #[error("{0}")]
    Refused(String),
    /// It could not start.
    #[error("{0}")]
    Start(String),
    /// It ended while streams were open.
    #[error("{0} streams were still open after the time for draining, and were cut off")]
    CutOff(usize),
}

/// What whoever started it is told.
#[derive(Debug)]
pub enum Heard {
    /// It listens.
    Listening {
        /// Where the streams lead.
        target: TargetName,
        /// Where it listens, as it was written, with the port that was taken.
        place: String,
    },
    /// It says there how it is.
    Health(std::net::SocketAddr),
    /// It is connected, for the first time.
    Ready {
        /// Where to.
        bastion: String,
        /// As whom.
        principal: String,
        /// Until when the certificate is good.
        valid_before: Timestamp,
    },
}

/// Runs a tunnel until SIGTERM or SIGINT, and then lets its streams end; a second signal ends it at once. `heard` is told what happens.
///
/// # Errors
/// When it cannot start, the bastions refuse it before it was ever connected, or streams had to be cut off.
pub async fn run_tunnel(plan: Plan, heard: impl Fn(Heard) + Send + Sync + 'static) -> Result<(), TunnelError> {
    let start = |error: std::io::Error| TunnelError::Start(error.to_string());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()).map_err(start)?, signal(SignalKind::interrupt()).map_err(start)?);
    let plan = Arc::new(plan);
    let rendered = metrics::install().map_err(|error| TunnelError::Start(format!("metrics: {error}")))?;
    let board = Arc::new(Board::new(plan.patience));
    let health = match plan.health {
        Some(listen) => Some(bind(listen).await?),
        None => None,
    };
    let mut gates = Vec::new();
    for opening in &plan.openings {
        gates.push(Gate::open(opening).await.map_err(|error| TunnelError::Start(format!("cannot listen at {}: {error}", opening.place)))?);
    }
    if let Some(listener) = health {
        heard(Heard::Health(listener.local_addr().map_err(start)?));
        tokio::spawn(http::accept(listener, Arc::new(health::Desk { board: Arc::clone(&board), rendered })));
    }
    let (stop, streams) = (CancellationToken::new(), TaskTracker::new());
    let places = Arc::new(tokio::sync::Semaphore::new(plan.streams));
    for gate in gates {
        heard(Heard::Listening { target: gate.target().clone(), place: gate.place() });
        tokio::spawn(gate.serve(Arc::clone(&board), Arc::clone(&places), streams.clone(), stop.clone()));
    }
    let (to, handed) = tokio::sync::mpsc::channel(server::WAITING);
    tokio::spawn(server::serve(handed, streams.clone()));
    let publisher = Publisher::new(Arc::clone(&plan.publications), places, to);
    let keeper = Keeper::new(Arc::clone(&plan), publisher, Arc::clone(&board), Arc::new(SystemClock)).map_err(TunnelError::Start)?;
    let keeping = keeper.keep(heard);
    tokio::pin!(keeping);
    let watchdog = systemd::watch();
    tokio::pin!(watchdog);
    tokio::select! {
        refused = &mut keeping => return Err(refused),
        () = &mut watchdog => {}
        () = told(&mut terminate, &mut interrupt) => {}
    }
    board.drain().await;
    stop.cancel();
    systemd::stopping().await;
    streams.close();
    tracing::info!(streams = streams.len(), seconds = plan.drain.as_secs(), "draining");
    tokio::select! {
        // Who was refused meanwhile has no new streams, and lets the old ones end.
        () = streams.wait() => {}
        _refused = &mut keeping => {}
        () = &mut watchdog => {}
        () = tokio::time::sleep(plan.drain) => {}
        () = told(&mut terminate, &mut interrupt) => {}
    }
    let left = streams.len();
    board.end().await;
    tracing::info!(left, "stopped");
    if left == 0 { Ok(()) } else { Err(TunnelError::CutOff(left)) }
}

async fn bind(listen: std::net::SocketAddr) -> Result<TcpListener, TunnelError> {
    TcpListener::bind(listen).await.map_err(|error| TunnelError::Start(format!("cannot listen at {listen}: {error}")))
}

async fn told(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
