//! What a command line asks of policy: one question for each thing it would do. It answers none of them.

use crate::line::{Line, Operation};
use crate::sight::is_normal;
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
        Operation::File(access) => {
            let path = access.path.as_deref().map(without_last_slash);
            Question {
                action: access.action,
                operation: file(access.action, path, access.recursive),
                facts: Facts::File { login: login(), path: path.map(str::to_owned), to: None, recursive: access.recursive },
            }
        }
    };
    line.operations().iter().map(one).collect()
}

/// `sftp.write /srv/www and all beneath`.
fn file(action: Action, path: Option<&str>, recursive: bool) -> String {
    let beneath = if recursive { " and all beneath" } else { "" };
    format!("{action} {}{beneath}", path.unwrap_or("an unknown file"))
}

/// A folder is often written with a `/` at its end; policies name it without.
fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| is_normal(path)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_without_the_slash_at_its_end() {
        for (given, named) in
            [("/srv/", "/srv"), ("/", "/"), ("/srv", "/srv"), ("srv/", "srv/"), ("/srv//", "/srv//"), ("/../", "/../"), ("", "")]
        {
            assert_eq!(without_last_slash(given), named);
        }
    }

    #[test]
    fn each_operation_of_a_line_is_asked_about_by_itself() {
        let asked = questions("deploy", &Line::read(b"cd /tmp; ls | wc -l > n"));
        let shown: Vec<_> = asked.iter().map(|question| (question.action, question.operation.as_str())).collect();
        assert_eq!(shown, [(Action::SshExec, "ls"), (Action::SshExec, "wc -l")]);
        assert!(asked.iter().all(|question| matches!(&question.facts, Facts::Command { login, .. } if login == "deploy")));
    }
}
