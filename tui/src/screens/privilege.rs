//! Least privilege: for each service, and if asked each person, and each target what is granted and what was used of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Cells, columns};
use crate::Effect;
use crate::clock::{ago, moment, span};
use crate::detail::Detail;
use crate::filter::{Field, Filtered};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::{Credential, Grant, Privileges, PrivilegesOf, PrivilegesOn, short};
use crate::safe::Text;
use crate::state::State;
use crate::theme::Role;

/// One principal on one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Right {
    of: PrivilegesOf,
    on: PrivilegesOn,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Privilege {
    pub(crate) all: BTreeMap<Text, Right>,
    pub(crate) list: Listing,
    /// People too.
    pub(crate) users: bool,
    since: Option<Timestamp>,
}

pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    let users = state.privilege.users;
    state.ask(Asked::Privilege, "least_privilege", json!({ "users": users }))
}

/// Takes people in, or leaves them out again.
pub(crate) fn with_users(state: &mut State) -> Vec<Effect> {
    state.privilege.users = !state.privilege.users;
    state.say(if state.privilege.users { "Services and people" } else { "Services only" });
    fetch(state)
}

pub(crate) fn told(state: &mut State, told: Privileges) {
    let privilege = &mut state.privilege;
    privilege.since = told.scope.since;
    privilege.all.clear();
    for mut of in told.principals {
        for on in std::mem::take(&mut of.targets) {
            // What is wider than its use comes first, and then by name.
            let id = format!("{} {} {}", u8::from(on.granted_equals_used), of.principal.raw(), on.target.raw());
            privilege.all.insert(id.into(), Right { of: of.clone(), on });
        }
    }
    privilege.list.told = true;
    show(state);
}

pub(crate) fn show(state: &mut State) {
    let privilege = &mut state.privilege;
    privilege.list.show(privilege.all.iter());
}

pub(crate) fn title(state: &State) -> String {
    let since = state.privilege.since.map(|since| format!(" since {}", moment(since, state.now))).unwrap_or_default();
    format!("Least privilege {}{since}", state.privilege.list.rows.len())
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    let Some(Right { of, on }) = state.privilege.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let (role, sign) = if on.granted_equals_used { (Role::Good, "=") } else { (Role::Warn, "+") };
    let mut parts = vec![(role, sign.to_owned(), 1), (Role::Plain, short(&of.principal).to_string(), 0)];
    parts.push((Role::Title, place(on), 0));
    if width >= 50 {
        parts.push((Role::Dim, format!("{} of {}", on.used, on.granted), 11));
    }
    let unused = if on.unused == 0 { String::new() } else { format!("{} unused", on.unused) };
    parts.push((role, unused, 12));
    columns(width, parts)
}

/// The command that suggests what would be enough, on the bastion.
pub(crate) fn command(state: &State) -> Option<String> {
    let right = state.privilege.all.get(state.privilege.list.rows.selected()?)?;
    // What a shell would take for more than a name is not put into a command.
    let plain = |name: &Text| name.raw().chars().all(|c| c.is_ascii_alphanumeric() || "/@._+-".contains(c));
    if !plain(&right.of.principal) || !plain(&right.on.target) {
        return None;
    }
    let target = if right.on.target.is_empty() { String::new() } else { format!(" --target {}", right.on.target) };
    Some(format!("bartizan policy suggest {}{target}", right.of.principal))
}

fn place(on: &PrivilegesOn) -> String {
    if on.target.is_empty() { "the bastion".to_owned() } else { on.target.to_string() }
}

pub(crate) fn detail(state: &State, id: &Text) -> Option<Detail> {
    let Right { of, on } = state.privilege.all.get(id)?;
    let mut detail = Detail::new(format!("{} on {}", of.principal, place(on)));
    let groups: Vec<String> = of.groups.iter().map(ToString::to_string).collect();
    detail.plain("WHO", if groups.is_empty() { of.kind.to_string() } else { format!("{} in {}", of.kind, groups.join(", ")) });
    let (role, text) = if on.granted_equals_used {
        (Role::Good, "= granted is what was used".to_owned())
    } else {
        (Role::Warn, format!("+ granted is more than was used: {} were never used", on.unused))
    };
    detail.add("GRANTED", role, text);
    for (n, grant) in on.grants.iter().filter(|grant| grant.used > 0).enumerate() {
        let last = grant.last_used.map(|at| format!(", {} ago", ago(at, state.now))).unwrap_or_default();
        let gone = if grant.granted.raw() == "deny" { ", granted no more" } else { "" };
        let times = if grant.used == 1 { "once".to_owned() } else { format!("{}×", grant.used) };
        detail.plain(if n == 0 { "USED" } else { "" }, format!("{}: {times}{last}{gone}", named(grant)));
    }
    for (n, grant) in on.grants.iter().filter(|grant| grant.used == 0).enumerate() {
        let held = if grant.granted.raw() == "hold" { ", once approved" } else { "" };
        detail.add(if n == 0 { "UNUSED" } else { "" }, Role::Warn, format!("{}{held}", named(grant)));
    }
    if let Some(calls) = on.calls {
        let text = format!("{}, {} failed; {} bytes there, {} back", calls.ended, calls.failed, calls.bytes_in, calls.bytes_out);
        detail.plain("CALLS", text);
    }
    if on.held.asked > 0 {
        let by = on.held.answered_by.iter().map(|(who, answers)| format!("{who} yes {} no {}", answers.approved, answers.denied));
        detail.plain("HELD", std::iter::once(format!("{} times", on.held.asked)).chain(by).collect::<Vec<_>>().join("; "));
    }
    for (n, denied) in on.denied.iter().enumerate() {
        let text = format!("{} {} times, last: {}", denied.action, denied.attempts, denied.example);
        detail.add(if n == 0 { "REFUSED" } else { "" }, Role::Bad, text);
    }
    for (n, one) in on.secrets.iter().chain(&of.certificates).enumerate() {
        detail.plain(if n == 0 { "SECRETS" } else { "" }, credential(one));
    }
    Some(detail)
}

/// `pg.select public.refunds`, or the action alone where it is about the target as a whole.
fn named(grant: &Grant) -> String {
    if grant.on.is_empty() { grant.action.to_string() } else { format!("{} {}", grant.action, grant.on) }
}

fn credential(one: &Credential) -> String {
    let age = one.age_seconds.and_then(|age| u64::try_from(age).ok()).map(|age| format!(", {} old", span(age))).unwrap_or_default();
    format!("{}{age}: {}", one.what, one.detail)
}

impl Filtered for Right {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let of_grants = || self.on.grants.iter().any(|grant| does(grant.action.raw()) || does(grant.on.raw()));
        match field {
            Field::User => does(self.of.principal.raw()),
            Field::Target => does(self.on.target.raw()),
            Field::Kind => does(self.of.kind.raw()) || does(self.on.kind.raw()),
            Field::State | Field::Verdict => does(if self.on.granted_equals_used { "equal" } else { "more" }),
            Field::Text => of_grants(),
            Field::Any => does(self.of.principal.raw()) || does(self.on.target.raw()) || of_grants(),
            Field::Login | Field::Id | Field::Tag => false,
        }
    }

    fn at(&self) -> Option<Timestamp> {
        self.on.grants.iter().filter_map(|grant| grant.last_used).max()
    }
}
