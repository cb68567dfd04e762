//! A whole command line: every command in it, and every file it would touch, as far as that can be known without running it.

use crate::Action;
use crate::command::Command;
use crate::shell::{self, Variables};
use crate::transfer::Transfer;

/// One thing a line would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Run a program.
    Run(Command),
    /// Touch a file: what the server commands of scp and rsync are for.
    File(FileAccess),
}

/// A file that would be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAccess {
    /// `sftp.list`, `sftp.read`, `sftp.write`, `sftp.remove` or `sftp.rename`.
    pub action: Action,
    /// The path as it was given; `None` when it is not known.
    pub path: Option<String>,
    /// Whether everything beneath the path may be touched too.
    pub recursive: bool,
}

/// Whether the lines typed so far are a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// They can be run.
    Complete,
    /// A quote, a here-document or a compound command is still open: ask for another line.
    Incomplete,
    /// No further line can mend them.
    Wrong,
}

/// A command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    operations: Vec<Operation>,
    canonical: Option<String>,
    script: Option<String>,
    why: Option<String>,
    transfer: Option<Transfer>,
    after: Variables,
}

impl Line {
    /// Reads a line as a client sent it. Never fails: what cannot be read is one dynamic command.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        if let Some(transfer) = Transfer::read(line) {
            return Self {
                operations: transfer.operations(),
                canonical: Some(transfer.canonical()),
                script: None,
                why: None,
                transfer: Some(transfer),
                after: Variables::default(),
            };
        }
        Self::read_in(line, &Variables::default())
    }

    /// Reads a line that is run after others in one shell, which left `variables`.
    #[must_use]
    pub fn read_in(line: &[u8], variables: &Variables) -> Self {
        let read = shell::read(line, variables);
        Self {
            operations: read.operations.into_iter().map(Operation::Run).collect(),
            canonical: read.canonical,
            script: read.script,
            why: read.why,
            transfer: None,
            after: read.after,
        }
    }

    /// Whether `text` is a whole line, for asking for more of it.
    #[must_use]
    pub fn completeness(text: &[u8]) -> Completeness {
        shell::completeness(text)
    }

    /// What it would do, in the order it is written. All of it must be allowed before any of it may run. Empty only if it runs
    /// no program and touches no file: a blank line, a comment, assignments, `cd`.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What to send to the target: the line written again from what was understood, so that both read the same. `None` when it
    /// could not be understood whole; then it may only be sent as it came, and only if policy allows a dynamic line.
    #[must_use]
    pub fn canonical(&self) -> Option<&str> {
        self.canonical.as_deref()
    }

    /// The same as text for a POSIX shell that is already running. `None` when [`Line::canonical`] is.
    #[must_use]
    pub fn script(&self) -> Option<&str> {
        self.script.as_deref()
    }

    /// Why the line is dynamic, as a sentence for people, without a full stop; `None` if it is not.
    #[must_use]
    pub fn why_dynamic(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// The variables after the line ran. A dynamic line leaves those before it as they were, since it is to be run in a shell of
    /// its own: see [`Variables::assignments`].
    #[must_use]
    pub fn after(&self) -> Variables {
        self.after.clone()
    }

    /// Whether it is the server side of a copying program.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }
}
