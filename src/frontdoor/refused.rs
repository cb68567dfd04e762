//! A denial is an outcome, not an error: what the visitor reads, what the operator reads, and which policy said it.

use std::fmt;

/// Why a visitor does not get what they asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One or two sentences for the visitor; nothing in it that they may not know.
    pub sentence: String,
    /// What the operator reads in the audit log; may name internals, never a secret.
    pub detail: String,
    /// The ids of the policies that decided, if policy did.
    pub policies: Vec<String>,
    /// Which exit status the visitor's command ends with.
    pub cause: Cause,
}

/// Who or what stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Policy or a check said no.
    Denied,
    /// A lock keeps them out: no other way of logging in helps.
    Barred,
    /// A human has to approve first.
    Held,
    /// It could not be done: a target is down, a store does not answer.
    Unavailable,
}

impl Refusal {
    /// Policy, a lock or a check said no.
    #[must_use]
    pub fn denied(sentence: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), detail: detail.into(), policies: Vec::new(), cause: Cause::Denied }
    }

    /// It could not be done.
    #[must_use]
    pub fn unavailable(sentence: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), detail: detail.into(), policies: Vec::new(), cause: Cause::Unavailable }
    }

    /// The exit status that the visitor's command ends with, as `bartizan`'s own exit codes.
    #[must_use]
    pub fn exit_status(&self) -> u32 {
        match self.cause {
            Cause::Denied | Cause::Barred => 1,
            Cause::Unavailable => 3,
            Cause::Held => 4,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
