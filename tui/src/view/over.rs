//! What lies over the screen: the help, the palette, the alarms.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{put, window};
use crate::clock::moment;
use crate::keys::{On, manual};
use crate::overlay::{Help, Overlay};
use crate::palette::{self, Palette};
use crate::safe::{fit, pad, wrap};
use crate::state::State;
use crate::theme::Role;
use crate::{fuzzy, press};

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    match &state.overlay {
        Some(Overlay::Help(help)) => draw_help(state, help, area, buffer),
        Some(Overlay::Palette(palette)) => draw_palette(state, palette, area, buffer),
        Some(Overlay::Alarms(top)) => draw_alarms(state, *top, area, buffer),
        Some(Overlay::Confirm(_) | Overlay::Typing(_)) | None => {}
    }
}

/// The lines of the help: this screen first. With something typed, only what fits it.
pub(crate) fn help_lines(state: &State, typed: &str) -> Vec<(Role, String)> {
    let mut lines = Vec::new();
    for place in press::places(state) {
        let fits = |name: &str, does: &str| typed.is_empty() || fuzzy::score(typed, name).is_some() || does.contains(typed);
        let bindings: Vec<_> = state.keys.of(place).filter(|(binding, _)| fits(binding.name, binding.does)).collect();
        if bindings.is_empty() {
            continue;
        }
        lines.push((Role::Title, place.title().to_owned()));
        lines.extend(bindings.into_iter().map(|(binding, keys)| (Role::Plain, format!("{} {}", pad(&keys, 15), binding.does))));
        if place == On::Global && typed.is_empty() {
            lines.push((Role::Title, "While a line is typed".to_owned()));
            lines.extend(manual::TYPING.iter().map(|(keys, does)| (Role::Plain, format!("{} {does}", pad(keys, 15)))));
        }
    }
    lines
}

fn draw_help(state: &State, help: &Help, area: Rect, buffer: &mut Buffer) {
    let typed = help.input.text();
    let lines = help_lines(state, &typed);
    let columns = if area.width >= 118 { 2 } else { 1 };
    let wide = area.width.min(if columns == 2 { 118 } else { 64 });
    let rows = lines.len().div_ceil(columns);
    let shown = usize::from(area.height.saturating_sub(2)).min(rows);
    let top = help.top.min(rows - shown);
    let part = if rows > shown { format!("{}–{} of {rows}, ↑↓ · ", top + 1, top + shown) } else { String::new() };
    let title = if typed.is_empty() { format!("Keys · {part}type to filter · esc") } else { format!("Keys · {part}{typed}▏") };
    let height = u16::try_from(shown + 2).unwrap_or(u16::MAX);
    let inner = window(state, &title, (wide, height), area, buffer);
    let room = usize::from(inner.width) / columns;
    for column in 0..columns {
        let part = lines.iter().skip(column * rows).take(rows).skip(top);
        for ((role, text), y) in part.zip(0..inner.height) {
            let x = u16::try_from(column * room).unwrap_or(0);
            put(buffer, inner, x, y, &fit(text, room.saturating_sub(1)), state.style(*role));
        }
    }
}

fn draw_palette(state: &State, palette: &Palette, area: Rect, buffer: &mut Buffer) {
    let choices = palette::choices(state, palette);
    let height = u16::try_from(choices.len() + 3).unwrap_or(u16::MAX).min(area.height.min(16));
    let inner = window(state, "Do · tab completes · enter does it · esc", (area.width.min(76), height), area, buffer);
    let (before, behind) = palette.input.halves();
    put(buffer, inner, 0, 0, &format!(": {before}▏{behind}"), state.style(Role::Typing));
    let room = usize::from(inner.height.saturating_sub(1));
    let top = palette.at.saturating_sub(room.saturating_sub(1));
    for ((at, choice), y) in choices.iter().enumerate().skip(top).zip(1..inner.height) {
        let chosen = at == palette.at;
        let text = format!("{} {} {} {}", if chosen { "▌" } else { " " }, pad(&choice.name, 18), pad(&choice.keys, 8), choice.does);
        put(buffer, inner, 0, y, &text, state.style(if chosen { Role::Selected } else { Role::Plain }));
    }
    if choices.is_empty() {
        put(buffer, inner, 2, 1, "there is nothing of that name here", state.style(Role::Dim));
    }
}

fn draw_alarms(state: &State, top: usize, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.width.min(100).saturating_sub(2));
    let line = |alarm: &crate::state::Alarm| wrap(&format!("▲ {} {}", moment(alarm.at, state.now), alarm.text), room);
    let lines: Vec<String> = state.alarms.iter().rev().flat_map(line).collect();
    let height = u16::try_from(lines.len().max(1) + 2).unwrap_or(u16::MAX);
    let inner = window(state, "Alarms, newest first · esc", (area.width.min(100), height), area, buffer);
    let top = top.min(lines.len().saturating_sub(inner.height.into()));
    for (line, y) in lines.iter().skip(top).zip(0..inner.height) {
        put(buffer, inner, 0, y, line, state.style(Role::Warn));
    }
    if lines.is_empty() {
        put(buffer, inner, 0, 0, "There are none.", state.style(Role::Dim));
    }
}
