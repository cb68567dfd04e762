//! What a visitor wants done, as the SSH protocol names it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a target, and so the gateway that sits in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// An SSH server.
    Ssh,
    /// A PostgreSQL server.
    Postgres,
    /// A Kubernetes API server.
    Kubernetes,
    /// An HTTP server.
    Http,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "ssh",
            Self::Postgres => "postgres",
            Self::Kubernetes => "kubernetes",
            Self::Http => "http",
        })
    }
}

impl std::str::FromStr for TargetKind {
    type Err = super::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ssh" => Ok(Self::Ssh),
            "postgres" => Ok(Self::Postgres),
            "kubernetes" => Ok(Self::Kubernetes),
            "http" => Ok(Self::Http),
            _ => Err(super::NameError::new("target kind", text, "it is `ssh`, `postgres`, `kubernetes` or `http`")),
        }
    }
}

/// One program run on an SSH target (RFC 4254 section 6.5), or the protocol spoken with a target of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "wish", content = "text")]
pub enum Wish {
    /// An interactive shell.
    Shell,
    /// One command line.
    Exec(String),
    /// A named subsystem.
    Subsystem(String),
    /// The wire protocol of a PostgreSQL target, for one database.
    Database(String),
    /// The requests of a client of an HTTP target.
    Http,
    /// The requests of a client of a Kubernetes API server.
    Kubernetes,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell => f.write_str("shell"),
            Self::Exec(line) => write!(f, "exec {}", super::Printable(line)),
            Self::Subsystem(name) => write!(f, "subsystem {}", super::Printable(name)),
            Self::Database(name) => write!(f, "database {}", super::Printable(name)),
            Self::Http => f.write_str("http"),
            Self::Kubernetes => f.write_str("kubernetes"),
        }
    }
}
