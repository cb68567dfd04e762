use super::*;
use crate::frames::{Expected, Frames};

/// A file on a disk with room for so many bytes, that may refuse to be cut.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
    can_cut: bool,
}

impl Tape for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        // A full disk takes what it can and then refuses.
        self.bytes.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        if !self.can_cut {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.bytes.truncate(len as usize);
        Ok(())
    }
}

fn log(room: usize) -> Log<Disk> {
    let disk = Disk { bytes: MAGIC.to_vec(), room, can_cut: true };
    Log::resume(disk, Position::first(Chain::start(&[0; 32], 0)))
}

fn put(log: &mut Log<Disk>, body: &[u8]) -> io::Result<()> {
    let mut position = log.position();
    let mut out = Vec::new();
    position.put(&mut out, Kind::EVENTS, Flags::default(), body);
    log.write(&out, position)
}

fn bodies(log: &Log<Disk>) -> Vec<Vec<u8>> {
    let mut frames = Frames::at(&log.tape.bytes, Expected::FIRST);
    let mut found = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        found.push(frame.body.to_vec());
    }
    found
}

#[test]
fn a_write_that_fails_half_way_leaves_no_trace_and_can_be_repeated() {
    for room in 45..80 {
        let mut log = log(room);
        put(&mut log, b"kept").unwrap();
        let before = log.position();
        put(&mut log, b"a frame that is too long for the disk").unwrap_err();
        assert_eq!(log.position().chain, before.chain, "room {room}");
        log.tape.room = 1000;
        put(&mut log, b"again").unwrap();
        assert_eq!(bodies(&log), [b"kept".to_vec(), b"again".to_vec()]);
    }
}

#[test]
fn a_file_that_could_not_be_cut_at_once_is_cut_before_the_next_write() {
    let mut log = log(60);
    put(&mut log, b"kept").unwrap();
    log.tape.can_cut = false;
    put(&mut log, b"a frame that is too long for the disk").unwrap_err();
    log.tape.room = 1000;
    put(&mut log, b"refused").unwrap_err();
    log.tape.can_cut = true;
    put(&mut log, b"again").unwrap();
    assert_eq!(bodies(&log), [b"kept".to_vec(), b"again".to_vec()]);
}
