//! Draws the player: title, the recorded screen cropped to fit, a timeline, the keys.

use bartizan_recorder::{Cell, CellStyle, Colour, Grid};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::{BINDINGS, State};

/// Draws `state` and the recorded screen `grid`.
pub fn view(state: &State, grid: &Grid, frame: &mut Frame<'_>) {
    let [head, screen, bar, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Line::from(format!(" {}", state.title)).style(Style::new().add_modifier(Modifier::REVERSED)), head);
    draw_grid(grid, state.colour, screen, frame.buffer_mut());
    frame.render_widget(Line::from(timeline(state, bar.width)), bar);
    frame.render_widget(Line::from(footer(keys.width)).style(Style::new().add_modifier(Modifier::DIM)), keys);
    if state.help {
        draw_help(frame);
    }
}

/// Draws a screen's cells into `area`, cut where it is too small.
pub fn draw_grid(grid: &Grid, colour: bool, area: Rect, buffer: &mut Buffer) {
    for (row, y) in grid.rows().zip(area.top()..area.bottom()) {
        for (cell, x) in row.iter().zip(area.left()..area.right()) {
            let Some(place) = buffer.cell_mut((x, y)) else { continue };
            if cell.width == 0 {
                place.set_diff_option(ratatui::buffer::CellDiffOption::Skip);
                continue;
            }
            place.set_char(cell.character).set_style(style(cell, colour));
        }
    }
    if let Some((column, row)) = grid.cursor() {
        let at = (area.left().saturating_add(column), area.top().saturating_add(row));
        let inside = at.0 < area.right() && at.1 < area.bottom();
        if let Some(place) = buffer.cell_mut(at).filter(|_| inside) {
            place.modifier.toggle(Modifier::REVERSED);
        }
    }
}

fn style(cell: &Cell, colour: bool) -> Style {
    let CellStyle { foreground, background, bold, faint, italic, underline, strikethrough, blink, inverse } = cell.style;
    let mut style = Style::new();
    if colour {
        style.fg = foreground.map(paint);
        style.bg = background.map(paint);
    }
    let flags = [
        (bold, Modifier::BOLD),
        (faint, Modifier::DIM),
        (italic, Modifier::ITALIC),
        (underline, Modifier::UNDERLINED),
        (strikethrough, Modifier::CROSSED_OUT),
        (blink, Modifier::SLOW_BLINK),
        (inverse, Modifier::REVERSED),
    ];
    flags.into_iter().filter(|(set, _)| *set).fold(style, |style, (_, modifier)| style.add_modifier(modifier))
}

fn paint(colour: Colour) -> Color {
    match colour {
        Colour::Indexed(n) => Color::Indexed(n),
        Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

fn timeline(state: &State, width: u16) -> String {
    let sign = if state.playing { '▶' } else { '⏸' };
    let idle = if state.skip_idle { "  skip idle" } else { "" };
    let rough = if state.exact { "" } else { "  (screen from here on)" };
    let left = format!(" {sign} {} / {}  {}×{idle}{rough}  ", clock(state.at_us), clock(state.duration_us), state.speed);
    let room = usize::from(width).saturating_sub(left.chars().count() + 1);
    let column =
        |at: u64| usize::try_from(at.saturating_mul(room as u64) / state.duration_us.max(1)).unwrap_or(0).min(room.saturating_sub(1));
    let mut bar = vec!['─'; room];
    for cell in bar.iter_mut().take(column(state.at_us)) {
        *cell = '━';
    }
    for place in &state.places {
        if let Some(cell) = bar.get_mut(column(place.at_us)) {
            *cell = '◆';
        }
    }
    if let Some(cell) = bar.get_mut(column(state.at_us)) {
        *cell = '●';
    }
    left + &bar.iter().collect::<String>()
}

fn clock(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// As many keys as fit.
fn footer(width: u16) -> String {
    let mut text = String::new();
    for binding in BINDINGS {
        let next = format!(" {} {} ·", binding.key, binding.does);
        if text.chars().count() + next.chars().count() > usize::from(width) {
            break;
        }
        text.push_str(&next);
    }
    text.trim_end_matches('·').to_owned()
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = BINDINGS.iter().map(|b| Line::from(format!(" {:<6} {}", b.key, b.does))).collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = frame.area();
    let box_area = Rect {
        x: area.width.saturating_sub(30) / 2,
        y: area.height.saturating_sub(height) / 2,
        width: area.width.min(30),
        height: area.height.min(height),
    };
    frame.render_widget(Clear, box_area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), box_area);
}
