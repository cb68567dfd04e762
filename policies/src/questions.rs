//! What a command line asks of policy: one question for each thing it would do. It answers none of them.

use crate::line::{Line, Operation};
use crate::{Action, Facts};

/// One thing that is to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is wanted.
    pub action: Action,
    /// What is known about it.
    pub facts: Facts,
    /// The operation as it is shown to people.
    pub operation: String,
}

/// The questions of a command line that is to run as `login`. All must be allowed before any of it may run.
#[must_use]
pub fn questions(login: &str, line: &Line) -> Vec<Question> {
    let login = || login.to_owned();
    let one = |operation: &Operation| match operation {
        Operation::Run(command) => Question {
            action: Action::SshExec,
            operation: command.text().to_owned(),
            facts: Facts::Command { login: login(), command: command.clone() },
        },
        Operation::File(access) => Question {
            action: access.action,
            operation: file(access.action, access.path.as_deref(), access.recursive),
            facts: Facts::File { login: login(), path: access.path.clone(), to: None, recursive: access.recursive },
        },
    };
    line.operations().iter().map(one).collect()
}

/// `sftp.write /srv/www and all beneath`.
fn file(action: Action, path: Option<&str>, recursive: bool) -> String {
    let beneath = if recursive { " and all beneath" } else { "" };
    format!("{action} {}{beneath}", path.unwrap_or("an unknown file"))
}
