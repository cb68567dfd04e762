//! How far a channel file is final while it is still being written: up to its last signed frame. What lies behind that may
//! yet be cut off by a failed write or by a recovery; what lies before it never changes. Checks no signature.

use std::io;

use crate::frames::{Expected, FrameError, Frames, ReadAt};

/// Follows one channel file. Each call reads only what came since the last one.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Behind the last signed frame.
    next: Expected,
}

impl Default for Committed {
    fn default() -> Self {
        Self { next: Expected { offset: 0, ..Expected::FIRST } }
    }
}

impl Committed {
    /// How many bytes of `file` are final.
    ///
    /// # Errors
    /// What the system says. A torn or bad frame is no error: it is not final.
    pub fn advance<R: ReadAt>(&mut self, file: &R) -> io::Result<u64> {
        let mut frames = match self.next.offset {
            0 => match Frames::open(file) {
                Ok(frames) => frames,
                Err(FrameError::Io(error)) => return Err(error),
                Err(_) => return Ok(0),
            },
            _ => Frames::at(file, self.next),
        };
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) if frame.header.kind.is_signed() => self.next = frames.expected(),
                Ok(Some(_)) => {}
                Err(FrameError::Io(error)) => return Err(error),
                Ok(None) | Err(_) => return Ok(self.next.offset),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use crate::testing::{now, shell};
    use std::fs::File;

    #[test]
    fn only_what_a_signature_covers_is_final_and_it_only_grows() {
        let mut tape = shell();
        let file = File::open(tape.dir().join("c0.brec")).unwrap();
        let mut committed = Committed::default();
        assert_eq!(committed.advance(&file).unwrap(), 0);
        let mut last = 0;
        for second in 0..20 {
            tape.writer.append(now(second * 1_000_000), &[Event::output(&b"some words\r\n"[..])]).unwrap();
            let final_now = committed.advance(&file).unwrap();
            assert!(final_now >= last && final_now < file.metadata().unwrap().len());
            last = final_now;
            tape.writer.tick(now(second * 1_000_000 + 500_000)).unwrap();
        }
        assert!(last > 0, "it was committed every five seconds");
        assert_eq!(Committed::default().advance(&file).unwrap(), committed.advance(&file).unwrap());
        tape.finish(21_000_000);
        assert_eq!(committed.advance(&file).unwrap(), file.metadata().unwrap().len());
    }

    #[test]
    fn a_torn_end_is_not_final() {
        let mut tape = shell();
        tape.writer.append(now(0), &[Event::output(&b"one\r\n"[..])]).unwrap();
        tape.writer.tick(now(6_000_000)).unwrap();
        let path = tape.dir().join("c0.brec");
        let whole = std::fs::read(&path).unwrap();
        let last = Committed::default().advance(&whole).unwrap();
        assert_eq!(last, whole.len() as u64);
        for cut in 1..40 {
            let torn = whole[..whole.len() - cut].to_vec();
            assert_eq!(Committed::default().advance(&torn).unwrap(), 0, "cut {cut}");
        }
    }
}
