//! The inbox: approvals that wait for the person, those they wait for, and what was decided. What it says of the past it reads from
//! what the bastion lists, and says how far that goes.

mod facts;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Cells, columns};
use crate::Effect;
use crate::clock::{counter, moment};
use crate::filter::{Field, Filtered};
use crate::link::Asked;
use crate::listing::Listing;
use crate::model::{Approval, ApprovalState};
use crate::safe::Text;
use crate::settings::Screen;
use crate::state::State;
use crate::theme::Role;

pub(crate) use facts::detail;

/// Approvals that are asked for.
const LIMIT: u32 = 1_000;
/// Approvals that are kept.
const MOST: usize = 20_000;

/// The approvals.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) all: BTreeMap<Text, Approval>,
    pub(crate) list: Listing,
    pub(crate) decided: bool,
    /// The oldest of the list went back to this moment and no further.
    pub(crate) since: Option<Timestamp>,
}

pub(crate) fn fetch(state: &mut State) -> Vec<Effect> {
    state.ask(Asked::Approvals, "approvals", json!({ "all": true, "limit": LIMIT }))
}

/// The bastion's list. What was decided since it was made is newer than it: events come in order behind it.
pub(crate) fn told(state: &mut State, approvals: Vec<Approval>) {
    let full = approvals.len() >= LIMIT as usize;
    state.inbox.since = approvals.iter().map(|approval| approval.asked_at).min().filter(|_| full);
    let first = !state.inbox.list.told;
    let known: Vec<Text> = approvals.iter().map(|approval| approval.id.clone()).collect();
    let was = std::mem::take(&mut state.inbox.all);
    state.inbox.all = approvals.into_iter().map(|approval| (approval.id.clone(), approval)).collect();
    // A request that the bastion does not know any more is not waiting, whatever the row says.
    for (id, mut approval) in was {
        if !state.inbox.all.contains_key(&id) && state.inbox.list.rows.has(&id) {
            if approval.waits() {
                approval.state = ApprovalState::Unknown;
            }
            state.inbox.all.insert(id, approval);
        }
    }
    state.inbox.list.told = true;
    if first {
        show(state);
    } else {
        for id in known {
            offer(state, &id);
        }
    }
}

/// An approval as it is now.
pub(crate) fn heard(state: &mut State, approval: Approval) -> Vec<Effect> {
    let id = approval.id.clone();
    let is_new = !state.inbox.all.contains_key(&id);
    let for_me = approval.waits() && !approval.is_of(&state.me.principal);
    let mine_decided = approval.is_of(&state.me.principal) && !approval.waits();
    if mine_decided && state.inbox.all.get(&id).is_some_and(Approval::waits) {
        state.say(format!("Your request for {} is {}", approval.place(), approval.state.words().1));
    }
    state.inbox.all.insert(id.clone(), approval);
    forget(&mut state.inbox);
    offer(state, &id);
    if is_new && for_me && state.settings.bell { vec![Effect::Bell] } else { Vec::new() }
}

/// A row for `id` below the divider, if it belongs into the list and is not there.
fn offer(state: &mut State, id: &Text) {
    let inbox = &mut state.inbox;
    let Some(approval) = inbox.all.get(id) else { return };
    if (approval.waits() || inbox.decided) && inbox.list.filter.passes(approval) {
        // An empty list has no row that could move.
        if inbox.list.rows.len() == 0 { inbox.list.rows.set(vec![id.clone()]) } else { inbox.list.rows.offer(id) }
    }
}

/// Memory has an end: of those that are decided, the oldest go.
fn forget(inbox: &mut Inbox) {
    while inbox.all.len() > MOST {
        let oldest = inbox.all.iter().filter(|(_, approval)| !approval.waits()).min_by_key(|(_, approval)| approval.asked_at);
        let Some(id) = oldest.map(|(id, _)| id.clone()).or_else(|| inbox.all.keys().next().cloned()) else { return };
        inbox.all.remove(&id);
    }
}

/// Those that wait for the person, by deadline; their own; what was decided, newest first.
pub(crate) fn show(state: &mut State) {
    let me = state.me.principal.clone();
    let decided = state.inbox.decided || !state.inbox.list.filter.is_empty();
    let mut items: Vec<(&Text, &Approval)> = state.inbox.all.iter().filter(|(_, approval)| approval.waits() || decided).collect();
    items.sort_by_cached_key(|(id, approval)| {
        let group = if !approval.waits() { 2 } else { u8::from(approval.is_of(&me)) };
        let when = approval.ended_at.unwrap_or(approval.asked_at).as_millisecond();
        let order = if group == 2 { -when } else { approval.deadline.as_millisecond() };
        (group, order, (*id).clone())
    });
    state.inbox.list.show(items.into_iter());
}

/// How many wait for the person, and how many they wait for.
pub(crate) fn counts(state: &State) -> (usize, usize) {
    let waiting = state.inbox.all.values().filter(|approval| approval.waits());
    let (mut others, mut own) = (0, 0);
    for approval in waiting {
        if approval.is_of(&state.me.principal) { own += 1 } else { others += 1 }
    }
    (others, own)
}

pub(crate) fn title(state: &State) -> String {
    let (others, own) = counts(state);
    let decided = state.inbox.all.len() - others - own;
    let (own, shown) =
        (if own > 0 { format!(" · yours {own}") } else { String::new() }, if state.inbox.decided { "f hides" } else { "f shows" });
    format!("Pending {others}{own} · decided {decided} ({shown})")
}

pub(crate) fn row(state: &State, id: &Text, width: usize) -> Cells {
    let Some(approval) = state.inbox.all.get(id) else { return vec![(Role::Dim, id.to_string())] };
    let (given, asked) = approval.quorum();
    let own = approval.is_of(&state.me.principal);
    let role = match approval.state {
        ApprovalState::Waiting if own => Role::Dim,
        ApprovalState::Waiting if approval.answered_by(&state.me.principal) => Role::Good,
        ApprovalState::Waiting => Role::Plain,
        ApprovalState::Approved => Role::Good,
        _ => Role::Warn,
    };
    let answered = if approval.waits() && approval.answered_by(&state.me.principal) { "✓ " } else { "" };
    let who = if own { "you".to_owned() } else { format!("{answered}{}", approval.principal.short()) };
    let (sign, word) = approval.state.words();
    let left = counter(approval.left(state.now));
    let by = approval.reviews.last().map(|review| format!(" {}", review.by.short())).unwrap_or_default();
    let end = match (approval.waits(), width < 48) {
        (true, true) => format!("{left} {given}/{asked}"),
        (true, false) => format!("{left} {} {given}/{asked}", bar(approval, state.now)),
        (false, true) => format!("{sign} {word}"),
        (false, false) => format!("{sign} {word}{by} {}", moment(approval.ended_at.unwrap_or(approval.asked_at), state.now)),
    };
    let end_wide = crate::safe::width(&end).min(width / 2);
    let mut parts = vec![(role, who, 0), (role, approval.place(), 0), (role, end, end_wide)];
    if width >= 60 {
        parts.insert(2, (Role::Dim, approval.action.to_string(), 12));
    }
    columns(width, parts)
}

/// How much time is left, in six steps.
fn bar(approval: &Approval, now: Timestamp) -> String {
    let whole = approval.deadline.duration_since(approval.asked_at).as_secs().max(1);
    let full = (approval.left(now) * 6 + whole - 1) / whole;
    let full = usize::try_from(full).unwrap_or(0).min(6);
    "▮".repeat(full) + &"▯".repeat(6 - full)
}

/// Watches the session of the selected approval, or says why not.
pub(crate) fn open(state: &mut State) {
    state.pane.detail = true;
    state.pane.large = crate::places::detail(state).is_none();
}

/// Asks the question for a decision about the selected approval; in a terminal too small for list and details it shows the details
/// first: nobody decides about what they have not seen.
pub(crate) fn decide(state: &mut State, decision: crate::decide::Decision, watch: bool) {
    if state.screen != Screen::Inbox {
        return;
    }
    let Some(id) = state.inbox.list.rows.selected().cloned() else {
        state.say("There is nothing to decide about");
        return;
    };
    if !state.settled(state.guard.changed_at) {
        state.warn("The row has just changed: look again");
        return;
    }
    if crate::places::detail(state).is_none() {
        state.pane.large = true;
        state.pane.detail = true;
        state.say("Read it first; then press the key again");
        return;
    }
    crate::decide::ask(state, decision, &id, watch);
}

impl Filtered for Approval {
    fn any(&self, field: Field, does: &dyn Fn(&str) -> bool) -> bool {
        let is = |own: Field, text: &str| (field == own || field == Field::Any) && does(text);
        is(Field::User, self.principal.id.raw())
            || is(Field::Target, self.target.raw())
            || self.login.as_ref().is_some_and(|login| is(Field::Login, login.raw()))
            || is(Field::Kind, self.action.raw())
            || is(Field::Text, self.operation.raw())
            || self.reason.as_ref().is_some_and(|reason| is(Field::Text, reason.raw()))
            || is(Field::State, self.state.words().1)
            || is(Field::Id, self.id.raw())
            || self.reviews.iter().any(|review| is(Field::User, review.by.id.raw()))
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.asked_at)
    }
}
