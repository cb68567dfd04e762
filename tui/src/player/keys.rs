//! The player's keys, asciinema's own where it has one.

use std::collections::BTreeMap;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::{Effect, State};
use crate::input::{Input, Typed};
use crate::keys::{Act, Keymap, On, Play};

/// Takes a key where the player is alone: with the keys of the table.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let (map, _) = Keymap::new(&BTreeMap::new());
    let act = map.find(&[On::Replay, On::Global], key).map(|binding| binding.act);
    if act == Some(Act::Quit) {
        return vec![Effect::Quit];
    }
    if let Some(effects) = type_key(state, key) {
        return effects;
    }
    state.notice = None;
    match act {
        Some(Act::Player(play)) => perform(state, play, key),
        Some(Act::Close) => vec![Effect::Quit],
        Some(Act::Help) => {
            state.help = !state.help;
            Vec::new()
        }
        Some(Act::Back) => {
            back(state);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// One level back. False at the top.
pub(crate) fn back(state: &mut State) -> bool {
    if state.help || state.events {
        (state.help, state.events) = (false, false);
        return true;
    }
    let had = !state.hits.is_empty();
    state.hits.clear();
    had
}

/// A key for the line that is typed; none when there is no such line.
pub(crate) fn type_key(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    let typing = state.typing.as_mut()?;
    match typing.press(key) {
        Typed::Done => {
            let text = typing.text();
            state.typing = None;
            Some(if text.trim().is_empty() { Vec::new() } else { state.find(text) })
        }
        Typed::Left => {
            state.typing = None;
            Some(Vec::new())
        }
        Typed::Changed | Typed::Same | Typed::Other => Some(Vec::new()),
    }
}

pub(crate) fn perform(state: &mut State, play: Play, key: KeyEvent) -> Vec<Effect> {
    const SECOND: u64 = 1_000_000;
    match play {
        Play::Pause => return pause(state),
        Play::Back => return state.jump(state.at_us.saturating_sub(5 * SECOND)),
        Play::Forth => return state.jump(state.at_us.saturating_add(5 * SECOND)),
        Play::FarBack => return state.jump(state.at_us.saturating_sub(60 * SECOND)),
        Play::FarForth => return state.jump(state.at_us.saturating_add(60 * SECOND)),
        Play::Step | Play::StepBack => {
            state.playing = false;
            return vec![if play == Play::Step { Effect::Step } else { Effect::StepBack }];
        }
        Play::PlaceBack => return state.place(false),
        Play::PlaceForth => return state.place(true),
        Play::HitForth => return state.next_hit(true),
        Play::HitBack => return state.next_hit(false),
        Play::Tenth => return tenth(state, key),
        Play::Slower => state.faster(false),
        Play::Faster => state.faster(true),
        Play::Idle => state.skip_idle = !state.skip_idle,
        Play::Find => state.typing = Some(Input::new(&state.found)),
        Play::Events => {
            state.events = !state.events;
            state.event = state.event_now().unwrap_or(0);
        }
        Play::EventUp | Play::EventDown if !state.events => {}
        Play::EventUp => state.event = state.event.saturating_sub(1),
        Play::EventDown => state.event = (state.event + 1).min(state.places.len().saturating_sub(1)),
        Play::EventGo => return go(state),
    }
    Vec::new()
}

fn pause(state: &mut State) -> Vec<Effect> {
    state.playing = !state.playing;
    if state.playing && state.at_us >= state.duration_us { state.jump(0) } else { Vec::new() }
}

fn tenth(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let digit = key.code.as_char().and_then(|c| c.to_digit(10)).unwrap_or(0);
    state.jump(state.duration_us / 10 * u64::from(digit))
}

fn go(state: &mut State) -> Vec<Effect> {
    let at = state.places.get(state.event).filter(|_| state.events).map(|place| place.at_us);
    let event = state.event;
    let effects = at.map_or_else(Vec::new, |at| state.jump(at));
    state.event = event;
    effects
}
