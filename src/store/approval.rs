//! Approvals: operations that wait, or waited, for people to review. The rule that makes one answer of many is here, so that
//! every store settles alike; who may answer is decided by policy before an answer comes here.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Outline;
use crate::model::{ApprovalId, Login, Principal, PrincipalId, SessionId, TargetName};

/// What one policy asks for before the operation may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// The policy's `@id`.
    pub policy: String,
    /// The groups any of which may review.
    pub groups: Vec<String>,
    /// How many different people must agree.
    pub approvals: u8,
    /// How long the approval holds once given, in seconds.
    pub valid_seconds: u64,
    /// Whether it covers whatever the policy holds in the same session.
    pub whole_session: bool,
    /// The policy's `@reason`.
    pub reason: Option<String>,
    /// Whether only signed answers count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// Whether no answer is wanted, but somebody who watches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moderated: bool,
}

/// An operation that is held from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewApproval {
    /// Its id.
    pub id: ApprovalId,
    /// The session it belongs to, begun or about to begin.
    pub session: SessionId,
    /// The node that holds it.
    pub node: String,
    /// Who wants it, with the groups of that moment.
    pub principal: Principal,
    /// At which target.
    pub target: TargetName,
    /// As which account, where the target has accounts.
    pub login: Option<Login>,
    /// The action of the policy that holds it.
    pub action: String,
    /// The whole operation, as it will run.
    pub operation: String,
    /// What it does, taken apart, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
    /// SHA-256, in hex, over everything the answer is bound to.
    pub digest: String,
    /// What its policies ask for; all of it.
    pub needs: Vec<Needed>,
    /// What the caller gave as reason.
    pub reason: Option<String>,
    /// Where the caller is.
    pub source: IpAddr,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it lapses unanswered.
    pub deadline: Timestamp,
}

impl NewApproval {
    /// Every group that is asked, each once, in order.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.needs.iter().flat_map(|need| &need.groups).collect();
        all.into_iter().cloned().collect()
    }

    /// Whether `principal` is in a group that is asked.
    #[must_use]
    pub fn asks(&self, principal: &Principal) -> bool {
        self.needs.iter().any(|need| need.asks(principal))
    }
}

impl Needed {
    /// Whether `principal` is in one of its groups.
    #[must_use]
    pub fn asks(&self, principal: &Principal) -> bool {
        principal.groups.iter().any(|group| self.groups.iter().any(|asked| asked == group.as_str()))
    }
}

/// That an answer was signed with its approver's own key; it was checked before it comes here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The moment that is in it.
    pub at: Timestamp,
    /// The key's fingerprint.
    pub key: String,
    /// The signature, armoured.
    pub signature: String,
}

/// What somebody says to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who, with the groups of that moment.
    pub by: Principal,
    /// Yes or no.
    pub approve: bool,
    /// Why; shown to the caller.
    pub reason: String,
    /// For how long at most, in seconds, if shorter than policy allows.
    pub valid_seconds: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// With what it was signed, if it was.
    pub signed: Option<Signed>,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl ApprovalState {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::Waiting, "waiting"),
        (Self::Approved, "approved"),
        (Self::Denied, "denied"),
        (Self::Expired, "expired"),
        (Self::Withdrawn, "withdrawn"),
        (Self::Revoked, "revoked"),
    ];
}

impl fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(state, _)| state == self).map_or("", |(_, word)| word))
    }
}

impl FromStr for ApprovalState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(state, _)| *state).ok_or(())
    }
}

/// How it ended other than by answers, or was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalEnd {
    /// [`ApprovalState::Expired`], [`ApprovalState::Withdrawn`] or [`ApprovalState::Revoked`].
    pub state: ApprovalState,
    /// Why, as people read it.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An approval as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What was asked.
    #[serde(flatten)]
    pub asked: NewApproval,
    /// What was said, in order.
    pub reviews: Vec<Review>,
    /// How it stands.
    pub state: ApprovalState,
    /// Until when what was approved may go on.
    pub until: Option<Timestamp>,
    /// Why it ended, where an answer did not end it.
    pub end_reason: Option<String>,
    /// When it left `waiting`.
    pub ended_at: Option<Timestamp>,
}

impl Approval {
    /// An approval that was just asked for.
    #[must_use]
    pub fn new(asked: NewApproval) -> Self {
        Self { asked, reviews: Vec::new(), state: ApprovalState::Waiting, until: None, end_reason: None, ended_at: None }
    }

    /// Different people who have agreed and are in one of `need`'s groups.
    #[must_use]
    pub fn agreed(&self, need: &Needed) -> usize {
        let agree = |review: &&Review| review.approve && need.asks(&review.by) && (review.signed.is_some() || !need.signed);
        self.reviews.iter().filter(agree).map(|review| review.by.id.folded()).collect::<BTreeSet<_>>().len()
    }

    /// Whether `by` has answered.
    #[must_use]
    pub fn reviewed_by(&self, by: &PrincipalId) -> bool {
        self.reviews.iter().any(|review| review.by.id.is_as(by))
    }

    /// Adds an answer and settles what it settles: one no ends it; it may go on once every need has as many different people's
    /// yes as it asks for.
    pub fn take(&mut self, review: Review) {
        let at = review.at;
        let denied = !review.approve;
        self.reviews.push(review);
        if denied {
            (self.state, self.ended_at) = (ApprovalState::Denied, Some(at));
        } else if self.asked.needs.iter().all(|need| self.agreed(need) >= usize::from(need.approvals)) {
            (self.state, self.ended_at) = (ApprovalState::Approved, Some(at));
            self.until = at.checked_add(SignedDuration::from_secs(self.valid_seconds())).ok();
        }
    }

    /// The shortest time that policies and answers allow, in seconds.
    fn valid_seconds(&self) -> i64 {
        let policies = self.asked.needs.iter().map(|need| need.valid_seconds);
        let answers = self.reviews.iter().filter_map(|review| review.valid_seconds);
        policies.chain(answers).min().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0)
    }
}

/// Which approvals to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only those that wait.
    pub waiting: bool,
    /// Only what this principal asked for.
    pub principal: Option<PrincipalId>,
    /// Only those that this node holds.
    pub node: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for ApprovalFilter {
    fn default() -> Self {
        Self { waiting: false, principal: None, node: None, limit: 1_000 }
    }
}
