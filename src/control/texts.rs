//! The texts the bastion's own commands answer with. All names in them went through `model`'s types.

use std::fmt::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::Caller;
use crate::model::{PrincipalId, Printable, TargetKind, TargetName};
use crate::store::{Approval, ApprovalState, Outline, Session, TableOutline};

use super::recordings::Listed;

/// A target that the caller may reach.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: TargetKind,
    /// The logins that policy lets the caller connect as; empty for kinds without logins.
    pub logins: Vec<String>,
    /// The databases of a PostgreSQL target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Its tags, as `key=value`.
    pub tags: Vec<String>,
    /// Who publishes it, where it is reached through publishers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// How a target that is reached through publishers can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// How many publish it.
    pub publishers: usize,
    /// Since when the one does who has published it the longest.
    pub since: Option<Timestamp>,
    /// Streams that go through them.
    pub streams: usize,
}

/// Somebody who publishes a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// Which.
    pub target: TargetName,
    /// Who.
    pub principal: PrincipalId,
    /// From where.
    pub source: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// Streams that go through them.
    pub streams: usize,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.publishers, self.since) {
            (1, Some(since)) => write!(f, "1 publisher, since {since:.0}"),
            (count, Some(since)) => write!(f, "{count} publishers, since {since:.0}"),
            _ => f.write_str("nobody publishes it now"),
        }
    }
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
  ssh -N -L PORT:TARGET:PORT {server}     a forward to a database, a web server or a cluster
  ssh -N -R TARGET:0:HOST:PORT {server}   publishes a target that is reached so, from behind NAT

  ssh -t {server} tui                     the terminal UI: approvals, live sessions, recordings, targets, audit log
  ssh {server} tui --plain                the same in lines, for screen readers and scripts
  ssh {server}                            on a terminal: pick a target and connect to it
  ssh -t {server} watch ID                a live session, as it goes on
  ssh -t {server} play ID                 the recording of a session

  ssh {server} targets [--json]           the targets you can reach
  ssh {server} cert < KEY.pub             a certificate for your key, for logins without a prompt
  ssh {server} renew < TOKEN              a service: a new certificate for this connection's key, and what goes on here goes on
  ssh {server} sessions [--json]          your live sessions
  ssh {server} approvals [--json]         what waits for your answer, and what you wait for
  ssh {server} approve ID [--for TIME] [REASON…]
  ssh {server} deny ID [REASON…]          the same to say no; `revoke` takes a yes back
  ssh {server} withdraw ID                takes your own request back
  ssh {server} recordings [--json]        the newest recordings that you may replay
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
            (TargetKind::Postgres, Some(role)) => {
                format!("ssh -NL 5432:{}:5432 {server}, then psql -h 127.0.0.1 -U {role} {}", reach.name, reach.databases.join("|"))
            }
            (TargetKind::Http, _) => format!("ssh -NL 8080:{}:80 {server}, then curl http://127.0.0.1:8080/", reach.name),
            (TargetKind::Kubernetes, _) => format!("ssh -NL 8001:{}:443 {server}, then kubectl (bartizan kubeconfig)", reach.name),
            (TargetKind::Ssh | TargetKind::Postgres, None) => String::new(),
        };
        let others = if reach.logins.len() > 1 {
            format!("  (also as {})", reach.logins.get(1..).unwrap_or_default().join(", "))
        } else {
            String::new()
        };
        let published = reach.published.map(|published| format!("  ({published})")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:width$}  {:<10}  {how}{others}{tags}{published}", reach.name, reach.kind.to_string());
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
    if json {
        return line(&identity(caller));
    }
    let principal = caller.principal();
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

/// Recordings, newest first.
#[must_use]
pub fn recordings(all: &[Listed], json: bool) -> String {
    if json {
        return line(&serde_json::json!(all));
    }
    if all.is_empty() {
        return "There are no recordings that you may replay.\n".to_owned();
    }
    let mut text = String::new();
    for one in all {
        let login = one.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
        let what = one.command.as_deref().map(|command| format!("  {}", cut(command))).unwrap_or_default();
        let length = one.duration_us.map_or_else(|| "live".to_owned(), |us| format!("{} s", us / 1_000_000));
        let locked = if one.encrypted { "  (encrypted)" } else { "" };
        let shown =
            format!("{}  {}  {}  {login}{}  {}  {length}{what}{locked}", one.id, one.started_at, one.principal, one.target, one.kind);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", Printable(&shown));
    }
    text
}

/// The beginning of a command.
fn cut(command: &str) -> String {
    let most = 60;
    if command.chars().count() <= most { command.to_owned() } else { command.chars().take(most - 1).chain(['…']).collect() }
}

/// What waits: whole, since nobody should answer what they cannot read.
#[must_use]
pub fn approvals(server: &str, all: &[Approval], caller: &PrincipalId, now: Timestamp, json: bool) -> String {
    if json {
        return line(&serde_json::json!(all));
    }
    if all.is_empty() {
        return "Nothing waits for your answer.\n".to_owned();
    }
    let mut text = String::new();
    for approval in all {
        let asked = &approval.asked;
        let login = asked.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
        let left = asked.deadline.duration_since(now).as_secs().max(0);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {} wants {} on {login}{}", asked.id, asked.principal.id, asked.action, asked.target);
        let _ = writeln!(text, "    {}", Printable(&asked.operation));
        for line in asked.outline.iter().flat_map(outlined) {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(reason) = &asked.reason {
            let _ = writeln!(text, "    reason: {}", Printable(reason));
        }
        for need in &asked.needs {
            let why = need.reason.as_deref().map(|reason| format!(": {}", Printable(reason))).unwrap_or_default();
            let (agreed, groups) = (approval.agreed(need), need.groups.join(" or "));
            let _ = writeln!(text, "    policy \"{}\" asks {} of {groups}, {agreed} so far{why}", need.policy, need.approvals);
        }
        let how = if asked.principal.id == *caller {
            format!("ssh {server} withdraw {}", asked.id)
        } else {
            format!("ssh {server} approve {}", asked.id)
        };
        let _ = writeln!(text, "    from {}, lapses in {left} s: {how}", asked.source);
    }
    text
}

/// What an operation does, in lines, where more is known of it than its text.
#[must_use]
pub fn outlined(outline: &Outline) -> Vec<String> {
    let (statements, left_out, in_transaction) = match outline {
        Outline::Sql { statements, left_out, in_transaction } => (statements, left_out, in_transaction),
        Outline::Kubernetes { summary, commands, .. } => {
            let runs = commands.iter().map(|command| format!("runs: {}", Printable(command)));
            return std::iter::once(format!("does: {}", Printable(summary))).chain(runs).collect();
        }
        Outline::Http { .. } => return Vec::new(),
    };
    let mut lines = Vec::new();
    for statement in statements {
        lines.push(format!("does: {}", Printable(&statement.summary)));
        let columns =
            |table: &TableOutline| if table.columns.is_empty() { String::new() } else { format!(" ({})", table.columns.join(", ")) };
        let table = |table: &TableOutline| format!("{}: {}{}", table.table, table.does.join(", "), columns(table));
        lines.extend(statement.tables.iter().map(|one| format!("table {}", Printable(&table(one)))));
        lines.extend(statement.estimated_rows.map(|rows| format!("rows: about {rows}, the server's planner guesses")));
    }
    lines.extend(left_out.map(|more| format!("and {more} more statements")));
    lines.extend(in_transaction.then(|| "in a transaction, which stays open meanwhile".to_owned()));
    lines
}

/// What an answer led to.
#[must_use]
pub fn answered(approval: &Approval) -> String {
    let id = approval.asked.id;
    match (approval.state, approval.until) {
        (ApprovalState::Waiting, _) => {
            let missing = approval.asked.needs.iter().map(|need| usize::from(need.approvals).saturating_sub(approval.agreed(need)));
            format!("Your answer to {id} counts; {} more needed.\n", missing.sum::<usize>())
        }
        (ApprovalState::Approved, Some(until)) => format!("{id} is approved, until {until:.0}.\n"),
        (state, _) => format!("{id} is {state}.\n"),
    }
}

/// Who the caller is, as JSON.
#[must_use]
pub fn identity(caller: &Caller) -> serde_json::Value {
    let principal = caller.principal();
    serde_json::json!({
        "principal": principal.id,
        "kind": principal.kind,
        "groups": principal.groups,
        "method": caller.proof().word(),
        "source": caller.source(),
        "key": caller.key(),
        "certificate": caller.certificate(),
        "authenticated_at": caller.authenticated_at(),
        "expires_at": caller.expires_at(),
    })
}

fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}
