//! Appends frames to one file so that a failed write changes nothing: position, number and chain move on only after
//! the bytes are in the kernel. Knows frames, not what they mean.

use std::fs::File;
use std::io::{self, Write};

use ed25519_dalek::SigningKey;

use crate::chain::{Chain, Statement};
use crate::frame::{Flags, HEADER_LEN, Header, Kind, MAGIC};

/// A file that can be appended to and cut. A trait so that tests can make it fail.
pub(crate) trait Tape {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Tape for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Where the next frame goes and what it follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) chain: Chain,
    /// Time of the frame before.
    pub(crate) at_us: u64,
}

impl Position {
    /// Before the first frame.
    pub(crate) fn first(chain: Chain) -> Self {
        Self { offset: MAGIC.len() as u64, seq: 0, chain, at_us: 0 }
    }

    pub(crate) fn header(&self, kind: Kind, flags: Flags, len: usize) -> Header {
        Header { len: u32::try_from(len).unwrap_or(u32::MAX), kind, flags, seq: self.seq, at_us: self.at_us }
    }

    /// Leaves room for a header; the body is to be appended behind it. Returns where the frame begins.
    pub(crate) fn open(out: &mut Vec<u8>) -> usize {
        let from = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        from
    }

    /// Fills in the header of the frame that begins at `from` and ends with `out`; moves on behind it.
    pub(crate) fn close(&mut self, out: &mut [u8], from: usize, kind: Kind, flags: Flags) {
        let Some((head, body)) = out.get_mut(from..).and_then(|frame| frame.split_first_chunk_mut::<HEADER_LEN>()) else {
            return;
        };
        *head = self.header(kind, flags, body.len()).encode(body);
        let frame = out.get(from..).unwrap_or_default();
        self.chain = self.chain.after(frame);
        self.offset += frame.len() as u64;
        self.seq += 1;
    }

    /// Appends a whole frame with a given body.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, kind: Kind, flags: Flags, body: &[u8]) {
        let from = Self::open(out);
        out.extend_from_slice(body);
        self.close(out, from, kind, flags);
    }

    /// Appends a signed frame.
    pub(crate) fn put_signed(&mut self, out: &mut Vec<u8>, kind: Kind, key: &SigningKey, said: &Signed<'_>) {
        let statement =
            Statement { offset: self.offset, chain: self.chain.0, wall_us: said.wall_us, next_key: said.next_key, text: said.text };
        let header = self.header(kind, Flags::default(), statement.body_len());
        self.put(out, kind, Flags::default(), &statement.sign(&header, key));
    }
}

/// What a signed frame says beyond its position.
pub(crate) struct Signed<'a> {
    pub(crate) wall_us: i64,
    pub(crate) next_key: [u8; 32],
    pub(crate) text: &'a [u8],
}

/// One file and how far it is known to be good.
#[derive(Debug)]
pub(crate) struct Log<T> {
    tape: T,
    position: Position,
    torn: bool,
}

impl<T: Tape> Log<T> {
    /// Goes on with a file that is good up to `position`.
    pub(crate) fn resume(tape: T, position: Position) -> Self {
        Self { tape, position, torn: false }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn tape(&self) -> &T {
        &self.tape
    }

    /// Appends `out`, which leads to `after`. On an error the file is cut back, at once or before the next write.
    pub(crate) fn write(&mut self, out: &[u8], after: Position) -> io::Result<()> {
        if self.torn {
            self.tape.cut(self.position.offset)?;
            self.torn = false;
        }
        if let Err(error) = self.tape.append(out) {
            self.torn = self.tape.cut(self.position.offset).is_err();
            return Err(error);
        }
        self.position = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
