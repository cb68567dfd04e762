//! What lies over a screen: help, palette, a question, a line that is typed, alarms. One at a time; esc takes it away.

use crossterm::event::{KeyCode, KeyEvent};

use crate::decide::{self, Confirm};
use crate::input::{Input, Typed};
use crate::keys::Act;
use crate::palette::{self, Palette};
use crate::settings::Screen;
use crate::state::State;
use crate::{Effect, screens};

/// What lies over the screen.
#[derive(Debug)]
pub(crate) enum Overlay {
    Help(Help),
    Palette(Palette),
    Confirm(Box<Confirm>),
    Typing(Typing),
    /// Lines above what is shown.
    Alarms(usize),
}

/// The keys.
#[derive(Debug, Default)]
pub(crate) struct Help {
    pub(crate) input: Input,
    pub(crate) top: usize,
}

/// A line that is typed for a screen.
#[derive(Debug)]
pub(crate) struct Typing {
    pub(crate) what: For,
    pub(crate) input: Input,
    /// As it was before.
    before: String,
}

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Filter,
    Search,
}

impl Typing {
    pub(crate) fn new(what: For, text: &str) -> Self {
        Self { what, input: Input::new(text), before: text.to_owned() }
    }
}

/// Takes a key while something lies over the screen.
pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match &mut state.overlay {
        None => Vec::new(),
        Some(Overlay::Confirm(_)) => decide::press(state, key),
        Some(Overlay::Palette(_)) => palette::press(state, key),
        Some(Overlay::Typing(typing)) => {
            let typed = typing.input.press(key);
            let (what, text, before) = (typing.what, typing.input.text(), typing.before.clone());
            type_for(state, what, typed, &text, &before)
        }
        Some(Overlay::Alarms(top)) => {
            *top = scrolled(*top, key);
            close_on(state, key, Act::Alarms)
        }
        Some(Overlay::Help(help)) => {
            help.top = scrolled(help.top, key);
            match help.input.press(key) {
                Typed::Left if !help.input.is_empty() => help.input.set(""),
                Typed::Left | Typed::Done => state.overlay = None,
                // Nothing is typed yet: the key that opened it closes it.
                Typed::Changed if help.input.text() == "?" || help.input.text() == "q" => state.overlay = None,
                Typed::Changed => help.top = 0,
                Typed::Same | Typed::Other => {
                    if key.code == KeyCode::F(1) {
                        state.overlay = None;
                    }
                }
            }
            Vec::new()
        }
    }
}

fn scrolled(top: usize, key: KeyEvent) -> usize {
    match key.code {
        KeyCode::Up => top.saturating_sub(1),
        KeyCode::Down => top.saturating_add(1),
        KeyCode::PageUp => top.saturating_sub(10),
        KeyCode::PageDown => top.saturating_add(10),
        _ => top,
    }
}

fn close_on(state: &mut State, key: KeyEvent, act: Act) -> Vec<Effect> {
    let bound = state.keys.find(&[crate::keys::On::Global], key).map(|binding| binding.act);
    if matches!(key.code, KeyCode::Esc | KeyCode::Enter) || matches!(bound, Some(Act::Close)) || bound == Some(act) {
        state.overlay = None;
    }
    Vec::new()
}

fn type_for(state: &mut State, what: For, typed: Typed, text: &str, before: &str) -> Vec<Effect> {
    match (typed, what) {
        (Typed::Left, For::Filter) => {
            screens::set_filter(state, before);
            state.overlay = None;
        }
        (Typed::Left, For::Search) => state.overlay = None,
        (Typed::Changed, For::Filter) => screens::set_filter(state, text),
        (Typed::Done, For::Filter) => {
            state.overlay = None;
            return screens::filtered(state);
        }
        (Typed::Done, For::Search) => {
            state.overlay = None;
            return screens::recordings::search(state, text);
        }
        _ => {}
    }
    Vec::new()
}

/// Pasted text goes into the line that is typed, if there is one, and never acts as keys.
pub(crate) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    match &mut state.overlay {
        Some(Overlay::Help(help)) => help.input.insert(text),
        Some(Overlay::Palette(palette)) => palette.paste(text),
        Some(Overlay::Typing(typing)) => {
            typing.input.insert(text);
            if typing.what == For::Filter {
                let text = typing.input.text();
                screens::set_filter(state, &text);
            }
        }
        Some(Overlay::Confirm(confirm)) => match &mut confirm.reason {
            Some(reason) if !confirm.signing => reason.insert(text),
            _ => ignored(state),
        },
        Some(Overlay::Alarms(_)) => ignored(state),
        None => paste_below(state, text),
    }
    Vec::new()
}

/// Nothing lies over the screen: the line may be the screen's own.
fn paste_below(state: &mut State, text: &str) {
    match &mut state.replay {
        Some(replay) => match &mut replay.player.typing {
            Some(typing) => typing.insert(text),
            None => ignored(state),
        },
        None if state.screen == Screen::Targets && state.targets.typing => {
            state.targets.query.insert(text);
            screens::targets::show(state);
        }
        None => ignored(state),
    }
}

fn ignored(state: &mut State) {
    state.say("What was pasted was ignored: no line is being typed");
}
