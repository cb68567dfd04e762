//! The requests to read the audit log, and to prove what it says.

use jiff::Timestamp;
use serde::Deserialize;

use super::hundred;
use crate::audit::Verdict;
use crate::model::{PrincipalId, TargetName};

/// `audit`: entries newest first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReadAudit {
    /// Only those with a smaller number.
    pub before: Option<u64>,
    /// At most so many.
    #[serde(default = "hundred")]
    pub limit: u32,
    /// Only those that fit.
    #[serde(default)]
    pub filter: AuditFilter,
}

/// `audit.proof`: that the transparency log has an entry.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProveAudit {
    /// The entry's number.
    pub entry: u64,
}

/// `least_privilege`: what is granted and what was used of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ReadPrivileges {
    /// This principal alone.
    pub principal: Option<PrincipalId>,
    /// People too; else services.
    #[serde(default)]
    pub users: bool,
    /// This target alone.
    pub target: Option<TargetName>,
    /// What was used not before this moment; else in the last 30 days.
    pub since: Option<Timestamp>,
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AuditFilter {
    /// Who acted, or was acted for.
    pub principal: Option<String>,
    /// At which target.
    pub target: Option<String>,
    /// This kind, or all that begin with it and a dot.
    pub kind: Option<String>,
    /// What policy said.
    pub verdict: Option<Verdict>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Entries whose line has this text, in upper or lower case.
    pub text: Option<String>,
}
