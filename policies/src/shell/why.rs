//! Why something is not known before it runs, for people to read.

use std::borrow::Cow;

/// A sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why(Cow<'static, str>);

impl Why {
    pub(super) fn new(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self(sentence.into())
    }

    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// As much of what was written as fits in a sentence.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
