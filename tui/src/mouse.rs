//! The mouse: selects, opens, scrolls, moves in a recording. It never decides.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::keys::Act;
use crate::overlay::Overlay;
use crate::perform::perform;
use crate::screens;
use crate::settings::Screen;
use crate::state::State;
use crate::{Effect, places, player, replaying};

/// Lines for one notch of the wheel.
const NOTCH: usize = 3;

/// Takes what the mouse did.
pub(crate) fn take(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if state.idle.locked.is_some() {
        return Vec::new();
    }
    state.idle.last_key = Some(state.now);
    let at = Position { x: mouse.column, y: mouse.row };
    match mouse.kind {
        MouseEventKind::ScrollDown => scroll(state, at, Act::Down),
        MouseEventKind::ScrollUp => scroll(state, at, Act::Up),
        MouseEventKind::Down(MouseButton::Left) => click(state, at),
        MouseEventKind::Drag(MouseButton::Left) => timeline(state, at).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn nothing() -> KeyEvent {
    KeyEvent::new(KeyCode::Null, KeyModifiers::NONE)
}

fn scroll(state: &mut State, at: Position, act: Act) -> Vec<Effect> {
    match &mut state.overlay {
        Some(Overlay::Help(crate::overlay::Help { top, .. }) | Overlay::Alarms(top)) => {
            *top = if act == Act::Down { top.saturating_add(NOTCH) } else { top.saturating_sub(NOTCH) };
            return Vec::new();
        }
        Some(_) => return Vec::new(),
        None if state.replay.is_some() => return Vec::new(),
        None => {}
    }
    let pane = state.pane;
    state.pane.detail = places::detail(state).is_some_and(|area| area.contains(at));
    for _ in 0..NOTCH {
        perform(state, act, nothing());
    }
    state.pane.detail = pane.detail;
    Vec::new()
}

fn click(state: &mut State, at: Position) -> Vec<Effect> {
    if state.overlay.is_some() {
        return Vec::new();
    }
    let tabs = places::places(state).tabs;
    if tabs.contains(at) {
        return crate::view::tab_at(state, at.x).map_or_else(Vec::new, |screen| screens::enter(state, screen));
    }
    if let Some(effects) = timeline(state, at) {
        return effects;
    }
    if state.replay.is_some() {
        return Vec::new();
    }
    if let Some(area) = places::rows(state).filter(|area| area.contains(at)) {
        return click_row(state, area, at);
    }
    if state.screen == Screen::Live && !state.live.watches.is_empty() {
        if let Some(tile) = places::tiles(state).iter().position(|tile| tile.contains(at)) {
            (state.live.focus, state.pane.detail) = (tile, true);
        }
    } else {
        state.pane.detail = places::detail(state).is_some_and(|area| area.contains(at));
    }
    Vec::new()
}

/// Selects a row; a click on the selected one opens it.
fn click_row(state: &mut State, area: Rect, at: Position) -> Vec<Effect> {
    let Some(row) = screens::listing(state).rows.row_at(usize::from(at.y - area.y)) else { return Vec::new() };
    if screens::listing(state).rows.at() == row && state.screen != Screen::Targets && !state.pane.detail {
        return perform(state, Act::Open, nothing());
    }
    screens::listing_mut(state).rows.select(row);
    (state.pane.detail, state.pane.top) = (false, 0);
    state.targets.login = 0;
    Vec::new()
}

/// A click on the timeline goes there; none elsewhere.
fn timeline(state: &mut State, at: Position) -> Option<Vec<Effect>> {
    let body = places::places(state).body;
    let replay = state.replay.as_ref().filter(|_| state.overlay.is_none())?;
    let bar = player::parts(&replay.player, body).bar;
    if !bar.contains(at) {
        return None;
    }
    let moment = player::moment_at(&replay.player, bar.width, at.x - bar.x);
    Some(moment.map_or_else(Vec::new, |moment| replaying::seek(state, moment)))
}
