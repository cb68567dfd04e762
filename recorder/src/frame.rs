//! One frame of a `.brec` file: a clear 28-byte header and a body.
//! Knows nothing of what a body means, never decompresses and never reads files.

use crate::wire::Bytes;

/// First bytes of every `.brec`: not text, and broken by any line-end conversion. The last byte is the format version.
pub(crate) const MAGIC: [u8; 8] = *b"\x89BREC\r\n\x01";
/// Bytes in a frame header.
pub(crate) const HEADER_LEN: usize = 28;
/// Most bytes a body may hold once decompressed.
pub(crate) const BODY_LIMIT: usize = 1 << 20;
/// Most bytes a body may hold as stored: what does not shrink is stored as it is, plus room for an AEAD tag.
pub(crate) const STORED_LIMIT: usize = BODY_LIMIT + 64;

/// What a frame's body is. 3 is kept for rows of screen text to search, 8 for naming a further channel file; frames of a
/// kind that is not known are chained like all others and passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind(pub u8);

impl Kind {
    /// Recorded events.
    pub(crate) const EVENTS: Self = Self(1);
    /// The screen as it was before a given frame.
    pub(crate) const KEYFRAME: Self = Self(2);
    /// A signature over everything before it, and the next epoch's public key.
    pub(crate) const COMMIT: Self = Self(4);
    /// Where chunks and keyframes begin.
    pub(crate) const INDEX: Self = Self(5);
    /// Signed by the deployment's key after a crash, in place of the lost epoch key.
    pub(crate) const RECOVERY: Self = Self(6);
    /// The signed last frame.
    pub(crate) const END: Self = Self(7);
    /// The session's key, wrapped to the recipients: the first frame of an encrypted recording.
    pub(crate) const KEYS: Self = Self(9);

    /// True for the frames that carry a signature.
    #[must_use]
    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::COMMIT | Self::RECOVERY | Self::END)
    }
}

/// How a body is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub u8);

impl Flags {
    /// The body is one zstd frame with its content size in it.
    pub(crate) const ZSTD: Self = Self(1);
    /// The zstd frame needs the chunk's history as raw-content dictionary.
    pub(crate) const HISTORY: Self = Self(2);
    /// The first events frame of a chunk: history starts empty here.
    pub(crate) const CHUNK: Self = Self(4);
    /// The body is encrypted: the key's number, ciphertext, tag.
    pub(crate) const AEAD: Self = Self(8);

    /// True when every bit of `other` is set.
    #[must_use]
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A frame's header, without its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the body as stored.
    pub len: u32,
    /// What the body is.
    pub kind: Kind,
    /// How the body is stored.
    pub flags: Flags,
    /// Number of the frame in its file, from 0, dense.
    pub seq: u64,
    /// Microseconds since the session began; never less than in the frame before.
    pub at_us: u64,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The two reserved bytes are not zero.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// The length is over [`STORED_LIMIT`].
    #[error("the body is longer than the format allows")]
    Length,
    /// The checksum does not fit header and body.
    #[error("the checksum does not fit")]
    Checksum,
    /// The frame's number is not the next one.
    #[error("the frame number is not the next one")]
    Sequence,
    /// The frame's time is before the last frame's.
    #[error("the time runs backwards")]
    Time,
}

impl Header {
    /// The header's bytes up to the checksum: what a signature covers.
    #[must_use]
    pub(crate) fn signed_part(&self) -> [u8; 24] {
        let mut out = [0; 24];
        let parts = [&self.len.to_le_bytes()[..], &[self.kind.0, self.flags.0, 0, 0], &self.seq.to_le_bytes(), &self.at_us.to_le_bytes()];
        for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        out
    }

    /// The whole header for `body`, checksum last.
    #[must_use]
    pub(crate) fn encode(&self, body: &[u8]) -> [u8; HEADER_LEN] {
        let part = self.signed_part();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&part), body);
        let mut out = [0; HEADER_LEN];
        for (to, from) in out.iter_mut().zip(part.iter().chain(&sum.to_le_bytes())) {
            *to = *from;
        }
        out
    }

    /// Reads a header and its checksum. Checks what can be checked without the body.
    ///
    /// # Errors
    /// [`BadFrame::Reserved`] or [`BadFrame::Length`].
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<(Self, u32), BadFrame> {
        let mut bytes = Bytes(bytes);
        let len = bytes.u32().unwrap_or(u32::MAX);
        let kind = Kind(bytes.u8().unwrap_or(0));
        let flags = Flags(bytes.u8().unwrap_or(0));
        let reserved = bytes.u16().unwrap_or(u16::MAX);
        let seq = bytes.u64().unwrap_or(u64::MAX);
        let at_us = bytes.u64().unwrap_or(u64::MAX);
        let sum = bytes.u32().unwrap_or(0);
        if reserved != 0 {
            return Err(BadFrame::Reserved);
        }
        if usize::try_from(len).unwrap_or(usize::MAX) > STORED_LIMIT {
            return Err(BadFrame::Length);
        }
        Ok((Self { len, kind, flags, seq, at_us }, sum))
    }

    /// True when `sum` is the checksum of this header over `body`.
    #[must_use]
    pub(crate) fn fits(&self, body: &[u8], sum: u32) -> bool {
        crc32c::crc32c_append(crc32c::crc32c(&self.signed_part()), body) == sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { len: 3, kind: Kind::EVENTS, flags: Flags::CHUNK, seq: 7, at_us: 1_000_000 }
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let bytes = header().encode(b"abc");
        let (read, sum) = Header::decode(&bytes).unwrap();
        assert_eq!(read, header());
        assert!(read.fits(b"abc", sum));
    }

    #[test]
    fn every_flipped_bit_of_header_or_body_is_seen() {
        let good = header().encode(b"abc");
        for bit in 0..HEADER_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let seen = match Header::decode(&bad) {
                Err(_) => true,
                Ok((read, sum)) => read.len != 3 || !read.fits(b"abc", sum),
            };
            assert!(seen, "bit {bit}");
        }
        let (read, sum) = Header::decode(&good).unwrap();
        assert!(!read.fits(b"abd", sum));
    }
}
