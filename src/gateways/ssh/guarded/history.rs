//! The lines that were entered in this session, newest last. Bounded, in memory only: the recording is what lasts.

use std::collections::VecDeque;

/// How many lines are kept.
const LINES: usize = 1000;

/// How many bytes of lines are kept.
const BYTES: usize = 256 << 10;

/// Lines that were entered.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    bytes: usize,
}

impl History {
    /// Keeps `line`, unless it is empty or the same as the one before.
    pub(super) fn add(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line with this number, 0 being the oldest.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        self.lines.get(number).map(String::as_str)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The number of the newest line before `below` that holds `words`.
    pub(super) fn find(&self, words: &str, below: usize) -> Option<usize> {
        (0..below.min(self.len())).rev().find(|number| self.get(*number).is_some_and(|line| line.contains(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest_first_and_holds_no_more_than_it_may() {
        let mut history = History::default();
        for n in 0..LINES + 5 {
            history.add(&format!("line {n}"));
        }
        assert_eq!((history.len(), history.get(0)), (LINES, Some("line 5")));
        for n in 0..20 {
            history.add(&format!("{n}{}", "x".repeat(32 << 10)));
        }
        assert!(history.lines().map(str::len).sum::<usize>() <= BYTES && history.len() > 0);
    }

    #[test]
    fn the_same_line_twice_in_a_row_is_kept_once_and_an_empty_one_never() {
        let mut history = History::default();
        for line in ["ls", "ls", " ", "", "pwd", "ls"] {
            history.add(line);
        }
        assert_eq!(history.lines().collect::<Vec<_>>(), ["ls", "pwd", "ls"]);
        assert_eq!(history.find("l", 2), Some(0));
    }
}
