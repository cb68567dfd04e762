//! A decision together with the policies behind it, for `policy explain` and for people. It only shows what was decided.

use std::fmt;

use serde::Serialize;

use crate::Action;
use crate::decision::{Decision, Verdict};
use crate::rule::{Effect, Rule};

/// Who asked what, the answer, and where the policies that had a say are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who asked.
    pub principal: String,
    /// What for.
    pub action: Action,
    /// On what.
    pub on: String,
    /// The answer.
    #[serde(flatten)]
    pub decision: Decision,
    /// Every policy that had a say, sorted by id.
    pub rules: Vec<Rule>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} {} on {}", self.decision.verdict.word(), self.principal, self.action, self.on)?;
        match &self.decision.verdict {
            Verdict::Allow => {}
            Verdict::Hold(hold) => writeln!(f, "{hold}")?,
            Verdict::Deny(refusal) => writeln!(f, "{refusal}")?,
        }
        if let Some(mask) = self.decision.mask {
            writeln!(f, "masked: {mask}")?;
        }
        for rule in &self.rules {
            let effect = match rule.effect {
                Effect::Permit => "permit",
                Effect::Forbid => "forbid",
            };
            write!(f, "  {effect} \"{}\" at {}:{}", rule.id, rule.file, rule.line)?;
            match &rule.reason {
                Some(reason) => writeln!(f, " ({reason})")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
