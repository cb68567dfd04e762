//! Which questions a request is to policy. Forwards nothing.
//!
//! | request | questions |
//! |---|---|
//! | STAT, LSTAT, REALPATH, expand-path | `sftp.list`; where that is not allowed, `sftp.read` or `sftp.write` of the same path does |
//! | OPENDIR, READLINK, statvfs | `sftp.list` |
//! | OPEN | `sftp.read`, `sftp.write` or both, by its flags |
//! | SETSTAT, FSETSTAT of what is open for reading only, lsetstat, MKDIR | `sftp.write` |
//! | REMOVE, RMDIR | `sftp.remove` |
//! | RENAME, posix-rename | `sftp.rename` of path and to; `sftp.write` of to; and `sftp.read` of path where to could be read |
//! | SYMLINK | `sftp.write` of the link, `sftp.read` of what it leads to |
//! | hardlink | `sftp.write` of the link, `sftp.read` and `sftp.write` of what it leads to |
//!
//! So a new name never opens what policy closes under the old one.

use bartizan_policies::Action;

use super::codec::{APPEND, CREATE, EXCLUSIVE, Extension, READ, Request, TRUNCATE, WRITE};
use super::notes::Asked;
use super::walk::{Last, Resolved};
use crate::enforce::{Decider, Question};

/// The paths of a request as typed, and whether their last names are followed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Paths<'a> {
    pub(super) first: Option<(&'a [u8], Last)>,
    pub(super) second: Option<(&'a [u8], Last)>,
}

/// Whether OPEN reads, and whether it writes.
pub(super) fn access(flags: u32) -> (bool, bool) {
    let writes = flags & (WRITE | APPEND | CREATE | TRUNCATE) != 0;
    (flags & READ != 0 || !writes, writes)
}

/// The paths of `request`.
pub(super) fn paths<'a>(request: &Request<'a>) -> Paths<'a> {
    let one = |path, last| Paths { first: Some((path, last)), second: None };
    match request {
        // What must not be there yet is not followed.
        Request::Open { path, flags, .. } if flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE => one(path, Last::Kept),
        Request::Open { path, .. }
        | Request::Setstat { path, .. }
        | Request::Opendir { path }
        | Request::Realpath { path }
        | Request::Stat { path }
        | Request::Extended(Extension::Statvfs { path } | Extension::ExpandPath { path }) => one(path, Last::Followed),
        Request::Lstat { path }
        | Request::Remove { path }
        | Request::Mkdir { path, .. }
        | Request::Rmdir { path }
        | Request::Readlink { path }
        | Request::Extended(Extension::Lsetstat { path, .. }) => one(path, Last::Kept),
        Request::Rename { path, to } | Request::Extended(Extension::PosixRename { path, to }) => {
            Paths { first: Some((path, Last::Kept)), second: Some((to, Last::Kept)) }
        }
        // Where the link lies is found first: what it says starts there.
        Request::Symlink { says, link } => Paths { first: Some((link, Last::Kept)), second: Some((says, Last::Followed)) },
        Request::Extended(Extension::Hardlink { path, link }) => {
            Paths { first: Some((link, Last::Kept)), second: Some((path, Last::Followed)) }
        }
        _ => Paths::default(),
    }
}

/// Whether it changes names or what lies under them.
pub(super) fn changes(request: &Request<'_>) -> bool {
    match request {
        Request::Open { flags, .. } => access(*flags).1,
        Request::Setstat { .. }
        | Request::Remove { .. }
        | Request::Mkdir { .. }
        | Request::Rmdir { .. }
        | Request::Rename { .. }
        | Request::Symlink { .. }
        | Request::Extended(Extension::PosixRename { .. } | Extension::Hardlink { .. } | Extension::Lsetstat { .. }) => true,
        _ => false,
    }
}

/// Questions and how the recording tells them.
pub(super) struct Questions<'a> {
    decider: &'a Decider,
    pub(super) asked: Vec<Asked>,
    pub(super) questions: Vec<Question>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(decider: &'a Decider) -> Self {
        Self { decider, asked: Vec::new(), questions: Vec::new() }
    }

    fn question(&self, action: Action, path: &str, to: Option<&str>, tree: bool) -> Question {
        Question::of_file(self.decider.login(), action, Some(path), to, tree)
    }

    fn allows(&self, action: Action, at: &Resolved, tree: bool) -> bool {
        self.decider.would_allow(&[self.question(action, &at.path, None, tree)])
    }

    fn add(&mut self, action: Action, at: &Resolved, to: Option<&Resolved>, tree: bool) {
        let to = to.map(|to| to.path.as_str());
        self.questions.push(self.question(action, &at.path, to, tree));
        self.asked.push(Asked { action: action.name(), path: at.path.clone(), to: to.map(str::to_owned) });
    }

    /// Writing to what is open for reading only.
    pub(super) fn write(&mut self, path: String) {
        self.add(Action::SftpWrite, &Resolved { path, is_directory: false }, None, false);
    }

    /// The questions of `request`, whose paths lead to `first` and `second`.
    pub(super) fn of(&mut self, request: &Request<'_>, first: &Resolved, second: Option<&Resolved>) {
        match request {
            Request::Open { flags, .. } => {
                let (reads, writes) = access(*flags);
                for (action, wanted) in [(Action::SftpRead, reads), (Action::SftpWrite, writes)] {
                    if wanted {
                        self.add(action, first, None, false);
                    }
                }
            }
            Request::Stat { .. } | Request::Lstat { .. } | Request::Realpath { .. } | Request::Extended(Extension::ExpandPath { .. }) => {
                let actions = [Action::SftpList, Action::SftpRead, Action::SftpWrite];
                let action = actions.into_iter().find(|action| self.allows(*action, first, false));
                self.add(action.unwrap_or(Action::SftpList), first, None, false);
            }
            Request::Remove { .. } | Request::Rmdir { .. } => self.add(Action::SftpRemove, first, None, false),
            Request::Rename { .. } | Request::Extended(Extension::PosixRename { .. }) => self.rename(first, second.unwrap_or(first)),
            Request::Symlink { .. } | Request::Extended(Extension::Hardlink { .. }) => {
                let leads = second.unwrap_or(first);
                self.add(Action::SftpWrite, first, None, false);
                self.add(Action::SftpRead, leads, None, leads.is_directory);
                if !matches!(request, Request::Symlink { .. }) {
                    self.add(Action::SftpWrite, leads, None, false);
                }
            }
            request if changes(request) => self.add(Action::SftpWrite, first, None, false),
            _ => self.add(Action::SftpList, first, None, false),
        }
    }

    /// A directory takes everything beneath it along.
    fn rename(&mut self, path: &Resolved, to: &Resolved) {
        let tree = path.is_directory;
        self.add(Action::SftpRename, path, Some(to), tree);
        self.add(Action::SftpWrite, to, None, tree);
        if self.allows(Action::SftpRead, to, tree) {
            self.add(Action::SftpRead, path, None, tree);
        }
    }
}

/// The same request about the resolved paths.
pub(super) fn resolved<'a>(request: Request<'a>, first: &'a str, second: Option<&'a str>) -> Request<'a> {
    let path = first.as_bytes();
    let other = second.unwrap_or(first).as_bytes();
    match request {
        Request::Open { flags, attributes, .. } => Request::Open { path, flags, attributes },
        Request::Setstat { attributes, .. } => Request::Setstat { path, attributes },
        Request::Mkdir { attributes, .. } => Request::Mkdir { path, attributes },
        Request::Lstat { .. } => Request::Lstat { path },
        Request::Stat { .. } => Request::Stat { path },
        Request::Opendir { .. } => Request::Opendir { path },
        Request::Remove { .. } => Request::Remove { path },
        Request::Rmdir { .. } => Request::Rmdir { path },
        Request::Readlink { .. } => Request::Readlink { path },
        Request::Realpath { .. } | Request::Extended(Extension::ExpandPath { .. }) => Request::Realpath { path },
        Request::Rename { .. } => Request::Rename { path, to: other },
        Request::Symlink { says, .. } => Request::Symlink { says, link: path },
        Request::Extended(Extension::PosixRename { .. }) => Request::Extended(Extension::PosixRename { path, to: other }),
        Request::Extended(Extension::Hardlink { .. }) => Request::Extended(Extension::Hardlink { path: other, link: path }),
        Request::Extended(Extension::Statvfs { .. }) => Request::Extended(Extension::Statvfs { path }),
        Request::Extended(Extension::Lsetstat { attributes, .. }) => Request::Extended(Extension::Lsetstat { path, attributes }),
        other => other,
    }
}
