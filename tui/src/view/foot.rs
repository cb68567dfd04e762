//! The last lines: what is asked, typed or said, and the keys that hold.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::put;
use crate::decide::question;
use crate::overlay::{For, Overlay};
use crate::press;
use crate::safe::{fit, shown, width, wrap};
use crate::state::State;
use crate::theme::Role;

pub(super) fn notice(state: &State, area: Rect, buffer: &mut Buffer) {
    if let Some(Overlay::Confirm(confirm)) = &state.overlay {
        let (text, keys) = question(state, confirm);
        let columns = usize::from(area.width);
        let mut lines = wrap(&format!(" {text}"), columns);
        if let Some(reason) = &confirm.reason {
            let (before, behind) = reason.halves();
            lines.push(format!(" Reason (they read it): {before}▏{behind}"));
        }
        let below = wrap(&format!(" {keys}"), columns);
        // The keys, and before them the end of the question, are never what is left out.
        let room = usize::from(area.height).saturating_sub(below.len());
        lines.truncate(room.max(1));
        buffer.set_style(area, state.style(Role::Ask));
        for (line, y) in lines.iter().chain(&below).zip(0..area.height) {
            put(buffer, area, 0, y, line, state.style(Role::Ask));
        }
        return;
    }
    let (text, role) = sentence(state);
    put(buffer, area, 0, 0, &text, state.style(role));
    if places_keys_here(state) && text.is_empty() {
        put(buffer, area, 0, 0, &footer(state, area.width), state.style(Role::Key));
    }
}

/// On the smallest screens the keys share a line with what is said.
fn places_keys_here(state: &State) -> bool {
    state.size.1 < 8
}

fn sentence(state: &State) -> (String, Role) {
    if let Some(Overlay::Typing(typing)) = &state.overlay {
        let (before, behind) = typing.input.halves();
        let what = if typing.what == For::Filter { "filter" } else { "search in all recordings" };
        return (format!(" {what}: {before}▏{behind}"), Role::Typing);
    }
    if let Some(typing) = state.replay.as_ref().and_then(|replay| replay.player.typing.as_ref()) {
        let (before, behind) = typing.halves();
        return (format!(" find: {before}▏{behind}"), Role::Typing);
    }
    if let Some(text) = state.replay.as_ref().and_then(|replay| replay.player.notice.as_ref()) {
        return (format!(" {}", shown(text)), Role::Warn);
    }
    match state.notice() {
        Some(notice) if notice.bad => (format!(" ▲ {}", notice.text), Role::Warn),
        Some(notice) => (format!(" {}", notice.text), Role::Good),
        None => (String::new(), Role::Plain),
    }
}

pub(super) fn keys(state: &State, area: Rect, buffer: &mut Buffer) {
    if matches!(state.overlay, Some(Overlay::Confirm(_))) {
        // The question says its own.
        return;
    }
    put(buffer, area, 0, 0, &footer(state, area.width), state.style(Role::Key));
}

/// The keys that are worth showing here, as many as fit. Help is always among them.
pub(crate) fn footer(state: &State, columns: u16) -> String {
    let places = press::places(state);
    let all = places.iter().flat_map(|place| state.keys.of(*place));
    let shown: Vec<String> = all
        .filter(|(binding, _)| !binding.short.is_empty() && is_first(state, binding))
        .map(|(binding, keys)| format!(" {} {} ", keys.split(' ').next().unwrap_or_default(), binding.short))
        .collect();
    let Some((help, others)) = shown.split_last() else { return String::new() };
    let (mut text, room) = (String::new(), usize::from(columns).saturating_sub(width(help)));
    for part in others {
        if width(&text) + width(part) > room {
            break;
        }
        text.push_str(part);
    }
    fit(&(text + help), columns.into())
}

/// A key that a more special place has taken does not do what the general one says.
fn is_first(state: &State, binding: &crate::keys::Binding) -> bool {
    let places = press::places(state);
    let before = places.iter().take_while(|place| **place != binding.on);
    let taken: Vec<String> = before
        .flat_map(|place| state.keys.of(*place))
        .flat_map(|(_, keys)| keys.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let own = state.keys.of(binding.on).find(|(own, _)| own.name == binding.name).map(|(_, keys)| keys).unwrap_or_default();
    own.split(' ').next().is_some_and(|key| !taken.iter().any(|other| other == key))
}
