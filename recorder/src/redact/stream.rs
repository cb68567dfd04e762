//! The events of an export on their way through a redaction: held back until their line is whole, so that nothing is hidden from a
//! rule by where one event ends, and then drawn, so that nothing is hidden from it by where it stands on the screen.

use crate::sanitise::Sanitiser;
use crate::screen::Lines;

use super::{MASK, Redaction, inside};

/// A line that does not end is looked at when it holds this much.
const HELD: usize = 256 << 10;
/// After this pause a screen has settled and is looked at.
const SETTLED_US: u64 = 500_000;

/// One event of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) at_us: u64,
    pub(crate) code: &'static str,
    pub(crate) data: String,
}

/// The way through.
pub(crate) struct Stream<'a> {
    redaction: &'a mut Redaction,
    held: Vec<Item>,
    bytes: usize,
    screen: Option<Lines>,
    drawn_us: u64,
    /// A rule that something is left of on the screen, and when.
    left: Option<(String, u64)>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(redaction: &'a mut Redaction, size: (u16, u16)) -> Self {
        Self { redaction, held: Vec::new(), bytes: 0, screen: Lines::new(size), drawn_us: 0, left: None }
    }

    /// A text that stands for itself: a title.
    pub(crate) fn masked(&mut self, text: &str) -> String {
        self.redaction.masked(text)
    }

    /// Takes in an event; gives those that may go on.
    pub(crate) fn push(&mut self, mut item: Item) -> Vec<Item> {
        match item.code {
            "o" => {}
            "P" | "V" | "X" => item.data = self.redaction.masked_json(&item.data),
            _ => item.data = self.redaction.masked(&item.data),
        }
        self.bytes += item.data.len();
        let ends = item.code == "o" && item.data.contains('\n');
        self.held.push(item);
        if ends || self.bytes > HELD { self.release(ends) } else { Vec::new() }
    }

    /// Gives what is left, or the rule that something was still seen of and when, in microseconds.
    pub(crate) fn finish(mut self) -> Result<Vec<Item>, (String, u64)> {
        let last = self.release(false);
        if let Some(screen) = self.screen.take() {
            let lines = screen.finish();
            self.look(&lines, self.drawn_us);
        }
        self.left.map_or(Ok(last), Err)
    }

    /// Masks what is held, and gives it; with `lines`, only up to the last line feed.
    fn release(&mut self, lines: bool) -> Vec<Item> {
        let mut items = std::mem::take(&mut self.held);
        if lines && let Some(last) = items.last_mut() {
            let end = last.data.rfind('\n').map_or(last.data.len(), |at| at + 1);
            let rest = last.data.split_off(end);
            if !rest.is_empty() {
                self.held.push(Item { at_us: last.at_us, code: "o", data: rest });
            }
        }
        self.bytes = self.held.iter().map(|item| item.data.len()).sum();
        self.mask(&mut items);
        for item in &items {
            self.draw(item);
        }
        items
    }

    fn mask(&mut self, items: &mut [Item]) {
        let (mut line, mut places, mut masked) = (String::new(), Vec::new(), Vec::new());
        for (number, item) in items.iter().enumerate().filter(|(_, item)| item.code == "o") {
            for (at, next) in printed(&item.data) {
                if next == '\n' {
                    masked.extend(self.masked_places(&line, &places));
                    line.clear();
                    places.clear();
                } else {
                    places.push((line.len(), number, at));
                    line.push(next);
                }
            }
        }
        masked.extend(self.masked_places(&line, &places));
        // From behind, so that the places before stay where they are.
        for (number, at) in masked.into_iter().rev() {
            if let Some(item) = items.get_mut(number) {
                let len = item.data.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                item.data.replace_range(at..at + len, MASK.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// In which item and at which byte each character stands that is to be masked in `line`; `places` has that of all of them,
    /// with where they stand in it.
    fn masked_places(&mut self, line: &str, places: &[(usize, usize, usize)]) -> Vec<(usize, usize)> {
        let ranges = self.redaction.ranges(line);
        places.iter().filter(|(in_line, ..)| inside(&ranges, *in_line)).map(|(_, number, at)| (*number, *at)).collect()
    }

    fn draw(&mut self, item: &Item) {
        let Some(screen) = &mut self.screen else { return };
        let gone = match item.code {
            "o" => {
                let settled = item.at_us.saturating_sub(self.drawn_us) >= SETTLED_US;
                let seen = if settled { screen.visible(true) } else { Vec::new() };
                let (mut text, mut sanitiser) = (String::new(), Sanitiser::new());
                sanitiser.push(&item.data, &mut text);
                let gone = screen.feed(&text, sanitiser.take_cost());
                seen.into_iter().chain(gone).collect()
            }
            "r" => match item.data.split_once('x').map(|(cols, rows)| (cols.parse(), rows.parse())) {
                Some((Ok(cols), Ok(rows))) => screen.resize(cols, rows),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        self.look(&gone, self.drawn_us);
        self.drawn_us = item.at_us;
    }

    fn look(&mut self, lines: &[String], at_us: u64) {
        if self.left.is_none() {
            self.left = lines.iter().find_map(|line| self.redaction.left_in(line)).map(|rule| (rule.to_owned(), at_us));
        }
    }
}

/// The characters of `text` that are printed, and its line feeds, each with its place: no sequences, which are whole in a sanitised
/// text, and no other controls.
fn printed(text: &str) -> impl Iterator<Item = (usize, char)> {
    #[derive(Clone, Copy, PartialEq)]
    enum Where {
        Ground,
        Escape,
        Csi,
    }
    let mut state = Where::Ground;
    text.char_indices().filter(move |(_, next)| match (state, *next) {
        (Where::Ground, '\x1b') => {
            state = Where::Escape;
            false
        }
        (Where::Ground, '\n') => true,
        (Where::Ground, next) => !next.is_control(),
        (Where::Escape, '[') => {
            state = Where::Csi;
            false
        }
        // A set of characters is named by one more.
        (Where::Escape, ' '..='/') => false,
        (Where::Csi, ' '..='?') => false,
        (Where::Escape | Where::Csi, _) => {
            state = Where::Ground;
            false
        }
    })
}
