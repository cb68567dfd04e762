//! The player's keys, asciinema's own where it has one. Help and footer come from the same table.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, State};

/// The longest text that can be searched for, in characters.
const LONGEST: usize = 200;

/// A key and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// As shown.
    pub key: &'static str,
    /// What it does.
    pub does: &'static str,
    act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pause,
    Back,
    Forth,
    FarBack,
    FarForth,
    Step,
    StepBack,
    PlaceBack,
    PlaceForth,
    Slower,
    Faster,
    Idle,
    Find,
    FindForth,
    FindBack,
    Tenth,
    Help,
    Quit,
}

/// All keys.
pub const BINDINGS: &[Binding] = &[
    Binding { key: "space", does: "pause or go on", act: Act::Pause },
    Binding { key: "←", does: "5 s back", act: Act::Back },
    Binding { key: "→", does: "5 s on", act: Act::Forth },
    Binding { key: "⇧←", does: "1 min back", act: Act::FarBack },
    Binding { key: "⇧→", does: "1 min on", act: Act::FarForth },
    Binding { key: ".", does: "one event on", act: Act::Step },
    Binding { key: ",", does: "one event back", act: Act::StepBack },
    Binding { key: "[", does: "last marker", act: Act::PlaceBack },
    Binding { key: "]", does: "next marker", act: Act::PlaceForth },
    Binding { key: "<", does: "slower", act: Act::Slower },
    Binding { key: ">", does: "faster", act: Act::Faster },
    Binding { key: "i", does: "skip idle time", act: Act::Idle },
    Binding { key: "/", does: "find", act: Act::Find },
    Binding { key: "n", does: "next found", act: Act::FindForth },
    Binding { key: "N", does: "last found", act: Act::FindBack },
    Binding { key: "0-9", does: "to 0-90 %", act: Act::Tenth },
    Binding { key: "?", does: "help", act: Act::Help },
    Binding { key: "q", does: "quit", act: Act::Quit },
];

/// Takes a key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if state.typing.is_some() {
        return type_in(state, key);
    }
    let far = key.modifiers.contains(KeyModifiers::SHIFT);
    let act = match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::Quit,
        KeyCode::Esc if state.help => Act::Help,
        KeyCode::Char(' ') => Act::Pause,
        KeyCode::Left if far => Act::FarBack,
        KeyCode::Left => Act::Back,
        KeyCode::Right if far => Act::FarForth,
        KeyCode::Right => Act::Forth,
        KeyCode::Char(digit @ '0'..='9') => return tenth(state, digit),
        KeyCode::Char(c) => match BINDINGS.iter().find(|b| b.key.len() == 1 && b.key.starts_with(c)) {
            Some(binding) => binding.act,
            None => return Vec::new(),
        },
        KeyCode::F(1) => Act::Help,
        _ => return Vec::new(),
    };
    perform(state, act)
}

/// What is typed behind `/`.
fn type_in(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let Some(typed) = &mut state.typing else { return Vec::new() };
    match key.code {
        KeyCode::Char('c' | 'g') if control => state.typing = None,
        KeyCode::Char('u') if control => typed.clear(),
        KeyCode::Esc => state.typing = None,
        KeyCode::Backspace if typed.is_empty() => state.typing = None,
        KeyCode::Backspace => drop(typed.pop()),
        KeyCode::Enter => {
            let typed = state.typing.take().unwrap_or_default();
            return if typed.is_empty() { Vec::new() } else { state.find(typed) };
        }
        KeyCode::Char(c) if !control && !c.is_control() && typed.chars().count() < LONGEST => typed.push(c),
        _ => {}
    }
    Vec::new()
}

fn tenth(state: &mut State, digit: char) -> Vec<Effect> {
    let tenths = u64::from(digit.to_digit(10).unwrap_or(0));
    state.jump(state.duration_us / 10 * tenths)
}

fn perform(state: &mut State, act: Act) -> Vec<Effect> {
    const SECOND: u64 = 1_000_000;
    match act {
        Act::Pause => {
            state.playing = !state.playing;
            if state.playing && state.at_us >= state.duration_us {
                return state.jump(0);
            }
        }
        Act::Back => return state.jump(state.at_us.saturating_sub(5 * SECOND)),
        Act::Forth => return state.jump(state.at_us.saturating_add(5 * SECOND)),
        Act::FarBack => return state.jump(state.at_us.saturating_sub(60 * SECOND)),
        Act::FarForth => return state.jump(state.at_us.saturating_add(60 * SECOND)),
        Act::Step => {
            state.playing = false;
            return vec![Effect::Step];
        }
        Act::StepBack => {
            state.playing = false;
            return vec![Effect::StepBack];
        }
        Act::Find => state.typing = Some(String::new()),
        Act::FindForth => return state.found(true),
        Act::FindBack => return state.found(false),
        Act::PlaceBack => return state.place(false),
        Act::PlaceForth => return state.place(true),
        Act::Slower => state.faster(false),
        Act::Faster => state.faster(true),
        Act::Idle => state.skip_idle = !state.skip_idle,
        Act::Help => state.help = !state.help,
        Act::Quit => return vec![Effect::Quit],
        Act::Tenth => {}
    }
    Vec::new()
}
