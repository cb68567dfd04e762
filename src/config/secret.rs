//! Where a secret comes from: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ exec = ["PROGRAM", "ARGUMENT"…] }`. Never a plain
//! string, so that a configuration file can be shown and kept under version control.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::model::Secret;

use super::reader::Section;

/// A place that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the bastion's process.
    Env(String),
    /// A file; one trailing newline is dropped.
    File(PathBuf),
    /// The standard output of a program; one trailing newline is dropped.
    Exec(Vec<String>),
}

/// Why a secret could not be had. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set or not UTF-8.
    #[error("environment variable {0} is not set")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The program cannot be run or failed.
    #[error("{0}: {1}")]
    Exec(String, String),
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
}

impl SecretSource {
    /// Fetches the secret. Blocks: reads a file or runs a program.
    ///
    /// # Errors
    /// When it is not there, empty or not UTF-8.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|e| SecretError::File(path.clone(), e))?,
            Self::Exec(words) => run(words)?,
        };
        let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
        if trimmed.is_empty() { Err(SecretError::Empty) } else { Ok(Secret::new(trimmed.to_owned())) }
    }
}

fn run(words: &[String]) -> Result<String, SecretError> {
    let (program, arguments) = words.split_first().ok_or(SecretError::Empty)?;
    let fail = |why: String| SecretError::Exec(program.clone(), why);
    let output = Command::new(program).args(arguments).output().map_err(|e| fail(e.to_string()))?;
    if !output.status.success() {
        return Err(fail(format!("ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| fail("printed something that is not UTF-8".into()))
}

/// Reads the secret source under `key`, and the secret itself to see that it is there.
pub(super) fn read(section: &Section<'_>, key: &'static str, home: &Path) -> Option<SecretSource> {
    let inner = section.section(key)?;
    read_source(&inner, home)
}

pub(super) fn read_source(inner: &Section<'_>, home: &Path) -> Option<SecretSource> {
    let env = inner.string("env").map(|p| SecretSource::Env(p.value));
    let file = inner.string("file").map(|p| SecretSource::File(home.join(p.value)));
    let words = inner.strings("exec")?;
    let exec = (!words.is_empty()).then(|| SecretSource::Exec(words.into_iter().map(|w| w.value).collect()));
    inner.finish();
    let mut found: Vec<_> = [env, file, exec].into_iter().flatten().collect();
    let whole = inner.whole();
    if found.len() != 1 {
        inner.problem(
            &whole,
            "does not name one place of the secret",
            "one of { env = \"NAME\" }, { file = \"PATH\" }, { exec = [\"PROGRAM\"] }",
        );
        return None;
    }
    let source = found.pop()?;
    if !inner.fetches_secrets() {
        return Some(source);
    }
    if let Err(error) = source.read() {
        inner.problem(&whole, format!("the secret cannot be read: {error}"), "make it readable for Bartizan's user, or name another place");
        return None;
    }
    Some(source)
}
