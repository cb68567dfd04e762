//! Compression of frame bodies and its safe inverse. A session owns at most [`HISTORY_LEN`] bytes for it: the zstd
//! contexts and buffers are lent by a [`Pool`]. Output is bounded by `BODY_LIMIT` before a byte is decompressed.

use std::sync::{Mutex, PoisonError};

use zeroize::Zeroize;
use zstd::zstd_safe::{CCtx, DCtx, get_frame_content_size};

use crate::frame::{BODY_LIMIT, Flags, Header};
use crate::ratchet::Opener;

/// Bytes of the chunk's latest decoded bodies that help to compress the next one.
pub(crate) const HISTORY_LEN: usize = 8 * 1024;
/// Of it, what helps a short body: to look through all of it costs more than the body itself, and what is alike is mostly close by.
const NEAR_HISTORY: usize = 2 * 1024;
/// A body shorter than this is short.
const SHORT: usize = 1024;
/// A body shorter than this is not worth a try.
const WORTH_TRYING: usize = 48;
/// From this length on history gains nothing and speed counts.
const BULK: usize = 16 * 1024;
const LEVEL: i32 = 1;
const BULK_LEVEL: i32 = -1;
/// Twice as fast as level 1, at half its ratio.
const FLOOD_LEVEL: i32 = -8;
/// zstd reads content with this start as a formatted dictionary, which history must never be (RFC 8878 section 5).
const DICTIONARY_MAGIC: [u8; 4] = [0x37, 0xa4, 0x30, 0xec];
const SCRATCHES_KEPT: usize = 8;
/// A scratch that grew beyond this is not kept.
const SCRATCH_KEPT_LEN: usize = 4 << 20;

/// The end of what a chunk's bodies held so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct History(Vec<u8>);

impl History {
    /// Adds a decoded body; keeps its last [`HISTORY_LEN`] bytes.
    pub(crate) fn push(&mut self, body: &[u8]) {
        let fresh = body.get(body.len().saturating_sub(HISTORY_LEN)..).unwrap_or(body);
        let stale = (self.0.len() + fresh.len()).saturating_sub(HISTORY_LEN);
        self.0.drain(..stale.min(self.0.len()));
        self.0.extend_from_slice(fresh);
    }

    /// Forgets everything, wipes it and gives the memory back.
    pub(crate) fn forget(&mut self) {
        self.0.zeroize();
        self.0 = Vec::new();
    }

    /// Empties and wipes it for the next chunk.
    pub(crate) fn clear(&mut self) {
        self.0.zeroize();
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.0.capacity()
    }

    fn usable(&self) -> Option<&[u8]> {
        usable(&self.0)
    }

    /// What a body of `len` bytes is compressed with: distances count from the end of the history, so that who decompresses with all
    /// of it finds the same.
    fn helpful(&self, len: usize) -> Option<&[u8]> {
        let all = self.usable()?;
        let from = if len < SHORT { all.len().saturating_sub(NEAR_HISTORY) } else { 0 };
        usable(all.get(from..)?)
    }
}

fn usable(history: &[u8]) -> Option<&[u8]> {
    (history.len() >= 8 && !history.starts_with(&DICTIONARY_MAGIC)).then_some(history)
}

/// What one `append` borrows: a context and the buffers it works in.
pub(crate) struct Scratch {
    context: CCtx<'static>,
    packed: Vec<u8>,
    /// The bytes of one `write()`.
    pub(crate) out: Vec<u8>,
    /// The history as it will be once that write has succeeded.
    pub(crate) history: History,
    /// What was recorded is wiped from here as soon as it is not needed.
    pub(crate) is_secret: bool,
}

impl Scratch {
    fn new() -> Option<Self> {
        Some(Self { context: CCtx::try_create()?, packed: Vec::new(), out: Vec::new(), history: History::default(), is_secret: false })
    }

    /// Packs the events body that starts at `from` in `out`, in place if that makes it smaller, and adds it to the
    /// history, which starts anew with a `chunk`. In a `flood`, speed counts for more than size. Returns the flags to store.
    pub(crate) fn pack_events(&mut self, from: usize, chunk: bool, flood: bool) -> Flags {
        if chunk {
            self.history.clear();
        }
        let packed = self.try_pack(from, true, flood);
        self.history.push(self.out.get(from..).unwrap_or_default());
        let flags = self.keep(from, packed);
        if chunk { flags.with(Flags::CHUNK) } else { flags }
    }

    /// Packs a body that stands alone.
    pub(crate) fn pack_alone(&mut self, from: usize) -> Flags {
        let packed = self.try_pack(from, false, false);
        self.keep(from, packed)
    }

    /// Fills `packed`; `None` means the body is better left as it is, whatever the cause.
    fn try_pack(&mut self, from: usize, with_history: bool, flood: bool) -> Option<Flags> {
        let body = self.out.get(from..)?;
        if body.len() < WORTH_TRYING || looks_random(body) {
            return None;
        }
        let small = body.len() < BULK;
        let history = if with_history && small { self.history.helpful(body.len()) } else { None };
        let level = match (small, flood) {
            (true, _) => LEVEL,
            (false, false) => BULK_LEVEL,
            (false, true) => FLOOD_LEVEL,
        };
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(body.len()));
        let done = match history {
            Some(history) => self.context.compress_using_dict(&mut self.packed, body, history, level),
            None => self.context.compress(&mut self.packed, body, level),
        };
        let smaller = self.packed.len() + body.len() / 32 < body.len();
        (done.is_ok() && smaller).then_some(if history.is_some() { Flags::ZSTD.with(Flags::HISTORY) } else { Flags::ZSTD })
    }

    fn keep(&mut self, from: usize, packed: Option<Flags>) -> Flags {
        let Some(flags) = packed else {
            return Flags::default();
        };
        if self.is_secret
            && let Some(body) = self.out.get_mut(from..)
        {
            body.zeroize();
        }
        self.out.truncate(from);
        self.out.extend_from_slice(&self.packed);
        flags
    }

    /// What is left in it is ciphertext afterwards.
    fn wipe(&mut self) {
        self.packed.as_mut_slice().zeroize();
        self.history.clear();
        self.is_secret = false;
    }
}

/// Samples of a large body: true when its bytes are spread so evenly that no compressor would help.
fn looks_random(body: &[u8]) -> bool {
    const SAMPLES: usize = 4;
    const SAMPLE: usize = 1024;
    if body.len() < BULK {
        return false;
    }
    let mut counts = [0u32; 256];
    for part in body.chunks(body.len() / SAMPLES).take(SAMPLES) {
        for byte in part.iter().take(SAMPLE) {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
    // Sum of squares is least for an even spread: 16 each of 4096, 65,536 in all; its expectation for random bytes is
    // 69,600 with a deviation of about 360. Text is above a million.
    let squares: u64 = counts.iter().map(|&count| u64::from(count) * u64::from(count)).sum();
    squares < 72_000
}

/// Contexts and buffers for all writers of a process. Holds at most eight at rest, however many were out at once.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    /// Lends a scratch to `work`. `None` only when zstd cannot have memory for a context.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> Option<T> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = match idle {
            Some(scratch) => scratch,
            None => Scratch::new()?,
        };
        let done = work(&mut scratch);
        if scratch.is_secret {
            scratch.wipe();
        }
        if scratch.out.capacity() <= SCRATCH_KEPT_LEN {
            scratch.out.clear();
            let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < SCRATCHES_KEPT {
                pool.push(scratch);
            }
        }
        Some(done)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// The body is encrypted, and no key is at hand.
    #[error("it is encrypted: an auditor's identity is needed")]
    Encrypted,
    /// The body does not decrypt: it, its header or its place was changed, or the key is not this recording's.
    #[error("it does not decrypt: it was changed, or it is not of this recording")]
    Undecryptable,
    /// Flags of a later version.
    #[error("the body is stored in a way this version does not know")]
    Flags,
    /// The zstd frame is broken or does not say how long its content is.
    #[error("the compressed body is broken")]
    Broken,
    /// It would be longer than `BODY_LIMIT`.
    #[error("the body would be longer than the format allows")]
    TooLong,
}

/// Decodes bodies one after the other, keeping the chunk's history.
pub(crate) struct Unpacker {
    context: DCtx<'static>,
    history: History,
    opener: Option<Opener>,
    opened: Vec<u8>,
    body: Vec<u8>,
}

impl Unpacker {
    /// `opener` decrypts what is encrypted.
    pub(crate) fn new(opener: Option<Opener>) -> Option<Self> {
        let (history, opened, body) = (History::default(), Vec::new(), Vec::new());
        Some(Self { context: DCtx::try_create()?, history, opener, opened, body })
    }

    /// Where the row of keys stands after the last body.
    pub(crate) fn opener(&self) -> Option<&Opener> {
        self.opener.as_ref()
    }

    /// The events body behind `stored`. Must be given every events frame of a chunk in order.
    pub(crate) fn events(&mut self, header: &Header, stored: &[u8]) -> Result<&[u8], BadBody> {
        if header.flags.has(Flags::CHUNK) {
            self.history.clear();
        }
        self.decode(header, stored)?;
        self.history.push(&self.body);
        Ok(&self.body)
    }

    /// Any other body: no history in, none out.
    pub(crate) fn other(&mut self, header: &Header, stored: &[u8]) -> Result<&[u8], BadBody> {
        if header.flags.has(Flags::HISTORY) {
            return Err(BadBody::Flags);
        }
        self.decode(header, stored)?;
        Ok(&self.body)
    }

    fn decode(&mut self, header: &Header, stored: &[u8]) -> Result<(), BadBody> {
        check_flags(header.flags)?;
        if !header.flags.has(Flags::AEAD) {
            return self.unpack(header.flags, stored);
        }
        let mut opened = std::mem::take(&mut self.opened);
        let done = match &mut self.opener {
            Some(opener) => opener.open(header, stored, &mut opened).and_then(|()| self.unpack(header.flags, &opened)),
            None => Err(BadBody::Encrypted),
        };
        self.opened = opened;
        done
    }

    fn unpack(&mut self, flags: Flags, stored: &[u8]) -> Result<(), BadBody> {
        self.body.clear();
        if !flags.has(Flags::ZSTD) {
            if stored.len() > BODY_LIMIT {
                return Err(BadBody::TooLong);
            }
            self.body.extend_from_slice(stored);
            return Ok(());
        }
        self.body.reserve(content_len(stored)?);
        let done = if flags.has(Flags::HISTORY) {
            let history = self.history.usable().ok_or(BadBody::Broken)?;
            self.context.decompress_using_dict(&mut self.body, stored, history)
        } else {
            self.context.decompress(&mut self.body, stored)
        };
        done.map(drop).map_err(|_| BadBody::Broken)
    }
}

fn check_flags(flags: Flags) -> Result<(), BadBody> {
    let known = Flags::ZSTD.with(Flags::HISTORY).with(Flags::CHUNK).with(Flags::AEAD);
    if known.has(flags) && (flags.has(Flags::ZSTD) || !flags.has(Flags::HISTORY)) { Ok(()) } else { Err(BadBody::Flags) }
}

/// The content size a zstd frame claims. One that claims none, or too much, is refused unread.
fn content_len(stored: &[u8]) -> Result<usize, BadBody> {
    let claimed = get_frame_content_size(stored).map_err(|_| BadBody::Broken)?.ok_or(BadBody::Broken)?;
    usize::try_from(claimed).ok().filter(|&len| len <= BODY_LIMIT).ok_or(BadBody::TooLong)
}

#[cfg(test)]
mod tests;
