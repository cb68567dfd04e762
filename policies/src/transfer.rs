//! The server side of copying programs: `scp -t`, `scp -f` and `rsync --server`, as their clients ask for it, read as what they
//! are for: access to files. Only what is understood whole is recognised; everything else is a command like any other. It reads
//! and writes command lines and touches nothing.

mod pattern;
mod rsync;
mod scp;
mod words;

use std::borrow::Cow;

use crate::Action;
use crate::line::{FileAccess, Operation};

pub use pattern::Pattern;
use words::Word;

/// Longer command lines, and paths in them, are not recognised. Linux takes paths of at most 4,096 bytes.
const LONGEST_PATH: usize = 4096;

/// Who speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copier {
    /// The original scp protocol: every file is announced, so that it can be decided.
    Scp,
    /// rsync: files go by unseen, so that whole trees are decided.
    Rsync,
}

/// Where the files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The target receives.
    ToTarget,
    /// The target sends.
    FromTarget,
}

/// What is copied on the target, or to where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: String,
    pattern: Option<Pattern>,
}

impl Root {
    /// The path as it was given; relative to the account's home unless it begins with `/`. With a pattern, its folder.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the names in the folder have to look like, if the last part of the path has wildcards.
    #[must_use]
    pub fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }
}

/// What an option makes the program do with another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    option: &'static str,
    path: String,
    action: Action,
}

impl Side {
    /// The folder; relative to the destination unless it begins with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is done to everything in it.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }
}

/// The server side of a copying program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    program: String,
    copier: Copier,
    direction: Direction,
    options: Vec<String>,
    roots: Vec<Root>,
    sides: Vec<Side>,
    recursive: bool,
    keeps_times: bool,
    wants_folder: bool,
    removes: bool,
    leaves_the_tree: bool,
    writes_in_place: bool,
}

impl Transfer {
    /// Recognises a line. `None` when it is not the server side of a copying program, or not understood whole.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let words = words::read(std::str::from_utf8(line).ok()?)?;
        let (program, arguments) = words.split_first()?;
        let program = program.literal()?;
        match program.strip_prefix("/usr/bin/").unwrap_or(&program) {
            "scp" => scp::read(&program, arguments),
            "rsync" => rsync::read(&program, arguments),
            _ => None,
        }
    }

    /// Which program.
    #[must_use]
    pub fn copier(&self) -> Copier {
        self.copier
    }

    /// Where the files go.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What is copied, or to where; at least one, and exactly one when the target receives.
    #[must_use]
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Further folders that are used.
    #[must_use]
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Whether folders are copied with all that is in them.
    #[must_use]
    pub fn recursive(&self) -> bool {
        self.recursive
    }

    /// Whether times and modes are kept (`scp -p`).
    #[must_use]
    pub fn keeps_times(&self) -> bool {
        self.keeps_times
    }

    /// Whether the destination has to be a folder (`scp -d`, or a `/` at its end).
    #[must_use]
    pub fn wants_folder(&self) -> bool {
        self.wants_folder
    }

    /// Whether files outside of the roots may be touched: links are followed, or names come from a list. Then no path is known.
    #[must_use]
    pub fn leaves_the_tree(&self) -> bool {
        self.leaves_the_tree
    }

    /// Whether files are written where they stand, so that a link is followed (`rsync --inplace`).
    #[must_use]
    pub fn writes_in_place(&self) -> bool {
        self.writes_in_place
    }

    /// What is done to the roots.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = match (self.direction, self.copier) {
            (Direction::ToTarget, _) => vec![Action::SftpWrite],
            (Direction::FromTarget, Copier::Scp) if !self.recursive => vec![Action::SftpRead],
            (Direction::FromTarget, _) => vec![Action::SftpList, Action::SftpRead],
        };
        actions.extend(self.removes.then_some(Action::SftpRemove));
        actions
    }

    /// What it would do, as far as the line tells: paths are as they were given.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let known = |path: &str| (!self.leaves_the_tree).then(|| path.to_owned());
        let of_root = |root: &Root| {
            let recursive = self.recursive || root.pattern.is_some();
            let file = |action| Operation::File(FileAccess { action, path: known(&root.path), recursive });
            self.actions().into_iter().map(file).collect::<Vec<_>>()
        };
        let of_side = |side: &Side| Operation::File(FileAccess { action: side.action, path: known(&side.path), recursive: true });
        self.roots.iter().flat_map(of_root).chain(self.sides.iter().map(of_side)).collect()
    }

    /// The line, written again from what was understood.
    #[must_use]
    pub fn canonical(&self) -> String {
        let roots = self.roots.iter().map(|root| Cow::Borrowed(root.path.as_str()));
        self.write(roots, self.sides.iter().map(|side| Cow::Borrowed(side.path.as_str())))
    }

    /// The line for the target, with the paths of roots and sides as they were resolved, in the same order; a root's pattern is
    /// put after its path. `None` when one is missing or not absolute.
    #[must_use]
    pub fn resolved(&self, roots: &[String], sides: &[String]) -> Option<String> {
        let all_there = roots.len() == self.roots.len() && sides.len() == self.sides.len();
        let absolute = roots.iter().chain(sides).all(|path| path.starts_with('/') && is_path(path));
        let borrowed = |path: &'_ String| Cow::Owned(path.clone());
        (all_there && absolute).then(|| self.write(roots.iter().map(borrowed), sides.iter().map(borrowed)))
    }

    fn write<'a>(&self, roots: impl Iterator<Item = Cow<'a, str>>, sides: impl Iterator<Item = Cow<'a, str>>) -> String {
        let mut line = self.program.clone();
        let mut put = |word: &str| {
            line.push(' ');
            line.push_str(word);
        };
        self.options.iter().for_each(|option| put(&words::quoted(option)));
        for (side, path) in self.sides.iter().zip(sides) {
            put(&words::quoted(&format!("--{}={path}", side.option)));
        }
        if self.copier == Copier::Rsync {
            put(".");
        }
        for (root, path) in self.roots.iter().zip(roots) {
            // A relative path could begin with what the program takes for an option.
            let path = if path.starts_with('-') { Cow::Owned(format!("./{path}")) } else { path };
            put(&match &root.pattern {
                None => words::quoted(&path),
                Some(pattern) if path == "/" => format!("/{}", pattern.written()),
                Some(pattern) => format!("{}/{}", words::quoted(&path), pattern.written()),
            });
        }
        line
    }
}

/// What one argument names.
fn root(word: &Word) -> Option<Root> {
    let (path, pattern) = word.path()?;
    (is_path(&path)).then_some(Root { path, pattern })
}

/// Whether a text can be a path: nothing in it that ends a line or commands a terminal.
fn is_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= LONGEST_PATH && !path.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
