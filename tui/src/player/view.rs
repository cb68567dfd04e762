//! Draws the player: title, the recorded screen cropped to fit, the events, a timeline, the keys.

use std::collections::BTreeMap;

use bartizan_recorder::Grid;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

use super::{State, timeline};
use crate::cells;
use crate::clock::position;
use crate::keys::{Act, Keymap, On};
use crate::safe::{fit, pad, shown};

/// Where everything is.
pub(crate) struct Parts {
    pub(crate) title: Rect,
    pub(crate) screen: Rect,
    pub(crate) events: Rect,
    pub(crate) bar: Rect,
}

/// Where everything is in `area`.
pub(crate) fn parts(state: &State, area: Rect) -> Parts {
    let events = if state.events { (area.height / 3).clamp(3, 12) } else { 0 };
    let rows = [Constraint::Length(1), Constraint::Min(1), Constraint::Length(events), Constraint::Length(1)];
    let [title, screen, events, bar] = Layout::vertical(rows).areas(area);
    Parts { title, screen, events, bar }
}

/// Draws `state` and the recorded screen `grid`, by itself.
pub fn view(state: &State, grid: &Grid, frame: &mut Frame<'_>) {
    let [area, keys] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    draw(state, grid, area, frame.buffer_mut());
    Line::from(last_line(state, keys.width)).style(Style::new().add_modifier(Modifier::DIM)).render(keys, frame.buffer_mut());
    if state.help {
        draw_help(frame);
    }
    cells::scrub(frame.buffer_mut());
}

/// Draws all but the keys.
pub(crate) fn draw(state: &State, grid: &Grid, area: Rect, buffer: &mut Buffer) {
    let Parts { title, screen, events, bar } = parts(state, area);
    let text = pad(&format!(" {}", shown(&state.title)), usize::from(title.width));
    Line::from(text).style(Style::new().add_modifier(Modifier::REVERSED)).render(title, buffer);
    cells::draw(grid, state.colour, cells::follow(grid, screen), screen, buffer);
    draw_events(state, events, buffer);
    Line::from(timeline::line(state, bar.width)).render(bar, buffer);
}

/// The line that is typed, what is to be said, or as many keys as fit.
fn last_line(state: &State, width: u16) -> String {
    if let Some(typing) = &state.typing {
        let (before, behind) = typing.halves();
        return fit(&format!(" find: {before}▏{behind}"), usize::from(width));
    }
    if let Some(notice) = &state.notice {
        return fit(&format!(" {}", shown(notice)), usize::from(width));
    }
    let (map, _) = Keymap::new(&BTreeMap::new());
    let mut text = String::new();
    for (binding, keys) in map.of(On::Replay).chain(map.of(On::Global)).filter(|(binding, _)| stands_alone(binding.act)) {
        let next = format!(" {keys} {} ·", binding.does);
        if text.chars().count() + next.chars().count() > usize::from(width) {
            break;
        }
        text.push_str(&next);
    }
    text.trim_end_matches('·').to_owned()
}

/// What there is in a player by itself.
fn stands_alone(act: Act) -> bool {
    matches!(act, Act::Player(_) | Act::Help | Act::Close | Act::Back | Act::Quit)
}

fn draw_events(state: &State, area: Rect, buffer: &mut Buffer) {
    let block = Block::bordered().title(format!(" Events {} ", state.places.len()));
    let inner = block.inner(area);
    if area.height == 0 {
        return;
    }
    block.render(area, buffer);
    let height = usize::from(inner.height);
    let top = state.event.saturating_sub(height / 2).min(state.places.len().saturating_sub(height));
    let now = state.event_now();
    for (at, (place, y)) in state.places.iter().enumerate().skip(top).zip(inner.top()..inner.bottom()).map(|((at, p), y)| (at, (p, y))) {
        let (chosen, here) = (if at == state.event { '▌' } else { ' ' }, if Some(at) == now { '▶' } else { ' ' });
        let text = format!("{chosen}{here}{:>8} {}", position(place.at_us), shown(&place.label));
        let style = if at == state.event { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        buffer.set_stringn(inner.left(), y, fit(&text, usize::from(inner.width)), usize::from(inner.width), style);
    }
}

fn draw_help(frame: &mut Frame<'_>) {
    let (map, _) = Keymap::new(&BTreeMap::new());
    let bindings = map.of(On::Replay).chain(map.of(On::Global)).filter(|(binding, _)| stands_alone(binding.act));
    let entries: Vec<String> = bindings.map(|(binding, keys)| format!("{} {}", pad(&keys, 8), binding.does)).collect();
    // In two columns where one would not be whole.
    let room = usize::from(frame.area().height.saturating_sub(2)).max(1);
    let columns = if entries.len() > room && frame.area().width >= 76 { 2 } else { 1 };
    let rows = entries.len().div_ceil(columns);
    let line = |at: usize| {
        let cells: Vec<String> = (0..columns).filter_map(|column| entries.get(at + column * rows)).map(|entry| pad(entry, 36)).collect();
        Line::from(format!(" {}", cells.join(" ")))
    };
    let lines: Vec<Line<'_>> = (0..rows).map(line).collect();
    let width = u16::try_from(columns * 37 + 3).unwrap_or(u16::MAX);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX);
    let area = frame.area();
    let box_area = Rect {
        x: area.width.saturating_sub(width) / 2,
        y: area.height.saturating_sub(height) / 2,
        width: area.width.min(width),
        height: area.height.min(height),
    };
    frame.render_widget(Clear, box_area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), box_area);
}
