//! Walks the frames of a `.brec` file in order and checks each header against its body.
//! Holds one frame in memory; ends without error where the file ends, so it can follow a file that grows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::frame::{BadFrame, HEADER_LEN, Header, MAGIC};

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Reads at `offset`; 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let len = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), from.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }
}

/// A frame as it stands in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Where it begins.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Header and body: what the chain takes in.
    pub whole: &'a [u8],
    /// The body as stored.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Where the next frame begins.
    #[must_use]
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.whole.len() as u64
    }
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file does not begin with the magic.
    #[error("this is not a recording of a version this program knows")]
    Magic,
    /// The file ends inside a frame.
    #[error("the file ends inside the frame at byte {offset}")]
    Torn {
        /// Where the frame begins.
        offset: u64,
    },
    /// The bytes are no frame, or not the next one.
    #[error("the frame at byte {offset} is bad: {bad}")]
    Bad {
        /// Where the frame begins.
        offset: u64,
        /// What is wrong.
        bad: BadFrame,
    },
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What the next frame must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Where it begins.
    pub offset: u64,
    /// Its number.
    pub seq: u64,
    /// The least its time may be.
    pub at_us: u64,
}

impl Expected {
    /// The first frame of a file.
    pub(crate) const FIRST: Self = Self { offset: MAGIC.len() as u64, seq: 0, at_us: 0 };
}

const BUFFER: usize = 256 * 1024;

/// The walk.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    source: R,
    next: Expected,
    /// Bytes of the file from `buffer_at` on.
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<R: ReadAt> Frames<R> {
    /// Begins at the first frame.
    ///
    /// # Errors
    /// [`FrameError::Magic`], [`FrameError::Io`].
    pub(crate) fn open(source: R) -> Result<Self, FrameError> {
        let mut frames = Self::at(source, Expected::FIRST);
        frames.fill(0, MAGIC.len())?;
        if frames.bytes(0, MAGIC.len()) != Some(&MAGIC) {
            return Err(FrameError::Magic);
        }
        Ok(frames)
    }

    /// Begins at a frame found by an index. That it is that frame is checked when it is read.
    pub(crate) fn at(source: R, next: Expected) -> Self {
        Self { source, next, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Goes to another frame.
    pub(crate) fn seek(&mut self, next: Expected) {
        self.next = next;
    }

    /// What the next frame must be: behind the last good one.
    #[must_use]
    pub(crate) fn expected(&self) -> Expected {
        self.next
    }

    /// What is being read.
    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// The next frame; `None` at the end of the file. After an error or `None` the walk stands where it stood, so that
    /// it can be asked again when the file has grown.
    ///
    /// # Errors
    /// All but [`FrameError::Magic`].
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let (offset, len) = match self.read_frame() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => {
                // A torn write may be cut off and written anew.
                self.buffer.clear();
                return Err(error);
            }
        };
        let whole = self.bytes(offset, len).unwrap_or_default();
        let header = whole.first_chunk::<HEADER_LEN>().and_then(|bytes| Header::decode(bytes).ok());
        let body = whole.get(HEADER_LEN..).unwrap_or_default();
        Ok(header.map(|(header, _)| Frame { offset, header, whole, body }))
    }

    /// Has the next frame in the buffer and checked. Returns where it begins and its length.
    fn read_frame(&mut self) -> Result<Option<(u64, usize)>, FrameError> {
        let offset = self.next.offset;
        let have = self.fill(offset, HEADER_LEN)?;
        if have == 0 {
            return Ok(None);
        }
        let header = self.bytes(offset, HEADER_LEN).and_then(|bytes| bytes.first_chunk::<HEADER_LEN>());
        let (header, sum) = match header.map(Header::decode) {
            None => return Err(FrameError::Torn { offset }),
            Some(Err(bad)) => return Err(FrameError::Bad { offset, bad }),
            Some(Ok(read)) => read,
        };
        let len = HEADER_LEN + header.len as usize;
        if self.fill(offset, len)? < len {
            return Err(FrameError::Torn { offset });
        }
        self.check(&header, sum, offset)?;
        self.next = Expected { offset: offset + len as u64, seq: header.seq + 1, at_us: header.at_us };
        Ok(Some((offset, len)))
    }

    fn check(&self, header: &Header, sum: u32, offset: u64) -> Result<(), FrameError> {
        let body = self.bytes(offset + HEADER_LEN as u64, header.len as usize).unwrap_or_default();
        let bad = if !header.fits(body, sum) {
            BadFrame::Checksum
        } else if header.seq != self.next.seq || header.seq == u64::MAX {
            BadFrame::Sequence
        } else if header.at_us < self.next.at_us {
            BadFrame::Time
        } else {
            return Ok(());
        };
        Err(FrameError::Bad { offset, bad })
    }

    fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.buffer_at)?).ok()?;
        self.buffer.get(from..from.checked_add(len)?)
    }

    /// Has `len` bytes from `offset` on in the buffer, or as many as there are. Returns how many.
    fn fill(&mut self, offset: u64, len: usize) -> io::Result<usize> {
        if self.bytes(offset, len).is_some() {
            return Ok(len);
        }
        let kept = offset.checked_sub(self.buffer_at).and_then(|from| usize::try_from(from).ok());
        match kept {
            Some(from) if from <= self.buffer.len() => drop(self.buffer.drain(..from)),
            _ => self.buffer.clear(),
        }
        self.buffer_at = offset;
        let mut have = self.buffer.len();
        self.buffer.resize(len.max(BUFFER), 0);
        while have < len {
            let room = self.buffer.get_mut(have..).unwrap_or_default();
            match self.source.read_at(room, offset + have as u64) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(have);
                    return Err(error);
                }
            }
        }
        self.buffer.truncate(have);
        Ok(have.min(len))
    }
}

/// The frame at `offset`, whatever its number and time; `None` at the end of the file.
pub(crate) fn frame_at<R: ReadAt>(source: &R, offset: u64) -> Result<Option<(Header, Vec<u8>)>, FrameError> {
    let mut frames = Frames::at(source, Expected { offset, seq: 0, at_us: 0 });
    if frames.fill(offset, HEADER_LEN)? < HEADER_LEN {
        return Ok(None);
    }
    // The number is taken from the frame itself: whoever asks knows what it should be.
    let header = frames.bytes(offset, HEADER_LEN).and_then(|bytes| bytes.first_chunk::<HEADER_LEN>()).map(Header::decode);
    if let Some(Ok((header, _))) = header {
        frames.next.seq = header.seq;
    }
    Ok(frames.next_frame()?.map(|frame| (frame.header, frame.body.to_vec())))
}

#[cfg(test)]
mod tests;
