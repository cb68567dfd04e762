//! The command palette: everything that can be done here by its name, with completion. What asks first asks here as well.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::input::{Input, Typed};
use crate::keys::{Act, On, Play};
use crate::settings::ThemeName;
use crate::state::State;
use crate::{Effect, fuzzy, perform, press};

/// The palette.
#[derive(Debug, Default)]
pub(crate) struct Palette {
    pub(crate) input: Input,
    pub(crate) at: usize,
}

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) does: String,
    pub(crate) keys: String,
    run: Run,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Run {
    Act(Act),
    Theme(ThemeName),
}

impl Palette {
    pub(crate) fn paste(&mut self, text: &str) {
        self.input.insert(text);
        self.at = 0;
    }
}

/// What can be chosen now and fits what is typed, the best first.
pub(crate) fn choices(state: &State, palette: &Palette) -> Vec<Choice> {
    let typed = palette.input.text();
    let mut scored: Vec<(i64, Choice)> =
        all(state).into_iter().filter_map(|choice| fuzzy::score(typed.trim(), &choice.name).map(|score| (score, choice))).collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, choice)| choice).collect()
}

fn all(state: &State) -> Vec<Choice> {
    let mut choices = Vec::new();
    for place in press::places(state) {
        for (binding, keys) in state.keys.of(place).filter(|(binding, _)| is_command(place, binding.act)) {
            choices.push(Choice { name: binding.name.to_owned(), does: binding.does.to_owned(), keys, run: Run::Act(binding.act) });
        }
    }
    for (theme, name) in ThemeName::ALL {
        choices.push(Choice {
            name: format!("theme {name}"),
            does: "these colours".to_owned(),
            keys: String::new(),
            run: Run::Theme(theme),
        });
    }
    choices
}

/// What makes sense as a word: not moving about.
fn is_command(place: On, act: Act) -> bool {
    let moves = matches!(act, Act::Down | Act::Up | Act::PageDown | Act::PageUp | Act::Back | Act::Palette | Act::Player(Play::Tenth));
    !moves && (place != On::Watch || !matches!(act, Act::PanLeft | Act::PanRight | Act::PanUp | Act::PanDown))
}

pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let found = match &state.overlay {
        Some(crate::overlay::Overlay::Palette(palette)) => choices(state, palette),
        _ => return Vec::new(),
    };
    let Some(crate::overlay::Overlay::Palette(palette)) = &mut state.overlay else { return Vec::new() };
    let last = found.len().saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Up => palette.at = palette.at.saturating_sub(1),
        KeyCode::Char('p') if control => palette.at = palette.at.saturating_sub(1),
        KeyCode::Down => palette.at = (palette.at + 1).min(last),
        KeyCode::Char('n') if control => palette.at = (palette.at + 1).min(last),
        KeyCode::Tab => {
            if let Some(choice) = found.get(palette.at) {
                palette.input.set(&choice.name);
                palette.at = 0;
            }
        }
        _ => match palette.input.press(key) {
            Typed::Left => state.overlay = None,
            Typed::Changed => palette.at = 0,
            Typed::Done => {
                let chosen = found.into_iter().nth(palette.at);
                state.overlay = None;
                return chosen.map_or_else(Vec::new, |choice| run(state, &choice.run, key));
            }
            Typed::Same | Typed::Other => {}
        },
    }
    Vec::new()
}

fn run(state: &mut State, what: &Run, key: KeyEvent) -> Vec<Effect> {
    match what {
        Run::Act(act) => perform::perform(state, *act, key),
        Run::Theme(theme) => {
            state.settings.theme = *theme;
            if let Some(replay) = &mut state.replay {
                replay.player.colour = *theme != ThemeName::Mono;
            }
            vec![Effect::Redraw]
        }
    }
}
