//! A whole command line: every command in it, and every file it would touch, as far as that can be known without running it.

use crate::Action;
use crate::command::Command;
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

/// A command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    operations: Vec<Operation>,
    canonical: Option<String>,
    transfer: Option<Transfer>,
}

impl Line {
    /// Reads a line as a client sent it. Never fails: what cannot be read is one dynamic command.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        if let Some(transfer) = Transfer::read(line) {
            return Self { operations: transfer.operations(), canonical: Some(transfer.canonical()), transfer: Some(transfer) };
        }
        let command = Command::read(line);
        let canonical = (!command.is_dynamic()).then(|| command.text().to_owned());
        Self { operations: vec![Operation::Run(command)], canonical, transfer: None }
    }

    /// What it would do, in the order it is written. All of it must be allowed before any of it may run.
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

    /// Whether it is the server side of a copying program.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }
}
