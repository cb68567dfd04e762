//! One policy as this crate sees it beside Cedar's own form: its id, its effect and the obligations in its annotations, as
//! types. It evaluates no condition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::asks::Asks;

/// Whether a policy permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// `permit`
    Permit,
    /// `forbid`
    Forbid,
}

/// How a value is hidden, from the weakest to the strongest; where several apply the strongest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// An e-mail address keeps its first letter and its domain.
    Email,
    /// Only the last four characters stay.
    Last4,
    /// A keyed hash stands for the value, so equal values stay equal.
    Hash,
    /// A fixed text stands for the value.
    Redact,
    /// No value at all.
    Null,
}

impl Mask {
    /// Every mask with the word for it in `@mask("…")`, weakest first.
    pub const WORDS: [(&'static str, Mask); 5] =
        [("email", Mask::Email), ("last4", Mask::Last4), ("hash", Mask::Hash), ("redact", Mask::Redact), ("null", Mask::Null)];
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mask::Email => "email",
            Mask::Last4 => "last4",
            Mask::Hash => "hash",
            Mask::Redact => "redact",
            Mask::Null => "null",
        })
    }
}

/// How far one approval reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Exactly the operation that was held, once.
    Operation,
    /// Whatever the same policy holds in the same session, until the approval lapses.
    Session,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Operation => "operation",
            Scope::Session => "session",
        })
    }
}

/// What `@approve` and the annotations beside it ask for, or `@moderated`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Approve {
    /// The groups that may answer; any one of them will do.
    pub groups: Vec<String>,
    /// How many different people must agree; at least 1.
    pub approvals: u8,
    /// How long the approval holds once given.
    #[serde(serialize_with = "seconds")]
    pub valid: Duration,
    /// How far it reaches.
    pub scope: Scope,
    /// `@signed`: only answers signed with the approver's own key count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// `@moderated`: no answer is asked for; somebody of the groups has to watch for as long as the session lasts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub moderated: bool,
}

/// A duration as whole seconds.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// One policy: where it stands and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its `@id`, unique in the set.
    pub id: Arc<str>,
    /// Permit or forbid.
    pub effect: Effect,
    /// The file it is in, as the loader was told.
    pub file: Arc<str>,
    /// The line it begins on, counted from 1.
    pub line: usize,
    /// `@reason`: a sentence for whoever is refused or held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// `@approve`, `@approvals`, `@valid`, `@scope`, `@signed`; or `@moderated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approve>,
    /// `@mask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// `@mask_use("eq")`: what is masked may still be compared for equality.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mask_equality: bool,
    /// `@alert`: a message for operators whenever the policy applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Arc<str>>,
    /// `@record("results")`: results are recorded too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub record_results: bool,
    /// `@record("input")`: what is typed is recorded too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub record_input: bool,
    /// What its conditions ask for.
    #[serde(skip)]
    pub(crate) asks: Asks,
    /// `@certificate_ttl`: the certificate lives no longer than this.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_seconds")]
    pub certificate_ttl: Option<Duration>,
    /// `@pin_source_address`: the certificate works only from the address it was asked from.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pin_source_address: bool,
}

/// A duration, if any, as whole seconds.
pub(crate) fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}
