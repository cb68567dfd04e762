//! A stream through a publisher of a target: counted while it lasts, and over when what is published is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Socket;
use super::roads::Publication;

/// A stream through a publisher: counted while it lasts, and over when the publication is cut.
pub(super) struct Through {
    stream: Box<dyn Socket>,
    publication: Arc<Publication>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Through {
    pub(super) fn new(stream: Box<dyn Socket>, publication: Arc<Publication>) -> Self {
        publication.streams.fetch_add(1, Ordering::SeqCst);
        let cut = Box::pin(publication.cut.clone().cancelled_owned());
        Self { stream, publication, cut }
    }

    /// Whether it is over. Registers to be woken when it is.
    fn over(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let over = self.cut.as_mut().poll(cx).is_ready();
        over.then(|| io::Error::new(io::ErrorKind::ConnectionAborted, "what was published there is no longer"))
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        self.publication.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Through {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.over(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Through {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.over(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
