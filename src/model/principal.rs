//! Who asks: a user or a service, as one OIDC issuer named it, in groups.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GroupName, PrincipalId};

/// Whether a person or a program is behind the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person, logged in interactively.
    User,
    /// A program, identified by a workload token.
    Service,
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Service => "service",
        })
    }
}

impl std::str::FromStr for PrincipalKind {
    type Err = super::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "service" => Ok(Self::Service),
            _ => Err(super::NameError::new("principal kind", text, "it is `user` or `service`")),
        }
    }
}

/// A user or service and the groups its issuer put it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Person or program.
    pub kind: PrincipalKind,
    /// `issuer/name`.
    pub id: PrincipalId,
    /// Groups, each qualified by the issuer, sorted.
    pub groups: Vec<GroupName>,
}
