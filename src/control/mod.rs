//! The bastion's own commands: what `ssh bastion COMMAND` can ask for, read strictly, and the texts of the answers. Decides and
//! fetches nothing itself.

mod command;
mod texts;

pub use command::{Answer, DeskCommand};
pub use texts::{Reach, answered, approvals, help, own_sessions, targets, targets_json, whoami};

#[cfg(test)]
mod tests;
