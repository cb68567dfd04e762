//! What a held operation does, as the bastion took it apart.

use serde::Deserialize;

use crate::safe::Text;

/// An operation at a glance, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outline {
    /// A text of SQL.
    Sql {
        /// Its statements.
        #[serde(default)]
        statements: Vec<Statement>,
        /// How many more there are.
        #[serde(default)]
        left_out: usize,
        /// Whether a transaction block is open.
        #[serde(default)]
        in_transaction: bool,
    },
    /// A request to an HTTP server.
    Http {
        /// The media type of its body.
        #[serde(default)]
        content_type: Option<Text>,
        /// The announced length of its body, in bytes.
        #[serde(default)]
        size: Option<u64>,
    },
    /// A request to a Kubernetes API server.
    Kubernetes {
        /// What it does, in a sentence.
        #[serde(default)]
        summary: Text,
        /// Its verb.
        #[serde(default)]
        verb: Text,
        /// The commands that it runs.
        #[serde(default)]
        commands: Vec<Text>,
    },
    /// A kind of a later version; the operation itself is shown.
    #[serde(other)]
    Unknown,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Statement {
    /// What it does, in a sentence.
    #[serde(default)]
    pub summary: Text,
    /// The relations that it is about.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// How many rows the planner guesses that it is about.
    #[serde(default)]
    pub estimated_rows: Option<i64>,
}

/// What a statement does to one relation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Table {
    /// Its schema and name.
    #[serde(default)]
    pub table: Text,
    /// What is done to it, in words.
    #[serde(default)]
    pub does: Vec<Text>,
    /// The columns that get values.
    #[serde(default)]
    pub columns: Vec<Text>,
}

impl Statement {
    /// How many rows, in words.
    #[must_use]
    pub fn rows(&self) -> Option<String> {
        let rows = u64::try_from(self.estimated_rows?).ok()?;
        Some(format!("about {} row{}, the planner guesses", grouped(rows), if rows == 1 { "" } else { "s" }))
    }
}

impl Table {
    /// One line about it.
    #[must_use]
    pub fn line(&self) -> String {
        let words = |all: &[Text]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let columns = if self.columns.is_empty() { String::new() } else { format!(" ({})", words(&self.columns)) };
        format!("{}: {}{columns}", self.table, words(&self.does))
    }
}

impl Outline {
    /// What it does, in sentences and without ends, with how many rows where that is known.
    #[must_use]
    pub fn summary(&self) -> String {
        let (statements, left_out) = match self {
            Self::Sql { statements, left_out, .. } => (statements, left_out),
            Self::Kubernetes { summary, .. } => return summary.to_string(),
            Self::Http { .. } | Self::Unknown => return String::new(),
        };
        let one = |statement: &Statement| match statement.rows() {
            Some(rows) => format!("{} ({rows})", statement.summary),
            None => statement.summary.to_string(),
        };
        let more = (*left_out > 0).then(|| format!("and {left_out} more statements"));
        statements.iter().map(one).chain(more).collect::<Vec<_>>().join("; ")
    }
}

/// A number with a space between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let place = |at: usize| digits.len() - at;
    let spaced = digits.char_indices().flat_map(|(at, digit)| [(at > 0 && place(at) % 3 == 0).then_some(' '), Some(digit)]);
    spaced.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 7, 999, 1_000, 2_345_678].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1 000", "2 345 678"]);
    }

    #[test]
    fn a_kind_that_is_not_known_says_nothing_and_hides_nothing() {
        let outline: Outline = serde_json::from_str(r#"{"kind":"carrier_pigeon","wings":2}"#).expect("it is read");
        assert_eq!((outline.clone(), outline.summary()), (Outline::Unknown, String::new()));
    }
}
