//! What somebody is granted and what they used of it, as the bastion tells (bartizan-control(7), `least_privilege`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::safe::Text;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Privileges {
    /// What it counts.
    #[serde(default)]
    pub scope: PrivilegeScope,
    /// Each principal.
    #[serde(default)]
    pub principals: Vec<PrivilegesOf>,
}

/// What a report counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PrivilegeScope {
    /// Uses not before this moment.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Entries of the audit log.
    #[serde(default)]
    pub entries: u64,
}

/// One principal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PrivilegesOf {
    /// `issuer/name`.
    pub principal: Text,
    /// `user` or `service`.
    #[serde(default)]
    pub kind: Text,
    /// The groups it was last seen in.
    #[serde(default)]
    pub groups: Vec<Text>,
    /// Each target.
    #[serde(default)]
    pub targets: Vec<PrivilegesOn>,
    /// Its certificates.
    #[serde(default)]
    pub certificates: Vec<Credential>,
}

/// One principal on one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PrivilegesOn {
    /// Its name; "" is the bastion itself.
    #[serde(default)]
    pub target: Text,
    /// Its kind.
    #[serde(default)]
    pub kind: Text,
    /// What is granted or was used, used things first.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Kinds of operation that are granted.
    #[serde(default)]
    pub granted: u64,
    /// Kinds that were used.
    #[serde(default)]
    pub used: u64,
    /// Kinds that are granted and were not used.
    #[serde(default)]
    pub unused: u64,
    /// How often anything was used.
    #[serde(default)]
    pub uses: u64,
    /// Requests and statements that are over.
    #[serde(default)]
    pub calls: Option<Calls>,
    /// What was held.
    #[serde(default)]
    pub held: Held,
    /// What was refused.
    #[serde(default)]
    pub denied: Vec<Denied>,
    /// The secrets with which the bastion logs in there.
    #[serde(default)]
    pub secrets: Vec<Credential>,
    /// Whether what is granted is what was used.
    #[serde(default)]
    pub granted_equals_used: bool,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Grant {
    /// The action.
    #[serde(default)]
    pub action: Text,
    /// On what.
    #[serde(default)]
    pub on: Text,
    /// `allow`, `hold`, or `deny` where it is granted no more.
    #[serde(default)]
    pub granted: Text,
    /// How often it was used.
    #[serde(default)]
    pub used: u64,
    /// When last.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
}

/// Requests and statements that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Calls {
    /// How many.
    #[serde(default)]
    pub ended: u64,
    /// How many of them failed, or were not seen to end.
    #[serde(default)]
    pub failed: u64,
    /// Bytes to the target.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes from it.
    #[serde(default)]
    pub bytes_out: u64,
}

/// What was held for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Held {
    /// How often.
    #[serde(default)]
    pub asked: u64,
    /// Who answered.
    #[serde(default)]
    pub answered_by: BTreeMap<Text, Answers>,
}

/// One person's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Answers {
    /// Yes.
    #[serde(default)]
    pub approved: u64,
    /// No.
    #[serde(default)]
    pub denied: u64,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Denied {
    /// The action.
    #[serde(default)]
    pub action: Text,
    /// How often.
    #[serde(default)]
    pub attempts: u64,
    /// The last one.
    #[serde(default)]
    pub example: Text,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Credential {
    /// What it is.
    #[serde(default)]
    pub what: Text,
    /// Where it comes from.
    #[serde(default)]
    pub detail: Text,
    /// How old it is.
    #[serde(default)]
    pub age_seconds: Option<i64>,
}
