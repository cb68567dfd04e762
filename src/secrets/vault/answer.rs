//! What a Vault-compatible server answers. Each text in it is taken as a secret, whatever it is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::Secret;

/// An answer.
#[derive(Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    lease_id: Option<String>,
    #[serde(default)]
    lease_duration: Option<u64>,
    #[serde(default)]
    renewable: Option<bool>,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    auth: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    client_token: Value,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

/// A token that was made or renewed.
pub(super) struct Auth {
    pub(super) token: Secret,
    pub(super) seconds: u64,
    pub(super) is_renewable: bool,
}

/// A value of JSON, of which texts and tables are of use.
enum Value {
    Text(Secret),
    Table(Fields),
    Number(u64),
    Truth(bool),
    Other,
}

/// A table, by name.
#[derive(Default)]
pub(super) struct Fields(BTreeMap<String, Value>);

impl Answer {
    /// Reads it; the error says nothing of what stands in it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "it does not have the form of one".to_owned(),
            _ => "it is not JSON".to_owned(),
        })
    }

    /// The fields of what was asked for: for KV version 2 those of the newest version.
    pub(super) fn fields(&self) -> Option<&Fields> {
        let Some(Value::Table(data)) = &self.data else { return None };
        match (data.0.get("data"), data.0.get("metadata")) {
            (Some(Value::Table(inner)), Some(Value::Table(_))) => Some(inner),
            (Some(Value::Other), Some(Value::Table(_))) => None,
            _ => Some(data),
        }
    }

    /// Id, seconds and whether it can be renewed, if something was lent.
    pub(super) fn lease(&self) -> Option<(String, u64, bool)> {
        let id = self.lease_id.clone().filter(|id| !id.is_empty())?;
        Some((id, self.lease_seconds(), self.renewable.unwrap_or(false)))
    }

    pub(super) fn lease_seconds(&self) -> u64 {
        self.lease_duration.unwrap_or(0)
    }

    /// The token in an answer to a login or to its renewal.
    pub(super) fn auth(&self) -> Option<Auth> {
        let login = self.auth.as_ref()?;
        let Value::Text(token) = &login.client_token else { return None };
        Some(Auth { token: token.clone(), seconds: login.lease_duration, is_renewable: login.renewable })
    }

    /// What `lookup-self` says of a token: the seconds that are left, and whether it can be renewed.
    pub(super) fn own_term(&self) -> Option<(u64, bool)> {
        let fields = self.fields()?;
        let Some(Value::Number(seconds)) = fields.0.get("ttl") else { return None };
        Some((*seconds, matches!(fields.0.get("renewable"), Some(Value::Truth(true)))))
    }
}

impl Fields {
    /// The text of that name; without a name that of the only field.
    pub(super) fn text(&self, name: Option<&str>) -> Result<Secret, String> {
        let found = match name {
            Some(name) => self.0.get(name).ok_or_else(|| format!("it has no field `{name}`; it has {}", self.names()))?,
            None => match (self.0.len(), self.0.values().next()) {
                (1, Some(only)) => only,
                _ => return Err(format!("name the field, as in field = \"password\"; it has {}", self.names())),
            },
        };
        match found {
            Value::Text(secret) if !secret.reveal().is_empty() => Ok(secret.clone()),
            _ => Err("the field is not text, or empty".to_owned()),
        }
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.0.keys().take(8).map(|name| format!("`{}`", crate::model::Printable(name))).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Secret::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(Secret::new(text)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Truth(truth))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = pairs.next_entry()? {
            fields.insert(name, value);
        }
        Ok(Value::Table(Fields(fields)))
    }
}
