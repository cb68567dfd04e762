//! Everything that a visitor of a guarded shell is shown: recorded first, then sent. The editor's own echo is part of it, so that
//! a replay shows the session as it was seen.

use std::sync::atomic::{AtomicBool, Ordering};

use bartizan_recorder::Exit;
use bytes::Bytes;
use russh::{ChannelWriteHalf, server};

use crate::enforce::Moderation;
use crate::frontdoor::sentences;
use crate::record::{Piece, Tape, TapeError};

use super::super::pumps::Traffic;

/// Why a guarded shell is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The visitor ended it, with this status.
    Done(u8),
    /// The shell on the target is gone; how it ended, if that was told.
    Shell(Option<Exit>),
    /// The visitor's channel is gone.
    Left,
    /// It cannot be recorded any more.
    Tape(TapeError),
}

impl From<TapeError> for Over {
    fn from(error: TapeError) -> Self {
        Self::Tape(error)
    }
}

/// The way to the visitor, by the tape.
pub(super) struct Show<'a> {
    pub(super) visitor: &'a ChannelWriteHalf<server::Msg>,
    pub(super) handle: &'a server::Handle,
    pub(super) tape: &'a Tape,
    pub(super) traffic: &'a Traffic,
    pub(super) has_terminal: bool,
    /// Who has to watch.
    pub(super) watched: &'a Moderation,
    /// Whether the last thing shown ended a line.
    line_ended: AtomicBool,
}

impl<'a> Show<'a> {
    pub(super) fn new(
        visitor: &'a ChannelWriteHalf<server::Msg>,
        handle: &'a server::Handle,
        tape: &'a Tape,
        traffic: &'a Traffic,
        has_terminal: bool,
        watched: &'a Moderation,
    ) -> Self {
        Self { visitor, handle, tape, traffic, has_terminal, watched, line_ended: AtomicBool::new(true) }
    }

    pub(super) async fn output(&self, bytes: Bytes) -> Result<(), Over> {
        if !bytes.is_empty() {
            self.tape.write(vec![Piece::Output(bytes.clone())]).await?;
        }
        self.send(bytes).await
    }

    /// Sends what is recorded already.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), Over> {
        let Some(last) = bytes.last() else { return Ok(()) };
        self.line_ended.store(*last == b'\n', Ordering::Relaxed);
        self.traffic.add_down(bytes.len());
        self.visitor.data_bytes(bytes).await.map_err(|_| Over::Left)
    }

    /// The bastion's own words: on the terminal, or beside the output.
    pub(super) async fn say(&self, text: &str) -> Result<(), Over> {
        if self.has_terminal {
            return self.output(sentences::for_terminal(text).into()).await;
        }
        let bytes = Bytes::from(text.to_owned());
        self.tape.write(vec![Piece::Stderr(bytes.clone())]).await?;
        self.traffic.add_down(bytes.len());
        self.visitor.extended_data_bytes(1, bytes).await.map_err(|_| Over::Left)
    }

    /// What brings the cursor to the beginning of an empty line of a terminal so wide, wherever it stands: blanks that only
    /// reach the next line if something stood before them.
    pub(super) fn new_line(&self, columns: usize, plain: bool) -> String {
        match (self.line_ended.load(Ordering::Relaxed), plain) {
            (true, _) => String::new(),
            (false, true) => "\r\n".to_owned(),
            (false, false) => format!("{}\r\x1b[K", " ".repeat(columns)),
        }
    }
}
