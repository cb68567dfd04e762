//! Session ids: ULIDs, so that they sort by start and can be typed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::NameError;

/// The id of one session, unique over all nodes; 26 characters of Crockford base 32 (the ULID spec).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Ulid);

impl SessionId {
    /// An id for a session that starts at `unix_ms`, with 80 bits of `randomness`.
    #[must_use]
    pub fn new(unix_ms: u64, randomness: u128) -> Self {
        Self(Ulid::from_parts(unix_ms, randomness))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}

impl FromStr for SessionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || NameError::new("session id", text, "it has 26 letters and digits, as `sessions list` shows them");
        if text.len() != 26 {
            return Err(bad());
        }
        Ulid::from_string(text).map(Self).map_err(|_| bad())
    }
}

impl TryFrom<String> for SessionId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.to_string()
    }
}
