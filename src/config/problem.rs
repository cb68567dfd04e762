//! A defect of the configuration, told so that it can be mended: file, line, key, what is wrong, what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// One defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// Line, from 1; 0 when the defect is of the whole file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key, such as `issuer[0].url`; empty when the TOML itself is broken.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Problem {
    fn whole(path: &Path, what: String) -> Self {
        Self { file: path.to_owned(), line: 0, column: 0, key: String::new(), what, mend: String::new() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.mend.is_empty() {
            write!(f, "\n  mend: {}", self.mend)?;
        }
        Ok(())
    }
}

/// All defects of one file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let mend = "name the file with --config, or make one with `bartizan init`";
        Self(vec![Problem { mend: mend.to_owned(), ..Problem::whole(path, format!("cannot be read: {error}")) }])
    }

    /// One defect that is of no single place.
    #[must_use]
    pub fn whole(path: &Path, what: impl Into<String>) -> Self {
        Self(vec![Problem::whole(path, what.into())])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
