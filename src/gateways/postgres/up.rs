//! From the client to the server: every statement is read, decided and recorded before a byte of it goes on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bartizan_policies::sql::{Answer, Catalog};
use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::enforce::Decider;
use crate::frontdoor::Leaving;
use crate::gateways::ssh::Traffic;
use crate::record::{Piece, Tape};

use super::Library;
use super::analyst::Analysts;
use super::codec::{self, Frame, Front, Kind, Side, Splitter};
use super::down::Over;
use super::ledger::{Awaited, Entry, Ledger, Run};
use super::outlet::Words;
use super::refusal::Denial;

/// The longest statement that is read, with its message around it.
pub(super) const LONGEST: usize = (16 << 20) + 1_024;

/// Messages to the server that wait for each other.
const TOGETHER: usize = 64 << 10;

/// What is done with the pieces of a long message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    Forwarded,
    Dropped,
}

/// The direction's own state.
pub(super) struct Up<'a, W> {
    pub(super) client: &'a mut ChannelReadHalf,
    pub(super) server: W,
    pub(super) splitter: Splitter,
    pub(super) ledger: &'a Ledger,
    pub(super) words: &'a Words,
    pub(super) tape: &'a Tape,
    pub(super) traffic: &'a Traffic,
    pub(super) decider: Decider,
    pub(super) analysts: Analysts,
    pub(super) library: Arc<dyn Library>,
    pub(super) database: String,
    /// What the broker says while something is held.
    pub(super) said: mpsc::Receiver<String>,
    /// Whether something is held now.
    pub(super) holds: &'a AtomicBool,
    pub(super) leaving: Leaving,
    pub(super) catalog: Option<Arc<Catalog>>,
    pub(super) pieces: Vec<Piece>,
    pub(super) out: BytesMut,
    /// Messages of the extended protocol were sent since the last `Sync`.
    pub(super) in_group: bool,
    /// One of them changes what statements mean.
    pub(super) dirty: bool,
    pub(super) passing: Passing,
    /// The last text was read by the catalog as it is, and not by one that may be old.
    pub(super) is_up_to_date: bool,
    /// What is asked of a portal once all of it was sent.
    pub(super) describing: Option<(Awaited, String)>,
    /// What was sent last copies data in, and the server has not said yet that it takes it.
    pub(super) awaits_copy: bool,
}

/// Everything that a direction is made of beside its own state.
pub(super) struct Parts<'a, W> {
    pub(super) client: &'a mut ChannelReadHalf,
    pub(super) server: W,
    pub(super) ahead: Bytes,
    pub(super) ledger: &'a Ledger,
    pub(super) words: &'a Words,
    pub(super) tape: &'a Tape,
    pub(super) traffic: &'a Traffic,
    pub(super) decider: Decider,
    pub(super) analysts: Analysts,
    pub(super) library: Arc<dyn Library>,
    pub(super) database: String,
    pub(super) said: mpsc::Receiver<String>,
    pub(super) holds: &'a AtomicBool,
    pub(super) leaving: Leaving,
}

/// Something, or why it is not let through.
pub(super) type Ruled<T> = Result<Result<T, Denial>, Over>;

impl<'a, W: AsyncWrite + Unpin> Up<'a, W> {
    pub(super) fn new(parts: Parts<'a, W>) -> Self {
        let Parts { client, server, ahead, ledger, words, tape, traffic, decider, analysts, library, database, said, holds, leaving } =
            parts;
        let mut splitter = Splitter::new(Side::Client(LONGEST));
        splitter.feed(ahead);
        Self {
            client,
            server,
            splitter,
            ledger,
            words,
            tape,
            traffic,
            decider,
            analysts,
            library,
            database,
            said,
            holds,
            leaving,
            catalog: None,
            pieces: Vec::new(),
            out: BytesMut::new(),
            in_group: false,
            dirty: false,
            passing: Passing::Dropped,
            is_up_to_date: false,
            describing: None,
            awaits_copy: false,
        }
    }

    /// Carries until the client leaves.
    pub(super) async fn run(&mut self) -> Result<(), Over> {
        loop {
            while let Some(frame) = self.splitter.next().map_err(|error| Over::Client(error.to_string()))? {
                if !self.frame(frame).await? {
                    return self.flush().await;
                }
            }
            self.flush().await?;
            match self.client.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    self.traffic.add_up(data.len());
                    self.splitter.feed(data);
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(Over::Gone),
                Some(_) => {}
            }
        }
    }

    /// Records what was decided, then sends it.
    pub(super) async fn flush(&mut self) -> Result<(), Over> {
        if !self.pieces.is_empty() {
            self.tape.write(std::mem::take(&mut self.pieces)).await?;
        }
        if !self.out.is_empty() {
            let bytes = self.out.split();
            self.server.write_all(&bytes).await.map_err(Over::Lost)?;
            self.server.flush().await.map_err(Over::Lost)?;
        }
        Ok(())
    }

    /// Has the server answer what it was sent, so that it can be waited for.
    pub(super) async fn flush_through(&mut self) -> Result<(), Over> {
        if self.in_group {
            self.out.extend_from_slice(&codec::flush());
        }
        self.flush().await
    }

    pub(super) async fn put(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.out.extend_from_slice(bytes);
        if self.out.len() >= TOGETHER { self.flush().await } else { Ok(()) }
    }

    /// Sends `bytes`, whose answer is `entry`. False when an error came meanwhile: the server skips everything up to the next `Sync`, so
    /// that nothing is sent and nothing is waited for.
    pub(super) async fn send(&mut self, entry: Entry, bytes: &[u8]) -> Result<bool, Over> {
        // Recorded before it can be answered.
        if self.pieces.len() > 64 {
            self.flush().await?;
        }
        let ends = matches!(entry.awaited, Awaited::Query(_) | Awaited::Sync { .. });
        {
            let mut book = self.ledger.lock();
            // One look and one step: an error that comes between them would be missed.
            if matches!(entry.awaited, Awaited::Sync { .. }) {
                book.skips = false;
            } else if book.skips {
                book.forget(&entry.awaited);
                return Ok(false);
            }
            book.awaited.push_back(entry);
        }
        self.in_group = !ends;
        if ends {
            self.dirty = false;
        }
        self.put(bytes).await?;
        Ok(true)
    }

    /// Handles one message; false for the last.
    async fn frame(&mut self, frame: Frame) -> Result<bool, Over> {
        let (kind, bytes, whole) = match frame {
            Frame::More(bytes, last) => {
                if self.passing == Passing::Forwarded {
                    self.put(&bytes).await?;
                }
                if last {
                    self.describe_masked().await?;
                }
                return Ok(true);
            }
            Frame::TooLong(kind) => {
                let denial =
                    Denial::unserved("54000", "bartizan: the statement is longer than 16 MiB, so it cannot be read and is refused");
                self.refuse_text(kind, "(a statement of more than 16 MiB)", denial).await?;
                return Ok(true);
            }
            Frame::Whole(kind, bytes) => (kind, bytes, true),
            Frame::Begin(kind, bytes) => (kind, bytes, false),
        };
        self.passing = Passing::Dropped;
        if self.awaits_copy {
            self.wait_for_copy().await?;
        }
        if self.ledger.lock().copies_in {
            return self.copying(kind, &bytes).await;
        }
        let front = match codec::front(kind, &bytes) {
            Ok(front) => front,
            Err(_) if matches!(kind, b'Q' | b'P') => {
                let denial = Denial::unserved("22021", "bartizan: the statement is not UTF-8 text, so it cannot be read and is refused");
                self.refuse_text(kind, "(a statement that is not text)", denial).await?;
                return Ok(true);
            }
            Err(error) => return Err(Over::Client(error.to_string())),
        };
        // The server would skip it as well.
        if self.ledger.lock().skips && !matches!(front, Front::Sync | Front::Terminate) {
            return Ok(true);
        }
        self.message(front, &bytes, whole).await
    }

    async fn message(&mut self, front: Front<'_>, bytes: &[u8], whole: bool) -> Result<bool, Over> {
        match front {
            Front::Query(text) => self.query(text, bytes).await?,
            Front::Parse(name, text) => self.parse(name, text, bytes).await?,
            Front::Bind(portal, statement, rest) => self.bind(portal, statement, rest, bytes, whole).await?,
            Front::Describe(kind, name) => self.describe(kind, name, bytes).await?,
            Front::Execute(portal, _) => self.execute(portal, bytes).await?,
            Front::Close(kind, name) => {
                {
                    let names = &mut self.ledger.lock().names;
                    match kind {
                        Kind::Statement => drop(names.statements.remove(name)),
                        Kind::Portal => drop(names.portals.remove(name)),
                    }
                }
                self.send(Entry::of(Awaited::Close(kind, name.to_owned())), bytes).await?;
            }
            Front::Flush => self.put(bytes).await?,
            Front::Sync => {
                let dirty = self.dirty;
                self.send(Entry::of(Awaited::Sync { dirty }), bytes).await?;
            }
            // The server ignores what is left of a copy that failed.
            Front::CopyData | Front::CopyDone | Front::CopyFail => {}
            Front::FunctionCall => {
                let words = "bartizan: calling a function by its number (FunctionCall) is not served: it names nothing that can be decided";
                self.refuse_text(b'Q', "(a function call by number)", Denial::unserved("0A000", words)).await?;
            }
            Front::Terminate => {
                self.put(bytes).await?;
                return Ok(false);
            }
            Front::Other => return Err(Over::Client("a message that does not belong here".to_owned())),
        }
        Ok(true)
    }

    async fn query(&mut self, text: &str, bytes: &[u8]) -> Result<(), Over> {
        {
            let mut book = self.ledger.lock();
            // The server forgets both when a text comes.
            book.names.statements.remove("");
            book.names.portals.remove("");
        }
        let text: Arc<str> = text.into();
        let reading = match self.understand(&text).await? {
            Ok((reading, _)) => reading,
            Err(denial) => return self.refuse_text(b'Q', &text, denial).await,
        };
        match self.decide(&reading, &text, &[]).await? {
            Ok(ruling) => {
                let run = Run::new(reading.script.statements.clone(), Some(ruling), codec::length(bytes));
                self.awaits_copy = copies(&run);
                self.send(Entry::of(Awaited::Query(run)), bytes).await.map(drop)
            }
            Err(denial) => self.refuse_text(b'Q', &text, denial).await,
        }
    }
}

pub(super) fn copies(run: &Run) -> bool {
    run.statements.iter().any(|statement| statement.answer == Answer::CopyIn)
}
