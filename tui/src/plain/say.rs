//! What plain mode says: sentences, in which everything foreign is escaped.

use crate::clock::{counter, span};
use crate::decide::question;
use crate::model::Approval;
use crate::overlay::Overlay;
use crate::safe::Text;
use crate::screens;
use crate::settings::Screen;
use crate::state::State;

/// Rows of a list that are said at once.
const ROWS: usize = 50;

/// All that is to be said now.
pub(super) fn lines(state: &mut State) -> Vec<String> {
    let mut lines = greeting(state);
    lines.append(&mut state.plain.next);
    if locked(state, &mut lines) {
        return lines;
    }
    changes(state, &mut lines);
    list(state, &mut lines);
    super::watched::lines(state, &mut lines);
    sentences(state, &mut lines);
    question_line(state, &mut lines);
    // The last wall, as on the screen.
    lines.iter().map(|line| crate::safe::shown(line).into_owned()).collect()
}

fn greeting(state: &mut State) -> Vec<String> {
    if state.plain.greeted || !state.link.is_up() {
        return Vec::new();
    }
    state.plain.greeted = true;
    vec![format!("Connected to {} as {}. Type help for what can be typed.", state.server, state.me.principal)]
}

fn locked(state: &mut State, lines: &mut Vec<String>) -> bool {
    let locked = state.idle.locked.is_some();
    if locked != state.plain.locked {
        lines.push(if locked { "Locked: nobody was here for a while. Type unlock, or quit." } else { "Unlocked." }.to_owned());
    } else if let Some(why) = state.idle.locked.as_mut().filter(|why| !why.is_empty()) {
        lines.push(std::mem::take(why));
    }
    state.plain.locked = locked;
    locked
}

/// Requests that are new or stand otherwise than when they were last said.
fn changes(state: &mut State, lines: &mut Vec<String>) {
    if !state.inbox.list.told {
        return;
    }
    let changed = |(id, approval): (&Text, &Approval)| {
        let stands = (approval.state, approval.reviews.len());
        let said = state.plain.said.get(id);
        let fresh = said.is_none() && approval.waits();
        (fresh || said.is_some_and(|said| *said != stands)).then(|| (id.clone(), stands))
    };
    let changed: Vec<_> = state.inbox.all.iter().filter_map(changed).collect();
    for (id, stands) in changed {
        let number = state.plain.number(Screen::Inbox, &id);
        if let Some(approval) = state.inbox.all.get(&id) {
            lines.push(digest(state, approval, number));
        }
        state.plain.said.insert(id, stands);
    }
    if state.plain.said.len() > state.inbox.all.len() + 1_000 {
        let all = &state.inbox.all;
        state.plain.said.retain(|id, _| all.contains_key(id));
    }
}

/// One line about a request: who, what, for how long, what is missing, what can be typed.
pub(super) fn digest(state: &State, approval: &Approval, number: usize) -> String {
    let what = format!("{number} {} {} {}", approval.principal.id, approval.action, approval.place());
    let (given, asked) = approval.quorum();
    if !approval.waits() {
        let by = approval.reviews.last().map(|review| format!(" by {}", review.by.id)).unwrap_or_default();
        return format!("{what}: {}{by}.", approval.state.words().1);
    }
    let left = counter(approval.left(state.now));
    let missing = asked.saturating_sub(given);
    let keys = if approval.is_of(&state.me.principal) {
        format!("Yours. t{number} take back, s{number} details.")
    } else if approval.answered_by(&state.me.principal) {
        format!("You have answered. s{number} details.")
    } else {
        format!("a{number} approve, d{number} deny, s{number} details.")
    };
    let runs = crate::safe::shown(approval.operation.raw());
    let does = approval.outline.as_ref().map(crate::model::Outline::summary).filter(|does| !does.is_empty());
    let does = does.map(|does| format!(" It {does}.")).unwrap_or_default();
    format!("{what}: {runs}.{does} {}, {left} left, needs {missing} more. {keys}", span(approval.valid_seconds()))
}

/// The details of a thing, as lines.
pub(super) fn details(state: &State, screen: Screen, id: &Text) -> Vec<String> {
    let detail = match screen {
        Screen::Inbox => screens::inbox::detail(state, id),
        Screen::Live => screens::live::detail(state, id),
        Screen::Recordings => screens::recordings::detail(state, id),
        Screen::Targets => screens::targets::detail(state, id),
        Screen::Audit => screens::audit::detail(state, id),
        Screen::Privilege => screens::privilege::detail(state, id),
    };
    let Some(detail) = detail else { return vec!["It is not there any more.".to_owned()] };
    let fact = |fact: &crate::detail::Fact| {
        if fact.label.is_empty() { format!("  {}", fact.text) } else { format!("{}: {}", fact.label, fact.text) }
    };
    std::iter::once(detail.title.clone()).chain(detail.facts.iter().map(fact)).collect()
}

/// The list that was asked for, once it is there.
fn list(state: &mut State, lines: &mut Vec<String>) {
    let Some(screen) = state.plain.list else { return };
    if !screens::listing(state).told || state.screen != screen {
        return;
    }
    state.plain.list = None;
    lines.push(screens::title(state));
    let ids: Vec<Text> = screens::listing(state).rows.ids().take(ROWS).cloned().collect();
    if ids.is_empty() {
        lines.push(screens::nothing(state).to_owned());
    }
    for id in &ids {
        let number = state.plain.number(screen, id);
        let line = match state.inbox.all.get(id).filter(|_| screen == Screen::Inbox) {
            Some(approval) => digest(state, approval, number),
            None => format!("{number} {}", sentence(state, id)),
        };
        lines.push(line);
    }
    let rest = screens::listing(state).rows.len().saturating_sub(ids.len());
    if rest > 0 {
        lines.push(format!("{rest} more: filter WORDS shows fewer."));
    }
}

fn sentence(state: &State, id: &Text) -> String {
    let cells = screens::row(state, id, 240);
    let words: Vec<String> = cells.iter().map(|(_, text)| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
    words.join(", ")
}

fn sentences(state: &mut State, lines: &mut Vec<String>) {
    if let Some(notice) = &state.notice {
        let this = (notice.text.clone(), notice.at);
        if state.plain.notice.as_ref() != Some(&this) {
            lines.push(notice.text.clone());
            state.plain.notice = Some(this);
        }
    }
    let fresh = state.unseen_alarms;
    let from = state.alarms.len().saturating_sub(fresh);
    lines.extend(state.alarms.iter().skip(from).map(|alarm| format!("Alarm: {}", alarm.text)));
    state.unseen_alarms = 0;
}

fn question_line(state: &mut State, lines: &mut Vec<String>) {
    let Some(Overlay::Confirm(confirm)) = &state.overlay else {
        state.plain.asked = None;
        return;
    };
    let this = (confirm.id.clone(), confirm.opened_at);
    if state.plain.asked.as_ref() == Some(&this) {
        return;
    }
    let reason = confirm.reason.as_ref().map(crate::input::Input::text).filter(|reason| !reason.is_empty());
    lines.push(question(state, confirm).0);
    if let Some(reason) = reason {
        lines.push(format!("They read: {reason}"));
    }
    lines.push("Type yes, or no:".to_owned());
    state.plain.asked = Some(this);
}
