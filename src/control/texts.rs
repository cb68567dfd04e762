//! The texts the bastion's own commands answer with. All names in them went through `model`'s types.

use std::fmt::Write;

use serde::Serialize;

use crate::identity::Caller;
use crate::model::TargetKind;
use crate::store::Session;

/// A target that the caller may reach.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: TargetKind,
    /// The logins that policy lets the caller connect as; empty for kinds without logins.
    pub logins: Vec<String>,
    /// Its tags, as `key=value`.
    pub tags: Vec<String>,
}

/// What `ssh bastion` can do.
#[must_use]
pub fn help(server: &str) -> String {
    format!(
        "\
Bartizan at {server}

  ssh LOGIN@TARGET@{server} [COMMAND]     a session on a target (LOGIN%TARGET means the same)
  ssh -J {server} LOGIN@TARGET [COMMAND]  the same by jump host
  sftp, scp, rsync                        over either form

  ssh {server} targets [--json]           the targets you can reach
  ssh {server} cert < KEY.pub             a certificate for your key, for logins without a prompt
  ssh {server} sessions [--json]          your live sessions
  ssh {server} whoami [--json]            who the bastion thinks you are
  ssh {server} help                       this text
"
    )
}

/// The targets and how to reach each.
#[must_use]
pub fn targets(server: &str, reachable: &[Reach]) -> String {
    if reachable.is_empty() {
        return "No policy lets you reach a target. If you need one, ask the people who write this bastion's policies.\n".to_owned();
    }
    let width = reachable.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for reach in reachable {
        let tags = if reach.tags.is_empty() { String::new() } else { format!("  [{}]", reach.tags.join(" ")) };
        let how = match (reach.kind, reach.logins.first()) {
            (TargetKind::Ssh, Some(login)) => format!("ssh {login}@{}@{server}", reach.name),
            _ => "not reachable in this version".to_owned(),
        };
        let others = if reach.logins.len() > 1 {
            format!("  (also as {})", reach.logins.get(1..).unwrap_or_default().join(", "))
        } else {
            String::new()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:width$}  {:<10}  {how}{others}{tags}", reach.name, reach.kind.to_string());
    }
    text
}

/// The same as JSON.
#[must_use]
pub fn targets_json(reachable: &[Reach]) -> String {
    line(&serde_json::json!(reachable))
}

/// Who the caller is.
#[must_use]
pub fn whoami(caller: &Caller, json: bool) -> String {
    let principal = caller.principal();
    if json {
        return line(&serde_json::json!({
            "principal": principal.id,
            "kind": principal.kind,
            "groups": principal.groups,
            "method": caller.proof().word(),
            "source": caller.source(),
            "key": caller.key(),
            "certificate": caller.certificate(),
            "authenticated_at": caller.authenticated_at(),
            "expires_at": caller.expires_at(),
        }));
    }
    let groups: Vec<_> = principal.groups.iter().map(ToString::to_string).collect();
    format!(
        "{} {}\ngroups   {}\nby       {}\nfrom     {}\nuntil    {}\n",
        principal.kind,
        principal.id,
        if groups.is_empty() { "none".to_owned() } else { groups.join(", ") },
        caller.proof().word(),
        caller.source(),
        caller.expires_at()
    )
}

/// The caller's live sessions.
#[must_use]
pub fn own_sessions(sessions: &[Session], json: bool) -> String {
    if json {
        return line(&serde_json::json!(sessions));
    }
    if sessions.is_empty() {
        return "You have no live sessions.\n".to_owned();
    }
    let mut text = String::new();
    for session in sessions {
        let opening = &session.opening;
        let login = opening.login.as_ref().map(|l| format!("{l}@")).unwrap_or_default();
        let frozen = session.frozen.as_ref().and(session.state()).map(|state| format!("  ({state})")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {}  {login}{}  {}{}",
            opening.id,
            opening.started_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            opening.target,
            opening.wish,
            frozen
        );
    }
    text
}

fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}
