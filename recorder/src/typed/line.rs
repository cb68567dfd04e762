//! One line as it is typed: runs of text with keys between them. Each run must be seen on the screen before the line is shown.

use zeroize::{Zeroize, Zeroizing};

use super::HIDDEN;
use super::keys::Key;
use super::row::Row;

/// Longest line, in bytes; a longer one is hidden.
const LONGEST: usize = 4096;
/// Most runs of a line.
const RUNS: usize = 256;

/// A run of text.
struct Run {
    text: Zeroizing<String>,
    /// How much had been drawn when it was begun: its echo comes after.
    after: u64,
    /// The key behind it.
    key: &'static str,
}

/// The line.
#[derive(Default)]
pub(super) struct Line {
    runs: Vec<Run>,
    /// Runs that were seen on the screen.
    seen: usize,
    /// Something in it is not known, or its echo did not come: it is hidden whatever is shown.
    is_spoilt: bool,
    end: Option<char>,
}

impl Line {
    pub(super) fn press(&mut self, key: Key, drawn: u64) {
        if self.is_spoilt {
            return;
        }
        match key {
            Key::Text(next) => self.change(drawn, |run| run.text.push(next)),
            Key::Back => self.change(drawn, |run| {
                run.text.pop();
            }),
            Key::Word => self.change(drawn, |run| {
                let kept = run.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                run.text.truncate(kept);
            }),
            Key::Line => {
                self.runs.clear();
                self.seen = 0;
            }
            // It changes no text, so what was seen of it stays seen.
            Key::Other(key) => match self.runs.last_mut().filter(|run| run.key.is_empty()) {
                Some(run) => run.key = key,
                None => self.runs.push(Run { text: Zeroizing::default(), after: drawn, key }),
            },
            Key::Unknown | Key::End(_) => {
                self.is_spoilt = true;
                self.spoil();
            }
        }
        let bytes: usize = self.runs.iter().map(|run| run.text.len()).sum();
        if bytes > LONGEST || self.runs.len() > RUNS {
            self.spoil();
        }
    }

    /// Changes the run that is typed now. It is to be seen again then.
    fn change(&mut self, drawn: u64, act: impl FnOnce(&mut Run)) {
        if self.runs.last().is_none_or(|run| !run.key.is_empty()) {
            // Not moved while it grows.
            let text = Zeroizing::new(String::with_capacity(256));
            self.runs.push(Run { text, after: drawn, key: "" });
        }
        self.seen = self.seen.min(self.runs.len().saturating_sub(1));
        if let Some(run) = self.runs.last_mut() {
            act(run);
        }
    }

    pub(super) fn end(&mut self, end: char) {
        self.end = Some(end);
    }

    /// Hides it, and forgets it.
    pub(super) fn spoil(&mut self) {
        if !self.runs.is_empty() || self.is_spoilt {
            self.is_spoilt = true;
        }
        self.runs.clear();
        self.seen = 0;
    }

    /// Sees whether the next run stands before the cursor.
    pub(super) fn compare(&mut self, row: &Row) {
        while let Some(run) = self.runs.get(self.seen) {
            if !run.text.is_empty() && !row.ends_with(&run.text, run.after) {
                return;
            }
            self.seen += 1;
        }
    }

    /// Whether all of it was seen.
    pub(super) fn is_shown(&self) -> bool {
        let left = self.runs.get(self.seen..).unwrap_or_default();
        !self.is_spoilt && !self.runs.is_empty() && left.iter().all(|run| run.text.is_empty())
    }

    /// What is recorded of it; nothing of nothing.
    pub(super) fn text(mut self) -> Option<String> {
        let mut text = String::new();
        if self.is_shown() {
            for run in &self.runs {
                text.push_str(&run.text);
                text.push_str(run.key);
            }
        } else if self.is_spoilt || !self.runs.is_empty() {
            text.push_str(HIDDEN);
        }
        for run in &mut self.runs {
            run.text.zeroize();
        }
        text.extend(self.end);
        (!text.is_empty()).then_some(text)
    }
}
