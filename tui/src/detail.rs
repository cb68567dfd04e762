//! What is known of a selected thing, in the order of thought: the same for the screen and for plain mode.

use crate::theme::Role;

/// The details of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Detail {
    pub(crate) title: String,
    pub(crate) facts: Vec<Fact>,
}

/// One fact. A label that is empty goes on with the one above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) role: Role,
    pub(crate) text: String,
}

impl Detail {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), facts: Vec::new() }
    }

    /// Adds a fact; an empty text is none. What is in it was escaped before.
    pub(crate) fn add(&mut self, label: &'static str, role: Role, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.facts.push(Fact { label, role, text });
        }
    }

    pub(crate) fn plain(&mut self, label: &'static str, text: impl Into<String>) {
        self.add(label, Role::Plain, text);
    }

    /// Its lines in `width` columns: label, role, text.
    pub(crate) fn lines(&self, width: usize) -> Vec<(&'static str, Role, String)> {
        let room = width.saturating_sub(LABEL).max(8);
        let mut lines = Vec::new();
        for fact in &self.facts {
            for (at, text) in crate::safe::wrap(&fact.text, room).into_iter().enumerate() {
                lines.push((if at == 0 { fact.label } else { "" }, fact.role, text));
            }
        }
        lines
    }
}

/// Columns of the labels.
pub(crate) const LABEL: usize = 8;
