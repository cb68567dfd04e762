//! Where a path that a client typed really leads at the target: walks it name by name as the target's kernel would, asking what
//! each name is (LSTAT) and what a link says (READLINK). Sans-IO: it says what to ask and takes the answers. The path that comes
//! out is absolute and holds no `.`, `..`, empty name or symbolic link, so that it can be decided and then sent as it is; REALPATH,
//! which servers answer in three different ways where the last name is missing or a link dangles, is not relied on.

use std::collections::VecDeque;

use super::codec::FileKind;

/// Bytes of a path, as Linux' `PATH_MAX`.
const LONGEST_PATH: usize = 4096;
/// Names in a path.
const MOST_NAMES: usize = 256;
/// Links on the way, as Linux' `MAXSYMLINKS`.
const MOST_LINKS: usize = 40;
/// Names that are asked about in one go.
const TOGETHER: usize = 16;

/// Why a path is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Policy speaks of text.
    #[error("a name that is not UTF-8 cannot be checked, so it is refused")]
    NotUtf8,
    /// No file's name holds it, and what stands behind it would be read differently.
    #[error("a name with a NUL byte in it is refused")]
    Nul,
    /// Too long, too many names, or too many links.
    #[error("the path is too long, or leads through too many links")]
    TooLong,
    /// The target would not say what a name is.
    #[error("the target does not say what lies on the way to it, so it cannot be checked")]
    Unknown,
}

/// What the last name of a path means: the file that a link leads to, or the link itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// As for opening.
    Followed,
    /// As for removing and renaming.
    Kept,
}

/// What the target says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there.
    Kind(FileKind),
    /// It is not, or the account may not look: then nothing can be done with it either.
    Nothing,
}

/// A path as the target sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Absolute, without links.
    pub path: String,
    /// Whether a directory lies there now.
    pub is_directory: bool,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask what each of these is.
    Look(Vec<String>),
    /// There.
    Done(Resolved),
}

/// A path on its way.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Names that are known to be no links.
    done: Vec<String>,
    rest: VecDeque<String>,
    last: Last,
    links: usize,
    is_directory: bool,
}

/// The text of a name from outside.
///
/// # Errors
/// When it is no text, holds NUL or is too long.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, PathError> {
    if bytes.contains(&0) {
        return Err(PathError::Nul);
    }
    if bytes.len() > LONGEST_PATH {
        return Err(PathError::TooLong);
    }
    std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8)
}

fn names(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned)
}

impl Walk {
    /// Sets out from `home` to `typed`.
    pub(crate) fn new(home: &str, typed: &[u8], last: Last) -> Result<Self, PathError> {
        let typed = text(typed)?;
        let start = if typed.starts_with('/') { "" } else { home };
        let rest: VecDeque<String> = names(start).chain(names(typed)).collect();
        if rest.len() > MOST_NAMES {
            return Err(PathError::TooLong);
        }
        Ok(Self { done: Vec::new(), rest, last, links: 0, is_directory: true })
    }

    /// What to do now.
    pub(crate) fn step(&mut self) -> Result<Step, PathError> {
        while self.rest.front().is_some_and(|name| name == "..") {
            self.rest.pop_front();
            self.done.pop();
            self.is_directory = true;
        }
        if self.rest.is_empty() {
            let path = joined(&self.done);
            if path.len() > LONGEST_PATH {
                return Err(PathError::TooLong);
            }
            return Ok(Step::Done(Resolved { path, is_directory: self.is_directory }));
        }
        Ok(Step::Look(self.ahead()))
    }

    /// The next names' paths, as they are if none of them is a link.
    fn ahead(&self) -> Vec<String> {
        let mut at = self.done.clone();
        let mut paths = Vec::new();
        for name in &self.rest {
            if name == ".." {
                at.pop();
                continue;
            }
            if paths.len() == TOGETHER {
                break;
            }
            at.push(name.clone());
            paths.push(joined(&at));
        }
        paths
    }

    /// Takes the answers to [`Step::Look`], in its order; says which link to read, if one comes in between.
    pub(crate) fn looked(&mut self, found: &[Found]) -> Result<Option<String>, PathError> {
        for found in found {
            while self.rest.front().is_some_and(|name| name == "..") {
                self.rest.pop_front();
                self.done.pop();
            }
            let Some(name) = self.rest.pop_front() else { return Err(PathError::Unknown) };
            self.done.push(name);
            let is_last = self.rest.is_empty();
            if *found == Found::Kind(FileKind::Link) && !(is_last && self.last == Last::Kept) {
                let link = joined(&self.done);
                self.done.pop();
                return Ok(Some(link));
            }
            self.is_directory = *found == Found::Kind(FileKind::Directory);
        }
        Ok(None)
    }

    /// Takes what the link says.
    pub(crate) fn read_link(&mut self, says: &[u8]) -> Result<(), PathError> {
        self.links += 1;
        let says = text(says)?;
        if says.is_empty() {
            return Err(PathError::Unknown);
        }
        if says.starts_with('/') {
            self.done.clear();
        }
        for name in names(says).rev() {
            self.rest.push_front(name);
        }
        if self.links > MOST_LINKS || self.rest.len() + self.done.len() > MOST_NAMES {
            return Err(PathError::TooLong);
        }
        self.is_directory = true;
        Ok(())
    }
}

fn joined(names: &[String]) -> String {
    if names.is_empty() {
        return "/".to_owned();
    }
    names.iter().fold(String::new(), |path, name| path + "/" + name)
}

/// Asks the target. Both the relay and [`super::Resolver`] can.
pub(crate) trait Looks {
    /// What stops the asking as a whole.
    type Error: From<PathError>;

    /// What each of `paths` is, in their order.
    fn look(&mut self, paths: &[String]) -> impl Future<Output = Result<Vec<Found>, Self::Error>> + Send;

    /// What the link at `path` says; `None` when it is none any more.
    fn link(&mut self, path: &str) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>> + Send;
}

/// Follows `typed`, which starts at `home` unless it is absolute.
///
/// # Errors
/// When it cannot be followed, or the target cannot be asked.
pub(crate) async fn resolve<L: Looks + Send>(target: &mut L, home: &str, typed: &[u8], last: Last) -> Result<Resolved, L::Error> {
    let mut walk = Walk::new(home, typed, last)?;
    loop {
        match walk.step()? {
            Step::Done(resolved) => return Ok(resolved),
            Step::Look(paths) => {
                let found = target.look(&paths).await?;
                if let Some(link) = walk.looked(&found)? {
                    let says = target.link(&link).await?.ok_or(PathError::Unknown)?;
                    walk.read_link(&says)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
