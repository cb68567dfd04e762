//! The line being edited: text and a cursor that stands between two characters as people see them (grapheme clusters, UAX 29).
//! It is bounded, holds no control character but line feed and tab, and draws nothing.

use unicode_segmentation::UnicodeSegmentation;

/// The longest line, in bytes. What does not fit is not inserted.
pub(super) const LONGEST: usize = 32 << 10;

/// Text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    before: String,
    /// What stands behind the cursor.
    after: String,
}

impl Text {
    /// `text` with the cursor at its end.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { before: text.into(), after: String::new() }
    }

    pub(super) fn whole(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    pub(super) fn before(&self) -> &str {
        &self.before
    }

    pub(super) fn after(&self) -> &str {
        &self.after
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// False when there is no more room.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let fits = self.before.len() + self.after.len() + text.len() <= LONGEST;
        if fits {
            self.before.push_str(text);
        }
        fits
    }

    pub(super) fn left(&mut self) {
        let cut = self.before.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
        self.move_left_to(cut);
    }

    pub(super) fn right(&mut self) {
        let length = self.after.graphemes(true).next().map_or(0, str::len);
        self.move_right_by(length);
    }

    /// To the beginning of the line the cursor is in.
    pub(super) fn line_start(&mut self) {
        let cut = self.before.rfind('\n').map_or(0, |at| at + 1);
        self.move_left_to(cut);
    }

    /// To the end of the line the cursor is in.
    pub(super) fn line_end(&mut self) {
        let length = self.after.find('\n').unwrap_or(self.after.len());
        self.move_right_by(length);
    }

    pub(super) fn end(&mut self) {
        self.before.push_str(&std::mem::take(&mut self.after));
    }

    /// To the line above, as far to the right as before if it is that long. False when there is none.
    pub(super) fn up(&mut self) -> bool {
        let Some((above, here)) = self.before.rsplit_once('\n') else { return false };
        let column = here.graphemes(true).count();
        let start = above.rfind('\n').map_or(0, |at| at + 1);
        let cut = start + length_of(above.get(start..).unwrap_or_default(), column);
        self.move_left_to(cut);
        true
    }

    /// To the line below. False when there is none.
    pub(super) fn down(&mut self) -> bool {
        let column = self.before.rsplit('\n').next().unwrap_or_default().graphemes(true).count();
        let Some((rest, below)) = self.after.split_once('\n') else { return false };
        let line = below.split('\n').next().unwrap_or_default();
        let length = rest.len() + 1 + length_of(line, column);
        self.move_right_by(length);
        true
    }

    pub(super) fn word_left(&mut self) {
        let cut = name_start(&self.before);
        self.move_left_to(cut);
    }

    pub(super) fn word_right(&mut self) {
        let length = name_end(&self.after);
        self.move_right_by(length);
    }

    pub(super) fn backspace(&mut self) {
        let cut = self.before.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
        self.before.truncate(cut);
    }

    pub(super) fn delete(&mut self) {
        let length = self.after.graphemes(true).next().map_or(0, str::len);
        self.after = self.after.split_off(length);
    }

    /// Takes out the word before the cursor, back to white space.
    pub(super) fn cut_word_before(&mut self) -> String {
        let trimmed = self.before.trim_end();
        let cut = trimmed.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
        self.before.split_off(cut)
    }

    pub(super) fn cut_name_before(&mut self) -> String {
        let cut = name_start(&self.before);
        self.before.split_off(cut)
    }

    pub(super) fn cut_word_after(&mut self) -> String {
        let rest = self.after.split_off(name_end(&self.after));
        std::mem::replace(&mut self.after, rest)
    }

    pub(super) fn cut_line_before(&mut self) -> String {
        let cut = self.before.rfind('\n').map_or(0, |at| at + 1);
        self.before.split_off(cut)
    }

    pub(super) fn cut_line_after(&mut self) -> String {
        let rest = self.after.split_off(self.after.find('\n').unwrap_or(self.after.len()));
        std::mem::replace(&mut self.after, rest)
    }

    /// Swaps the two characters around the cursor, or the last two.
    pub(super) fn transpose(&mut self) {
        if self.after.is_empty() {
            self.left();
        }
        let Some(one) = self.before.graphemes(true).next_back().map(str::to_owned) else { return };
        let Some(other) = self.after.graphemes(true).next().map(str::to_owned) else { return };
        self.backspace();
        self.delete();
        self.before.push_str(&other);
        self.before.push_str(&one);
    }

    fn move_left_to(&mut self, cut: usize) {
        let moved = self.before.split_off(cut);
        self.after.insert_str(0, &moved);
    }

    fn move_right_by(&mut self, length: usize) {
        let rest = self.after.split_off(length);
        self.before.push_str(&std::mem::replace(&mut self.after, rest));
    }
}

/// The bytes of the first `count` characters of `line`.
fn length_of(line: &str, count: usize) -> usize {
    line.graphemes(true).take(count).map(str::len).sum()
}

/// Where the last word of letters and digits in `text` begins.
fn name_start(text: &str) -> usize {
    let trimmed = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    trimmed.trim_end_matches(char::is_alphanumeric).len()
}

/// Where the first word of letters and digits in `text` ends.
fn name_end(text: &str) -> usize {
    let from = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    text.len() - from.trim_start_matches(char::is_alphanumeric).len()
}

#[cfg(test)]
mod tests;
