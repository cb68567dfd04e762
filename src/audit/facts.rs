//! What policy was told of an operation, so that the same question can be asked of other policies later. Holds no verdict, and
//! only what policy saw: no output, no contents of files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::ApprovalId;

/// What policy was told, beside what stands in the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When the issuer last saw the principal.
    pub authenticated_at: Timestamp,
    /// Whether the principal's key is known to live in hardware.
    #[serde(default, skip_serializing_if = "is_false")]
    pub device_bound: bool,
    /// The reason the principal gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What belongs to the action.
    pub about: About,
}

/// Something that was done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// The action.
    pub action: String,
    /// What belongs to it.
    pub about: About,
    /// How often.
    pub times: u64,
}

/// Equal statements of SQL that are over: they do the same to the same objects, by the same policies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// The kind of statement.
    pub statement: String,
    /// The text of the first, not all of a long one.
    pub operation: String,
    /// The policies that let them through.
    pub policies: Vec<String>,
    /// The approval that they were let through with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// How many; of one whose rows were fetched in parts, each part.
    pub times: u64,
    /// How many of them failed in the server.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// How many of them were not begun, since one before them failed, or were not seen to end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfinished: u64,
    /// Rows that the server sent.
    pub rows: u64,
    /// Bytes of the messages that had them done, with the data copied in.
    pub bytes_in: u64,
    /// Bytes of rows, and of data copied out, as the server sent them.
    pub bytes_out: u64,
    /// From being sent to their end, together.
    pub duration_us: u64,
    /// The longest.
    pub longest_us: u64,
    /// Where in the recording the first stands.
    pub recording_ms: u64,
    /// Where in the recording the last stands.
    pub recording_until_ms: u64,
}

/// What belongs to the action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// Nothing, or no more than the account.
    Nothing,
    /// A command.
    Command {
        /// The whole of it as policy saw it.
        text: String,
        /// The program and its arguments; none where these could not be known before it ran.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<String>,
        /// The files it is redirected from and to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redirects: Vec<String>,
        /// The variables assigned before it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        environment: Vec<String>,
        /// Whether an argument is a pattern, which the target expands.
        #[serde(default, skip_serializing_if = "is_false")]
        patterns: bool,
    },
    /// A file.
    File {
        /// Absolute and normalised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The new name of a rename.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// Whether everything beneath the path may be touched too.
        #[serde(default, skip_serializing_if = "is_false")]
        recursive: bool,
    },
    /// An HTTP request.
    Http {
        /// As it was sent.
        method: String,
        /// Normalised, without query.
        path: String,
        /// What follows the `?`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        query: String,
        /// The body's media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// The headers that policy is shown.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<String>,
        /// The announced length of the body, in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Whether policy was shown its body, which is the caller's own business and not kept.
        #[serde(default, skip_serializing_if = "is_false")]
        body: bool,
    },
    /// A request to a Kubernetes API server about a resource.
    Api {
        /// The request as the server resolves it.
        request: Box<ApiRequest>,
        /// The command that it runs, for `exec`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runs: Option<Box<About>>,
    },
    /// A request to a Kubernetes API server for another path.
    Path {
        /// The method in lower case.
        verb: String,
        /// Normalised.
        path: String,
    },
    /// One thing that a statement of SQL does.
    Sql {
        /// The kind of statement.
        statement: String,
        /// Whether it has a WHERE of its own.
        #[serde(default, skip_serializing_if = "is_false")]
        has_where: bool,
        /// Whether a transaction block was open.
        #[serde(default, skip_serializing_if = "is_false")]
        in_transaction: bool,
        /// The setting that it changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        setting: Option<String>,
        /// How many rows the planner guessed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated_rows: Option<i64>,
        /// What it is about.
        on: Box<DbObject>,
    },
    /// A public key that wants a certificate.
    Key {
        /// `SHA256:…`
        fingerprint: String,
        /// As in the key file.
        algorithm: String,
        /// Its size.
        bits: u32,
    },
    /// Something that is not kept.
    Unkept,
}

/// Something in a database, by the names that lead to it, the database's first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DbObject {
    /// The database.
    Database(String),
    /// A schema.
    Schema([String; 2]),
    /// A table.
    Table([String; 3]),
    /// A column of a table.
    Column([String; 4]),
    /// All functions of that name.
    Function([String; 3]),
}

impl About {
    /// Whether all is here that policy was told, so that the same question can be asked again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !matches!(self, Self::Unkept | Self::Http { body: true, .. })
    }
}

/// A request as a Kubernetes API server resolves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ApiRequest {
    /// The server's verb.
    pub verb: String,
    /// The group; the core group has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind of objects in the plural.
    pub resource: String,
    /// The namespace that is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object that is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The part of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// The container that is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Whether nothing would be kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
