//! A list with its filter: what all screens have.

use jiff::Timestamp;

use crate::filter::{Filter, Filtered};
use crate::rows::Rows;
use crate::safe::Text;

/// A list and its filter.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) rows: Rows,
    /// The filter as it was typed.
    pub(crate) text: String,
    pub(crate) filter: Filter,
    /// Whether the bastion has answered with what is in it.
    pub(crate) told: bool,
}

impl Listing {
    /// Reads the filter anew; `since:2h` is two hours before `now`.
    pub(crate) fn set_filter(&mut self, text: &str, now: Timestamp) {
        text.clone_into(&mut self.text);
        self.filter = Filter::parse(text, now);
    }

    /// Puts in order what passes the filter.
    pub(crate) fn show<'a, T: Filtered + 'a>(&mut self, items: impl Iterator<Item = (&'a Text, &'a T)>) {
        let order = items.filter(|(_, item)| self.filter.passes(*item)).map(|(id, _)| id.clone()).collect();
        self.rows.set(order);
    }

    /// What stands behind the title: the filter, marks, what is new.
    pub(crate) fn suffix(&self) -> String {
        let mut text = String::new();
        if !self.text.is_empty() {
            text.push_str(&format!(" / {}", crate::safe::shown(&self.text)));
        }
        if !self.rows.marks().is_empty() {
            text.push_str(&format!(" · {} marked", self.rows.marks().len()));
        }
        if self.rows.ranging() {
            text.push_str(" · v ends the range");
        }
        text
    }
}
