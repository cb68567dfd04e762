//! The files and directories that a session has open: what each handle was opened as, what passed through it, and the permission
//! that stands for as long as it is open. Bounded; forwards nothing.

use std::collections::HashMap;

use bytes::Bytes;

use super::digest::{Content, MOST_EARLY};
use crate::enforce::Allowed;

/// Handles that may be open at a time, directories included.
pub(super) const MOST_OPEN: usize = 1024;

/// The number of an open file in this session; never used again.
pub(super) type FileNumber = u64;

/// What a handle was opened as.
#[derive(Debug)]
pub(super) struct Opened {
    /// As the target sees it.
    pub(super) path: String,
    /// A directory, to be listed.
    pub(super) is_directory: bool,
    /// READ was permitted.
    pub(super) reads: bool,
    /// WRITE was permitted.
    pub(super) writes: bool,
    /// Kept so that a change of policy ends the session.
    pub(super) _allowed: Allowed,
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) opened: Opened,
    pub(super) read: Content,
    pub(super) written: Content,
    /// Requests at the target.
    flight: usize,
    /// The answer to CLOSE, once it has come.
    closed: Option<Bytes>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Files {
    handles: HashMap<Bytes, FileNumber>,
    files: HashMap<FileNumber, OpenFile>,
    next: FileNumber,
    /// What may still wait to be hashed.
    pub(super) room: usize,
}

impl Default for Files {
    fn default() -> Self {
        Self { handles: HashMap::new(), files: HashMap::new(), next: 0, room: MOST_EARLY }
    }
}

impl Files {
    /// How many are open or being closed.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Notes what the target opened; false when it gives out a handle that is in use.
    pub(super) fn open(&mut self, handle: Bytes, mut opened: Opened, appends: bool) -> bool {
        let (mut read, mut written) = (Content::default(), Content::default());
        if appends {
            read.spoil("it was opened for appending", &mut self.room);
            written.spoil("it was appended to what was there", &mut self.room);
        }
        opened.path.shrink_to_fit();
        self.next += 1;
        if self.handles.insert(handle, self.next).is_some() {
            return false;
        }
        self.files.insert(self.next, OpenFile { opened, read, written, flight: 0, closed: None });
        true
    }

    /// The file of a handle.
    pub(super) fn number(&self, handle: &[u8]) -> Option<FileNumber> {
        self.handles.get(handle).copied()
    }

    /// A file by its number.
    pub(super) fn get(&self, number: FileNumber) -> Option<&OpenFile> {
        self.files.get(&number)
    }

    /// A file and the room for what comes early.
    pub(super) fn content(&mut self, number: FileNumber) -> Option<(&mut OpenFile, &mut usize)> {
        self.files.get_mut(&number).map(|file| (file, &mut self.room))
    }

    /// A request about it goes to the target.
    pub(super) fn sent(&mut self, number: FileNumber) {
        if let Some(file) = self.files.get_mut(&number) {
            file.flight += 1;
        }
    }

    /// CLOSE goes to the target: the handle means nothing any more.
    pub(super) fn forget(&mut self, handle: &[u8]) {
        self.handles.remove(handle);
    }

    /// The answer to CLOSE came.
    pub(super) fn closed(&mut self, number: FileNumber, reply: Bytes) {
        if let Some(file) = self.files.get_mut(&number) {
            file.closed = Some(reply);
        }
    }

    /// A request about it was answered. Gives the file and the answer to CLOSE when that was the last.
    pub(super) fn answered(&mut self, number: FileNumber) -> Option<(OpenFile, Bytes)> {
        let file = self.files.get_mut(&number)?;
        file.flight = file.flight.saturating_sub(1);
        if file.flight > 0 {
            return None;
        }
        let reply = file.closed.take()?;
        self.files.remove(&number).map(|file| (file, reply))
    }

    /// Everything that is still open, in the order it was opened.
    pub(super) fn drain(&mut self) -> Vec<OpenFile> {
        let mut all: Vec<_> = self.files.drain().collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, file)| file).collect()
    }
}
