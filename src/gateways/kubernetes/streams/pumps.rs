//! One direction of `exec` or `attach`: read, understood, recorded, and then handed on. Each waits only for its own reader, so that a
//! slow one slows its writer and nobody else.

use std::io;

use bartizan_policies::kubernetes::Streams;
use bartizan_recorder::{Event, Exit};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::enforce::Moderation;
use crate::gateways::http::Stream;
use crate::model::Printable;
use crate::record::{Piece, Tape, TapeError};

use super::codec::Codec;
use super::said::{Broken, Channel, Said};
use super::told::{Ending, Sizes, Status};

/// How much is read at once.
const PIECE: usize = 32 << 10;

/// Why a direction stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("{}", .0.sentence())]
    Tape(#[from] TapeError),
    #[error("what is said is not understood, and so not handed on: {0}")]
    Broken(#[from] Broken),
    /// Who is listened to is gone.
    #[error("the connection was lost")]
    Left,
    /// Who is spoken to is gone.
    #[error("the other connection was lost")]
    Deaf,
}

/// What both directions need.
pub(super) struct Session<'a> {
    pub(super) wanted: &'a Streams,
    pub(super) tape: &'a Tape,
    pub(super) moderation: &'a Moderation,
}

/// One direction.
pub(super) struct Pump {
    pub(super) codec: Codec,
    from: ReadHalf<Box<dyn Stream>>,
    to: WriteHalf<Box<dyn Stream>>,
    buffer: BytesMut,
    said: Vec<Said>,
    /// Whether a frame of one's own could be put after what was handed on.
    rests: bool,
    /// Messages and bytes that passed.
    pub(super) passed: (u64, u64),
    status: Status,
    sizes: Sizes,
    /// How the command ended.
    pub(super) ending: Option<Ending>,
}

impl Pump {
    pub(super) fn new(codec: Codec, from: ReadHalf<Box<dyn Stream>>, to: WriteHalf<Box<dyn Stream>>) -> Self {
        let (buffer, said) = (BytesMut::new(), Vec::new());
        Self {
            codec,
            from,
            to,
            buffer,
            said,
            rests: true,
            passed: (0, 0),
            status: Status::default(),
            sizes: Sizes::default(),
            ending: None,
        }
    }

    /// From the client to the server, until the client ends.
    pub(super) async fn up(&mut self, session: &Session<'_>) -> Result<(), Stop> {
        loop {
            // Nothing is typed into a session whose answers could not be recorded, or that nobody watches who has to.
            session.tape.flows().await;
            session.moderation.opened().await;
            let Some(taken) = self.hear().await? else { return Ok(()) };
            let mut pieces = Vec::new();
            for said in std::mem::take(&mut self.said) {
                match said {
                    Said::Data(Channel::Stdin, _) if !session.wanted.stdin => {
                        return Err(Broken("input comes, and none was asked for".to_owned()).into());
                    }
                    Said::Data(Channel::Stdin, bytes) => {
                        self.passed.1 += bytes.len() as u64;
                        if session.wanted.tty {
                            session.tape.typed(&bytes).await?;
                        }
                    }
                    Said::Data(_, bytes) => {
                        self.passed.1 += bytes.len() as u64;
                        let sizes =
                            self.sizes.read(&bytes)?.into_iter().filter(|(cols, rows)| session.wanted.tty && *cols > 0 && *rows > 0);
                        pieces.extend(sizes.map(|(cols, rows)| Piece::Event(Event::Resize { cols, rows })));
                    }
                    Said::Message => self.passed.0 += 1,
                    Said::End(_) => {}
                }
            }
            self.pass(session.tape, pieces, taken).await?;
        }
    }

    /// From the server to the client, until the server ends.
    pub(super) async fn down(&mut self, session: &Session<'_>) -> Result<(), Stop> {
        loop {
            // What nobody sees who has to is not shown to the client either.
            session.moderation.opened().await;
            let Some(taken) = self.hear().await? else { return Ok(()) };
            let mut pieces = Vec::new();
            for said in std::mem::take(&mut self.said) {
                match said {
                    Said::Data(channel, bytes) => {
                        self.passed.1 += bytes.len() as u64;
                        match channel {
                            Channel::Stderr => pieces.push(Piece::Stderr(bytes)),
                            Channel::Error => pieces.extend(self.ended(&bytes)?),
                            _ => pieces.push(Piece::Output(bytes)),
                        }
                    }
                    Said::Message => self.passed.0 += 1,
                    Said::End(_) => {}
                }
            }
            self.pass(session.tape, pieces, taken).await?;
        }
    }

    /// Records what was said, and then hands it on.
    async fn pass(&mut self, tape: &Tape, pieces: Vec<Piece>, taken: usize) -> Result<(), Stop> {
        if !pieces.is_empty() {
            tape.write(pieces).await?;
        }
        self.hand_on(taken).await.map_err(|_| Stop::Deaf)
    }

    /// What the recording says once it is told how the command ended.
    fn ended(&mut self, bytes: &[u8]) -> Result<Option<Piece>, Broken> {
        let Some(ending) = self.status.read(bytes)? else { return Ok(None) };
        let piece = match &ending {
            Ending::Code(code) => Piece::Event(Event::Exit(Exit::status(*code))),
            Ending::Failed(why) => Tape::note(format!("the API server ended it: {}", Printable(why))),
        };
        self.ending = Some(ending);
        Ok(Some(piece))
    }

    /// Reads on. Gives how many bytes are understood, and leaves what they say in `said`; `None` at the end.
    async fn hear(&mut self) -> Result<Option<usize>, Stop> {
        self.buffer.reserve(PIECE);
        if self.from.read_buf(&mut (&mut self.buffer).limit(PIECE)).await.map_err(|_| Stop::Left)? > 0 {
            return Ok(Some(self.codec.read(&self.buffer, &mut self.said)?));
        }
        // What of a frame is there already was not handed on, and is not. Whoever is gone needs not be told.
        let _ = self.to.shutdown().await;
        Ok(None)
    }

    async fn hand_on(&mut self, taken: usize) -> io::Result<()> {
        if taken == 0 {
            return Ok(());
        }
        self.rests = false;
        self.to.write_all(self.buffer.get(..taken).unwrap_or_default()).await?;
        self.to.flush().await?;
        self.buffer.advance(taken);
        self.rests = self.codec.rests();
        Ok(())
    }

    /// Tells the client `status` as the command's end, where there is a place for it, and ends the connection.
    pub(super) async fn end_with(&mut self, status: &[u8]) -> io::Result<()> {
        if let Some(words) = self.codec.last_words(status).filter(|_| self.rests) {
            self.to.write_all(&words).await?;
            self.to.flush().await?;
        }
        self.to.shutdown().await
    }
}
