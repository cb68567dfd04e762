//! Carries one stream between a program and a channel, both ways, until either is done. What one side does not take waits in a window's
//! worth of memory and holds up the other side of this stream alone.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// Bytes that are read from the program at once.
const CHUNK: usize = 32 << 10;

/// Carries both ways; comes back with the bytes that went up and down.
pub async fn carry(local: impl AsyncRead + AsyncWrite + Unpin, channel: Channel<Msg>) -> (u64, u64) {
    let (from_local, to_local) = tokio::io::split(local);
    let (from_far, to_far) = channel.split();
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    tokio::select! {
        // What the far side has ended is over, whatever the program would still say.
        () = down(from_far, to_local, &received) => {}
        () = async {
            if up(from_local, &to_far, &sent).await {
                // The program may still be waiting for what comes down.
                std::future::pending::<()>().await;
            }
        } => {}
    }
    // It may be gone already.
    drop(to_far.close().await);
    (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed))
}

/// Until the far side closes, or the program takes no more.
async fn down(mut far: ChannelReadHalf, mut local: WriteHalf<impl AsyncRead + AsyncWrite + Unpin>, count: &AtomicU64) {
    while let Some(message) = far.wait().await {
        let done = match message {
            ChannelMsg::Data { data } => {
                count.fetch_add(data.len() as u64, Ordering::Relaxed);
                local.write_all(&data).await
            }
            ChannelMsg::Eof => local.shutdown().await,
            ChannelMsg::Close => break,
            _ => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
    // Whoever is gone needs no end.
    drop(local.shutdown().await);
}

/// Until the program has said all; false when one of them is gone.
async fn up(mut local: ReadHalf<impl AsyncRead + AsyncWrite + Unpin>, far: &ChannelWriteHalf<Msg>, count: &AtomicU64) -> bool {
    let mut chunk = vec![0; CHUNK];
    loop {
        match local.read(&mut chunk).await {
            Ok(0) => return far.eof().await.is_ok(),
            Ok(read) => {
                let Some(bytes) = chunk.get(..read) else { return false };
                if far.data_bytes(Bytes::copy_from_slice(bytes)).await.is_err() {
                    return false;
                }
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(_) => return false,
        }
    }
}
