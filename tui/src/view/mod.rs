//! Draws the state. Changes nothing.

mod foot;
mod frame;
mod over;
mod panes;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

use crate::safe::fit;
use crate::state::State;
use crate::theme::Role;
use crate::{cells, places, player};

#[cfg(test)]
pub(crate) use foot::footer;
pub(crate) use frame::tab_at;
#[cfg(test)]
pub(crate) use over::help_lines;

/// Draws `state`.
pub fn view(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    // What is drawn is laid out for the size that was told; a frame of another size is filled as far as both go.
    let (cols, rows) = state.size;
    if area.width < cols || area.height < rows {
        let mut whole = Buffer::empty(Rect::new(0, 0, cols, rows));
        draw(state, &mut whole);
        for (x, y) in (0..area.height).flat_map(|y| (0..area.width).map(move |x| (x, y))) {
            if let (Some(to), Some(from)) = (buffer.cell_mut((x, y)), whole.cell((x, y))) {
                *to = from.clone();
            }
        }
    } else {
        draw(state, buffer);
    }
    cells::scrub(frame.buffer_mut());
}

fn draw(state: &State, buffer: &mut Buffer) {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    buffer.set_style(area, state.style(Role::Plain));
    if let Some(why) = &state.idle.locked {
        locked(state, why, area, buffer);
        return;
    }
    let at = places::places(state);
    frame::tabs(state, at.tabs, buffer);
    frame::banner(state, at.banner, buffer);
    match &state.replay {
        Some(replay) => player::draw(&replay.player, &replay.grid, at.body, buffer),
        None => panes::draw(state, buffer),
    }
    foot::notice(state, at.notice, buffer);
    foot::keys(state, at.keys, buffer);
    over::draw(state, at.body, buffer);
}

fn locked(state: &State, why: &str, area: Rect, buffer: &mut Buffer) {
    let lines = ["Locked: nobody was here for a while.", "enter unlocks · q quits", why];
    for (line, y) in lines.iter().zip(area.height / 3..area.height) {
        put(buffer, area, 2, y, line, state.style(Role::Title));
    }
}

/// Writes text at a column and row of `area`, cut to it.
pub(crate) fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: ratatui::style::Style) {
    if x < area.width && y < area.height {
        let room = usize::from(area.width - x);
        buffer.set_stringn(area.x + x, area.y + y, fit(text, room), room, style);
    }
}

/// A pane with its title: a border where there is room for one, else a line.
pub(crate) fn pane(state: &State, title: &str, here: bool, area: Rect, buffer: &mut Buffer) -> Rect {
    let role = if here { Role::BorderHere } else { Role::Border };
    let inner = places::inside(state, area);
    if places::shape(state) == places::Shape::Small {
        put(buffer, area, 0, 0, title, state.style(Role::Title));
    } else {
        let title = format!(" {} ", fit(title, usize::from(area.width.saturating_sub(4))));
        Block::bordered().border_style(state.style(role)).title(title).title_style(state.style(role)).render(area, buffer);
    }
    inner
}

/// A box in the middle of `area`, cleared, with a border and a title.
pub(crate) fn window(state: &State, title: &str, (width, height): (u16, u16), area: Rect, buffer: &mut Buffer) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let window = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(window, buffer);
    buffer.set_style(window, state.style(Role::Plain));
    let block = Block::bordered().border_style(state.style(Role::BorderHere)).title(format!(" {title} "));
    let inner = block.inner(window);
    block.render(window, buffer);
    inner
}
