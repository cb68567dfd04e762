//! The visitor's socket under guard: a deadline until they are authenticated, a kill switch, and byte counters.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The controls of a guarded stream, shared with whoever may end it.
#[derive(Debug)]
pub struct Guard {
    deadline: Mutex<Option<Instant>>,
    killed: CancellationToken,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Guard {
    /// A guard whose stream ends after `grace` unless [`Guard::admit`] is called.
    #[must_use]
    pub fn new(grace: Duration) -> Arc<Self> {
        Arc::new(Self {
            deadline: Mutex::new(Some(Instant::now() + grace)),
            killed: CancellationToken::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    /// Gives the visitor `more` time from now.
    pub fn extend(&self, more: Duration) {
        self.set(Some(Instant::now() + more));
    }

    /// Lifts the deadline: the visitor is authenticated.
    pub fn admit(&self) {
        self.set(None);
    }

    /// Ends the stream.
    pub fn kill(&self) {
        self.killed.cancel();
    }

    /// Bytes received and sent so far.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }

    fn set(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream under a [`Guard`].
pub struct Guarded<S> {
    stream: S,
    guard: Arc<Guard>,
    alarm: Option<Pin<Box<Sleep>>>,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Guarded<S> {
    /// Puts `stream` under `guard`.
    #[must_use]
    pub fn new(stream: S, guard: Arc<Guard>) -> Self {
        let alarm = guard.deadline().map(|at| Box::pin(tokio::time::sleep_until(at)));
        let killed = Box::pin(guard.killed.clone().cancelled_owned());
        Self { stream, guard, alarm, killed }
    }

    /// Whether the stream must end now. Registers to be woken when it must.
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.killed.as_mut().poll(cx).is_ready() {
            return Some(io::Error::new(io::ErrorKind::ConnectionAborted, "ended by the bastion"));
        }
        while let Some(alarm) = &mut self.alarm {
            if alarm.as_mut().poll(cx).is_pending() {
                return None;
            }
            // It may have been moved since the alarm was set.
            match self.guard.deadline() {
                None => self.alarm = None,
                Some(later) if later > Instant::now() => alarm.as_mut().reset(later),
                Some(_) => {
                    return Some(io::Error::new(io::ErrorKind::TimedOut, "not authenticated in time"));
                }
            }
        }
        None
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.ended(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let got = buffer.filled().len().saturating_sub(before);
        self.guard.received.fetch_add(got as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.ended(cx) {
            return Poll::Ready(Err(error));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = &written {
            self.guard.sent.fetch_add(*n as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
