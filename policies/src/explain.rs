//! Decisions together with the policies behind them, for `policy explain` and for people. It only shows what was decided.

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
    /// Every policy that had a say, and every permit that would have had one if it covered the operation; sorted by id.
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
        self.rules.iter().try_for_each(|rule| self.rule(rule, f))
    }
}

impl Explanation {
    fn rule(&self, rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match rule.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        write!(f, "  {effect} \"{}\" at {}:{}", rule.id, rule.file, rule.line)?;
        if let Some(reason) = &rule.reason {
            write!(f, " ({reason})")?;
        }
        if let Some(withheld) = self.decision.withheld.iter().find(|withheld| withheld.policy == rule.id) {
            write!(f, ", which permits it {}", withheld.because)?;
        }
        writeln!(f)
    }
}

/// One operation of several, and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The operation as it is shown to people.
    pub operation: String,
    /// The answer.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Everything that a command line asks for, and the answers: the worst is the answer to the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanations {
    /// Who asked.
    pub principal: String,
    /// On what.
    pub on: String,
    /// The answer to all of it.
    #[serde(flatten)]
    pub decision: Decision,
    /// Each operation, in order.
    pub operations: Vec<Explained>,
}

impl fmt::Display for Explanations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.operations.len();
        if count != 1 {
            writeln!(f, "{}: {} on {}, {count} operations", self.decision.verdict.word(), self.principal, self.on)?;
        }
        for (n, Explained { operation, explanation }) in self.operations.iter().enumerate() {
            if count != 1 {
                writeln!(f, "\n{}. {}", n + 1, operation.escape_debug())?;
            }
            write!(f, "{explanation}")?;
        }
        Ok(())
    }
}
