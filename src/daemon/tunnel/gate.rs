//! Where a service's programs connect: a port, or a socket that only this account can open. Each connection becomes a stream.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::board::{Board, NoStream};
use super::metrics;
use crate::model::TargetName;
use crate::tunnel::{Opening, Place, carry};

/// A place that is open.
pub(super) struct Gate {
    target: TargetName,
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A socket in the file system, removed at the end if it is still ours.
struct SocketFile {
    path: PathBuf,
    /// Device and number.
    itself: (u64, u64),
}

/// A program on this side.
pub(super) type Local = Box<dyn Both>;

pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

impl Gate {
    /// Listens there.
    pub(super) async fn open(opening: &Opening) -> io::Result<Self> {
        let listener = match &opening.place {
            Place::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            Place::Unix(path) => {
                let (listener, file) = bind(path)?;
                Listener::Unix(listener, file)
            }
        };
        Ok(Self { target: opening.target.clone(), listener })
    }

    pub(super) fn target(&self) -> &TargetName {
        &self.target
    }

    /// Where it is, with the port that was taken.
    pub(super) fn place(&self) -> String {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Listener::Unix(_, file) => Place::Unix(file.path.clone()).to_string(),
        }
    }

    /// Accepts until `stop`, each with one of `places`.
    pub(super) async fn serve(self, board: Arc<Board>, places: Arc<Semaphore>, streams: TaskTracker, stop: CancellationToken) {
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                self.accept().await.map(|(local, from)| (place, local, from))
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = next => accepted,
            };
            match accepted {
                Ok((place, local, from)) => {
                    let (board, target) = (Arc::clone(&board), self.target.clone());
                    streams.spawn(async move {
                        let _place = place;
                        attend(&board, &target, local, from).await;
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: those that end give some back.
                    tracing::error!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(Local, SocketAddr)> {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), from))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), SocketAddr::from(([127, 0, 0, 1], 0))))
            }
        }
    }
}

/// From the connection to its end.
async fn attend(board: &Board, target: &TargetName, local: Local, from: SocketAddr) {
    let (channel, _token) = match board.open(target, (&from.ip().to_string(), from.port())).await {
        Ok(opened) => opened,
        Err(NoStream::Refused(failure)) => {
            metrics::stream(target, "refused");
            return tracing::warn!(%target, ?failure, "the bastion refused a stream; is it a target there, and may this service use it?");
        }
        Err(NoStream::NoBastion) => {
            metrics::stream(target, "no-bastion");
            return tracing::warn!(%target, "a connection was ended, since no bastion was there in time");
        }
    };
    metrics::stream(target, "opened");
    let _open = metrics::open(target);
    let (up, down) = Box::pin(carry(local, channel)).await;
    metrics::bytes(target, up, down);
}

/// Makes the socket with mode 0600 before anybody sees it; one that is left over is replaced, one at which somebody answers is not.
fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name, which is no socket"));
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody answers there")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = path.parent().ok_or_else(|| io::Error::other("it lies in no folder"))?;
    let private = tempfile::Builder::new().prefix(".").rand_bytes(4).permissions(PermissionsExt::from_mode(0o700)).tempdir_in(parent)?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, PermissionsExt::from_mode(0o600))?;
    let itself = identity(&made)?;
    std::fs::rename(&made, path)?;
    Ok((listener, SocketFile { path: path.to_owned(), itself }))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.itself) {
            // What cannot be removed is replaced at the next start.
            drop(std::fs::remove_file(&self.path));
        }
    }
}
