//! Ids: ULIDs, so that they sort by when they were made and can be typed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::NameError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $words:literal, $shown:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// An id made at `unix_ms`, with 80 bits of `randomness`.
            #[must_use]
            pub fn new(unix_ms: u64, randomness: u128) -> Self {
                Self(Ulid::from_parts(unix_ms, randomness))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let bad = || NameError::new($words, text, concat!("it has 26 letters and digits, as `", $shown, "` shows them"));
                if text.len() != 26 {
                    return Err(bad());
                }
                Ulid::from_string(text).map(Self).map_err(|_| bad())
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )+};
}

ids! {
    /// The id of one session, unique over all nodes; 26 characters of Crockford base 32 (the ULID spec).
    SessionId = "session id", "sessions list";
    /// The id of one hold that waits, or waited, for its answer; as [`SessionId`].
    ApprovalId = "approval id", "approvals list";
}
