//! What a guard rail does when what it looks for is on a screen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens to a session that a guard rail was triggered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RailAction {
    /// It goes on; somebody is told.
    Alert,
    /// It stands still until an operator resumes or ends it.
    Freeze,
}

impl RailAction {
    /// As it is written in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Freeze => "freeze",
        }
    }
}

impl fmt::Display for RailAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
