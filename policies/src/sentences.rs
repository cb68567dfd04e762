//! The sentences in which people read the answers of policy. Text that came from outside is shown without control characters, so
//! that no name can play tricks on a terminal. Nothing is decided here.

use std::fmt;

use crate::decision::{Hold, Refusal, Requirement, Why, Withheld};
use crate::sight::Unseen;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} is refused", self.action, Plain(&self.on))?;
        match &self.why {
            Why::NothingPermits => write!(
                f,
                ": no policy permits it to {}.\nIf you need it, ask the people who write this bastion's policies.",
                Plain(&self.principal)
            ),
            Why::NotCovered(withheld) => write!(f, ": {withheld}.\n{}", advice(withheld.because)),
            Why::Undecidable { policy, reason, because } => {
                write!(f, ": policy \"{policy}\" is about {}", subject(*because))?;
                if let Some(reason) = reason {
                    write!(f, " ({})", clause(reason))?;
                }
                write!(f, ".\n{}", advice(*because))
            }
            Why::ForbiddenBy { policy, reason } => {
                write!(f, " by policy \"{policy}\"")?;
                if let Some(reason) = reason {
                    write!(f, ": {}", clause(reason))?;
                }
                f.write_str(".\nIf you need it, ask the people who write this bastion's policies and name that one.")
            }
            Why::EvaluationError { policies } => write!(
                f,
                ": policy \"{}\" failed while it was evaluated.\nTell the people who write this bastion's policies; until it is mended the answer is no.",
                policies.join("\", \"")
            ),
            Why::Statement { sentence, hint } => {
                write!(f, ": {}.", Plain(sentence))?;
                hint.iter().try_for_each(|hint| write!(f, "\nInstead: {}.", Plain(hint)))
            }
            Why::Unfit => f.write_str(": that cannot be asked of policy in this form.\nThis is a fault in the bastion; please report it."),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} waits for ", self.action, Plain(&self.on))?;
        for (n, requirement) in self.requirements.iter().enumerate() {
            if n > 0 {
                f.write_str(", and for ")?;
            }
            write!(f, "{requirement}")?;
        }
        f.write_str(".\nAsk them to look at \"bartizan approvals list\".")
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.approve.approvals {
            _ if self.approve.moderated => f.write_str("watching")?,
            1 => f.write_str("approval")?,
            count => write!(f, "{count} approvals")?,
        }
        write!(f, " by {} (policy \"{}\"", self.approve.groups.join(" or "), self.policy)?;
        match &self.reason {
            Some(reason) => write!(f, ": {})", clause(reason)),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy \"{}\" permits it {}", self.policy, self.because)
    }
}

/// What a policy that cannot be asked is about, and why it cannot.
fn subject(unseen: Unseen) -> &'static str {
    match unseen {
        Unseen::Files => "certain files, and single files cannot be seen in this kind of copy",
        Unseen::File => "certain files, and which file this is cannot be known",
        Unseen::Redirections | Unseen::Environment | Unseen::Dynamic | Unseen::Patterns => "more than is known of this",
    }
}

/// What someone can do who is refused for what is not seen.
fn advice(unseen: Unseen) -> &'static str {
    match unseen {
        Unseen::Files => "Use sftp or scp instead: there each file is decided by itself.",
        Unseen::File => "Name the file by its full path, or use sftp.",
        Unseen::Redirections | Unseen::Environment | Unseen::Dynamic | Unseen::Patterns => {
            "If you need it so, ask the people who write this bastion's policies and name that one."
        }
    }
}

/// A sentence as part of another: without its own full stop.
fn clause(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

/// Text from outside, with control characters shown as escapes.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
