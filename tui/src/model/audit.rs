//! Entries of the audit log, as the bastion tells of them. Each kind has its own fields; none is left out.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::safe::Text;

/// Some entries, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Entries in the whole log.
    pub size: Option<u64>,
    /// The signed checkpoint, as it was sent.
    pub checkpoint: Option<Value>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AuditEntry {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// `decision`, `session.opened`, …
    #[serde(default)]
    pub kind: Text,
    /// Everything else.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl AuditEntry {
    /// The text of a field.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        self.fields.get(name).filter(|value| !value.is_null()).map(plain)
    }

    /// Who did it.
    #[must_use]
    pub fn who(&self) -> Option<Text> {
        ["principal", "by", "user"].iter().find_map(|name| self.text(name))
    }

    /// Every field with its name, nested ones with a dot between.
    #[must_use]
    pub fn all(&self) -> Vec<(Text, Text)> {
        let mut out = Vec::new();
        for (name, value) in &self.fields {
            flatten(name, value, &mut out);
        }
        out
    }

    /// One line about it, not escaped yet: the fields that say most, in order.
    #[must_use]
    pub fn line(&self) -> Text {
        const FIRST: [&str; 12] =
            ["verdict", "principal", "by", "user", "login", "target", "action", "operation", "what", "wish", "approval", "reason"];
        let texts = FIRST.iter().filter_map(|name| self.text(name)).filter(|text| !text.is_empty());
        let parts: Vec<String> = texts.map(|text| text.raw().to_owned()).collect();
        parts.join("  ").into()
    }
}

fn plain(value: &Value) -> Text {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(|item| plain(item).raw().to_owned()).collect::<Vec<_>>().join(", ").into(),
        Value::Object(map) if map.contains_key("id") => map.get("id").map(plain).unwrap_or_default(),
        other => other.to_string().into(),
    }
}

/// Deeper than this is shown as JSON.
const DEEPEST: usize = 3;

fn flatten(name: &str, value: &Value, out: &mut Vec<(Text, Text)>) {
    match value {
        Value::Object(map) if name.matches('.').count() < DEEPEST => {
            for (inner, value) in map {
                flatten(&format!("{name}.{inner}"), value, out);
            }
        }
        Value::Null => {}
        other => out.push((name.into(), plain(other))),
    }
}

impl<'de> Deserialize<'de> for AuditPage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Page {
                entries: Vec<AuditEntry>,
                #[serde(default)]
                size: Option<u64>,
                #[serde(default)]
                checkpoint: Option<Value>,
            },
            List(Vec<AuditEntry>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Page { entries, size, checkpoint } => Self { entries, size, checkpoint },
            Form::List(entries) => Self { entries, size: None, checkpoint: None },
        })
    }
}
