//! One command: a program with its arguments, and what could be proved about them without running it. It is made by the
//! analysis of a line and runs nothing.

use crate::line::{Line, Operation};

/// A command, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    text: String,
    words: Vec<String>,
    redirects: Vec<String>,
    environment: Vec<String>,
    patterns: bool,
}

/// What surrounds the words of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// As [`Command::redirects`].
    pub(crate) redirects: Vec<String>,
    /// As [`Command::environment`].
    pub(crate) environment: Vec<String>,
}

impl Command {
    /// Reads a line that is meant to be one command. A line that is anything else is one dynamic command.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        match Line::read(line).operations() {
            [Operation::Run(command)] => command.clone(),
            _ => Self::dynamic(String::from_utf8_lossy(line).into_owned(), Surroundings::default()),
        }
    }

    /// A command that was read before, from what was kept of it: [`Command::text`], the program with [`Command::arguments`] (none if
    /// it was dynamic), [`Command::redirects`], [`Command::environment`], [`Command::has_patterns`].
    #[must_use]
    pub fn recorded(text: String, words: Vec<String>, redirects: Vec<String>, environment: Vec<String>, patterns: bool) -> Self {
        Self { text, words, redirects, environment, patterns }
    }

    /// A command all of whose words are known; `text` is its canonical form.
    pub(crate) fn known(text: String, words: Vec<String>, patterns: bool, around: Surroundings) -> Self {
        Self { text, words, redirects: around.redirects, environment: around.environment, patterns }
    }

    /// Something that is not known before it runs; `text` is how it was written.
    pub(crate) fn dynamic(text: String, around: Surroundings) -> Self {
        Self::known(text, Vec::new(), false, around)
    }

    /// The command as policy sees it: the canonical form, every word quoted that needs it. If it is dynamic it is the whole line
    /// as it came, with a replacement character where that was not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The program, if it is known for certain.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// The arguments, if they are known for certain; else none. Patterns among them are as they are written.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The files its redirections read or write, as `</etc/motd`, `>/tmp/x`, `>>/tmp/x`, in order, those of groups and loops
    /// around it included. Copies of descriptors and `/dev/null` are not among them.
    #[must_use]
    pub fn redirects(&self) -> &[String] {
        &self.redirects
    }

    /// The names of the variables that are assigned before it, in order.
    #[must_use]
    pub fn environment(&self) -> &[String] {
        &self.environment
    }

    /// Whether an argument is a pattern (`*.log`, `~`), which the target expands.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        self.patterns
    }

    /// Whether anything about it could not be known before running it.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.words.is_empty()
    }
}
