//! Watching sessions: what their targets print goes into a terminal model each, whose cells are drawn. Nothing of it reaches the
//! person's own terminal.

use bartizan_recorder::{Canvas, Grid};
use serde_json::json;

use crate::Effect;
use crate::cells;
use crate::keys::Act;
use crate::link::Asked;
use crate::model::{Watched, Watching};
use crate::safe::{Text, shown};
use crate::state::{Pane, State};

/// Sessions that are watched beside each other.
const MOST: usize = 4;
/// Largest screen that is modelled.
const LARGEST: (u16, u16) = (1000, 500);

/// A session that is watched.
pub(crate) struct Watch {
    pub(crate) session: Text,
    screen: Option<Canvas>,
    /// What is drawn.
    pub(crate) grid: Grid,
    pub(crate) at_us: u64,
    /// The corner that is shown, where it is not the one with the cursor.
    pub(crate) corner: Option<(u16, u16)>,
    /// What was last said about it: an operation, a remark.
    pub(crate) said: String,
    pub(crate) ended: bool,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("session", &self.session).field("at_us", &self.at_us).finish_non_exhaustive()
    }
}

impl Watch {
    fn new(session: Text) -> Self {
        Self { session, screen: None, grid: Grid::default(), at_us: 0, corner: None, said: String::new(), ended: false }
    }

    /// Whether anything was shown yet.
    pub(crate) fn has_screen(&self) -> bool {
        self.screen.is_some()
    }

    fn take(&mut self, told: Watched) {
        self.at_us = told.at_us;
        if let Some(screen) = told.screen {
            self.screen = Canvas::new(screen.cols.min(LARGEST.0), screen.rows.min(LARGEST.1), &screen.text);
        }
        if let Some(canvas) = &mut self.screen {
            if let Some((cols, rows)) = told.resize {
                canvas.resize(cols.min(LARGEST.0), rows.min(LARGEST.1));
            }
            if let Some(output) = &told.output {
                canvas.feed(output);
            }
            canvas.draw(&mut self.grid);
        }
        if let Some(note) = told.note {
            self.said = format!("▲ {note}");
        }
        if let Some(operation) = told.operation {
            self.said = operation_line(&operation);
        }
        if told.end.is_some() {
            self.ended = true;
            "✗ the session has ended".clone_into(&mut self.said);
        }
    }
}

fn operation_line(operation: &serde_json::Value) -> String {
    let text = |name: &str| operation.get(name).and_then(serde_json::Value::as_str).map(|text| shown(text).into_owned());
    let parts = [text("verdict"), text("text").or_else(|| text("operation")), text("result")];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// The watched session that takes the keys.
pub(crate) fn watching(state: &State) -> Option<&Watch> {
    state.live.watches.get(state.live.focus)
}

/// Watches `session`, and only it, over the whole screen.
pub(crate) fn watch(state: &mut State, session: &Text) -> Vec<Effect> {
    let mut effects = stop_all(state);
    effects.extend(begin(state, session));
    effects
}

fn begin(state: &mut State, session: &Text) -> Vec<Effect> {
    let effects = state.ask(Asked::Watch { session: session.clone() }, "session.watch", json!({ "session": session.raw() }));
    if !effects.is_empty() {
        state.live.watches.push(Watch::new(session.clone()));
        state.pane = Pane { detail: true, large: true, top: 0 };
        state.screen = crate::settings::Screen::Live;
        state.live.list.rows.select_id(session);
    }
    effects
}

/// Watches the marked sessions beside each other.
pub(crate) fn tile(state: &mut State) -> Vec<Effect> {
    let marked: Vec<Text> = state.live.list.rows.marks().iter().take(MOST).cloned().collect();
    if marked.is_empty() {
        state.say("Mark up to four sessions with space first");
        return Vec::new();
    }
    let mut effects = stop_all(state);
    for session in &marked {
        effects.extend(begin(state, session));
    }
    effects
}

/// Stops watching one.
fn stop(state: &mut State, session: &Text) -> Vec<Effect> {
    let known = state.live.watches.iter().any(|watch| watch.session == *session && !watch.ended);
    unwatched(state, session);
    if known && state.link.is_up() { state.ask(Asked::Unwatch, "session.unwatch", json!({ "session": session.raw() })) } else { Vec::new() }
}

/// Stops watching all.
pub(crate) fn stop_all(state: &mut State) -> Vec<Effect> {
    let all: Vec<Text> = state.live.watches.iter().map(|watch| watch.session.clone()).collect();
    all.iter().flat_map(|session| stop(state, session)).collect()
}

/// It is not watched any more.
pub(crate) fn unwatched(state: &mut State, session: &Text) {
    state.live.watches.retain(|watch| watch.session != *session);
    state.live.focus = state.live.focus.min(state.live.watches.len().saturating_sub(1));
    if state.live.watches.is_empty() && state.screen == crate::settings::Screen::Live {
        state.pane = Pane::default();
    }
}

/// The connection is there again: what was watched is watched again.
pub(crate) fn again(state: &mut State) -> Vec<Effect> {
    let all: Vec<Text> = state.live.watches.iter().filter(|watch| !watch.ended).map(|watch| watch.session.clone()).collect();
    let ask = |session: Text| state.ask(Asked::Watch { session: session.clone() }, "session.watch", json!({ "session": session.raw() }));
    all.into_iter().flat_map(ask).collect()
}

/// The bastion lets one watch.
pub(crate) fn begun(state: &mut State, session: &Text, watching: &Watching) {
    if let Some(watch) = state.live.watches.iter_mut().find(|watch| watch.session == *session) {
        watch.at_us = watching.at_us;
    }
}

/// Something was shown on a session.
pub(crate) fn heard(state: &mut State, told: Watched) {
    if let Some(watch) = state.live.watches.iter_mut().find(|watch| watch.session == told.session) {
        watch.take(told);
    }
}

/// Looks at another part of a screen that is larger than its pane.
pub(crate) fn pan(state: &mut State, act: Act) {
    let areas = crate::places::tiles(state);
    let focus = state.live.focus;
    let (Some(area), Some(watch)) = (areas.get(focus).copied(), state.live.watches.get_mut(focus)) else { return };
    let (left, top) = watch.corner.unwrap_or_else(|| cells::follow(&watch.grid, area));
    let moved = match act {
        Act::PanLeft => (left.saturating_sub(8), top),
        Act::PanRight => (left.saturating_add(8), top),
        Act::PanUp => (left, top.saturating_sub(4)),
        Act::PanDown => (left, top.saturating_add(4)),
        _ => {
            watch.corner = if watch.corner.is_some() { None } else { Some((left, top)) };
            return;
        }
    };
    watch.corner = Some(cells::clamp(&watch.grid, moved, area));
}
