//! Does what a key, a click or the palette says.

use crossterm::event::KeyEvent;

use crate::decide::{self, Decision};
use crate::keys::Act;
use crate::overlay::{For, Help, Overlay, Typing};
use crate::palette::Palette;
use crate::screens::{self, audit, inbox, live, privilege, recordings, targets};
use crate::settings::Screen;
use crate::state::{Pane, State};
use crate::{Effect, places, replaying};

/// Does `act`. `key` is what was pressed, for acts of several keys.
pub(crate) fn perform(state: &mut State, act: Act, key: KeyEvent) -> Vec<Effect> {
    match act {
        Act::Player(play) => replaying::perform(state, play, key),
        Act::Down | Act::Up | Act::PageDown | Act::PageUp | Act::First | Act::Last => {
            moved(state, act);
            Vec::new()
        }
        Act::Mark | Act::Range | Act::NewRows | Act::Filter | Act::Expand | Act::NextPane | Act::Open | Act::Copy => of_list(state, act),
        Act::Approve | Act::ApproveWatch | Act::Deny | Act::Revoke | Act::Withdraw | Act::Decided => of_inbox(state, act),
        Act::Kill | Act::Tile | Act::Ended | Act::Sort => of_live(state, act),
        Act::PanLeft | Act::PanRight | Act::PanUp | Act::PanDown | Act::FollowCursor => {
            live::pan(state, act);
            Vec::new()
        }
        Act::SearchAll => {
            let before = state.recordings.searched.clone().unwrap_or_default();
            state.overlay = Some(Overlay::Typing(Typing::new(For::Search, &before)));
            Vec::new()
        }
        Act::Kind | Act::LoginBefore | Act::LoginNext => {
            of_targets(state, act);
            Vec::new()
        }
        Act::Proof if state.screen == Screen::Audit => audit::prove(state),
        Act::Proof | Act::Export => by_command(state, act),
        Act::Follow => audit::follow(state),
        Act::Older => audit::older(state),
        Act::People => privilege::with_users(state),
        _ => everywhere(state, act),
    }
}

fn everywhere(state: &mut State, act: Act) -> Vec<Effect> {
    match act {
        Act::Show(screen) => return screens::enter(state, screen),
        Act::Help => state.overlay = Some(Overlay::Help(Help::default())),
        Act::Palette => state.overlay = Some(Overlay::Palette(Palette::default())),
        Act::Alarms => {
            state.unseen_alarms = 0;
            state.overlay = Some(Overlay::Alarms(0));
        }
        Act::Back => return back(state).unwrap_or_default(),
        Act::Close => return back(state).unwrap_or_else(|| vec![Effect::Quit]),
        Act::Redraw => return vec![Effect::Redraw],
        Act::Suspend if state.settings.can_suspend => return vec![Effect::Suspend],
        Act::Suspend => state.say("There is nothing to suspend to here"),
        Act::Refresh => return refresh(state),
        Act::Quit => return vec![Effect::Quit],
        _ => {}
    }
    Vec::new()
}

/// One level back; none at the top.
fn back(state: &mut State) -> Option<Vec<Effect>> {
    if state.replay.is_some() {
        return Some(replaying::back(state));
    }
    if state.screen == Screen::Live && !state.live.watches.is_empty() {
        return Some(leave_watch(state));
    }
    if state.pane != Pane::default() {
        state.pane = Pane::default();
        return Some(Vec::new());
    }
    if screens::listing_mut(state).rows.unmark() {
        return Some(Vec::new());
    }
    if state.screen == Screen::Recordings && recordings::leave_search(state) {
        return Some(Vec::new());
    }
    if !screens::listing(state).text.is_empty() {
        screens::set_filter(state, "");
        return Some(screens::filtered(state));
    }
    None
}

fn leave_watch(state: &mut State) -> Vec<Effect> {
    state.pane = Pane::default();
    live::stop_all(state)
}

pub(crate) fn refresh(state: &mut State) -> Vec<Effect> {
    screens::show(state);
    match state.screen {
        Screen::Inbox => inbox::fetch(state),
        Screen::Live => live::fetch(state),
        Screen::Recordings => recordings::fetch(state),
        Screen::Targets => targets::fetch(state),
        Screen::Audit => audit::fetch(state),
        Screen::Privilege => privilege::fetch(state),
    }
}

fn moved(state: &mut State, act: Act) {
    let page = places::rows(state).map_or(5, |area| usize::from(area.height / 2).max(1));
    let step = |by: usize| isize::try_from(by).unwrap_or(1);
    let by = match act {
        Act::Down => 1,
        Act::Up => -1,
        Act::PageDown => step(page),
        Act::PageUp => -step(page),
        Act::First => isize::MIN,
        _ => isize::MAX,
    };
    if state.pane.detail {
        state.pane.top = state.pane.top.saturating_add_signed(by);
        return;
    }
    let before = screens::selected(state);
    let last = screens::listing(state).rows.len();
    let rows = &mut screens::listing_mut(state).rows;
    if by == isize::MAX {
        rows.select(last)
    } else {
        rows.step(by)
    }
    if screens::selected(state) != before {
        state.pane.top = 0;
        state.targets.login = 0;
    }
}

fn of_list(state: &mut State, act: Act) -> Vec<Effect> {
    match act {
        Act::Mark => screens::listing_mut(state).rows.mark(),
        Act::Range => screens::listing_mut(state).rows.range(),
        Act::NewRows => screens::show(state),
        Act::Filter if state.screen == Screen::Targets => state.targets.typing = true,
        Act::Filter => {
            let text = screens::listing(state).text.clone();
            state.overlay = Some(Overlay::Typing(Typing::new(For::Filter, &text)));
        }
        Act::Expand => {
            state.pane.large = !state.pane.large;
            state.pane.detail = state.pane.large;
            state.pane.top = 0;
        }
        Act::NextPane => next_pane(state),
        Act::Open => return open(state),
        Act::Copy => return copy(state),
        _ => {}
    }
    Vec::new()
}

/// To the other pane; through all that are watched.
fn next_pane(state: &mut State) {
    let watched = if state.screen == Screen::Live { state.live.watches.len() } else { 0 };
    if state.pane.detail && state.live.focus + 1 < watched {
        state.live.focus += 1;
    } else if places::detail(state).is_some() {
        state.live.focus = 0;
        state.pane.detail = !state.pane.detail || (state.pane.large && watched > 0);
        state.pane.large = state.pane.large && state.pane.detail;
    } else if watched > 0 {
        (state.pane.detail, state.pane.large) = (true, true);
    }
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Live => match screens::selected(state) {
            Some(session) if state.live.all.get(&session).is_some_and(crate::model::Session::is_live) => live::watch(state, &session),
            Some(_) => {
                state.say("That session has ended: its recording is on screen 3");
                Vec::new()
            }
            None => Vec::new(),
        },
        Screen::Recordings => recordings::open(state),
        Screen::Targets => targets::open(state),
        Screen::Inbox | Screen::Audit | Screen::Privilege => {
            inbox::open(state);
            Vec::new()
        }
    }
}

/// What is copied is ours: ids and commands, never what somebody else wrote.
fn copy(state: &mut State) -> Vec<Effect> {
    let text = match state.screen {
        Screen::Targets => targets::selected(state).and_then(|target| targets::commands(state, target).into_iter().next()),
        Screen::Live if state.pane.detail => live::watching(state).map(|watch| watch.session.to_string()),
        Screen::Recordings => recordings::selected_session(state),
        Screen::Audit => screens::selected(state).and_then(|id| state.audit.all.get(&id)).map(|entry| entry.seq.to_string()),
        Screen::Privilege => privilege::command(state),
        Screen::Inbox | Screen::Live => {
            let rows = &screens::listing(state).rows;
            let marked: Vec<String> = rows.marks().iter().map(ToString::to_string).collect();
            if marked.is_empty() { rows.selected().map(ToString::to_string) } else { Some(marked.join(" ")) }
        }
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        state.say("There is nothing to copy");
        return Vec::new();
    };
    state.say(format!("Copied {text}"));
    vec![Effect::Copy(text)]
}

/// What needs the keys of the log or a file of the person's own is done by a command, which is copied.
fn by_command(state: &mut State, act: Act) -> Vec<Effect> {
    let recording = if state.screen == Screen::Recordings { recordings::selected_session(state) } else { None };
    let bastion = state.bastion_option();
    let command = match (act, recording) {
        (Act::Proof, Some(session)) => format!("bartizan recordings verify {session} --bastion {bastion}"),
        (_, Some(session)) => format!("bartizan recordings export {session} --bastion {bastion} -o {session}.cast"),
        (Act::Export, None) if state.screen == Screen::Audit => "bartizan audit export --bundle audit.tar".to_owned(),
        _ => return Vec::new(),
    };
    state.say(format!("Copied {command}"));
    vec![Effect::Copy(command)]
}

fn of_inbox(state: &mut State, act: Act) -> Vec<Effect> {
    match act {
        Act::Approve => inbox::decide(state, Decision::Approve, false),
        Act::ApproveWatch => inbox::decide(state, Decision::Approve, true),
        Act::Deny => inbox::decide(state, Decision::Deny, false),
        Act::Revoke => inbox::decide(state, Decision::Revoke, false),
        Act::Withdraw => inbox::decide(state, Decision::Withdraw, false),
        _ => {
            state.inbox.decided = !state.inbox.decided;
            screens::show(state);
        }
    }
    Vec::new()
}

fn of_live(state: &mut State, act: Act) -> Vec<Effect> {
    match act {
        Act::Tile => return live::tile(state),
        Act::Ended => {
            state.live.ended = !state.live.ended;
            screens::show(state);
        }
        Act::Sort => {
            state.live.sort = state.live.sort.next();
            screens::show(state);
        }
        _ => {
            let watched = if state.pane.detail { live::watching(state).map(|watch| watch.session.clone()) } else { None };
            let Some(session) = watched.or_else(|| screens::selected(state)) else { return Vec::new() };
            if state.settled(state.guard.changed_at) {
                decide::ask_kill(state, &session);
            } else {
                state.warn("The row has just changed: look again");
            }
        }
    }
    Vec::new()
}

fn of_targets(state: &mut State, act: Act) {
    match act {
        Act::Kind => targets::next_kind(state),
        Act::LoginBefore => targets::next_login(state, false),
        _ => targets::next_login(state, true),
    }
}
