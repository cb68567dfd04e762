//! What policies name: the things and texts that stand in them, so that what they grant can be tried out on these too, whether anybody
//! ever did it or not. It reads conditions and decides nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Action;
use crate::entities::names_in;
use crate::request::{Database, DbSchema, Function, Kind, Place, Route, Table, Target};
use crate::set::Slice;

/// How many texts and things are taken at most; then what policies name is not all tried out.
const MOST: usize = 512;

/// What stands in the policies of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Literals {
    /// Things inside the slice's target.
    pub places: Vec<Place>,
    /// Texts that something is compared with; what may stand for a `*` of a pattern is left out, and stands in once as `x`.
    pub texts: BTreeSet<String>,
    /// There were more.
    pub cut: bool,
}

impl Slice {
    /// What the policies name that matter here. `database` is the one that tables of the target are in, where that matters.
    #[must_use]
    pub fn literals(&self, target: &Target, database: &str) -> Literals {
        let (mut found, mut uids) = (Literals::default(), BTreeSet::new());
        let mut seen = BTreeSet::new();
        for policy in Action::ALL.iter().flat_map(|action| self.policies(*action)) {
            if !seen.insert(policy.id().to_string()) {
                continue;
            }
            uids.extend(
                policy.entity_literals().into_iter().map(|uid| (uid.type_name().basename().to_owned(), uid.id().unescaped().to_owned())),
            );
            if let Ok(json) = policy.to_json()
                && let Some(conditions) = json.get("conditions")
            {
                texts(conditions, &mut found.texts);
            }
        }
        found.places = uids.iter().filter_map(|(kind, id)| place(kind, id, target, database)).collect();
        found.cut = found.places.len() > MOST || found.texts.len() > MOST;
        found.places.truncate(MOST);
        while found.texts.len() > MOST {
            found.texts.pop_last();
        }
        found
    }
}

/// The texts in a condition's JSON form, however deep they are.
fn texts(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get("Value") {
                found.insert(text.clone());
            }
            if let Some(pattern) = members.get("like").and_then(|like| like.get("pattern")).and_then(Value::as_array) {
                let with = |wildcard: &str| -> String {
                    pattern.iter().map(|part| part.get("Literal").and_then(Value::as_str).unwrap_or(wildcard)).collect()
                };
                found.extend([with(""), with("x")]);
            }
            members.values().for_each(|member| texts(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| texts(member, found)),
        _ => {}
    }
}

/// What an id names, if it is inside the target.
fn place(kind: &str, id: &str, target: &Target, database: &str) -> Option<Place> {
    let rest = id.strip_prefix(target.name.as_str())?.strip_prefix('/')?;
    let (target, database, names) = (|| target.clone(), || database.to_owned(), names_in(rest));
    let table =
        |schema: &String, name: &String| Table { target: target(), database: database(), schema: schema.clone(), name: name.clone() };
    Some(match (kind, names.as_slice()) {
        ("Database", _) => Place::Database(Database { target: target(), name: rest.to_owned() }),
        ("Schema", [name]) => Place::Schema(DbSchema { target: target(), database: database(), name: name.clone() }),
        ("Table", [schema, name]) => Place::Table(table(schema, name)),
        ("Column", [schema, name, column]) => Place::Column(table(schema, name), column.clone()),
        ("Function", [schema, name]) => {
            Place::Function(Function { target: target(), database: database(), schema: schema.clone(), name: name.clone() })
        }
        ("Kind", _) => {
            let (group, name) = rest.split_once('/')?;
            let group = if group == "core" { String::new() } else { group.to_owned() };
            Place::Kind(Kind { target: target(), group, name: name.to_owned(), namespace: None })
        }
        ("Route", _) => {
            let (method, path) = rest.split_once(' ')?;
            Place::Route(Route { target: target(), method: method.to_owned(), path: path.to_owned() })
        }
        _ => return None,
    })
}
