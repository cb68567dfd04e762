//! What is wrong with a policy file: where, what, and how to mend it. It prints nothing itself.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode, SourceSpan};
use serde::Serialize;

/// A file of policies as it was handed in.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where each line begins, so that a position is found without reading a large file again.
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Source { name, text, lines }
    }

    /// Line and column of a byte offset, both counted from 1, the column in characters.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begin| *begin <= offset).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or_default();
        let text = self.text.get(begin..).unwrap_or_default();
        let column = text.char_indices().take_while(|(at, _)| begin + at < offset).count() + 1;
        (line, column)
    }
}

/// Whether a problem keeps the policies from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The policies cannot be used.
    Error,
    /// They can, but something is probably not meant that way.
    Warning,
}

/// One thing that is wrong with one place of a policy file.
///
/// `Display` is the one-line form, `file:line:column: message; help`. As a [`miette::Diagnostic`] it shows the place itself.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// The file's name as it was handed in.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Error or warning.
    pub gravity: Gravity,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    #[serde(skip)]
    span: SourceSpan,
    #[serde(skip)]
    source: Arc<Source>,
}

impl Problem {
    pub(crate) fn new(gravity: Gravity, source: &Arc<Source>, span: SourceSpan, message: impl Into<String>, help: Option<String>) -> Self {
        let (line, column) = source.position(span.offset());
        Problem { file: source.name.clone(), line, column, gravity, message: message.into(), help, span, source: Arc::clone(source) }
    }

    pub(crate) fn error(source: &Arc<Source>, span: SourceSpan, message: impl Into<String>, help: Option<String>) -> Self {
        Problem::new(Gravity::Error, source, span, message, help)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if self.gravity == Gravity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(match self.gravity {
            Gravity::Error => Severity::Error,
            Gravity::Warning => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, self.span))))
    }
}
