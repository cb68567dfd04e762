//! The bastion's own commands: what `ssh bastion COMMAND` and the control protocol can ask for, read strictly, and the texts of the
//! answers. Decides and fetches nothing itself.

mod command;
pub mod protocol;
pub mod recordings;
mod texts;

pub use command::{Answer, DeskCommand, Scene};
pub use texts::{
    Published, Publisher, Reach, answered, approvals, help, identity, outlined, own_sessions, recordings as recordings_text, targets,
    targets_json, whoami,
};

#[cfg(test)]
mod tests;
