//! From the server to the client: every answer is held against what is waited for, what the bastion asked itself is kept back, and the
//! error of a statement that stood in for a refused one is put into the words of the refusal.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::enforce::Outcome;
use crate::record::{Piece, SOON, Tape, TapeError};

use super::codec::{self, CodecError, Frame, Severity, Side, Splitter};
use super::copying::Copying;
use super::ledger::{Awaited, Book, Ledger, Run};
use super::masking::{Plan, Shape};
use super::notes::{self, Ran};
use super::outlet::{Outlet, Words};
use super::refusal::scrubbed;
use super::results::Seen;

/// How much is read at once.
const READ: usize = 64 << 10;

/// Settings that statements are read by: a server that says otherwise is not gone on with.
const PINNED: [(&str, &str); 2] = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];

/// Why a direction stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Over {
    /// The client left.
    #[error("the client left")]
    Gone,
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The connection to the server failed.
    #[error("the connection to the server was lost: {0}")]
    Lost(std::io::Error),
    /// The server said what cannot be gone on with.
    #[error("the server does not keep to the protocol: {0}")]
    Server(String),
    /// The client did.
    #[error("the client does not keep to the protocol: {0}")]
    Client(String),
    /// It cannot be recorded.
    #[error(transparent)]
    Tape(#[from] TapeError),
}

impl From<russh::Error> for Over {
    fn from(_: russh::Error) -> Self {
        Self::Gone
    }
}

/// The direction's own state.
pub(super) struct Down<'a, R> {
    pub(super) server: R,
    pub(super) splitter: Splitter,
    pub(super) outlet: Outlet<'a>,
    pub(super) ledger: &'a Ledger,
    pub(super) words: &'a Words,
    pub(super) tape: &'a Tape,
    pub(super) pieces: Vec<Piece>,
    /// Among them are rows that policy wants recorded.
    pub(super) keeps_rows: bool,
    /// The message that is passing through in pieces is the bastion's own and is dropped.
    pub(super) dropping: bool,
    /// Makes the hashes that stand for values this deployment's own.
    pub(super) mask_key: Arc<[u8]>,
    /// An error came since the server was last ready.
    pub(super) failed: bool,
}

impl<'a, R: AsyncRead + Unpin> Down<'a, R> {
    pub(super) fn new(
        (server, ahead): (R, BytesMut),
        outlet: Outlet<'a>,
        ledger: &'a Ledger,
        words: &'a Words,
        tape: &'a Tape,
        mask_key: Arc<[u8]>,
    ) -> Self {
        let mut splitter = Splitter::new(Side::Server);
        splitter.feed(ahead.freeze());
        Self {
            server,
            splitter,
            outlet,
            ledger,
            words,
            tape,
            pieces: Vec::new(),
            keeps_rows: false,
            dropping: false,
            mask_key,
            failed: false,
        }
    }

    /// Carries until one side ends. Never returns well.
    pub(super) async fn run(&mut self) -> Result<(), Over> {
        let mut buffer = BytesMut::new();
        let (soon, mut waits) = (tokio::time::sleep(SOON), false);
        tokio::pin!(soon);
        loop {
            if self.drain().await? && !waits {
                soon.as_mut().reset(Instant::now() + SOON);
                waits = true;
            }
            let between = self.splitter.is_between();
            buffer.reserve(READ / 8);
            if buffer.capacity() < READ / 8 {
                buffer.reserve(READ);
            }
            tokio::select! {
                read = self.server.read_buf(&mut buffer) => match read {
                    Ok(0) => return Err(Over::Closed),
                    Ok(_) => self.splitter.feed(buffer.split().freeze()),
                    Err(error) => return Err(Over::Lost(error)),
                },
                () = self.words.come(), if between => {}
                () = &mut soon, if waits => {
                    waits = false;
                    self.tape.write(Vec::new()).await?;
                }
            }
        }
    }

    /// Handles all that has arrived. True when something was left to be recorded soon.
    async fn drain(&mut self) -> Result<bool, Over> {
        let broken = |error: CodecError| Over::Server(error.to_string());
        loop {
            self.splitter.want_whole_rows(running(&mut self.ledger.lock()).is_some_and(|run| run.is_masked()));
            if let Some(rows) = self.rows()? {
                self.outlet.push(rows).await?;
                continue;
            }
            match self.splitter.next().map_err(broken)? {
                None => break,
                Some(Frame::Whole(kind, bytes)) => {
                    if let Some(bytes) = self.answer(kind, bytes)? {
                        self.outlet.push(bytes).await?;
                    }
                }
                Some(Frame::Begin(kind, bytes)) => {
                    self.dropping = self.count(kind, bytes.len())?;
                    if !self.dropping {
                        self.note_long();
                        self.outlet.push(bytes).await?;
                    }
                }
                Some(Frame::More(bytes, _)) => {
                    self.add_bytes(bytes.len());
                    if !self.dropping {
                        self.outlet.push(bytes).await?;
                    }
                }
                Some(Frame::TooLong(kind)) => return Err(Over::Server(format!("a message of kind {} is too long", char::from(kind)))),
            }
        }
        let (between, has_left) = (self.splitter.is_between(), !self.pieces.is_empty());
        let is_much = self.pieces.drain(..).map(|piece| self.tape.leave(piece)).last().unwrap_or_default();
        let Self { outlet, words, tape, .. } = self;
        let sent = async { if between { outlet.say(words).await } else { outlet.flush().await } };
        let at_once = has_left && std::mem::take(&mut self.keeps_rows);
        if !at_once && !is_much {
            return Ok(sent.await.map(|()| has_left)?);
        }
        // It is on its way to the client while it is recorded; nothing more is read before it is.
        let (written, sent) = tokio::join!(tape.write(Vec::new()), sent);
        written?;
        Ok(sent.map(|()| false)?)
    }

    /// Rows that have arrived together are handed on together, as the client may see them.
    fn rows(&mut self) -> Result<Option<Bytes>, Over> {
        let mut book = self.ledger.lock();
        let Some(run) = running(&mut book) else { return Ok(None) };
        if run.seen.as_ref().is_some_and(Seen::is_open) {
            return Ok(None);
        }
        let Some(kept) = self.splitter.run(b'D') else { return Ok(None) };
        run.rows += kept.count;
        run.bytes += kept.bytes.len() as u64;
        as_seen(run, kept.bytes, &self.mask_key).map(Some)
    }

    fn add_bytes(&mut self, count: usize) {
        if let Some(run) = running(&mut self.ledger.lock()) {
            run.bytes += count as u64;
        }
    }

    /// Counts a row or a piece of copied data; true when it is an answer to the bastion's own question.
    fn count(&mut self, kind: u8, bytes: usize) -> Result<bool, Over> {
        let mut book = self.ledger.lock();
        let own = book.awaited.front().is_some_and(|entry| entry.own);
        if own {
            return Ok(true);
        }
        let run = running(&mut book).ok_or_else(|| unexpected(kind))?;
        run.rows += u64::from(kind == b'D');
        run.bytes += bytes as u64;
        Ok(false)
    }

    /// Of a row that passes in pieces, only that it did is recorded.
    fn note_long(&self) {
        if let Some(seen) = running(&mut self.ledger.lock()).and_then(|run| run.seen.as_mut()) {
            seen.long();
        }
    }

    /// What becomes of a whole message.
    fn answer(&mut self, kind: u8, bytes: Bytes) -> Result<Option<Bytes>, Over> {
        let broken = |error: CodecError| Over::Server(error.to_string());
        match kind {
            b'N' if self.ledger.lock().scrubs => return Ok(Some(scrubbed(&codec::fault(&bytes).map_err(broken)?, Severity::Notice))),
            b'N' | b'A' => return Ok(Some(bytes)),
            b'S' => {
                let (name, value) = codec::parameter(&bytes).map_err(broken)?;
                if let Some((name, wanted)) = PINNED.iter().find(|(pinned, wanted)| *pinned == name && *wanted != value) {
                    return Err(Over::Server(format!("it set {name}, which has to be {wanted}, to something else")));
                }
                self.ledger.lock().reported(name, value);
                return Ok(Some(bytes));
            }
            b'D' | b'd' => {
                if self.count(kind, bytes.len())? {
                    self.keep_told(kind, &bytes)?;
                    return Ok(None);
                }
                return if kind == b'D' { self.shown(bytes).map(Some) } else { self.copied(bytes) };
            }
            b'E' => return self.fault(bytes),
            b'Z' => return self.ready(bytes),
            _ => {}
        }
        let mut book = self.ledger.lock();
        let own = book.awaited.front().is_some_and(|entry| entry.own);
        match kind {
            b'C' => self.pieces.extend(complete(&mut book, codec::command_tag(&bytes).map_err(broken)?).ok_or_else(|| unexpected(kind))?),
            b'1' => parsed(&mut book).ok_or_else(|| unexpected(kind))?,
            b'2' => pop(&mut book, |awaited| matches!(awaited, Awaited::Bind { .. })).ok_or_else(|| unexpected(kind))?,
            b'3' => pop(&mut book, |awaited| matches!(awaited, Awaited::Close(..))).ok_or_else(|| unexpected(kind))?,
            b't' => {
                let is = matches!(book.awaited.front().map(|entry| &entry.awaited), Some(Awaited::Describe));
                is.then_some(()).ok_or_else(|| unexpected(kind))?;
            }
            b'T' | b'n' => described(&mut book, kind, &bytes)?,
            b's' | b'I' => match book.awaited.front_mut().map(|entry| &mut entry.awaited) {
                Some(Awaited::Query(_)) if kind == b'I' => {}
                Some(Awaited::Execute(run)) => {
                    let (ran, statement) = (ran(run, Outcome::Done), run.statements.first().cloned());
                    book.awaited.pop_front();
                    // What it has run so far counts, though it is not at its end.
                    if let Some(statement) = statement.filter(|_| kind == b's') {
                        book.acknowledge(&statement, "");
                    }
                    self.pieces
                        .extend((!own).then(|| notes::finished(if kind == b's' { "(more rows wait)" } else { "(no statement)" }, ran)));
                }
                _ => return Err(unexpected(kind)),
            },
            b'G' => {
                running(&mut book).ok_or_else(|| unexpected(kind))?;
                book.copies_in = true;
            }
            b'H' => copies_out(running(&mut book).ok_or_else(|| unexpected(kind))?, &bytes)?,
            b'c' => {
                let run = running(&mut book).ok_or_else(|| unexpected(kind))?;
                run.copying.take().map_or(Ok(()), |copying| copying.ended()).map_err(broken)?;
            }
            _ => return Err(unexpected(kind)),
        }
        drop(book);
        self.ledger.ring();
        Ok((!own).then_some(bytes))
    }

    /// A row of the client's as it may see it.
    fn shown(&mut self, bytes: Bytes) -> Result<Bytes, Over> {
        let mut book = self.ledger.lock();
        let run = running(&mut book).ok_or_else(|| unexpected(b'D'))?;
        let shown = as_seen(run, bytes, &self.mask_key)?;
        if let Some(seen) = &mut run.seen {
            seen.row(&shown);
            self.keeps_rows = true;
        }
        Ok(shown)
    }

    /// Copied data of the client's as it may see it, as far as it is whole.
    fn copied(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Over> {
        let mut book = self.ledger.lock();
        let run = running(&mut book).ok_or_else(|| unexpected(b'd'))?;
        let shown = match &mut run.copying {
            Some(copying) => {
                let data = bytes.get(5..).unwrap_or_default();
                copying.shown(data, &self.mask_key).map_err(|error| Over::Server(error.to_string()))?
            }
            None => Some(bytes),
        };
        if let (Some(seen), Some(shown)) = (&mut run.seen, &shown) {
            seen.data(shown);
            self.keeps_rows = true;
        }
        Ok(shown)
    }

    fn keep_told(&mut self, kind: u8, bytes: &[u8]) -> Result<(), Over> {
        if kind != b'D' {
            return Err(unexpected(kind));
        }
        let values = codec::row(bytes).map_err(|error| Over::Server(error.to_string()))?;
        let told = values.into_iter().map(|value| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect();
        self.ledger.lock().told = Some(told);
        Ok(())
    }

    fn fault(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Over> {
        let fault = codec::fault(&bytes).map_err(|error| Over::Server(error.to_string()))?;
        let severity = if fault.get(b'V').is_empty() { fault.get(b'S') } else { fault.get(b'V') };
        let fatal = severity != "ERROR";
        let mut book = self.ledger.lock();
        let Some(entry) = book.awaited.front_mut() else {
            self.pieces.push(notes::failed(&fault, None));
            return Ok(Some(bytes));
        };
        if entry.own && !fatal {
            return Err(Over::Server(format!("it does not tell the session's settings: {}", fault.get(b'M'))));
        }
        let denial = entry.denial.take().filter(|_| !fatal);
        let ran = match &mut entry.awaited {
            Awaited::Query(run) | Awaited::Execute(run) => Some(ran(run, Outcome::Failed)),
            _ => None,
        };
        let simple = matches!(entry.awaited, Awaited::Query(_));
        self.failed = true;
        book.copies_in = false;
        if !simple && !fatal {
            let skipped = book.skip();
            let after = skipped.iter().skip(1).filter(|entry| matches!(entry.awaited, Awaited::Execute(_)) && entry.denial.is_none());
            self.pieces.extend(after.map(|_| notes::skipped()));
        }
        drop(book);
        self.ledger.ring();
        Ok(Some(match denial {
            Some(denial) => denial.error(),
            None => {
                self.pieces.push(notes::failed(&fault, ran));
                let scrubs = self.ledger.lock().scrubs;
                if scrubs { scrubbed(&fault, if fatal { Severity::Fatal } else { Severity::Error }) } else { bytes }
            }
        }))
    }

    fn ready(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Over> {
        let status = codec::status(&bytes).map_err(|error| Over::Server(error.to_string()))?;
        let mut book = self.ledger.lock();
        let entry = book.awaited.pop_front().ok_or_else(|| unexpected(b'Z'))?;
        if !matches!(entry.awaited, Awaited::Query(_) | Awaited::Sync { .. }) {
            return Err(unexpected(b'Z'));
        }
        book.ready(status, std::mem::take(&mut self.failed));
        drop(book);
        self.ledger.ring();
        Ok((!entry.own).then_some(bytes))
    }
}

fn unexpected(kind: u8) -> Over {
    Over::Server(format!("a message of kind {} does not answer anything", char::from(kind).escape_default()))
}

/// Whole rows of what runs, as the client may see them.
fn as_seen(run: &Run, rows: Bytes, key: &[u8]) -> Result<Bytes, Over> {
    if !run.is_masked() {
        return Ok(rows);
    }
    let plan = run.shape.get().ok_or_else(|| Over::Server("rows came whose columns it did not describe".to_owned()))?;
    plan.rows(&rows, key).map_err(|error| Over::Server(error.to_string()))
}

/// What runs now, if it is the client's.
fn running(book: &mut Book) -> Option<&mut Run> {
    match book.awaited.front_mut() {
        Some(entry) if !entry.own => match &mut entry.awaited {
            Awaited::Query(run) | Awaited::Execute(run) => Some(run),
            _ => None,
        },
        _ => None,
    }
}

fn ran(run: &mut Run, outcome: Outcome) -> Ran {
    let (rows, bytes, seen) = (run.rows, run.bytes, run.seen.as_mut().map(std::mem::take));
    Ran { duration: run.ended(outcome), rows, bytes, seen }
}

/// A statement is done: what it changed is in force now.
fn complete(book: &mut Book, tag: &str) -> Option<Option<Piece>> {
    let entry = book.awaited.front_mut()?;
    let own = entry.own;
    let (statement, ran, over) = match &mut entry.awaited {
        Awaited::Query(run) => {
            let statement = run.statements.get(run.done).cloned();
            (statement, ran(run, Outcome::Done), false)
        }
        Awaited::Execute(run) => (run.statements.first().cloned(), ran(run, Outcome::Done), true),
        _ => return None,
    };
    if over {
        book.awaited.pop_front();
    }
    if let Some(statement) = statement {
        book.acknowledge(&statement, tag);
    }
    Some((!own).then(|| notes::finished(tag, ran)))
}

/// A statement is prepared: SQL knows it by its name too.
fn parsed(book: &mut Book) -> Option<()> {
    match book.awaited.pop_front()?.awaited {
        Awaited::Parse { name, .. } => {
            book.prepared(&name);
            Some(())
        }
        _ => None,
    }
}

/// What a result is made of: where something is masked, held against what was predicted.
fn described(book: &mut Book, kind: u8, bytes: &[u8]) -> Result<(), Over> {
    let broken = |error: CodecError| Over::Server(error.to_string());
    let differs = || Over::Server("its answer is not the one that was predicted".to_owned());
    match book.awaited.front_mut().map(|entry| &mut entry.awaited) {
        Some(Awaited::Describe) => drop(book.awaited.pop_front()),
        Some(Awaited::Shape { statement, ruling, shape }) => {
            if kind == b'T' {
                let columns = codec::columns(bytes).map_err(broken)?;
                let (statement, judged) = statement.as_ref().zip(ruling.statements.first()).ok_or_else(differs)?;
                let plan = Plan::of(statement, judged, &ruling.catalog, columns).ok_or_else(differs)?;
                shape.set(plan).map_err(|_| differs())?;
            }
            book.awaited.pop_front();
        }
        Some(Awaited::Query(run)) if kind == b'T' => {
            if let Some(ruling) = run.ruling.as_ref().filter(|ruling| ruling.is_masked) {
                let columns = codec::columns(bytes).map_err(broken)?;
                let (statement, judged) = run.statements.get(run.done).zip(ruling.statements.get(run.done)).ok_or_else(differs)?;
                let plan = Plan::of(statement, judged, &ruling.catalog, columns).ok_or_else(differs)?;
                run.shape = Shape::default();
                run.shape.set(plan).map_err(|_| differs())?;
            }
        }
        _ => return Err(unexpected(kind)),
    }
    Ok(())
}

/// Data is about to be copied out: where some of it is masked, held against what was predicted.
fn copies_out(run: &mut Run, frame: &[u8]) -> Result<(), Over> {
    let Some(ruling) = run.ruling.as_ref().filter(|ruling| ruling.is_masked) else { return Ok(()) };
    let differs = || Over::Server("its answer is not the one that was predicted".to_owned());
    let (statement, judged) = run.statements.get(run.done).zip(ruling.statements.get(run.done)).ok_or_else(differs)?;
    run.copying = Copying::of(statement, judged, &ruling.catalog, frame).map_err(|_| differs())?;
    Ok(())
}

fn pop(book: &mut Book, is: impl Fn(&Awaited) -> bool) -> Option<()> {
    let entry = book.awaited.pop_front()?;
    is(&entry.awaited).then_some(())
}
