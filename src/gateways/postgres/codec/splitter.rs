//! Cuts a stream into messages: a byte that names the kind, four of length, the body. What arrived in one piece is handed on in one
//! piece, uncopied. Rows and copied data of any length pass through in pieces; what has to be seen whole has a limit.

use bytes::{Buf, Bytes, BytesMut};

use super::CodecError;

/// Kind and length.
const HEADER: usize = 5;

/// The longest that the protocol can say.
const LONGEST: u32 = i32::MAX as u32;

/// How much of a long message that passes through in pieces is seen at its beginning.
const HEAD: usize = 64 << 10;

/// The longest row that is taken whole, where something in it is masked.
const ROW: usize = 64 << 20;

/// Whose messages they are, which says which may be how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Side {
    /// From a client; statements of up to so many bytes are seen whole.
    Client(usize),
    /// From a server.
    Server,
}

/// How a kind of message is taken.
enum Taken {
    /// Whole, up to so many bytes.
    Whole(usize),
    /// In pieces where it is long.
    Pieces,
}

impl Side {
    fn taken(self, kind: u8) -> Option<Taken> {
        match (self, kind) {
            (Self::Client(most), b'Q' | b'P') => Some(Taken::Whole(most)),
            (Self::Client(_), b'B' | b'd' | b'F') => Some(Taken::Pieces),
            (Self::Client(_), b'C' | b'D' | b'E' | b'f' | b'p') => Some(Taken::Whole(64 << 10)),
            (Self::Client(_), b'H' | b'S' | b'X' | b'c') => Some(Taken::Whole(HEADER)),
            (Self::Server, b'D' | b'd') => Some(Taken::Pieces),
            (Self::Server, b'T' | b't' | b'E' | b'N' | b'A' | b'C' | b'S' | b'G' | b'H' | b'W' | b'V') => Some(Taken::Whole(4 << 20)),
            (Self::Server, b'K' | b'R' | b'v' | b'Z') => Some(Taken::Whole(64 << 10)),
            (Self::Server, b'1' | b'2' | b'3' | b'I' | b'n' | b's' | b'c') => Some(Taken::Whole(HEADER)),
            _ => None,
        }
    }
}

/// A message, or a piece of one. The bytes hold its header, so that they can be handed on as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Frame {
    /// A whole message.
    Whole(u8, Bytes),
    /// The beginning of a long one.
    Begin(u8, Bytes),
    /// More of it; true for the last.
    More(Bytes, bool),
    /// A client's statement longer than may be; its bytes are gone.
    TooLong(u8),
}

/// What is done with the rest of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Passes,
    Dropped(u8),
}

/// What is seen of a run of messages that pass unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Kept {
    /// All of them.
    pub(in super::super) bytes: Bytes,
    /// How many there are.
    pub(in super::super) count: u64,
}

/// Cuts one side's stream.
#[derive(Debug)]
pub(in super::super) struct Splitter {
    side: Side,
    /// The beginning of a message that is not whole yet.
    held: BytesMut,
    /// What came last and was not looked at yet.
    chunk: Bytes,
    /// Rows and copied data are wanted whole, up to [`ROW`].
    whole_rows: bool,
    /// Bytes of the current message still to come, and what is done with them.
    rest: Option<(usize, Rest)>,
}

impl Splitter {
    pub(in super::super) fn new(side: Side) -> Self {
        Self { side, held: BytesMut::new(), chunk: Bytes::new(), whole_rows: false, rest: None }
    }

    /// Whether rows are wanted whole from the next message on.
    pub(in super::super) fn want_whole_rows(&mut self, whole: bool) {
        self.whole_rows = whole;
    }

    /// Takes what has arrived. What came before must have been taken out.
    pub(in super::super) fn feed(&mut self, bytes: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = bytes;
        } else {
            self.held_up();
            self.chunk = bytes;
        }
    }

    /// Whether nothing of a message has been handed on whose rest is still to come.
    pub(in super::super) fn is_between(&self) -> bool {
        self.rest.is_none()
    }

    fn held_up(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.held.extend_from_slice(&chunk);
    }

    /// The next message or piece of one, if it is there.
    pub(in super::super) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        if let Some((left, rest)) = self.rest {
            return Ok(self.go_on(left, rest));
        }
        let Some((kind, whole)) = self.header()? else { return Ok(None) };
        let taken = self.side.taken(kind).ok_or(CodecError::Malformed(char::from(kind)))?;
        let taken = if self.whole_rows && matches!((self.side, kind), (Side::Server, b'D' | b'd')) { Taken::Whole(ROW) } else { taken };
        match taken {
            Taken::Pieces if whole > HEAD => Ok(self.take(HEAD).map(|head| {
                self.rest = Some((whole - HEAD, Rest::Passes));
                Frame::Begin(kind, head)
            })),
            Taken::Whole(most) if whole > most.max(HEADER) => {
                if matches!((self.side, kind), (Side::Client(_), b'Q' | b'P')) {
                    self.rest = Some((whole, Rest::Dropped(kind)));
                    return self.next();
                }
                Err(CodecError::Length(char::from(kind), u32::try_from(whole - 1).unwrap_or(u32::MAX)))
            }
            Taken::Whole(_) | Taken::Pieces => Ok(self.take(whole).map(|bytes| Frame::Whole(kind, bytes))),
        }
    }

    /// All whole messages of the kind `kind` that have arrived in one piece and follow each other, without looking into them.
    pub(in super::super) fn run(&mut self, kind: u8) -> Option<Kept> {
        if self.rest.is_some() || !self.held.is_empty() {
            return None;
        }
        let (mut end, mut count) = (0, 0);
        while let Some((found, whole)) = self.chunk.get(end..).and_then(header_of)
            && found == kind
            && whole.is_ok_and(|whole| self.chunk.len() - end >= whole)
        {
            end += whole.unwrap_or(0);
            count += 1;
        }
        (count > 0).then(|| Kept { bytes: self.chunk.split_to(end), count })
    }

    fn go_on(&mut self, left: usize, rest: Rest) -> Option<Frame> {
        if !self.held.is_empty() {
            // Only the head of a dropped message can be held.
            let gone = self.held.len().min(left);
            self.held.advance(gone);
            return self.went_on(left, gone, rest, Bytes::new());
        }
        if self.chunk.is_empty() {
            return None;
        }
        let piece = self.chunk.split_to(self.chunk.len().min(left));
        self.went_on(left, piece.len(), rest, piece)
    }

    fn went_on(&mut self, left: usize, gone: usize, rest: Rest, piece: Bytes) -> Option<Frame> {
        let left = left - gone;
        self.rest = (left > 0).then_some((left, rest));
        match rest {
            Rest::Passes => Some(Frame::More(piece, left == 0)),
            Rest::Dropped(kind) if left == 0 => Some(Frame::TooLong(kind)),
            Rest::Dropped(_) => self.go_on(left, rest),
        }
    }

    /// The kind and the whole length of the next message.
    fn header(&mut self) -> Result<Option<(u8, usize)>, CodecError> {
        if !self.held.is_empty() && self.held.len() < HEADER {
            let more = self.chunk.split_to(self.chunk.len().min(HEADER - self.held.len()));
            self.held.extend_from_slice(&more);
        }
        let seen: &[u8] = if self.held.is_empty() { &self.chunk } else { &self.held };
        match header_of(seen) {
            Some((kind, Ok(whole))) => Ok(Some((kind, whole))),
            Some((kind, Err(length))) => Err(CodecError::Length(char::from(kind), length)),
            None => {
                self.held_up();
                Ok(None)
            }
        }
    }

    /// The next `count` bytes, once they are there.
    fn take(&mut self, count: usize) -> Option<Bytes> {
        if self.held.is_empty() {
            if self.chunk.len() >= count {
                return Some(self.chunk.split_to(count));
            }
            self.held_up();
            return None;
        }
        if self.held.len() >= count {
            return Some(self.held.split_to(count).freeze());
        }
        let more = self.chunk.split_to(self.chunk.len().min(count - self.held.len()));
        self.held.extend_from_slice(&more);
        (self.held.len() == count).then(|| self.held.split().freeze())
    }
}

/// The messages of which `bytes` is made, as [`Splitter::run`] gives them; what is none ends them.
pub(in super::super) fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (_, whole) = header_of(rest)?;
        let (frame, behind) = rest.split_at_checked(whole.ok()?)?;
        rest = behind;
        Some(frame)
    })
}

/// The whole length of the message that `bytes` begin with, as it says itself.
pub(in super::super) fn length(bytes: &[u8]) -> u64 {
    let said = bytes.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    said.map_or(0, |said| u64::from(said) + 1)
}

/// The kind and the whole length of the message that `bytes` begin with; an error for a length that cannot be.
fn header_of(bytes: &[u8]) -> Option<(u8, Result<usize, u32>)> {
    let (kind, rest) = bytes.split_first()?;
    let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
    if !(4..=LONGEST).contains(&length) {
        return Some((*kind, Err(length)));
    }
    Some((*kind, usize::try_from(length).map(|length| length + 1).map_err(|_| length)))
}
