//! The answers of policy, as plain data. The sentences in which people read them are in `sentences`.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::Action;
use crate::rule::{Approve, Mask};
use crate::sight::Unseen;

/// What policy says to one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Allow, hold or deny.
    pub verdict: Verdict,
    /// How the field is hidden, if it is; the strongest of all masks that apply. Only on field-level actions.
    pub mask: Option<Mask>,
    /// Whether every mask that applies allows comparing the field for equality (`@mask_use("eq")`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mask_equality: bool,
    /// The ids of every policy that had a say, sorted.
    pub policies: Vec<Arc<str>>,
    /// Permits whose conditions hold but that do not cover the operation, sorted; they had no say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
    /// What comes with the verdict.
    pub obligations: Obligations,
}

impl Decision {
    /// The answer where nothing is asked: a line such as `cd /tmp` runs no program and touches no file.
    pub(crate) fn nothing_asked() -> Self {
        let (policies, withheld) = (Vec::new(), Vec::new());
        let (mask, mask_equality) = (None, false);
        Decision { verdict: Verdict::Allow, mask, mask_equality, policies, withheld, obligations: Obligations::default() }
    }

    /// The answer to both operations together: the worse verdict, the stronger mask, and what comes with either.
    #[must_use]
    pub fn and(mut self, other: Decision) -> Decision {
        let Decision { verdict, mask, mask_equality, policies, withheld, obligations } = other;
        let mask_equality = match (self.mask, mask) {
            (Some(_), Some(_)) => self.mask_equality && mask_equality,
            (Some(_), None) => self.mask_equality,
            (None, _) => mask_equality,
        };
        self.policies.extend(policies);
        self.policies.sort();
        self.policies.dedup();
        self.withheld.extend(withheld);
        self.withheld.sort();
        self.withheld.dedup();
        let (verdict, obligations) = (self.verdict.and(verdict), self.obligations.and(obligations));
        Decision { verdict, mask: self.mask.max(mask), mask_equality, obligations, ..self }
    }
}

/// A permit that does not cover an operation although its conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Withheld {
    /// Its `@id`.
    pub policy: Arc<str>,
    /// What of the operation it did not look at.
    pub because: Unseen,
}

/// The answer proper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Only once each requirement is answered.
    Hold(Hold),
    /// No.
    Deny(Refusal),
}

impl Verdict {
    /// The worse of two verdicts, for an operation made of several; what two holds require adds up.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (deny @ Verdict::Deny(_), _) | (_, deny @ Verdict::Deny(_)) => deny,
            (Verdict::Hold(mut one), Verdict::Hold(two)) => {
                let new = two.requirements.into_iter().filter(|r| !one.requirements.contains(r)).collect::<Vec<_>>();
                one.requirements.extend(new);
                Verdict::Hold(one)
            }
            (hold @ Verdict::Hold(_), Verdict::Allow) | (Verdict::Allow, hold @ Verdict::Hold(_)) => hold,
            (Verdict::Allow, Verdict::Allow) => Verdict::Allow,
        }
    }

    /// `allow`, `hold` or `deny`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Hold(_) => "hold",
            Verdict::Deny(_) => "deny",
        }
    }
}

/// What one policy wants answered before the operation may go on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Requirement {
    /// The policy's `@id`.
    pub policy: Arc<str>,
    /// Its `@reason`.
    pub reason: Option<Arc<str>>,
    /// Who is asked, how many of them, for how long and how far.
    #[serde(flatten)]
    pub approve: Approve,
}

/// An operation that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// What was wanted.
    pub action: Action,
    /// On what.
    pub on: String,
    /// Everything that must be answered.
    pub requirements: Vec<Requirement>,
}

/// Why an operation is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No satisfied policy permits it.
    NothingPermits,
    /// No satisfied policy permits it; this one would if there were less to it.
    NotCovered(Withheld),
    /// A satisfied policy forbids it.
    ForbiddenBy {
        /// Its `@id`; the first by name where there are several.
        policy: Arc<str>,
        /// Its `@reason`.
        reason: Option<Arc<str>>,
    },
    /// A policy forbids some files, and whether it forbids these cannot be told.
    Undecidable {
        /// Its `@id`; the first by name where there are several.
        policy: Arc<str>,
        /// Its `@reason`.
        reason: Option<Arc<str>>,
        /// What is not seen.
        because: Unseen,
    },
    /// Policies failed while they were evaluated. What they would have said is unknown, so the answer is no.
    EvaluationError {
        /// Their `@id`s.
        policies: Vec<Arc<str>>,
    },
    /// A statement that policy would let through uses something masked otherwise than by handing it on, or cannot be read.
    Statement {
        /// What is wrong with it.
        sentence: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The question itself is not one: the action cannot be asked on this resource, or with these facts.
    Unfit,
}

/// A refusal, with what its reader needs: what, by which policy, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Who was refused.
    pub principal: String,
    /// What was wanted.
    pub action: Action,
    /// On what.
    pub on: String,
    /// Why not.
    pub why: Why,
}

impl Refusal {
    /// The `@id` of the policy to name when asking about it, if one policy is to blame.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match &self.why {
            Why::ForbiddenBy { policy, .. } | Why::Undecidable { policy, .. } | Why::NotCovered(Withheld { policy, .. }) => Some(policy),
            Why::EvaluationError { policies } => policies.first().map(AsRef::as_ref),
            Why::NothingPermits | Why::Statement { .. } | Why::Unfit => None,
        }
    }

    /// The policy's `@reason`.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.why {
            Why::ForbiddenBy { reason, .. } | Why::Undecidable { reason, .. } => reason.as_deref(),
            Why::NothingPermits | Why::NotCovered(_) | Why::EvaluationError { .. } | Why::Statement { .. } | Why::Unfit => None,
        }
    }
}

/// A message for operators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Alert {
    /// The policy's `@id`.
    pub policy: Arc<str>,
    /// What it says.
    pub text: Arc<str>,
}

/// What comes with a verdict. Where several policies have a say the stricter wins: more alerts, more recording, shorter lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Obligations {
    /// Operators are to be told.
    pub alerts: Vec<Alert>,
    /// Results are to be recorded too, after masking.
    pub record_results: bool,
    /// What is typed is to be recorded too, without secrets.
    pub record_input: bool,
    /// The certificate lives no longer than this; only for `issue`.
    #[serde(serialize_with = "crate::rule::optional_seconds")]
    pub certificate_ttl: Option<Duration>,
    /// The certificate works only from the address it was asked from; only for `issue`.
    pub pin_source_address: bool,
}

impl Obligations {
    /// What comes with both.
    fn and(mut self, other: Obligations) -> Obligations {
        let Obligations { alerts, record_results, record_input, certificate_ttl, pin_source_address } = other;
        let new = alerts.into_iter().filter(|alert| !self.alerts.contains(alert)).collect::<Vec<_>>();
        self.alerts.extend(new);
        Obligations {
            alerts: self.alerts,
            record_results: self.record_results || record_results,
            record_input: self.record_input || record_input,
            certificate_ttl: [self.certificate_ttl, certificate_ttl].into_iter().flatten().min(),
            pin_source_address: self.pin_source_address || pin_source_address,
        }
    }
}
