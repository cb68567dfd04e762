//! Approvals as the bastion tells of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Outline, Principal, place};
use crate::safe::Text;

/// A held operation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: Text,
    /// The session it belongs to.
    #[serde(default)]
    pub session: Text,
    /// Who asks.
    pub principal: Principal,
    /// At which target.
    pub target: Text,
    /// As which account.
    #[serde(default)]
    pub login: Option<Text>,
    /// The action of policy.
    #[serde(default)]
    pub action: Text,
    /// The whole operation.
    #[serde(default)]
    pub operation: Text,
    /// What it does, taken apart, where the bastion tells.
    #[serde(default)]
    pub outline: Option<Outline>,
    /// What an answer is bound to.
    #[serde(default)]
    pub digest: Text,
    /// What policies ask for; all of it.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// What the caller gave as reason.
    #[serde(default)]
    pub reason: Option<Text>,
    /// Where the caller is.
    #[serde(default)]
    pub source: Text,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it lapses unanswered.
    pub deadline: Timestamp,
    /// What was said, in order.
    #[serde(default)]
    pub reviews: Vec<Review>,
    /// How it stands.
    pub state: ApprovalState,
    /// Until when what was approved may go on.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Why it ended, where no answer ended it.
    #[serde(default)]
    pub end_reason: Option<Text>,
    /// When it left `waiting`.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// What one policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Need {
    /// The policy.
    #[serde(default)]
    pub policy: Text,
    /// The groups any of which may answer.
    #[serde(default)]
    pub groups: Vec<Text>,
    /// How many different people must agree.
    #[serde(default)]
    pub approvals: u8,
    /// How long the approval holds once given, in seconds.
    #[serde(default)]
    pub valid_seconds: u64,
    /// Whether it covers whatever the policy holds in the same session.
    #[serde(default)]
    pub whole_session: bool,
    /// Whether only answers count that are signed with the approver's own key.
    #[serde(default)]
    pub signed: bool,
    /// The policy's reason.
    #[serde(default)]
    pub reason: Option<Text>,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Review {
    /// Who.
    pub by: Principal,
    /// Yes or no.
    pub approve: bool,
    /// Why.
    #[serde(default)]
    pub reason: Text,
    /// For how long at most, in seconds.
    #[serde(default)]
    pub valid_seconds: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// With what it was signed, if it was.
    #[serde(default)]
    pub signed: Option<Signed>,
}

/// That an answer was signed with its approver's own key; the bastion has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signed {
    /// The key's fingerprint.
    #[serde(default)]
    pub key: Text,
}

/// How an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// Not everybody who must has answered.
    Waiting,
    /// It may go on.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The caller went away or took it back.
    Withdrawn,
    /// It was approved, and that was taken back.
    Revoked,
    /// A state of a later version; nothing can be decided about it.
    #[serde(other)]
    Unknown,
}

impl ApprovalState {
    /// A sign and a word: never a colour alone.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Waiting => ("·", "waiting"),
            Self::Approved => ("✓", "approved"),
            Self::Denied => ("✗", "denied"),
            Self::Expired => ("✗", "expired"),
            Self::Withdrawn => ("✗", "withdrawn"),
            Self::Revoked => ("✗", "revoked"),
            Self::Unknown => ("?", "unknown"),
        }
    }
}

impl Need {
    /// Different people who have agreed and are in one of its groups.
    #[must_use]
    pub fn agreed(&self, reviews: &[Review]) -> usize {
        let counts = |review: &&Review| review.approve && self.asks(&review.by.groups) && (review.signed.is_some() || !self.signed);
        reviews.iter().filter(counts).map(|review| &review.by.id).collect::<BTreeSet<_>>().len()
    }

    /// Whether somebody in these groups may answer.
    #[must_use]
    pub fn asks(&self, groups: &[Text]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }
}

impl Approval {
    /// Whether it waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.state == ApprovalState::Waiting
    }

    /// Whether `who` asked for it.
    #[must_use]
    pub fn is_of(&self, who: &Text) -> bool {
        self.principal.id == *who
    }

    /// Whether `who` has answered it.
    #[must_use]
    pub fn answered_by(&self, who: &Text) -> bool {
        self.reviews.iter().any(|review| review.by.id == *who)
    }

    /// `login@target`.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.login.as_ref(), &self.target)
    }

    /// How many yes there are and how many it takes.
    #[must_use]
    pub fn quorum(&self) -> (usize, usize) {
        let one = |need: &Need| {
            let asked = usize::from(need.approvals);
            (need.agreed(&self.reviews).min(asked), asked)
        };
        self.needs.iter().map(one).fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1))
    }

    /// The shortest time that policies and answers allow, in seconds.
    #[must_use]
    pub fn valid_seconds(&self) -> u64 {
        let policies = self.needs.iter().map(|need| need.valid_seconds);
        let answers = self.reviews.iter().filter_map(|review| review.valid_seconds);
        policies.chain(answers).min().unwrap_or(0)
    }

    /// Seconds until it lapses.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> i64 {
        self.deadline.duration_since(now).as_secs().max(0)
    }
}
