//! Where the chunks and keyframes of a channel file lie: from its index where there is one, by a walk over what the index
//! does not cover. Believes an index only as far as its frames are frames.

use crate::frame::{Flags, Kind};
use crate::frames::{Expected, FrameError, Frames, ReadAt, frame_at};
use crate::index::{ChunkStart, Index, KeyframeAt};
use crate::keyframe::Keyframe;
use crate::ratchet::Opener;
use crate::squeeze::Unpacker;

/// The map of one channel file.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) chunks: Vec<ChunkStart>,
    pub(crate) keyframes: Vec<KeyframeAt>,
    /// Time of the last frame.
    pub(crate) last_us: u64,
}

impl Map {
    /// Draws the map of `file`, whose last index frame should begin at `index` (0 for none known). Encrypted keyframes that
    /// no index names are found only with `opener`.
    pub(crate) fn load<R: ReadAt>(file: &R, index: u64, opener: Option<&Opener>) -> Result<Self, FrameError> {
        let (mut map, from) = Self::from_index(file, index).unwrap_or((Self::default(), Expected::FIRST));
        map.walk(file, from, opener)?;
        Ok(map)
    }

    /// The map of what lies before the index frame at `last`, and where the rest begins.
    fn from_index<R: ReadAt>(file: &R, last: u64) -> Option<(Self, Expected)> {
        let (mut map, mut at, mut rest) = (Self::default(), last, None);
        while at != 0 {
            let (header, body) = frame_at(file, at).ok()??;
            let mut unpacker = Unpacker::new(None)?;
            let index = Index::decode(unpacker.other(&header, &body).ok()?)?;
            // Each points to an earlier one, or this would not end.
            if header.kind != Kind::INDEX || index.previous >= at {
                return None;
            }
            let behind = Expected { offset: at, seq: header.seq, at_us: header.at_us };
            rest = rest.or(Some(behind));
            map.chunks.extend(index.chunks.into_iter().rev());
            map.keyframes.extend(index.keyframes.into_iter().rev());
            at = index.previous;
        }
        map.chunks.reverse();
        map.keyframes.reverse();
        let rising = map.chunks.is_sorted_by(|one, next| one.seq < next.seq && one.at_us <= next.at_us)
            && map.keyframes.is_sorted_by(|one, next| one.seq < next.seq);
        rest.filter(|_| rising).map(|rest| (map, rest))
    }

    fn walk<R: ReadAt>(&mut self, file: &R, from: Expected, opener: Option<&Opener>) -> Result<(), FrameError> {
        let mut frames = Frames::at(file, from);
        loop {
            let frame = match frames.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) | Err(FrameError::Torn { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            self.last_us = frame.header.at_us;
            let (seq, at_us, offset) = (frame.header.seq, frame.header.at_us, frame.offset);
            match frame.header.kind {
                Kind::EVENTS if frame.header.flags.has(Flags::CHUNK) => self.chunks.push(ChunkStart { seq, at_us, offset }),
                Kind::KEYFRAME => {
                    if let Some(keyframe) = Keyframe::read(file, offset, opener) {
                        self.keyframes.push(KeyframeAt { seq: keyframe.before.seq, offset });
                    }
                }
                _ => {}
            }
        }
    }

    /// The last chunk begun at `at_us` or before, by its place in the list.
    pub(crate) fn chunk_at(&self, at_us: u64) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.at_us <= at_us).checked_sub(1)
    }

    /// The last keyframe that stands before the chunk that begins with frame `seq`, or before an earlier one.
    pub(crate) fn keyframe_before(&self, seq: u64) -> Option<KeyframeAt> {
        let at = self.keyframes.partition_point(|keyframe| keyframe.seq <= seq).checked_sub(1)?;
        self.keyframes.get(at).copied()
    }
}
