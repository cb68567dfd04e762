//! The list and the details beside or below it, and the watched sessions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{pane, put};
use crate::cells;
use crate::clock::position;
use crate::detail::LABEL;
use crate::places;
use crate::rows::RowLine;
use crate::safe::{pad, width};
use crate::screens;
use crate::settings::Screen;
use crate::state::State;
use crate::theme::Role;

pub(super) fn draw(state: &State, buffer: &mut Buffer) {
    if let Some(area) = places::list(state) {
        pane(state, &screens::title(state), !state.pane.detail, area, buffer);
        if state.screen == Screen::Targets {
            query(state, places::inside(state, area), buffer);
        }
        if let Some(rows) = places::rows(state) {
            list(state, rows, buffer);
        }
    }
    if let Some(area) = places::detail(state) {
        if state.screen == Screen::Live && !state.live.watches.is_empty() {
            watches(state, buffer);
        } else {
            details(state, area, buffer);
        }
    }
}

fn query(state: &State, area: Rect, buffer: &mut Buffer) {
    let (before, behind) = state.targets.query.halves();
    let text = if state.targets.typing { format!("> {before}▏{behind}") } else { format!("/ {before}{behind}") };
    put(buffer, area, 0, 0, &text, state.style(if state.targets.typing { Role::Typing } else { Role::Dim }));
}

fn list(state: &State, area: Rect, buffer: &mut Buffer) {
    let rows = &screens::listing(state).rows;
    if rows.len() == 0 {
        put(buffer, area, 1, 0, screens::nothing(state), state.style(Role::Dim));
        return;
    }
    for (line, y) in rows.view(area.height.into()).zip(0..area.height) {
        match line {
            RowLine::Divider(count) => {
                let key = state.keys.key_of(crate::keys::Act::NewRows);
                let text = format!("── {count} new ({key}) ");
                let rest = usize::from(area.width).saturating_sub(width(&text));
                put(buffer, area, 0, y, &(text + &"─".repeat(rest)), state.style(Role::Warn));
            }
            RowLine::Row(at, id) => {
                let chosen = at == rows.at();
                let sign = match (chosen, rows.is_marked(id)) {
                    (true, true) => "▌✓",
                    (true, false) => "▌",
                    (false, true) => " ✓",
                    (false, false) => "",
                };
                row(state, (sign, chosen), id, Rect { y: area.y + y, height: 1, ..area }, buffer);
            }
        }
    }
}

fn row(state: &State, (sign, chosen): (&str, bool), id: &crate::safe::Text, area: Rect, buffer: &mut Buffer) {
    if chosen {
        buffer.set_style(area, state.style(Role::Selected));
    }
    let mut x = 2_u16;
    put(buffer, area, 0, 0, &pad(sign, 2), buffer_style(state, Role::Title, chosen));
    for (role, text) in screens::row(state, id, usize::from(area.width.saturating_sub(2))) {
        put(buffer, area, x, 0, &text, buffer_style(state, role, chosen));
        x = x.saturating_add(u16::try_from(width(&text)).unwrap_or(u16::MAX));
    }
}

/// The style of a piece of a row: on the selected one, over its style.
fn buffer_style(state: &State, role: Role, chosen: bool) -> ratatui::style::Style {
    let own = state.style(role);
    if chosen { state.style(Role::Selected).patch(ratatui::style::Style { bg: None, ..own }) } else { own }
}

fn details(state: &State, area: Rect, buffer: &mut Buffer) {
    let Some(detail) = screens::detail(state) else {
        pane(state, "", false, area, buffer);
        return;
    };
    let inner = places::inside(state, area);
    let lines = detail.lines(inner.width.into());
    let hidden = lines.len().saturating_sub(usize::from(inner.height));
    let top = state.pane.top.min(hidden);
    let more = if hidden > 0 {
        format!("{} · {}/{} lines (tab, then j k)", detail.title, top + usize::from(inner.height), lines.len())
    } else {
        detail.title.clone()
    };
    pane(state, &more, state.pane.detail, area, buffer);
    facts(state, &lines, top, inner, buffer);
}

fn facts(state: &State, lines: &[(&'static str, Role, String)], top: usize, area: Rect, buffer: &mut Buffer) {
    for ((label, role, text), y) in lines.iter().skip(top).zip(0..area.height) {
        put(buffer, area, 0, y, label, state.style(Role::Label));
        put(buffer, area, u16::try_from(LABEL).unwrap_or(8), y, text, state.style(*role));
    }
}

/// The watched sessions, beside each other.
fn watches(state: &State, buffer: &mut Buffer) {
    for (at, (watch, area)) in state.live.watches.iter().zip(places::tile_panes(state)).enumerate() {
        let here = at == state.live.focus && state.pane.detail;
        let session = state.live.all.get(&watch.session);
        let who = session.map_or_else(|| watch.session.to_string(), |s| format!("{} {}  {}", s.principal.short(), s.place(), s.wish));
        let (cols, rows) = (watch.grid.cols(), cells::rows(&watch.grid));
        let inner = places::inside(state, area);
        let corner = watch.corner.map_or_else(|| cells::follow(&watch.grid, inner), |corner| cells::clamp(&watch.grid, corner, inner));
        let part = if cols > inner.width || rows > inner.height {
            format!("  [{}×{} of {cols}×{rows} from {},{}]", inner.width, inner.height, corner.0 + 1, corner.1 + 1)
        } else {
            format!("  {cols}×{rows}")
        };
        let sign = if watch.ended { "✗ ended" } else { "● live" };
        let said = if watch.said.is_empty() { String::new() } else { format!("  {}", watch.said) };
        pane(state, &format!("{sign} {who}  {}{part}{said}", position(watch.at_us)), here, area, buffer);
        if watch.has_screen() {
            cells::draw(&watch.grid, state.has_colour(), corner, inner, buffer);
        } else {
            put(buffer, inner, 1, 0, "waiting for the screen", state.style(Role::Dim));
        }
    }
}
