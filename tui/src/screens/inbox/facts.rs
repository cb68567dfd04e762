//! What an approver needs to decide, in the order of thought: who, what, why, odd, rule and quorum, consequence. Nothing is said that
//! was not told: the past is what the bastion lists, and how far that goes is said.

use jiff::{SignedDuration, Timestamp};

use crate::clock::{ago, bytes, counter, moment, span};
use crate::decide;
use crate::detail::Detail;
use crate::model::{Approval, ApprovalState, Outline, Statement};
use crate::safe::{Text, shown};
use crate::state::State;
use crate::statement;
use crate::theme::Role;

/// The details of an approval.
pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    let approval = state.inbox.all.get(id)?;
    let mut detail = Detail::new(format!("request {}", approval.id));
    who(approval, &mut detail);
    what(state, approval, &mut detail);
    why(approval, &mut detail);
    odd(state, approval, &mut detail);
    rule(state, approval, &mut detail);
    consequence(state, approval, &mut detail);
    Some(detail)
}

fn who(approval: &Approval, detail: &mut Detail) {
    let principal = &approval.principal;
    detail.add("WHO", Role::Title, format!("{} ({}) from {}", principal.id, principal.kind, approval.source));
    let groups: Vec<String> = principal.groups.iter().map(ToString::to_string).collect();
    detail.add("", Role::Dim, if groups.is_empty() { "in no group".to_owned() } else { format!("in {}", groups.join(", ")) });
}

fn what(state: &State, approval: &Approval, detail: &mut Detail) {
    let tags = state.targets.all.get(&approval.target).map(|target| target.tags.iter().map(|tag| format!(" [{tag}]")).collect::<String>());
    detail.plain("WANTS", format!("{} on {}{}", approval.action, approval.place(), tags.unwrap_or_default()));
    let lines = statement::lines(approval.operation.raw(), approval.action.raw().starts_with("pg."));
    for (line, label) in lines.iter().zip(std::iter::once("RUNS").chain(std::iter::repeat(""))) {
        detail.add(label, Role::Title, shown(line));
    }
    match &approval.outline {
        Some(Outline::Sql { statements, left_out, in_transaction }) => does(statements, *left_out, *in_transaction, detail),
        Some(Outline::Http { content_type, size }) => {
            let size = size.map(bytes).unwrap_or_default();
            let kind = content_type.as_ref().map(ToString::to_string).unwrap_or_default();
            detail.plain("BODY", [kind, size].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "));
        }
        Some(Outline::Kubernetes { summary, verb, commands }) => {
            let whole = verb.raw() == "deletecollection";
            detail.add("DOES", if whole { Role::Warn } else { Role::Title }, format!("{}{summary}", if whole { "▲ " } else { "" }));
            for (command, label) in commands.iter().zip(std::iter::once("COMMANDS").chain(std::iter::repeat(""))) {
                detail.plain(label, command.to_string());
            }
        }
        Some(Outline::Unknown) | None => {}
    }
}

/// What statements do to which tables, and to how many rows.
fn does(statements: &[Statement], left_out: usize, in_transaction: bool, detail: &mut Detail) {
    for statement in statements {
        let whole = statement.summary.raw().ends_with("no WHERE");
        detail.add("DOES", if whole { Role::Warn } else { Role::Title }, format!("{}{}", if whole { "▲ " } else { "" }, statement.summary));
        for (table, label) in statement.tables.iter().zip(std::iter::once("TABLES").chain(std::iter::repeat(""))) {
            detail.plain(label, table.line());
        }
        detail.plain("ROWS", statement.rows().unwrap_or_default());
    }
    if left_out > 0 {
        detail.add("", Role::Warn, format!("▲ and {left_out} more statements"));
    }
    if in_transaction {
        detail.add("", Role::Dim, "in a transaction, which stays open with its locks meanwhile");
    }
}

fn why(approval: &Approval, detail: &mut Detail) {
    match &approval.reason {
        Some(reason) if !reason.is_empty() => detail.plain("WHY", format!("\"{reason}\"")),
        _ => detail.add("WHY", Role::Warn, "▲ no reason was given"),
    }
}

/// Whether `other` is the same wish as `approval`: the same person, action and account at the same target.
fn same(approval: &Approval, other: &Approval) -> bool {
    other.id != approval.id
        && other.principal.id == approval.principal.id
        && other.target == approval.target
        && other.login == approval.login
        && other.action == approval.action
}

fn odd(state: &State, approval: &Approval, detail: &mut Detail) {
    let before: Vec<&Approval> =
        state.inbox.all.values().filter(|other| same(approval, other) && other.asked_at < approval.asked_at).collect();
    let listed = state.inbox.since.map_or_else(|| "of those you may see".to_owned(), |since| format!("since {since:.0}"));
    if before.is_empty() {
        let text = format!("▲ the first request of theirs for {} on {} {listed}", approval.action, approval.place());
        detail.add("NOTE", Role::Warn, text);
    }
    let there: Vec<_> = state.live.all.values().filter(|session| session.is_live() && session.target == approval.target).collect();
    let own = there.iter().filter(|session| session.principal.id == approval.principal.id).count();
    let there = there.len();
    if there > 0 {
        detail.add("NOTE", Role::Warn, format!("▲ {there} live on {}, {own} of them theirs", approval.target));
    }
    let waiting = state.inbox.all.values().filter(|other| other.waits() && other.principal.id == approval.principal.id).count();
    if waiting > 1 {
        detail.add("NOTE", Role::Warn, format!("▲ {waiting} requests of theirs wait at once"));
    }
    last(state, &before, detail);
}

fn last(state: &State, before: &[&Approval], detail: &mut Detail) {
    let Some(latest) = before.iter().max_by_key(|other| other.asked_at) else { return };
    let count = |state: ApprovalState| before.iter().filter(|other| other.state == state).count();
    let outcomes =
        [ApprovalState::Approved, ApprovalState::Denied, ApprovalState::Expired, ApprovalState::Withdrawn, ApprovalState::Revoked];
    let parts: Vec<String> = outcomes
        .iter()
        .map(|state| (count(*state), state.words().1))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    let text = format!("{} such before: {}; the last {} ago", before.len(), parts.join(", "), ago(latest.asked_at, state.now));
    detail.plain("LAST", text);
}

fn rule(state: &State, approval: &Approval, detail: &mut Detail) {
    for need in &approval.needs {
        let groups: Vec<String> = need.groups.iter().map(ToString::to_string).collect();
        let agreed = need.agreed(&approval.reviews);
        let signed = if need.signed { ", signed" } else { "" };
        let text = format!("{} needs {} of {}{signed}; {agreed} given", need.policy, need.approvals, groups.join(" or "));
        detail.plain("RULE", text);
        if let Some(reason) = &need.reason {
            detail.add("", Role::Dim, format!("\"{reason}\""));
        }
    }
    for review in &approval.reviews {
        let (sign, word, role) = if review.approve { ("✓", "approved", Role::Good) } else { ("✗", "denied", Role::Bad) };
        let reason = if review.reason.is_empty() { String::new() } else { format!(": \"{}\"", review.reason) };
        let shorter = review.valid_seconds.map(|seconds| format!(", for {}", span(seconds))).unwrap_or_default();
        let signed = if review.signed.is_some() { ", signed" } else { "" };
        detail.add("", role, format!("{sign} {} {word} {}{shorter}{signed}{reason}", review.by.id, moment(review.at, state.now)));
    }
    let asked = approval.waits() && !approval.is_of(&state.me.principal) && !state.settings.can_sign;
    if asked && decide::unsigned_is_nothing(state, approval).is_some() {
        detail.add("", Role::Warn, format!("▲ no key of yours is here; where it is: {}", decide::by_command(state, approval)));
    }
}

fn consequence(state: &State, approval: &Approval, detail: &mut Detail) {
    if !approval.waits() {
        ended(state, approval, detail);
        return;
    }
    let seconds = approval.valid_seconds();
    let until = state.now.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))).unwrap_or(Timestamp::MAX);
    let whole = approval.needs.iter().any(|need| need.whole_session);
    let scope = if whole { "this, and what else its policy holds in the session" } else { "exactly this, once" };
    let (given, asked) = approval.quorum();
    let more = asked.saturating_sub(given + 1);
    let then = if more > 0 { format!("{more} more must agree; then ") } else { String::new() };
    detail.plain("IF YES", format!("{then}{scope}, until {} at most; recorded, and can be revoked", moment(until, state.now)));
    detail.plain("LAPSES", format!("in {}, and is refused then", counter(approval.left(state.now))));
    detail.add("BOUND", Role::Dim, format!("to {}", shown(approval.digest.raw())));
}

fn ended(state: &State, approval: &Approval, detail: &mut Detail) {
    let (sign, word) = approval.state.words();
    let role = if approval.state == ApprovalState::Approved { Role::Good } else { Role::Warn };
    let when = approval.ended_at.map(|at| format!(" {}", moment(at, state.now))).unwrap_or_default();
    let until = approval.until.map(|until| format!(", until {}", moment(until, state.now))).unwrap_or_default();
    detail.add("ENDED", role, format!("{sign} {word}{when}{until}"));
    if let Some(reason) = &approval.end_reason {
        detail.plain("", format!("\"{reason}\""));
    }
}
