//! Looks for entries and sessions in the log, from its end.

use std::collections::HashSet;
use std::path::Path;

use bartizan_recorder::tlog::{Leaf, LogError, LogFiles, NoteKey};

use super::LedgerError;

/// The number of the last entry of the audit log that is in the log in `dir`.
///
/// # Errors
/// [`LedgerError::Log`].
pub fn entries_logged(dir: &Path, key: &NoteKey) -> Result<u64, LedgerError> {
    let at = |error| LedgerError::Log { dir: dir.to_owned(), error };
    let size = LogFiles::checkpoint(dir, key).map_err(at)?.map_or(0, |(_, checkpoint)| checkpoint.size);
    Ok(last_entry(&LogFiles::new(dir, size)).map_err(at)?.0)
}

/// Number and hash of the last entry of the audit log that has a leaf; none is 0.
pub(super) fn last_entry(files: &LogFiles) -> Result<(u64, [u8; 32]), LogError> {
    for number in (0..files.bundles()).rev() {
        for leaf in files.leaves(number)?.iter().rev() {
            if let Ok(Leaf::Audit { seq, hash }) = Leaf::read(leaf) {
                return Ok((seq, hash));
            }
        }
    }
    Ok((0, [0; 32]))
}

/// Those of `numbers` of which the log says that they were opened, or never began. Reads the log from its end, until all are
/// found: costs nothing when nothing is asked for.
///
/// # Errors
/// [`LedgerError::Unwritten`] when it cannot be read.
pub fn opened_among(files: &LogFiles, numbers: &HashSet<u64>) -> Result<HashSet<u64>, LedgerError> {
    let mut found = HashSet::new();
    for bundle in (0..files.bundles()).rev() {
        if found.len() == numbers.len() {
            break;
        }
        for leaf in files.leaves(bundle).map_err(|error| LedgerError::Unwritten(error.to_string()))? {
            if let Ok(Leaf::Opened { number, .. } | Leaf::Void { number }) = Leaf::read(&leaf)
                && numbers.contains(&number)
            {
                found.insert(number);
            }
        }
    }
    Ok(found)
}
