//! The first lines: the tabs, who and when, and that the connection is lost.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::put;
use crate::link::LinkState;
use crate::safe::width;
use crate::screens::{inbox, live};
use crate::settings::Screen;
use crate::state::State;
use crate::theme::Role;

/// The tabs with their first columns.
fn laid_out(state: &State) -> Vec<(Screen, u16, String)> {
    let room = usize::from(state.size.0);
    let head = if room >= 100 { " BARTIZAN " } else { " " };
    let (mut x, mut tabs) = (width(head), Vec::new());
    for (at, screen) in Screen::ALL.into_iter().enumerate() {
        let count = match screen {
            Screen::Inbox => Some(inbox::counts(state).0).filter(|count| *count > 0).map(|count| format!("●{count}")),
            Screen::Live => Some(live::count(state)).filter(|count| *count > 0).map(|count| format!(" {count}")),
            _ => None,
        };
        let here = if screen == state.screen { ("[", "]") } else { (" ", " ") };
        let name = if room >= 72 { screen.name() } else { screen.name().get(..2).unwrap_or_default() };
        let text = format!("{}{} {name}{}{}", here.0, at + 1, count.unwrap_or_default(), here.1);
        let wide = width(&text);
        tabs.push((screen, u16::try_from(x).unwrap_or(u16::MAX), text));
        x += wide;
    }
    tabs
}

/// The tab at a column.
pub(crate) fn tab_at(state: &State, x: u16) -> Option<Screen> {
    let tabs = laid_out(state);
    let hit = |(_, from, text): &&(Screen, u16, String)| x >= *from && usize::from(x - from) < width(text);
    tabs.iter().find(hit).map(|(screen, ..)| *screen)
}

pub(super) fn tabs(state: &State, area: Rect, buffer: &mut Buffer) {
    if state.size.0 >= 100 {
        put(buffer, area, 1, 0, "BARTIZAN", state.style(Role::Title));
    }
    let mut end = 0;
    for (screen, x, text) in laid_out(state) {
        let role = if screen == state.screen { Role::TabHere } else { Role::Tab };
        put(buffer, area, x, 0, &text, state.style(role));
        end = usize::from(x) + width(&text);
    }
    let alarms = if state.unseen_alarms > 0 { format!("▲ {} (!)  ", state.unseen_alarms) } else { String::new() };
    let time = state.now.strftime(if state.settings.reduce_motion { "%H:%MZ" } else { "%H:%M:%SZ" });
    let who = crate::model::short(&state.me.principal);
    let texts = [format!("{alarms}{who}  {time} "), format!("{alarms}{time} "), alarms.clone()];
    let room = usize::from(area.width).saturating_sub(end + 1);
    if let Some(text) = texts.iter().find(|text| width(text) <= room) {
        let x = area.width.saturating_sub(u16::try_from(width(text)).unwrap_or(0));
        put(buffer, area, x, 0, text, state.style(if alarms.is_empty() { Role::Dim } else { Role::Warn }));
    }
}

pub(super) fn banner(state: &State, area: Rect, buffer: &mut Buffer) {
    let text = match &state.link.state {
        LinkState::Up => return,
        LinkState::Starting => " Connecting to the bastion. Nothing can be decided yet.".to_owned(),
        LinkState::Gone { why } => format!(" ✗ NOT CONNECTED: {why}. What is shown may be old; nothing can be decided. q quits."),
        LinkState::Lost { why, retry_at } => {
            let again = retry_at.map(|at| at.duration_since(state.now).as_secs().max(0));
            let again = again.map_or_else(|| "connecting again".to_owned(), |seconds| format!("again in {seconds} s"));
            format!(" ✗ CONNECTION LOST ({again}): {why}. What is shown may be old; nothing can be decided.")
        }
    };
    buffer.set_style(area, state.style(Role::Banner));
    put(buffer, area, 0, 0, &text, state.style(Role::Banner));
}
