//! The three certificate authorities: what a certificate of each is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// One of the bastion's own certificate authorities. Certificates of one are never taken as those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityKind {
    /// Signs the keys of people and services who come to the bastion.
    User,
    /// Signs the bastion's host keys, for its own name and for the names of targets.
    Host,
    /// Signs the keys with which the bastion logs in at targets.
    Target,
}

impl AuthorityKind {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::User, Self::Host, Self::Target];

    /// The name, also of its file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Target => "target",
        }
    }
}

impl fmt::Display for AuthorityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuthorityKind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "user" => Ok(Self::User),
            "host" => Ok(Self::Host),
            "target" => Ok(Self::Target),
            _ => Err(NameError::new("authority", text, "it is `user`, `host` or `target`")),
        }
    }
}
