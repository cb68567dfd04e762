//! Puts what is asked into policy's words.

use bartizan_policies::{Action, Command, Context, Facts, PrincipalKind as Kind};
use jiff::Timestamp;

use crate::config;
use crate::identity::Caller;
use crate::model::{Principal, PrincipalKind, Wish};

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
pub(super) struct Question {
    pub(super) action: Action,
    pub(super) facts: Facts,
    /// The operation as the audit log shows it.
    pub(super) operation: String,
}

/// Everything that has to be allowed before `wish` may run: the target, and what is done there.
pub(super) fn questions(login: &str, wish: &Wish) -> Option<Vec<Question>> {
    let question = |action, facts| Question { action, facts, operation: wish.to_string() };
    let login = login.to_owned();
    let mut all = vec![question(Action::Connect, Facts::Login(login.clone()))];
    match wish {
        Wish::Shell => all.push(question(Action::SshShell, Facts::Login(login))),
        Wish::Exec(line) => all.push(question(Action::SshExec, Facts::Command { login, command: Command::read(line.as_bytes()) })),
        Wish::Subsystem(name) if name == "sftp" => {
            for action in [Action::SftpRead, Action::SftpWrite] {
                all.push(question(action, Facts::File { login: login.clone(), path: None, to: None }));
            }
        }
        // A path that is not supported is refused by name.
        Wish::Subsystem(_) => return None,
    }
    Some(all)
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
