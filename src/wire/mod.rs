//! What SSH, HTTPS and databases need of a socket on both sides of the bastion. Knows nothing of sessions.

pub mod agent;
mod ahead;
pub mod host;
pub mod https;
pub mod outbound;
pub mod ssh;
pub mod tls;
pub mod webhook;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use ahead::ReadAhead;

/// How many reads are acknowledged at once. A login takes fewer; afterwards delayed acknowledgements save packets.
const QUICK_READS: u8 = 64;

/// A TCP stream without Nagle's algorithm, whose first reads are acknowledged without delay (`TCP_QUICKACK`, tcp(7)): OpenSSH
/// clients keep Nagle's algorithm on for commands, and then a delayed acknowledgement costs them 40 ms.
#[derive(Debug)]
pub struct QuickAck {
    stream: TcpStream,
    left: u8,
}

impl QuickAck {
    /// Wraps a connected stream.
    ///
    /// # Errors
    /// When the socket is dead already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, left: QUICK_READS })
    }

    fn acknowledge(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            // Only a matter of speed: a socket that refuses it still works.
            let _ = socket2::SockRef::from(&self.stream).set_tcp_quickack(true);
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
