//! A session that is watched, in lines: what came onto its screen since the last time, each line behind a bar, so that nothing a
//! target prints passes for a sentence of ours.

use jiff::Timestamp;

use crate::safe::Text;
use crate::screens::live;
use crate::state::State;

/// Between two looks at the screen, in milliseconds.
const PAUSE_MS: i128 = 1_000;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    session: Option<Text>,
    rows: Vec<String>,
    about: String,
    at: Option<Timestamp>,
}

/// What is new.
pub(super) fn lines(state: &mut State, lines: &mut Vec<String>) {
    let Some(watch) = live::watching(state) else {
        state.plain.watched = Said::default();
        return;
    };
    let said = &state.plain.watched;
    let is_other = said.session.as_ref() != Some(&watch.session);
    let early = said.at.is_some_and(|at| state.now.duration_since(at).as_millis() < PAUSE_MS);
    if !is_other && early && !watch.ended {
        return;
    }
    let before: &[String] = if is_other { &[] } else { &said.rows };
    let mut rows = watch.grid.text();
    rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
    lines.extend(news(before, &rows).map(|row| format!("| {row}")));
    let about = watch.said.clone();
    if !about.is_empty() && (is_other || said.about != about) {
        lines.push(about.clone());
    }
    let (session, ended) = (watch.session.clone(), watch.ended);
    state.plain.watched = Said { session: Some(session.clone()), rows, about, at: Some(state.now) };
    if ended {
        live::unwatched(state, &session);
    }
}

/// The rows of `now` that were not there `before`, which may have moved up meanwhile.
fn news<'a>(before: &'a [String], now: &'a [String]) -> impl Iterator<Item = &'a String> {
    let same = |by: usize| before.iter().skip(by).zip(now).filter(|(old, new)| old == new && !new.is_empty()).count();
    // Of several ways to have moved, the one that leaves most in place, and by the least.
    let moved = (0..=before.len()).rev().max_by_key(|by| same(*by)).unwrap_or(0);
    let was = before.iter().skip(moved).map(Some).chain(std::iter::repeat(None));
    now.iter().zip(was).filter(|(new, old)| !new.is_empty() && Some(*new) != *old).map(|(new, _)| new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn new(before: &str, now: &str) -> Vec<String> {
        news(&rows(before), &rows(now)).cloned().collect()
    }

    #[test]
    fn what_is_on_the_screen_is_said_once_however_it_moves() {
        assert_eq!(new("", "a\nb"), ["a", "b"]);
        assert!(new("a\nb", "a\nb").is_empty());
        assert_eq!(new("a\n$", "a\n$ ls\nx\n$"), ["$ ls", "x", "$"]);
        assert_eq!(new("a\nb\nc", "b\nc\nd"), ["d"], "scrolled by one");
        assert_eq!(new("a\nb\nc", "x\ny"), ["x", "y"], "cleared");
        assert_eq!(new("a\nb\nc", "a\nB\nc"), ["B"]);
    }
}
