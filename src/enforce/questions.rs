//! Puts what is asked into policy's words.

use bartizan_policies::{Action, Context, Facts, Line, Operation, PrincipalKind as Kind};
use jiff::Timestamp;

use crate::config;
use crate::identity::Caller;
use crate::model::{Principal, PrincipalKind, Printable, Wish};

/// The principal as policies name it.
#[must_use]
pub fn as_principal(principal: &Principal) -> bartizan_policies::Principal {
    let kind = match principal.kind {
        PrincipalKind::User => Kind::User,
        PrincipalKind::Service => Kind::Service,
    };
    bartizan_policies::Principal::new(kind, principal.id.as_str(), principal.groups.iter().map(|g| g.as_str().to_owned()))
}

/// The target as policies name it.
pub(super) fn as_target(target: &config::Target) -> bartizan_policies::Target {
    let mut known = bartizan_policies::Target::new(target.name.as_str(), target.kind().to_string());
    known.tags.clone_from(&target.tags);
    known
}

/// One question about a session.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is wanted.
    pub(super) action: Action,
    /// What is known about it.
    pub(super) facts: Facts,
    /// The operation as the audit log shows it.
    pub(super) operation: String,
}

impl Question {
    /// May the target be used at all as `login`?
    pub(super) fn connect(login: &str, wish: &Wish) -> Self {
        Self { action: Action::Connect, facts: Facts::Login(login.to_owned()), operation: wish.to_string() }
    }

    /// May there be an ordinary shell?
    pub(super) fn shell(login: &str) -> Self {
        Self { action: Action::SshShell, facts: Facts::Login(login.to_owned()), operation: Wish::Shell.to_string() }
    }

    /// One question for each thing that `line` would do.
    #[must_use]
    pub fn of_line(login: &str, line: &Line) -> Vec<Self> {
        let one = |operation: &Operation| match operation {
            Operation::Run(command) => Self {
                action: Action::SshExec,
                facts: Facts::Command { login: login.to_owned(), command: command.clone() },
                operation: Wish::Exec(command.text().to_owned()).to_string(),
            },
            // The path is as it was typed, and nobody has asked the target yet where it leads.
            Operation::File(access) => Self::of_file(login, access.action, None, None, access.recursive),
        };
        line.operations().iter().map(one).collect()
    }

    /// A file operation: `path` and `to` are absolute and normalised, as the target sees them.
    #[must_use]
    pub fn of_file(login: &str, action: Action, path: Option<&str>, to: Option<&str>, recursive: bool) -> Self {
        let mut operation = action.to_string();
        for part in [path, to].into_iter().flatten() {
            operation.push(' ');
            operation.push_str(&Printable(part).to_string());
        }
        let facts = Facts::File { login: login.to_owned(), path: path.map(str::to_owned), to: to.map(str::to_owned), recursive };
        Self { action, facts, operation }
    }
}

/// What is known about the asking.
pub(super) fn context(caller: &Caller, now: Timestamp, facts: Facts) -> Context {
    Context {
        source_ip: caller.source(),
        time: now,
        authenticated_at: caller.authenticated_at(),
        device_bound: caller.device_bound(),
        reason: None,
        facts,
    }
}
