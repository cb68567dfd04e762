//! Reads a little ahead: the SSH library asks for the first four bytes of a packet, then for the rest, and each would be a system
//! call. What is short is read in one go with what follows it; bulk is left alone, since it would have to be copied. Holds no memory
//! while nothing is ahead.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once; less than the 32 KiB of a full SSH packet, so that of the first of many little is copied.
const AHEAD: usize = 8 * 1024;

/// Somebody who asks for this little asks for a header.
const HEADER: usize = 32;

/// A stream that is read ahead.
#[derive(Debug)]
pub struct ReadAhead<S> {
    stream: S,
    ahead: Bytes,
    /// The last packet was long, and so the next one will be.
    in_bulk: bool,
}

impl<S> ReadAhead<S> {
    /// Wraps `stream`.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self { stream, ahead: Bytes::new(), in_bulk: false }
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let len = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..len).unwrap_or_default());
        self.ahead.advance(len);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let asked = buffer.remaining();
        if this.ahead.is_empty() {
            if asked > HEADER {
                this.in_bulk = asked >= AHEAD;
            }
            if this.in_bulk {
                return Pin::new(&mut this.stream).poll_read(cx, buffer);
            }
            let mut space = [MaybeUninit::uninit(); AHEAD];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            let (now, later) = read.filled().split_at(asked.min(read.filled().len()));
            buffer.put_slice(now);
            this.ahead = Bytes::copy_from_slice(later);
        } else {
            this.give(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Counts the reads that reach the stream, and has all of it there at once.
    struct Counted<'a>(&'a [u8], usize);

    impl AsyncRead for Counted<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.1 += 1;
            let len = self.0.len().min(buffer.remaining());
            let (now, later) = self.0.split_at(len);
            buffer.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    /// As the SSH library does: four bytes say how long the rest is.
    async fn packets(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let mut ahead = ReadAhead::new(Counted(bytes, 0));
        let mut seen = Vec::new();
        while let Ok(len) = ahead.read_u32().await {
            let mut body = vec![0; len as usize];
            ahead.read_exact(&mut body).await.unwrap();
            seen.push(body);
        }
        (seen, ahead.stream.1)
    }

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies.iter().flat_map(|body| [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()).collect()
    }

    #[tokio::test]
    async fn short_packets_come_several_in_one_read() {
        let bodies: Vec<Vec<u8>> = (0..50).map(|n| vec![n; usize::from(n)]).collect();
        let (seen, reads) = packets(&framed(&bodies)).await;
        assert_eq!(seen, bodies);
        assert!(reads <= 3, "{reads} reads");
    }

    #[tokio::test]
    async fn packets_of_all_lengths_come_whole() {
        let bodies: Vec<Vec<u8>> =
            [40_000, 33_000, 0, 1, 8_188, 8_192, 5, 8_187, 70_000, 31, 32, 33, 32_000].into_iter().map(|len| vec![7; len]).collect();
        assert_eq!(packets(&framed(&bodies)).await.0, bodies);
    }

    #[tokio::test]
    async fn nothing_is_held_once_it_is_read() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut ahead = ReadAhead::new(near);
        far.write_all(b"0123456789").await.unwrap();
        let mut four = [0; 4];
        ahead.read_exact(&mut four).await.unwrap();
        assert_eq!(&ahead.ahead[..], b"456789");
        let mut six = [0; 6];
        ahead.read_exact(&mut six).await.unwrap();
        assert_eq!((&four, &six), (b"0123", b"456789"));
        assert!(ahead.ahead.is_empty());
        drop(far);
        assert_eq!(ahead.read(&mut four).await.unwrap(), 0);
    }
}
