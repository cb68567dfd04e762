//! Where a recording lies: `YYYY/MM/DD/<session id>/` below the root, `0700` and `0600`.
//! Makes paths only from checked ids and dates, so no name from outside can leave the root. Never deletes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::head::{ENVELOPE_LIMIT, SessionId};

/// Name of the signed head.
pub(crate) const HEAD: &str = "head.json";
/// Name of the wrapped session key.
pub(crate) const KEYS: &str = "keys.age";
/// Name of the signed seal.
pub(crate) const SEAL: &str = "seal.json";

/// Name of the file that keeps what recovery cut off a channel file.
pub(crate) fn cut_name(channel: u32) -> String {
    format!("c{channel}.cut")
}

/// The channel of what is typed.
pub(crate) const INPUT: u32 = 1;

/// Name of a channel file.
#[must_use]
pub(crate) fn channel_file(channel: u32) -> String {
    format!("c{channel}.brec")
}

/// The UTC day of a wall clock in microseconds; `None` outside the years it can name.
pub(crate) fn day(wall_us: i64) -> Option<Date> {
    Some(Timestamp::from_microsecond(wall_us).ok()?.to_zoned(TimeZone::UTC).date())
}

/// The directory of a session that began at `started_us`; `None` for a clock outside the years 1 to 9999.
#[must_use]
pub(crate) fn directory(root: &Path, started_us: i64, session: &SessionId) -> Option<PathBuf> {
    let day = day(started_us)?;
    let below = format!("{:04}/{:02}/{:02}/{session}", day.year(), day.month(), day.day());
    Some(root.join(below))
}

/// Makes `dir` and what is missing above it, `0700`.
///
/// # Errors
/// When it exists already, or the system refuses.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    if let Some(parent) = dir.parent() {
        builder.recursive(true).create(parent)?;
    }
    builder.recursive(false).create(dir)
}

/// Makes a new file `0600`, for appending, held against other processes until it is dropped.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).read(true).create_new(true).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Opens the file for what recovery cuts off, `0600`, for appending.
pub(crate) fn cut_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Writes a whole small file so that a reader sees all of it or nothing.
pub(crate) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = dir.join(format!("{name}.part"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    fs::rename(&part, dir.join(name))
}

/// Reads a head or seal, never more than one may hold.
pub(crate) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ENVELOPE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks the kernel to have everything on the file system of `path` on disk: one call serves all sessions.
///
/// # Errors
/// When `path` cannot be opened or the device fails. Linux reports a failed write-back here once: treat it as lost.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn directories_and_files_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let id = "01JD0000000000000000000001".parse().unwrap();
        let dir = directory(root.path(), 1_795_348_800_000_000, &id).unwrap();
        assert!(dir.ends_with("2026/11/22/01JD0000000000000000000001"));
        make(&dir).unwrap();
        drop(new_file(&dir.join("c0.brec")).unwrap());
        write_whole(&dir, HEAD, b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(dir.parent().unwrap()), 0o700);
        assert_eq!(mode(&dir.join("c0.brec")), 0o600);
        assert_eq!(mode(&dir.join(HEAD)), 0o600);
        sync(root.path()).unwrap();
    }

    #[test]
    fn a_second_recording_of_the_same_session_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("x");
        make(&dir).unwrap();
        assert_eq!(make(&dir).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
