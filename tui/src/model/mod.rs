//! What the bastion tells by the control protocol (bartizan-control(7)), as it is read. Fields that a bastion of another version does
//! not send are empty; fields it adds are ignored. Decides nothing.

mod approval;
mod audit;
mod outline;
mod privilege;
mod recording;
mod session;
mod watch;

use serde::Deserialize;

use crate::safe::Text;

pub use approval::{Approval, ApprovalState, Need, Review, Signed};
pub use audit::{AuditEntry, AuditPage};
pub use outline::{Outline, Statement, Table};
pub use privilege::{Credential, Grant, Privileges, PrivilegesOf, PrivilegesOn};
pub use recording::{Hit, Recording};
pub use session::{Frozen, Session, SessionEnd};
pub use watch::{Watched, WatchedScreen, Watching};

/// The first line of a bastion.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Hello {
    /// What is spoken.
    #[serde(default)]
    pub protocol: Text,
    /// Its version.
    #[serde(default)]
    pub version: u32,
    /// The bastion's name.
    #[serde(default)]
    pub server: Text,
    /// Who the caller is: `issuer/name`.
    #[serde(default)]
    pub principal: Text,
}

/// Who the bastion thinks the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Who {
    /// `issuer/name`.
    pub principal: Text,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<Text>,
    /// The fingerprint of the SSH key that they logged in with.
    #[serde(default)]
    pub key: Option<Text>,
}

/// A person or a program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Principal {
    /// `issuer/name`.
    pub id: Text,
    /// `user` or `service`.
    #[serde(default)]
    pub kind: Text,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<Text>,
}

impl Principal {
    /// The name without its issuer: for columns; the whole stands in every detail and question.
    #[must_use]
    pub fn short(&self) -> Text {
        short(&self.id)
    }
}

/// A principal's name without its issuer.
#[must_use]
pub fn short(id: &Text) -> Text {
    id.raw().split_once('/').map_or(id.raw(), |(_, name)| name).into()
}

/// A target that the caller can reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: Text,
    /// `ssh`, `postgres`, `kubernetes` or `http`.
    #[serde(default)]
    pub kind: Text,
    /// The accounts that policy lets the caller use.
    #[serde(default)]
    pub logins: Vec<Text>,
    /// `key=value`.
    #[serde(default)]
    pub tags: Vec<Text>,
    /// Who publishes it, where it is reached through publishers.
    #[serde(default)]
    pub published: Option<Published>,
}

/// How a target that is reached through publishers can be reached now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Published {
    /// How many publish it.
    #[serde(default)]
    pub publishers: u64,
    /// Since when.
    #[serde(default)]
    pub since: Option<Text>,
}

/// `login@target`, or the target alone.
#[must_use]
pub fn place(login: Option<&Text>, target: &Text) -> String {
    login.map_or_else(|| target.to_string(), |login| format!("{login}@{target}"))
}
