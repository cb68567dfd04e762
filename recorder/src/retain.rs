//! Keeps and removes whole recordings: a hold that nothing removes past, and removal that leaves either all of a recording or
//! none. Whether a recording may go, and that it is written down, is the caller's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::head::SessionId;
use crate::place;

/// Name of the file that holds a recording.
const HELD: &str = "held.json";
/// Where recordings are while they are removed, below the root.
const GOING: &str = ".going";

/// Why a recording is to be kept, whatever its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when: the wall clock in microseconds since 1970-01-01 UTC.
    pub since_us: i64,
}

impl Hold {
    /// A hold as it is written. One that cannot be read holds all the same.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let unreadable = || Self { by: String::new(), reason: "the hold cannot be read".into(), since_us: 0 };
        serde_json::from_slice(bytes).unwrap_or_else(|_| unreadable())
    }
}

/// Holds the recording in `dir`; a second hold takes the first one's place.
///
/// # Errors
/// When it cannot be written.
pub fn hold(dir: &Path, hold: &Hold) -> io::Result<()> {
    place::write_whole(dir, HELD, &serde_json::to_vec(hold).map_err(io::Error::other)?)
}

/// Lets the recording in `dir` go. True if it was held.
///
/// # Errors
/// When the file cannot be removed.
pub fn release(dir: &Path) -> io::Result<bool> {
    match fs::remove_file(dir.join(HELD)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the recording in `dir` is held, and why. A hold that cannot be read holds all the same.
///
/// # Errors
/// When the folder cannot be read.
pub fn held(dir: &Path) -> io::Result<Option<Hold>> {
    match place::read_small(&dir.join(HELD)) {
        Ok(bytes) => Ok(Some(Hold::read(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the recording in `dir`, which lies below `root`: it is gone from there at once, and its files after that. What a crash
/// leaves of them, [`sweep`] removes.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] when it is held; or what the system said.
pub fn remove(root: &Path, dir: &Path, session: &SessionId) -> io::Result<()> {
    if held(dir)?.is_some() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is held"));
    }
    let going = root.join(GOING);
    fs::create_dir_all(&going)?;
    let gone: PathBuf = going.join(session.as_str());
    fs::rename(dir, &gone)?;
    fs::remove_dir_all(gone)
}

/// Removes what a crash left of recordings that were being removed.
///
/// # Errors
/// What the system said of the first that stays.
pub fn sweep(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root.join(GOING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{Filter, list};
    use crate::testing::{ID, shell};

    #[test]
    fn what_is_held_is_not_removed_and_what_is_removed_is_gone_as_a_whole() {
        let mut tape = shell();
        tape.finish(1);
        let (root, dir, session) = (tape.root.path().to_owned(), tape.dir(), ID.parse().unwrap());
        let why = Hold { by: "local:root".into(), reason: "case 4711".into(), since_us: 5 };
        hold(&dir, &why).unwrap();
        assert_eq!(held(&dir).unwrap(), Some(why));
        assert_eq!(remove(&root, &dir, &session).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(dir.join("c0.brec").exists());
        fs::write(dir.join(HELD), "{").unwrap();
        assert!(remove(&root, &dir, &session).is_err(), "a torn hold holds");
        assert!(release(&dir).unwrap() && !release(&dir).unwrap());
        remove(&root, &dir, &session).unwrap();
        assert!(!dir.exists() && list(&root, &Filter::default()).unwrap().is_empty());
        fs::create_dir_all(root.join(GOING).join("left")).unwrap();
        sweep(&root).unwrap();
        assert!(!root.join(GOING).exists());
        sweep(&root).unwrap();
    }
}
