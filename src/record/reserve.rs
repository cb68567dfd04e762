//! Room that is kept free on the disk of recordings so that those under way can be ended and sealed when it is full. Given up
//! then, and taken back once there is room again; until that nothing but ends is written. Blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Never took it: this disk cannot promise room.
const NONE: u8 = 0;
const HELD: u8 = 1;
/// Given up for ends and seals.
const GIVEN: u8 = 2;

/// The file that holds the room.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    state: AtomicU8,
}

impl Reserve {
    /// Takes `bytes` in the folder `dir`, if that can be done.
    pub(super) fn take(dir: &Path, bytes: u64) -> Self {
        let reserve = Self { path: dir.join(".reserve"), bytes, state: AtomicU8::new(NONE) };
        match reserve.fill() {
            Ok(()) => reserve.state.store(HELD, Ordering::SeqCst),
            Err(error) => tracing::warn!(%error, "no room can be reserved for the seals of recordings"),
        }
        reserve
    }

    fn fill(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        let filled = match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&file, self.bytes),
            done => done.map_err(io::Error::from),
        };
        if filled.is_err() {
            file.set_len(0)?;
        }
        filled
    }

    /// Whether only ends and seals may be written now.
    pub(super) fn is_given(&self) -> bool {
        self.state.load(Ordering::SeqCst) == GIVEN
    }

    /// Gives the room up for an end or a seal. True when there was some to give, now or by somebody else before.
    pub(super) fn give(&self) -> bool {
        if self.state.compare_exchange(HELD, GIVEN, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            let cut = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(0));
            if let Err(error) = cut {
                tracing::error!(%error, "the room reserved for seals cannot be given up");
            }
            tracing::error!(alert = true, "the disk of recordings is full: nothing but ends and seals is written until there is room");
        }
        self.is_given()
    }

    /// Takes it back, if there is room again.
    pub(super) fn restore(&self) {
        let roomy = || free(&self.path).is_ok_and(|free| free >= self.bytes.saturating_mul(2));
        if self.is_given() && roomy() && self.fill().is_ok() {
            self.state.store(HELD, Ordering::SeqCst);
            tracing::info!("there is room for recordings again");
        }
    }
}

/// Free bytes on the disk of `path`.
pub(super) fn free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn write_zeros(mut file: &File, bytes: u64) -> io::Result<()> {
    let block = [0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(block.get(..len).unwrap_or_default())?;
        left -= len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_once_and_taken_back_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::take(dir.path(), 1 << 20);
        let size = || std::fs::metadata(dir.path().join(".reserve")).unwrap().len();
        assert!(!reserve.is_given() && size() == 1 << 20);
        reserve.restore();
        assert!(reserve.give() && reserve.give() && size() == 0);
        reserve.restore();
        assert!(!reserve.is_given() && size() == 1 << 20);
    }

    #[test]
    fn a_disk_that_promises_nothing_is_used_without() {
        let reserve = Reserve::take(Path::new("/proc/none"), 1 << 20);
        assert!(!reserve.is_given() && !reserve.give());
        reserve.restore();
        assert!(!reserve.is_given());
    }
}
