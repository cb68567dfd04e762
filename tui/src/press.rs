//! Where a key goes: to what lies over the screen, to a line that is typed, or through the table of keys.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::keys::{Act, On};
use crate::perform::perform;
use crate::screens::targets;
use crate::settings::Screen;
use crate::state::State;
use crate::{Effect, overlay, replaying};

/// Takes a key.
pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    state.idle.last_key = Some(state.now);
    // A terminal says Alt with a letter just as it says Escape and then the letter: what is bound to neither is the latter.
    if let Some(letter) = after_escape(state, key) {
        let mut effects = press(state, KeyEvent::from(KeyCode::Esc));
        effects.extend(press(state, letter));
        return effects;
    }
    // Whatever is set and open: this is the way out.
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return vec![Effect::Quit];
    }
    if state.idle.locked.is_some() {
        return locked(key);
    }
    if state.overlay.is_some() {
        return overlay::press(state, key);
    }
    if let Some(effects) = replaying::type_key(state, key) {
        return effects;
    }
    if state.replay.is_none()
        && let Some(effects) = targets::type_key(state, key)
    {
        return effects;
    }
    state.notice = None;
    let bound = state.keys.find(&places(state), key).map(|binding| binding.act);
    match bound {
        Some(act) => perform(state, act, key),
        None if key.code == KeyCode::Esc => perform(state, Act::Back, key),
        None => Vec::new(),
    }
}

/// The letter of a chord with Alt that does nothing here. While everything is hidden, none: it would be a second key.
fn after_escape(state: &State, key: KeyEvent) -> Option<KeyEvent> {
    let bare = key.modifiers == KeyModifiers::ALT && matches!(key.code, KeyCode::Char(_)) && state.idle.locked.is_none();
    let bound = state.overlay.is_none() && state.keys.find(&places(state), key).is_some();
    (bare && !bound).then(|| KeyEvent::from(key.code))
}

fn locked(key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter => vec![Effect::Unlock],
        KeyCode::Char('q') => vec![Effect::Quit],
        _ => Vec::new(),
    }
}

/// Where keys hold now, the special places first.
pub(crate) fn places(state: &State) -> Vec<On> {
    if state.replay.is_some() {
        return vec![On::Replay, On::Global];
    }
    let own = match state.screen {
        Screen::Inbox => On::Inbox,
        Screen::Live if state.pane.detail && !state.live.watches.is_empty() => return vec![On::Watch, On::Global],
        Screen::Live => On::Live,
        Screen::Recordings => On::Recordings,
        Screen::Targets => On::Targets,
        Screen::Audit => On::Audit,
        Screen::Privilege => On::Privilege,
    };
    vec![own, On::List, On::Global]
}
