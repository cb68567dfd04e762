//! A list whose rows stay where they are: what is new waits below a divider until it is asked for, what changes changes in place,
//! and the selected row is selected by its id. Knows nothing of what the rows show.

use std::collections::{BTreeSet, HashSet};

use crate::safe::Text;

/// The rows of a list, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    order: Vec<Text>,
    fresh: Vec<Text>,
    /// The ids of both.
    known: HashSet<Text>,
    at: usize,
    top: usize,
    marks: BTreeSet<Text>,
    range_from: Option<usize>,
}

/// A line of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowLine<'a> {
    /// A row: its number and its id.
    Row(usize, &'a Text),
    /// What stands above the new ones: how many they are.
    Divider(usize),
}

impl Rows {
    /// A new order, with nothing below the divider. The selection stays on its row, or where it was.
    pub(crate) fn set(&mut self, order: Vec<Text>) {
        let selected = self.selected().cloned();
        self.known = order.iter().cloned().collect();
        self.order = order;
        self.fresh.clear();
        self.range_from = None;
        let found = selected.and_then(|id| self.order.iter().position(|own| *own == id));
        self.at = found.unwrap_or(self.at).min(self.len().saturating_sub(1));
        self.marks.retain(|id| self.known.contains(id));
    }

    /// A row that may be new: then it waits below the divider.
    pub(crate) fn offer(&mut self, id: &Text) {
        if self.known.insert(id.clone()) {
            self.fresh.push(id.clone());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len() + self.fresh.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Text> {
        self.order.iter().chain(&self.fresh)
    }

    pub(crate) fn has(&self, id: &Text) -> bool {
        self.known.contains(id)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Text> {
        self.order.get(at).or_else(|| self.fresh.get(at.checked_sub(self.order.len())?))
    }

    pub(crate) fn selected(&self) -> Option<&Text> {
        self.get(self.at)
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn select(&mut self, at: usize) {
        self.at = at.min(self.len().saturating_sub(1));
        if let Some(from) = self.range_from {
            self.mark_range(from);
        }
    }

    pub(crate) fn select_id(&mut self, id: &Text) {
        let found = self.ids().position(|own| own == id);
        if let Some(at) = found {
            self.select(at);
        }
    }

    pub(crate) fn step(&mut self, by: isize) {
        self.select(self.at.saturating_add_signed(by));
    }

    pub(crate) fn marks(&self) -> &BTreeSet<Text> {
        &self.marks
    }

    pub(crate) fn is_marked(&self, id: &Text) -> bool {
        self.marks.contains(id)
    }

    pub(crate) fn mark(&mut self) {
        if let Some(id) = self.selected().cloned()
            && !self.marks.remove(&id)
        {
            self.marks.insert(id);
        }
    }

    /// Begins a range of marks at the selected row, or ends it.
    pub(crate) fn range(&mut self) {
        if self.range_from.take().is_none() && self.len() > 0 {
            self.range_from = Some(self.at);
            self.mark_range(self.at);
        }
    }

    pub(crate) fn ranging(&self) -> bool {
        self.range_from.is_some()
    }

    /// Takes all marks away. False when there were none.
    pub(crate) fn unmark(&mut self) -> bool {
        let had = !self.marks.is_empty() || self.range_from.is_some();
        self.marks.clear();
        self.range_from = None;
        had
    }

    fn mark_range(&mut self, from: usize) {
        let (low, high) = (from.min(self.at), from.max(self.at));
        let ids: Vec<Text> = (low..=high).filter_map(|at| self.get(at).cloned()).collect();
        self.marks.extend(ids);
    }

    /// Scrolls so that the selected row is among `height` lines.
    pub(crate) fn keep_visible(&mut self, height: usize) {
        let line = self.line_of(self.at);
        if line < self.top {
            self.top = line;
        } else if line >= self.top + height.max(1) {
            self.top = line + 1 - height.max(1);
        }
        self.top = self.top.min(self.lines().saturating_sub(height));
    }

    fn line_of(&self, at: usize) -> usize {
        at + usize::from(!self.fresh.is_empty() && at >= self.order.len())
    }

    fn lines(&self) -> usize {
        self.len() + usize::from(!self.fresh.is_empty())
    }

    /// The lines in view, `height` of them at most.
    pub(crate) fn view(&self, height: usize) -> impl Iterator<Item = RowLine<'_>> {
        (self.top..self.lines().min(self.top + height)).filter_map(|line| self.line(line))
    }

    /// The row on the line that is `below` the top of the view.
    pub(crate) fn row_at(&self, below: usize) -> Option<usize> {
        match self.line(self.top + below)? {
            RowLine::Row(at, _) => Some(at),
            RowLine::Divider(_) => None,
        }
    }

    fn line(&self, line: usize) -> Option<RowLine<'_>> {
        if !self.fresh.is_empty() && line == self.order.len() {
            return Some(RowLine::Divider(self.fresh.len()));
        }
        let at = if line > self.order.len() { line - usize::from(!self.fresh.is_empty()) } else { line };
        self.get(at).map(|id| RowLine::Row(at, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(ids: &[&str]) -> Rows {
        let mut rows = Rows::default();
        rows.set(ids.iter().map(|id| Text::from(*id)).collect());
        rows
    }

    #[test]
    fn new_rows_come_below_a_divider_and_move_nothing() {
        let mut rows = rows(&["a", "b"]);
        rows.step(1);
        rows.offer(&"c".into());
        rows.offer(&"a".into());
        assert_eq!(rows.selected(), Some(&"b".into()));
        let lines: Vec<RowLine<'_>> = rows.view(10).collect();
        assert_eq!(lines, [RowLine::Row(0, &"a".into()), RowLine::Row(1, &"b".into()), RowLine::Divider(1), RowLine::Row(2, &"c".into())]);
        assert_eq!((rows.row_at(2), rows.row_at(3)), (None, Some(2)));
    }

    #[test]
    fn a_new_order_keeps_the_selected_row_selected() {
        let mut rows = rows(&["a", "b", "c"]);
        rows.step(2);
        rows.set(vec!["c".into(), "a".into()]);
        assert_eq!(rows.selected(), Some(&"c".into()));
        rows.set(vec!["x".into()]);
        assert_eq!(rows.selected(), Some(&"x".into()));
        rows.set(Vec::new());
        assert_eq!(rows.selected(), None);
    }

    #[test]
    fn a_range_marks_what_lies_between() {
        let mut rows = rows(&["a", "b", "c", "d"]);
        rows.range();
        rows.step(2);
        rows.range();
        rows.step(1);
        assert_eq!(rows.marks().len(), 3);
        assert!(rows.unmark());
        assert!(!rows.unmark());
    }

    proptest! {
        #[test]
        fn the_selected_row_is_always_in_view(count in 0usize..50, steps in prop::collection::vec(-60isize..60, 0..20), height in 1usize..20, fresh in 0usize..5) {
            let mut rows = Rows::default();
            rows.set((0..count).map(|n| Text::from(format!("{n}"))).collect());
            for n in 0..fresh {
                rows.offer(&format!("new{n}").into());
            }
            for step in steps {
                rows.step(step);
                rows.keep_visible(height);
                let seen = rows.view(height).any(|line| matches!(line, RowLine::Row(at, _) if at == rows.at()));
                prop_assert!(seen || rows.len() == 0);
            }
        }
    }
}
