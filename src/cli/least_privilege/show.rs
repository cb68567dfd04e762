//! A report in words and tables, for people at a terminal.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cli::Exit;
use crate::cli::policy::count;
use crate::cli::print::{Page, cut};
use crate::model::Printable;
use crate::privilege::{Credential, Grant, OfPrincipal, OnTarget, Report};

/// Grants that were not used that are shown of one target.
const UNUSED: usize = 20;
/// How much of a thing's name is shown, in characters.
const NAME: usize = 60;

pub(super) fn all(page: &mut Page, report: &Report) -> Result<(), Exit> {
    let scope = &report.scope;
    page.line(&format!(
        "{}: {} entries of the audit log verified, up to {}",
        Printable(&report.bastion),
        scope.entries,
        scope.head.get(..16).unwrap_or(&scope.head)
    ))?;
    let begins = scope.log_begins.map(|at| format!("; the log begins {at:.0}")).unwrap_or_default();
    page.line(&format!("counted since {:.0}{begins}", scope.since))?;
    page.line(&format!("granted: {}, by {}", scope.method, counted(scope.policy_count as u64, "policy")))?;
    if report.principals.is_empty() {
        page.line("")?;
        page.line("no service did or tried anything in that time; --users takes users in")?;
    }
    for one in &report.principals {
        principal(page, one, scope.since)?;
    }
    page.line("")?;
    report.authorities.iter().try_for_each(|one| credential(page, one))?;
    if !report.principals.is_empty() {
        let verdict = if report.granted_equals_used { page.pleasing("yes") } else { page.alarming("no") };
        page.line(&format!("granted == used: {verdict}"))?;
    }
    Ok(())
}

fn principal(page: &mut Page, one: &OfPrincipal, since: Timestamp) -> Result<(), Exit> {
    page.line("")?;
    let groups = if one.groups.is_empty() { String::new() } else { format!(" in {}", Printable(&one.groups.join(", "))) };
    let title = page.strong(&format!("{} {}", one.kind, Printable(&one.principal)));
    page.line(&format!("{title}{groups}"))?;
    for on in &one.targets {
        target(page, on, since)?;
    }
    one.certificates.iter().try_for_each(|one| credential(page, one))?;
    let verdict = if one.granted_equals_used { page.pleasing("yes") } else { page.alarming("no") };
    page.line(&format!("granted == used: {verdict}"))
}

fn target(page: &mut Page, on: &OnTarget, since: Timestamp) -> Result<(), Exit> {
    page.line("")?;
    let name = if on.target.is_empty() { "the bastion".to_owned() } else { format!("{} ({})", Printable(&on.target), on.kind) };
    page.line(&format!(
        "{}: {} granted, {} used {} in {}, {} never used",
        page.strong(&name),
        counted(on.granted, "kind"),
        on.used,
        if on.uses == 1 { "once".to_owned() } else { format!("{} times", on.uses) },
        counted(on.sessions, "session"),
        on.unused
    ))?;
    // Where everything else is granted, the known things need not be named.
    let all_of: BTreeSet<&str> = on.grants.iter().filter(|grant| grant.everything_else).map(|grant| grant.action.as_str()).collect();
    let unused = |grant: &&Grant| grant.used == 0 && (grant.everything_else || !all_of.contains(grant.action.as_str()));
    let shown = on.grants.iter().filter(|grant| grant.used > 0).chain(on.grants.iter().filter(unused).take(UNUSED));
    let rows: Vec<[String; 5]> = shown.map(|grant| row(grant, since)).collect();
    if !rows.is_empty() {
        page.table(["ACTION", "ON", "GRANTED", "USED", "LAST USED"], &rows)?;
    }
    let more = on.unused.saturating_sub(on.grants.iter().filter(unused).take(UNUSED).count() as u64);
    if more > 0 {
        page.line(&format!("… and {more} more that were never used; --json has all"))?;
    }
    aside(page, on)
}

fn row(grant: &Grant, since: Timestamp) -> [String; 5] {
    let mask = grant.mask.as_ref().map(|mask| format!(", masked {mask}")).unwrap_or_default();
    let granted = match grant.granted.as_str() {
        "deny" => "no more".to_owned(),
        "body" => "by its body".to_owned(),
        granted => format!("{granted}{mask}"),
    };
    let used = match (grant.used, grant.approved) {
        (0, _) => "never".to_owned(),
        (used, 0) => used.to_string(),
        (used, approved) => format!("{used} ({approved} approved)"),
    };
    let last = grant.last_used.map_or_else(|| format!("not since {since:.0}"), |at| format!("{at:.0}"));
    [grant.action.clone(), cut(&grant.on, NAME), granted, used, last]
}

/// What stands beside grants and uses.
fn aside(page: &mut Page, on: &OnTarget) -> Result<(), Exit> {
    if let Some(calls) = &on.calls {
        page.line(&format!(
            "calls: {} ended, {} of them failed; {} bytes to the target and {} from it, in {} ms",
            calls.ended, calls.failed, calls.bytes_in, calls.bytes_out, calls.duration_ms
        ))?;
    }
    if on.held.asked > 0 {
        let answers = on.held.answered_by.iter().map(|(name, answers)| match (answers.approved, answers.denied) {
            (approved, 0) => format!("approved by {} ({approved})", Printable(name)),
            (0, denied) => format!("denied by {} ({denied})", Printable(name)),
            (approved, denied) => format!("approved ({approved}) and denied ({denied}) by {}", Printable(name)),
        });
        let ended = on.held.ended.iter().map(|(how, count)| format!("{} {count}", Printable(how)));
        let parts: Vec<String> = answers.chain(ended).collect();
        page.line(&format!("held: {}; {}", times(on.held.asked), parts.join(", ")))?;
    }
    for denied in &on.denied {
        let by = if denied.policies.is_empty() { "nothing permits it".to_owned() } else { denied.policies.join(", ") };
        let example = cut(&Printable(&denied.example).to_string(), NAME);
        page.line(&format!("refused: {} {}, last {:.0} ({by}): {example}", denied.action, times(denied.attempts), denied.last))?;
    }
    on.secrets.iter().try_for_each(|one| credential(page, one))?;
    for (why, count) in &on.not_compared {
        page.line(&format!("not compared: {count} uses: {}", Printable(why)))?;
    }
    Ok(())
}

fn credential(page: &mut Page, one: &Credential) -> Result<(), Exit> {
    let age = one.age_seconds.map(|seconds| format!(", {} old", age(seconds))).unwrap_or_default();
    page.line(&format!("credential: {}{age}: {}", Printable(&one.what), Printable(&one.detail)))
}

fn age(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn counted(number: u64, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}
