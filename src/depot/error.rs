//! What can go wrong on the way to the object store and back. No error ends in deletion.

use std::io;
use std::path::{Path, PathBuf};

/// Why a step was not taken. All are tried again.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// The store did not answer, or refused.
    #[error("the object store: {0}")]
    Store(String),
    /// Under this name there is something else already: another bastion wrote it, or ours was changed.
    #[error("the object {0} is there already and holds something else; it is left alone, and so is the copy here")]
    Conflict(String),
    /// What is in the store is not what was sent.
    #[error("the object {0} is not what was sent; the copy here is kept. Remove that object, and it is sent again")]
    Differs(String),
    /// A file of ours is not as it must be.
    #[error("{path}: {why}", path = .0.display(), why = .1)]
    Local(PathBuf, String),
    /// The settings do not do.
    #[error("{0}")]
    Settings(String),
}

impl DepotError {
    /// Whether evidence is at stake, and not only a store that is away for a while.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Differs(_) | Self::Local(..))
    }

    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Local(path, error.to_string())
    }
}

impl From<object_store::Error> for DepotError {
    fn from(error: object_store::Error) -> Self {
        Self::Store(words(&error))
    }
}

/// The error with its causes. What an endpoint answers is a stranger's: it is cut, and escaped where it is shown.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        // Many repeat what they were caused by.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect()
}
