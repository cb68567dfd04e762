//! Least privilege: what principals are granted, what they used of it, and the policies that would have been enough. All of it follows
//! from the audit log, from policies and from what is known of the targets; nothing is asked of a target, and nothing is decided here
//! that anybody acts on.
//!
//! What is granted is found out by asking: policy decides about everything known (what anybody did or tried, what databases hold, what
//! policies name) and about one thing of each kind that nobody ever saw, which stands for all that is not known.

mod catalogue;
mod credentials;
mod recorded;
mod report;
mod signed;
mod suggestion;
mod usage;

use bartizan_policies::sql::Rows;

pub use catalogue::Known;
pub use credentials::Credential;
pub use recorded::{Recorded, Skipped, facts, place};
pub use report::{Denied, Grant, Held, OfPrincipal, OnTarget, Report, Scope, Wanted};
pub use signed::{SignedReport, sign, verify};
pub use suggestion::{Suggestion, suggest};
pub use usage::{Asked, Usage};

/// What the bastion last read of a target's databases.
pub type Databases = std::collections::BTreeMap<String, Vec<Rows>>;

#[cfg(test)]
mod tests;
