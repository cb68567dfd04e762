//! The timeline: how much happened when, markers, places found, where we are; and which moment a column is.

use super::State;
use crate::clock::position;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What stands left of the bar.
fn left(state: &State) -> String {
    let sign = if state.playing { "▶" } else { "⏸" };
    let idle = if state.skip_idle { "  skip idle" } else { "" };
    let rough = if state.exact { "" } else { "  (screen from here on)" };
    format!(" {sign} {} / {}  {}×{idle}{rough}  ", position(state.at_us), position(state.duration_us), state.speed)
}

/// What stands right of it.
fn right(state: &State) -> String {
    let found = crate::safe::fit(&crate::safe::shown(&state.found), 16);
    state.hit().map_or_else(|| " ".to_owned(), |(at, all)| format!("  find \"{found}\": {at}/{all} "))
}

/// The first column of the bar and how many it has.
fn room(state: &State, width: u16) -> (usize, usize) {
    let start = crate::safe::width(&left(state));
    (start, usize::from(width).saturating_sub(start + crate::safe::width(&right(state))))
}

/// The whole line.
pub(super) fn line(state: &State, width: u16) -> String {
    let (_, room) = room(state, width);
    let column = |at: u64| column(at, state.duration_us, room);
    let mut bar: Vec<char> = (0..room).map(|at| ground(state, at, room)).collect();
    let mut put = |at: u64, sign: char| {
        if let Some(cell) = bar.get_mut(column(at)) {
            *cell = sign;
        }
    };
    for place in &state.places {
        put(place.at_us, '◆');
    }
    for hit in &state.hits {
        put(hit.at_us, '▼');
    }
    put(state.at_us, '●');
    left(state) + &bar.iter().collect::<String>() + &right(state)
}

/// The moment that a click on `x` means; none beside the bar.
pub(crate) fn moment_at(state: &State, width: u16, x: u16) -> Option<u64> {
    let (start, room) = room(state, width);
    let at = usize::from(x).checked_sub(start).filter(|at| *at < room)?;
    Some(state.duration_us.saturating_mul(at as u64) / room.max(1) as u64)
}

fn column(at: u64, duration: u64, room: usize) -> usize {
    let wide = u128::from(at) * room as u128 / u128::from(duration.max(1));
    usize::try_from(wide).unwrap_or(0).min(room.saturating_sub(1))
}

/// The bar itself: how much happened, or a line that shows what is behind.
fn ground(state: &State, at: usize, room: usize) -> char {
    let most = state.weights.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return if at < column(state.at_us, state.duration_us, room) { '━' } else { '─' };
    }
    let parts = state.weights.len();
    let (from, to) = (at * parts / room.max(1), ((at + 1) * parts).div_ceil(room.max(1)));
    let weight = state.weights.get(from..to.min(parts)).unwrap_or_default().iter().copied().max().unwrap_or(0);
    if weight == 0 {
        return '─';
    }
    // By the root, so that one flood does not flatten all the rest.
    let share = (u128::from(weight) * 49 / u128::from(most)).isqrt();
    BARS.get(usize::try_from(share).unwrap_or(0)).copied().unwrap_or('█')
}
