//! The fields that every SFTP packet is made of (draft-ietf-secsh-filexfer-02 section 2, after RFC 4251 section 5): reads them
//! from a slice and writes them to a buffer. It never allocates for what a length field promises.

use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field reaches past the end.
    #[error("a packet is shorter than what it says to hold")]
    Short,
    /// Something stands behind the last field.
    #[error("a packet is longer than what it says to hold")]
    Long,
    /// More than [`super::LONGEST`] bytes.
    #[error("a packet of {0} bytes is over the limit of 256 KiB")]
    TooLong(u32),
    /// A type that version 3 does not have, or not in this direction.
    #[error("a packet of type {0} has no meaning here")]
    Kind(u8),
    /// Bits that version 3 does not have.
    #[error("attributes carry unknown flags")]
    Flags,
}

/// What is left to read of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Short)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed::Short)?;
        self.take(length)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }
}

/// Appends a string. One over 4 GiB cannot come here: packets end at 256 KiB.
pub(super) fn put_string(out: &mut BytesMut, text: &[u8]) {
    out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    out.put_slice(text);
}

/// A whole packet: length, type, and what `body` writes.
pub(super) fn packet(kind: u8, body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u32(0);
    out.put_u8(kind);
    body(&mut out);
    let length = u32::try_from(out.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(place) = out.first_chunk_mut::<4>() {
        *place = length.to_be_bytes();
    }
    out.freeze()
}
