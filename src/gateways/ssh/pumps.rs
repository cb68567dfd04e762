//! The two directions of a session. Down: read, record, then forward. Up: count, then forward. Each waits only for its own
//! reader, so that a slow one slows its writer and nobody else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bartizan_recorder::{Event, Exit};
use futures_util::FutureExt;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client, server};

use crate::record::{Piece, Tape, TapeError};

use super::rails::{Gate, Inlet, Watch};

/// How many bytes are recorded in one go at most.
const BATCH: usize = 256 << 10;

/// Bytes that passed.
#[derive(Debug, Default)]
pub struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
}

impl Traffic {
    /// Bytes to the target and from it.
    #[must_use]
    pub fn counted(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    /// Counts bytes from the visitor.
    pub(in crate::gateways) fn add_up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes from the target.
    pub(in crate::gateways) fn add_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Why a pump stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum PumpError {
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The side that is written to is gone.
    #[error("the connection was lost")]
    Gone(russh::Error),
}

/// From the target to the visitor, until the target closes. Gives the program's end, if the target told it.
pub(super) async fn down(
    target: &mut ChannelReadHalf,
    visitor: &ChannelWriteHalf<server::Msg>,
    handle: &server::Handle,
    tape: &Tape,
    traffic: &Traffic,
    mut watch: Watch<'_>,
) -> Result<Option<Exit>, PumpError> {
    let mut end = End::default();
    while let Some(first) = end.next(target, visitor).await? {
        // What nobody sees who has to is not shown to the visitor either.
        watch.gate.watched().await;
        let batch = gather(first, target);
        let pieces: Vec<Piece> = batch.iter().filter_map(piece).collect();
        if !pieces.is_empty() {
            tape.write(pieces).await?;
        }
        for message in batch {
            watch.pass(&message).await?;
            match message {
                ChannelMsg::Close => return end.finish(visitor).await,
                ChannelMsg::Eof if end.exit.is_none() => end.eof_waits = true,
                message => {
                    let told = exit_of(&message);
                    forward_down(message, visitor, handle, traffic).await.map_err(PumpError::Gone)?;
                    if told.is_some() {
                        end.exit = told;
                        end.tell_eof(visitor).await?;
                    }
                }
            }
        }
    }
    end.finish(visitor).await
}

/// How long the end of output waits for the exit status.
const EOF_PATIENCE: Duration = Duration::from_millis(250);

/// The end of a program as far as it is known. A client that has sent all its input closes the channel as soon as it sees the
/// end of output (OpenSSH does), and then it is too late for the exit status that sshd sends a moment later: so the end of
/// output waits for it, a little.
#[derive(Default)]
struct End {
    exit: Option<Exit>,
    eof_waits: bool,
}

impl End {
    /// The target's next message.
    async fn next(
        &mut self,
        target: &mut ChannelReadHalf,
        visitor: &ChannelWriteHalf<server::Msg>,
    ) -> Result<Option<ChannelMsg>, PumpError> {
        if self.eof_waits {
            if let Ok(message) = tokio::time::timeout(EOF_PATIENCE, target.wait()).await {
                return Ok(message);
            }
            self.tell_eof(visitor).await?;
        }
        Ok(target.wait().await)
    }

    async fn tell_eof(&mut self, visitor: &ChannelWriteHalf<server::Msg>) -> Result<(), PumpError> {
        if std::mem::take(&mut self.eof_waits) {
            visitor.eof().await.map_err(PumpError::Gone)?;
        }
        Ok(())
    }

    async fn finish(mut self, visitor: &ChannelWriteHalf<server::Msg>) -> Result<Option<Exit>, PumpError> {
        self.tell_eof(visitor).await?;
        Ok(self.exit)
    }
}

/// Takes what has arrived already, so that one write records it all.
pub(super) fn gather(first: ChannelMsg, target: &mut ChannelReadHalf) -> Vec<ChannelMsg> {
    let mut size = length(&first);
    let mut batch = vec![first];
    while size < BATCH {
        let Some(Some(message)) = target.wait().now_or_never() else { break };
        size += length(&message);
        batch.push(message);
    }
    batch
}

fn length(message: &ChannelMsg) -> usize {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len(),
        _ => 64,
    }
}

fn piece(message: &ChannelMsg) -> Option<Piece> {
    match message {
        ChannelMsg::Data { data } => Some(Piece::Output(data.clone())),
        ChannelMsg::ExtendedData { data, .. } => Some(Piece::Stderr(data.clone())),
        other => exit_of(other).map(|exit| Piece::Event(Event::Exit(exit))),
    }
}

pub(super) fn exit_of(message: &ChannelMsg) -> Option<Exit> {
    match message {
        ChannelMsg::ExitStatus { exit_status } => Some(Exit::status(*exit_status)),
        ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, .. } => {
            let mut exit = Exit::signal(signal_word(signal_name));
            exit.core_dumped = *core_dumped;
            exit.message = crate::model::Printable(error_message).to_string();
            Some(exit)
        }
        _ => None,
    }
}

fn signal_word(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => crate::model::Printable(name).to_string(),
        known => format!("{known:?}"),
    }
}

pub(super) async fn forward_down(
    message: ChannelMsg,
    visitor: &ChannelWriteHalf<server::Msg>,
    handle: &server::Handle,
    traffic: &Traffic,
) -> Result<(), russh::Error> {
    let gone = |()| russh::Error::SendError;
    match message {
        ChannelMsg::Data { data } => {
            traffic.down.fetch_add(data.len() as u64, Ordering::Relaxed);
            visitor.data_bytes(data).await
        }
        ChannelMsg::ExtendedData { data, ext } => {
            traffic.down.fetch_add(data.len() as u64, Ordering::Relaxed);
            visitor.extended_data_bytes(ext, data).await
        }
        ChannelMsg::Eof => visitor.eof().await,
        ChannelMsg::ExitStatus { exit_status } => visitor.exit_status(exit_status).await,
        ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, lang_tag } => {
            handle.exit_signal_request(visitor.id(), signal_name, core_dumped, error_message, lang_tag).await.map_err(gone)
        }
        ChannelMsg::XonXoff { client_can_do } => handle.xon_xoff_request(visitor.id(), client_can_do).await.map_err(gone),
        _ => Ok(()),
    }
}

/// From the visitor to the target, until the visitor's channel ends.
pub(super) async fn up(
    visitor: &mut ChannelReadHalf,
    target: &ChannelWriteHalf<client::Msg>,
    tape: &Tape,
    traffic: &Traffic,
    gate: &Gate<'_>,
    mut inlet: Inlet<'_>,
) -> Result<(), PumpError> {
    while let Some(message) = inlet.next(visitor).await {
        // Nothing is typed into a session whose answers could not be recorded.
        tape.flows().await;
        let sent = match message {
            ChannelMsg::Data { data } => {
                traffic.up.fetch_add(data.len() as u64, Ordering::Relaxed);
                tape.typed(&data).await?;
                target.data_bytes(data).await
            }
            ChannelMsg::ExtendedData { data, ext } => {
                traffic.up.fetch_add(data.len() as u64, Ordering::Relaxed);
                target.extended_data_bytes(ext, data).await
            }
            ChannelMsg::Eof => target.eof().await,
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                if let Some((cols, rows)) = size(col_width, row_height) {
                    gate.resized(cols, rows);
                    tape.write(vec![Piece::Event(Event::Resize { cols, rows })]).await?;
                }
                target.window_change(col_width, row_height, pix_width, pix_height).await
            }
            ChannelMsg::Signal { signal } => target.signal(signal).await,
            ChannelMsg::Close => return Ok(()),
            _ => Ok(()),
        };
        sent.map_err(PumpError::Gone)?;
    }
    Ok(())
}

pub(super) fn size(cols: u32, rows: u32) -> Option<(u16, u16)> {
    let (cols, rows) = (u16::try_from(cols).ok()?, u16::try_from(rows).ok()?);
    (cols > 0 && rows > 0).then_some((cols, rows))
}
