//! Where everything is on the screen: for drawing, for the mouse, and for scrolling.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::overlay::Overlay;
use crate::settings::Screen;
use crate::state::State;

/// How much there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// List and details beside each other.
    Wide,
    /// The details below the list.
    Stacked,
    /// One of them.
    Small,
}

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) tabs: Rect,
    /// That the connection is lost; without height when it is not.
    pub(crate) banner: Rect,
    pub(crate) body: Rect,
    /// What is to be said, or typed, or decided.
    pub(crate) notice: Rect,
    pub(crate) keys: Rect,
}

pub(crate) fn shape(state: &State) -> Shape {
    let (cols, rows) = state.size;
    if cols < 60 || rows < 16 {
        Shape::Small
    } else if cols >= 110 {
        Shape::Wide
    } else {
        Shape::Stacked
    }
}

pub(crate) fn places(state: &State) -> Places {
    let (cols, rows) = state.size;
    let area = Rect::new(0, 0, cols, rows);
    let banner = u16::from(!state.link.is_up());
    let notice = match &state.overlay {
        Some(Overlay::Confirm(confirm)) => {
            let (text, keys) = crate::decide::question(state, confirm);
            let lines = crate::safe::wrap(&format!(" {text}"), usize::from(cols)).len()
                + crate::safe::wrap(&format!(" {keys}"), usize::from(cols)).len();
            let lines = lines + usize::from(confirm.reason.is_some());
            u16::try_from(lines).unwrap_or(u16::MAX).min(rows.saturating_sub(3).max(1))
        }
        _ => 1,
    };
    let keys = u16::from(rows >= 8);
    let parts =
        [Constraint::Length(1), Constraint::Length(banner), Constraint::Min(0), Constraint::Length(notice), Constraint::Length(keys)];
    let [tabs, banner, body, notice, keys] = Layout::vertical(parts).areas(area);
    Places { tabs, banner, body, notice, keys }
}

/// Where the list is, with its border; none while the details take everything.
pub(crate) fn list(state: &State) -> Option<Rect> {
    split(state).0
}

/// Where the details are, with their border; none where there is no room for them.
pub(crate) fn detail(state: &State) -> Option<Rect> {
    split(state).1
}

fn split(state: &State) -> (Option<Rect>, Option<Rect>) {
    let body = places(state).body;
    if state.pane.large {
        return (None, Some(body));
    }
    match shape(state) {
        Shape::Small => (Some(body), None),
        Shape::Stacked => {
            let [list, detail] = Layout::vertical([Constraint::Percentage(45), Constraint::Min(0)]).areas(body);
            (Some(list), Some(detail))
        }
        Shape::Wide => {
            let [list, detail] = Layout::horizontal([Constraint::Percentage(46), Constraint::Min(0)]).areas(body);
            (Some(list), Some(detail))
        }
    }
}

/// The inside of a pane: small screens have no borders, but a line for the title.
pub(crate) fn inside(state: &State, pane: Rect) -> Rect {
    if shape(state) == Shape::Small {
        return Rect { y: pane.y + 1.min(pane.height), height: pane.height.saturating_sub(1), ..pane };
    }
    Rect {
        x: pane.x + 1.min(pane.width),
        y: pane.y + 1.min(pane.height),
        width: pane.width.saturating_sub(2),
        height: pane.height.saturating_sub(2),
    }
}

/// Where the rows of the list are. On the target picker the line that is typed stands above them.
pub(crate) fn rows(state: &State) -> Option<Rect> {
    let inner = inside(state, list(state)?);
    let above = u16::from(state.screen == Screen::Targets).min(inner.height);
    Some(Rect { y: inner.y + above, height: inner.height - above, ..inner })
}

/// The insides of the panes of the watched sessions.
pub(crate) fn tiles(state: &State) -> Vec<Rect> {
    let panes = tile_panes(state);
    panes.into_iter().map(|pane| inside(state, pane)).collect()
}

/// The panes of the watched sessions.
pub(crate) fn tile_panes(state: &State) -> Vec<Rect> {
    let Some(area) = detail(state) else { return Vec::new() };
    let count = state.live.watches.len();
    if count <= 1 {
        return vec![area; count];
    }
    let [above, below] = Layout::vertical([Constraint::Percentage(50), Constraint::Min(0)]).areas(area);
    if count == 2 {
        return vec![above, below];
    }
    let halves = |row: Rect| Layout::horizontal([Constraint::Percentage(50), Constraint::Min(0)]).areas::<2>(row);
    let all: Vec<Rect> = halves(above).into_iter().chain(halves(below)).collect();
    all.into_iter().take(count).collect()
}
