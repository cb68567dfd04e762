//! What a held operation does, for whoever decides about it: in a sentence, and taken apart by what kind of operation it is. It says
//! nothing that the operation itself does not, and nothing is decided by it.

use serde::{Deserialize, Serialize};

/// An operation at a glance. Consumers skip a kind that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outline {
    /// A text of SQL.
    Sql {
        /// Its statements, up to the 32nd.
        statements: Vec<StatementOutline>,
        /// How many more there are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<usize>,
        /// Whether a transaction block is open.
        in_transaction: bool,
    },
    /// A request to an HTTP server.
    Http {
        /// The method.
        method: String,
        /// The path, normalised, with its query.
        path: String,
        /// The media type of its body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// The announced length of its body, in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A request to a Kubernetes API server.
    Kubernetes {
        /// What it does, in a sentence.
        summary: String,
        /// The verb, as the API server resolves it: `delete`, `deletecollection`, `patch`; for a path that is no resource, the method.
        verb: String,
        /// The API group of the resource, none for the core's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// The resource, in the plural; none where the path is no resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<String>,
        /// What of the resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subresource: Option<String>,
        /// The namespace, if it is in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// The object's name, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The path, where it is no resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The commands that `exec` runs, up to the 32nd.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commands: Vec<String>,
        /// Whether nothing of it is kept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementOutline {
    /// Its text, up to the 4,096th character.
    pub text: String,
    /// Its kind in lower case, as policies see it.
    pub statement: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The relations that it is about, up to the 64th.
    pub tables: Vec<TableOutline>,
    /// How many rows the server's planner guesses that it answers with or changes, where that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<i64>,
}

/// What a statement does to one relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOutline {
    /// Its schema and name.
    pub table: String,
    /// `read`, `insert`, `update`, `delete`, `truncate`, `ddl`, `copy in`, `copy out`, `maintain`.
    pub does: Vec<String>,
    /// The columns that it names to give them values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}
