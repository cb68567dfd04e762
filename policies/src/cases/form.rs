//! The form of a `*.test.toml` file. An unknown key is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Verdict;
use crate::rule::Mask;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "principal")]
    pub(super) principals: BTreeMap<String, Who>,
    #[serde(default, rename = "target")]
    pub(super) targets: BTreeMap<String, What>,
    #[serde(default, rename = "case")]
    pub(super) cases: Vec<toml::Spanned<Case>>,
    /// The tables that cases with `sql` are about: `"schema.name" = ["column", …]`.
    #[serde(default)]
    pub(super) tables: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    pub(super) id: String,
    #[serde(default)]
    pub(super) service: bool,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct What {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) principal: String,
    /// Not for a case with `sql`, which is all that the statement does.
    #[serde(default)]
    pub(super) action: String,
    pub(super) sql: Option<String>,
    /// The target, or the one that the session, recording or approval is about.
    pub(super) target: Option<String>,
    #[serde(default)]
    pub(super) login: String,
    pub(super) command: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) recursive: bool,
    pub(super) to: Option<String>,
    /// Whose session or recording it is, who asks for the approval, or who is to be locked.
    pub(super) owner: Option<String>,
    /// For `view_input`: the session itself, not its recording.
    #[serde(default)]
    pub(super) live: bool,
    #[serde(default)]
    pub(super) asks: Vec<String>,
    #[serde(default)]
    pub(super) key: KeyForm,
    pub(super) table: Option<TableForm>,
    pub(super) function: Option<FunctionForm>,
    pub(super) schema: Option<SchemaForm>,
    pub(super) database: Option<String>,
    pub(super) setting: Option<String>,
    /// Of each statement, for a case with `sql`.
    pub(super) estimated_rows: Option<i64>,
    pub(super) kubernetes: Option<ApiForm>,
    pub(super) http: Option<HttpForm>,
    #[serde(default)]
    pub(super) statement: String,
    #[serde(default)]
    pub(super) has_where: bool,
    #[serde(default)]
    pub(super) in_transaction: bool,
    pub(super) source_ip: Option<IpAddr>,
    pub(super) time: Option<Timestamp>,
    pub(super) authenticated_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) device_bound: bool,
    pub(super) reason: Option<String>,
    pub(super) expect: Answer,
    /// A policy that must have had a say.
    pub(super) policy: Option<String>,
    pub(super) mask: Option<MaskWord>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableForm {
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionForm {
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaForm {
    pub(super) database: String,
    pub(super) name: String,
}

/// A request to a Kubernetes API server; with `path` one about no resource.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApiForm {
    pub(super) verb: Option<String>,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
    pub(super) container: Option<String>,
    pub(super) command: Vec<String>,
    pub(super) dry_run: bool,
    pub(super) path: String,
    pub(super) field: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpForm {
    pub(super) method: Option<String>,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) content_type: Option<String>,
    pub(super) headers: Vec<String>,
    pub(super) size: Option<u64>,
    /// A JSON text.
    pub(super) body: Option<String>,
    pub(super) field: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyForm {
    pub(super) algorithm: String,
    pub(super) bits: u32,
}

impl Default for KeyForm {
    fn default() -> Self {
        KeyForm { algorithm: "ssh-ed25519".to_owned(), bits: 256 }
    }
}

/// An answer of policy, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It goes on.
    Allow,
    /// It waits.
    Hold,
    /// It is refused.
    Deny,
}

impl From<&Verdict> for Answer {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Allow => Answer::Allow,
            Verdict::Hold(_) => Answer::Hold,
            Verdict::Deny(_) => Answer::Deny,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Allow => "allow",
            Answer::Hold => "hold",
            Answer::Deny => "deny",
        })
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct MaskWord(pub(super) Mask);

impl TryFrom<String> for MaskWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let found = Mask::WORDS.iter().find(|(name, _)| *name == word);
        found.map(|(_, mask)| MaskWord(*mask)).ok_or_else(|| format!("there is no mask \"{word}\""))
    }
}
