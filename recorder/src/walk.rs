//! The one walk that `verify` and `recover` trust: every frame's checksum, number and time, the hash chain, and each
//! signed statement under the key that the one before it named. Decompresses nothing, changes nothing.

use std::io;

use ed25519_dalek::VerifyingKey;

use crate::chain::{self, Chain, Statement};
use crate::frame::{BadFrame, Flags, HEADER_LEN, Header, Kind};
use crate::frames::{Expected, Frame, FrameError, Frames, ReadAt};
use crate::log::Position;
use crate::seal::{CommitText, EndText, RecoveryText};
use crate::sha256::{Hash, digest};

/// Why a walk stopped before the end of the file, or does not hold.
#[derive(Debug)]
pub(crate) enum Trouble {
    Magic,
    Torn {
        offset: u64,
    },
    Bad {
        offset: u64,
        bad: BadFrame,
    },
    /// A signature, or what it states, does not fit.
    Statement {
        offset: u64,
        why: &'static str,
    },
    /// Something follows the end frame.
    AfterEnd {
        offset: u64,
    },
    Io(io::Error),
}

/// A recovery frame met on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// Bytes between the last signed statement and this: vouched for by this frame alone.
    pub(crate) unsigned_bytes: u64,
    /// Bytes of a torn last write that were cut off, as this frame states.
    pub(crate) cut_bytes: u64,
    pub(crate) wall_us: i64,
}

/// The end frame.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) wall_us: i64,
    /// `None` when its text is not what this version writes.
    pub(crate) text: Option<EndText>,
}

/// How far a file holds.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Behind the last good frame.
    pub(crate) position: Position,
    pub(crate) commits: u64,
    /// What the last commit counted, in an encrypted recording.
    pub(crate) counted: Option<CommitText>,
    /// SHA-256 of the wrapped key that the file begins with.
    pub(crate) keys: Option<Hash>,
    /// Frames with recorded content, in the clear and encrypted.
    pub(crate) clear: u64,
    pub(crate) encrypted: u64,
    /// Where the last index frame begins; 0 for none.
    pub(crate) index: u64,
    /// Behind the last good signed frame.
    pub(crate) signed_to: u64,
    pub(crate) recoveries: Vec<Recovery>,
    pub(crate) end: Option<End>,
    pub(crate) trouble: Option<Trouble>,
    /// How many of the marks were met, in order.
    pub(crate) met: usize,
}

/// What the walk starts from.
pub(crate) struct Roots<'a> {
    /// SHA-256 of head.json.
    pub(crate) head: Hash,
    /// The first epoch's public key, as the head names it.
    pub(crate) first_key: [u8; 32],
    /// Keys that may sign a recovery.
    pub(crate) keys: &'a [VerifyingKey],
    /// Which channel file.
    pub(crate) channel: u32,
    /// Where frames must end and what the chain must be there, as the transparency log has it; in order.
    pub(crate) marks: &'a [(u64, Hash)],
}

/// Walks all of `source`, telling `progress` how many bytes are behind.
pub(crate) fn walk<R: ReadAt>(source: R, roots: &Roots<'_>, progress: &mut dyn FnMut(u64)) -> Walk {
    let mut walk = Walk {
        position: Position::first(Chain::start(&roots.head, roots.channel)),
        commits: 0,
        counted: None,
        keys: None,
        clear: 0,
        encrypted: 0,
        index: 0,
        signed_to: Expected::FIRST.offset,
        recoveries: Vec::new(),
        end: None,
        trouble: None,
        met: 0,
    };
    let mut frames = match Frames::open(source) {
        Ok(frames) => frames,
        Err(error) => {
            walk.position.offset = 0;
            walk.trouble = Some(trouble(error));
            return walk;
        }
    };
    let mut key = roots.first_key;
    while walk.trouble.is_none() {
        match frames.next_frame() {
            Ok(None) => break,
            Ok(Some(frame)) => walk.take(&frame, roots, &mut key),
            Err(error) => walk.trouble = Some(trouble(error)),
        }
        progress(walk.position.offset);
    }
    walk
}

fn trouble(error: FrameError) -> Trouble {
    match error {
        FrameError::Magic => Trouble::Magic,
        FrameError::Torn { offset } => Trouble::Torn { offset },
        FrameError::Bad { offset, bad } => Trouble::Bad { offset, bad },
        FrameError::Io(error) => Trouble::Io(error),
    }
}

impl Walk {
    /// Takes in one frame, or says why it does not hold.
    fn take(&mut self, frame: &Frame<'_>, roots: &Roots<'_>, key: &mut [u8; 32]) {
        if self.end.is_some() {
            self.trouble = Some(Trouble::AfterEnd { offset: frame.offset });
            return;
        }
        if frame.header.kind.is_signed() {
            match self.check(frame, roots, key) {
                Ok(next) => *key = next,
                Err(why) => {
                    self.trouble = Some(Trouble::Statement { offset: frame.offset, why });
                    return;
                }
            }
        }
        match frame.header.kind {
            Kind::INDEX => self.index = frame.offset,
            Kind::KEYS if frame.header.seq == 0 => self.keys = Some(digest(frame.body)),
            Kind::EVENTS | Kind::KEYFRAME if frame.header.flags.has(Flags::AEAD) => self.encrypted += 1,
            Kind::EVENTS | Kind::KEYFRAME => self.clear += 1,
            _ => {}
        }
        let chain = self.position.chain.after(frame.whole);
        let (offset, seq) = (frame.end(), frame.header.seq + 1);
        self.position = Position { offset, seq, chain, at_us: frame.header.at_us };
        while roots.marks.get(self.met).is_some_and(|mark| *mark == (offset, chain.0)) {
            self.met += 1;
        }
        if frame.header.kind.is_signed() {
            self.signed_to = offset;
        }
    }

    /// Checks a signed frame. Returns the key that must sign the next one.
    fn check(&mut self, frame: &Frame<'_>, roots: &Roots<'_>, key: &[u8; 32]) -> Result<[u8; 32], &'static str> {
        let said = Statement::decode(frame.body).ok_or("it is too short")?;
        if said.offset != frame.offset {
            return Err("it was signed for another place");
        }
        if said.chain != self.position.chain.0 {
            return Err("what was signed is not what stands before it");
        }
        let kind = frame.header.kind;
        let signed = if kind == Kind::RECOVERY {
            roots.keys.iter().any(|key| chain::verify(&frame.header, frame.body, key))
        } else {
            VerifyingKey::from_bytes(key).is_ok_and(|key| chain::verify(&frame.header, frame.body, &key))
        };
        if !signed {
            return Err("its signature does not fit its epoch's key");
        }
        match kind {
            Kind::COMMIT => {
                self.commits += 1;
                self.counted = serde_json::from_slice(said.text).ok().or(self.counted);
            }
            Kind::RECOVERY => {
                let text: RecoveryText = serde_json::from_slice(said.text).map_err(|_| "its text is not what this version writes")?;
                let unsigned_bytes = frame.offset.saturating_sub(self.signed_to);
                self.recoveries.push(Recovery { unsigned_bytes, cut_bytes: text.cut_bytes, wall_us: said.wall_us });
            }
            _ => self.end = Some(End { wall_us: said.wall_us, text: serde_json::from_slice(said.text).ok() }),
        }
        Ok(said.next_key)
    }
}

/// How far behind a bad frame a signed one is looked for.
const SEARCHED: u64 = 64 << 20;

/// True when the file was changed at the frame where `walk` stopped, not torn there: the frame behind it is good, or a
/// signed frame further on stands where it was signed to stand. What merely looks like frames inside recorded bytes
/// (someone showing a recording on the terminal) does not count.
pub(crate) fn goes_on_behind<R: ReadAt>(source: &R, walk: &Walk) -> io::Result<bool> {
    let bad = walk.position;
    if let Some(end) = claimed_end(source, bad.offset)? {
        let next = Expected { offset: end, seq: bad.seq + 1, at_us: bad.at_us };
        if found(Frames::at(source, next).next_frame())?.is_some() {
            return Ok(true);
        }
    }
    search(source, bad.offset + 1, &bad)
}

fn claimed_end<R: ReadAt>(source: &R, offset: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; HEADER_LEN];
    let read = read_full(source, &mut bytes, offset)?;
    let header = (read == HEADER_LEN).then(|| Header::decode(&bytes).ok()).flatten();
    Ok(header.map(|(header, _)| offset + HEADER_LEN as u64 + u64::from(header.len)))
}

/// Only a failing disk is an error here; anything else that is not a frame is none.
fn found(frame: Result<Option<Frame<'_>>, FrameError>) -> io::Result<Option<Frame<'_>>> {
    match frame {
        Ok(frame) => Ok(frame),
        Err(FrameError::Io(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

fn search<R: ReadAt>(source: &R, from: u64, bad: &Position) -> io::Result<bool> {
    let mut window = vec![0; 256 * 1024];
    let mut at = from;
    while at < from + SEARCHED {
        let have = read_full(source, &mut window, at)?;
        for (number, bytes) in window.get(..have).unwrap_or_default().windows(HEADER_LEN).enumerate() {
            let offset = at + number as u64;
            if let Some(header) = signed_header(bytes, bad)
                && stands_where_signed(source, offset, &header)?
            {
                return Ok(true);
            }
        }
        if have < window.len() {
            return Ok(false);
        }
        at += (have - HEADER_LEN + 1) as u64;
    }
    Ok(false)
}

fn signed_header(bytes: &[u8], bad: &Position) -> Option<Header> {
    let (header, _) = Header::decode(bytes.first_chunk::<HEADER_LEN>()?).ok()?;
    (header.kind.is_signed() && header.seq >= bad.seq).then_some(header)
}

fn stands_where_signed<R: ReadAt>(source: &R, offset: u64, header: &Header) -> io::Result<bool> {
    let next = Expected { offset, seq: header.seq, at_us: header.at_us };
    let mut frames = Frames::at(source, next);
    let frame = found(frames.next_frame())?;
    Ok(frame.and_then(|frame| Statement::decode(frame.body)).is_some_and(|said| said.offset == offset))
}

fn read_full<R: ReadAt>(source: &R, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while let Some(room) = buffer.get_mut(have..).filter(|room| !room.is_empty()) {
        match source.read_at(room, offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
