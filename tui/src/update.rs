//! Takes an event, says what is to be done.

use jiff::Timestamp;

use crate::overlay::{self, Overlay};
use crate::screens::{self, audit};
use crate::state::State;
use crate::{Effect, Event, decide, heard, mouse, places, plain, press, replaying};

/// Takes an event. The effects are to be carried out in their order.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let ticked = matches!(event, Event::Tick { .. });
    let plain = state.settings.plain;
    let mut effects = take(state, event);
    if plain {
        effects = plain::rewrite(state, effects);
    }
    state.dirty |= !ticked;
    settle(state);
    effects
}

fn take(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Tick { now } => tick(state, now),
        Event::Key(key) => press::press(state, key),
        Event::Mouse(mouse) => mouse::take(state, mouse),
        Event::Paste(text) if state.idle.locked.is_none() => {
            state.idle.last_key = Some(state.now);
            overlay::paste(state, &text)
        }
        Event::Paste(_) => Vec::new(),
        Event::Resize { cols, rows } => {
            state.size = (cols.min(1000), rows.min(500));
            Vec::new()
        }
        Event::Line(line) => heard::line(state, &line),
        Event::Connection(connection) => heard::connection(state, connection),
        Event::Replay(said) => replaying::heard(state, said),
        Event::Signed { approval, signature } => decide::signed(state, &approval, signature),
        Event::Returned(how) => {
            match how {
                Ok(how) => state.say(crate::safe::shown(&how)),
                Err(why) => state.warn(crate::safe::shown(&why)),
            }
            vec![Effect::Redraw]
        }
        Event::Unlocked(Ok(())) => {
            state.idle.locked = None;
            state.idle.last_key = Some(state.now);
            Vec::new()
        }
        Event::Unlocked(Err(why)) => {
            if state.idle.locked.is_some() {
                state.idle.locked = Some(crate::safe::shown(&why).into_owned());
            }
            Vec::new()
        }
        Event::Typed(line) => plain::read(state, &line),
    }
}

fn tick(state: &mut State, now: Timestamp) -> Vec<Effect> {
    let before = state.now;
    if now < before {
        // A clock that was put back must not keep anything waiting.
        state.guard.changed_at = state.guard.changed_at.map(|_| now);
        state.idle.last_key = state.idle.last_key.map(|_| now);
        if let Some(replay) = &mut state.replay {
            replay.last_tick = now;
        }
    }
    state.now = now;
    let shown = |at: Timestamp| if state.settings.reduce_motion { at.as_second() / 60 } else { at.as_second() };
    let turned = shown(now) != shown(before);
    let faded = state.notice.is_some() && state.notice().is_none();
    if faded {
        state.notice = None;
    }
    state.dirty |= turned || faded || state.is_moving();
    idle(state);
    let mut effects = replaying::tick(state);
    effects.extend(audit::tick(state));
    effects
}

/// Hides everything after a time without keys. What was about to be decided is not.
fn idle(state: &mut State) {
    let Some(seconds) = state.settings.idle_lock_seconds else { return };
    let last = *state.idle.last_key.get_or_insert(state.now);
    if state.idle.locked.is_none() && state.now.duration_since(last).as_secs() >= i64::from(seconds) {
        state.idle.locked = Some(String::new());
        state.dirty = true;
        if matches!(state.overlay, Some(Overlay::Confirm(_))) {
            state.overlay = None;
        }
    }
}

/// After every event: the selected row is in view, and when it is another one or says something else, the guard is up.
fn settle(state: &mut State) {
    if let Some(area) = places::rows(state) {
        screens::listing_mut(state).rows.keep_visible(area.height.into());
    }
    if let Some(area) = places::detail(state) {
        let inner = places::inside(state, area);
        let lines = if state.pane.top > 0 { screens::detail(state).map_or(0, |detail| detail.lines(inner.width.into()).len()) } else { 0 };
        state.pane.top = state.pane.top.min(lines.saturating_sub(inner.height.into()));
    }
    let selected = screens::selected_imprint(state);
    if selected != state.guard.selected {
        state.guard.changed_at = Some(state.now);
        state.guard.selected = selected;
    }
}
