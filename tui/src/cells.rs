//! Draws a recorded or watched screen, cell by cell, cropped to what there is room for. No byte of it reaches the terminal, and no
//! character that could act there.

use bartizan_recorder::{Cell, CellStyle, Colour, Grid};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::safe::is_unsafe;

/// The corner to crop at so that the cursor is seen.
pub(crate) fn follow(grid: &Grid, area: Rect) -> (u16, u16) {
    let (column, row) = grid.cursor().unwrap_or((0, 0));
    let past = |at: u16, size: u16| at.saturating_add(1).saturating_sub(size);
    let (left, top) = (past(column, area.width), past(row, area.height));
    (if grid.cols() <= area.width { 0 } else { left }, if rows(grid) <= area.height { 0 } else { top })
}

/// The corner nearest to `corner` at which the area is full of cells.
pub(crate) fn clamp(grid: &Grid, corner: (u16, u16), area: Rect) -> (u16, u16) {
    let most = (grid.cols().saturating_sub(area.width), rows(grid).saturating_sub(area.height));
    (corner.0.min(most.0), corner.1.min(most.1))
}

pub(crate) fn rows(grid: &Grid) -> u16 {
    u16::try_from(grid.rows().len()).unwrap_or(u16::MAX)
}

/// Draws `grid`, cropped so that its cursor is seen.
pub fn draw_screen(grid: &Grid, colour: bool, area: Rect, buffer: &mut Buffer) {
    draw(grid, colour, follow(grid, area), area, buffer);
}

/// Draws `grid` from `corner` on.
pub(crate) fn draw(grid: &Grid, colour: bool, corner: (u16, u16), area: Rect, buffer: &mut Buffer) {
    let (left, top) = (usize::from(corner.0), usize::from(corner.1));
    for (row, y) in grid.rows().skip(top).zip(area.top()..area.bottom()) {
        for (cell, x) in row.iter().skip(left).zip(area.left()..area.right()) {
            put(cell, colour, (x, y), area, buffer);
        }
    }
    let Some((column, row)) = grid.cursor() else { return };
    let Some((x, y)) = column.checked_sub(corner.0).zip(row.checked_sub(corner.1)) else { return };
    if x < area.width
        && y < area.height
        && let Some(place) = buffer.cell_mut((area.left() + x, area.top() + y))
    {
        place.modifier.toggle(Modifier::REVERSED);
    }
}

fn put(cell: &Cell, colour: bool, (x, y): (u16, u16), area: Rect, buffer: &mut Buffer) {
    let Some(place) = buffer.cell_mut((x, y)) else { return };
    // The cell behind a wide one; at the left edge the wide one itself was cropped off.
    if cell.width == 0 && x > area.left() {
        place.set_diff_option(CellDiffOption::Skip);
        return;
    }
    // A wide one whose second half does not fit would stick out.
    let whole = cell.width < 2 || x + 1 < area.right();
    let character = if !whole || cell.width == 0 { ' ' } else { cell.character };
    place.set_char(if is_unsafe(character) { '\u{fffd}' } else { character }).set_style(style(cell, colour));
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

/// Takes out of a drawn screen whatever could act on a terminal: the last wall, behind the escaping of every text.
pub(crate) fn scrub(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(is_unsafe) {
            cell.set_char('\u{fffd}');
        }
    }
}
