//! What a database holds, as the gateway read it from the system catalogs, and indexes over it. It reads nothing itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::refused::Refused;
use super::script::Statement;

/// A column of a relation by number, as RowDescription names it. Numbers below 1 are system columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnId {
    /// `pg_class.oid`; relations that the session made count down from [`u32::MAX`].
    pub relation: u32,
    /// `pg_attribute.attnum`.
    pub number: i16,
}

/// The rows of the system catalogs that analysis needs, system schemas included. `policy explain --catalog` reads it as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rows {
    /// The server's major version: 13 to 18.
    pub major: u16,
    /// The database's name.
    pub database: String,
    /// `pg_class`: everything that can stand in FROM, sequences and indexes.
    pub relations: Vec<Arc<Relation>>,
    /// `pg_proc` outside of `pg_catalog` and `information_schema`, each name once a schema.
    pub functions: Vec<Routine>,
    /// The names in `pg_proc` of `pg_catalog`. Where there are none, every name counts as one.
    pub system_functions: Vec<Arc<str>>,
    /// `pg_operator` outside of `pg_catalog`.
    pub operators: Vec<Operator>,
    /// `pg_cast` with a function outside of `pg_catalog`.
    pub casts: Vec<Cast>,
    /// `pg_type` outside of `pg_catalog`, without row types of tables and array types.
    pub types: Vec<Type>,
    /// `pg_namespace`.
    pub schemas: Vec<Arc<str>>,
}

/// A relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// `pg_class.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    #[serde(default)]
    pub kind: RelationKind,
    /// Its columns in order of their number, without dropped ones.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// What it inherits from or is a partition of; of an index, its table.
    #[serde(default)]
    pub parents: Vec<u32>,
    /// Of a view or a materialised view: `pg_get_viewdef`, read with an empty search path, so that every name is qualified.
    #[serde(default)]
    pub definition: Option<Arc<str>>,
    /// Whether it has rules beside the one that makes it a view: they run what cannot be seen here.
    #[serde(default)]
    pub rules: bool,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// `r`, `t`
    #[default]
    Table,
    /// `p`
    Partitioned,
    /// `v`
    View,
    /// `m`
    MaterialisedView,
    /// `f`
    Foreign,
    /// `S`
    Sequence,
    /// `i`, `I`
    Index,
    /// `c`
    Composite,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// `pg_attribute.attnum`
    pub number: i16,
    /// Its name.
    pub name: Arc<str>,
    /// `pg_attribute.atttypid`; 0 if it is not known.
    #[serde(default)]
    pub type_oid: u32,
}

/// A function, procedure or aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routine {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Whether every function of that name is immutable, written in C (or internal) and part of an extension. Operators and casts
    /// that call such a one are taken for as harmless as the system's own.
    #[serde(default)]
    pub native: bool,
}

/// An operator and the function behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its characters.
    pub name: Arc<str>,
    /// The function that it calls.
    pub function: Routine,
}

/// A cast and the function behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The schema of the type that it casts to.
    pub schema: Arc<str>,
    /// The type that it casts to.
    pub to: Arc<str>,
    /// The function that it calls.
    pub function: Routine,
}

/// A type that is not the system's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Type {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Relation {
    /// The column of this name; system columns are not among them.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| *column.name == *name)
    }

    /// The column of this number.
    #[must_use]
    pub fn numbered(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// One of its columns.
    #[must_use]
    pub fn id(&self, column: &Column) -> ColumnId {
        ColumnId { relation: self.oid, number: column.number }
    }
}

type ByName = HashMap<Arc<str>, Vec<usize>>;

/// [`Rows`] with indexes. Immutable: DDL seen means that another one is read.
#[derive(Debug)]
pub struct Catalog {
    rows: Rows,
    number: u64,
    relations: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
    by_oid: HashMap<u32, usize>,
    children: HashMap<u32, Vec<u32>>,
    functions: ByName,
    operators: ByName,
    casts: ByName,
    types: ByName,
    system_functions: HashSet<Arc<str>>,
    views: HashMap<u32, OnceLock<Result<Arc<Statement>, Refused>>>,
}

/// Each catalog has a number of its own, so that what was kept for another is not taken for it.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Catalog {
    /// Indexes the rows.
    #[must_use]
    pub fn new(rows: Rows) -> Self {
        let mut relations: HashMap<Arc<str>, HashMap<Arc<str>, usize>> = HashMap::new();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (index, relation) in rows.relations.iter().enumerate() {
            relations.entry(Arc::clone(&relation.schema)).or_default().insert(Arc::clone(&relation.name), index);
            if relation.kind != RelationKind::Index {
                relation.parents.iter().for_each(|parent| children.entry(*parent).or_default().push(relation.oid));
            }
        }
        Catalog {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            by_oid: rows.relations.iter().enumerate().map(|(index, relation)| (relation.oid, index)).collect(),
            functions: by_name(rows.functions.iter().map(|function| &function.name)),
            operators: by_name(rows.operators.iter().map(|operator| &operator.name)),
            casts: by_name(rows.casts.iter().map(|cast| &cast.to)),
            types: by_name(rows.types.iter().map(|one| &one.name)),
            system_functions: rows.system_functions.iter().cloned().collect(),
            views: rows.relations.iter().filter(|relation| is_view(relation)).map(|view| (view.oid, OnceLock::new())).collect(),
            relations,
            children,
            rows,
        }
    }

    /// The number that no other catalog of this process has.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it was made of.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// A relation by name.
    #[must_use]
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.rows.relations.get(*self.relations.get(schema)?.get(name)?)
    }

    /// A relation by number.
    #[must_use]
    pub fn numbered(&self, oid: u32) -> Option<&Arc<Relation>> {
        self.rows.relations.get(*self.by_oid.get(&oid)?)
    }

    /// What a view would do, if it is one of the database's own. Analysed when it is first asked for, on a stack as large as for
    /// [`super::analyse()`].
    pub(crate) fn view(&self, oid: u32) -> Option<&Result<Arc<Statement>, Refused>> {
        let definition = self.numbered(oid)?.definition.as_ref()?;
        Some(self.views.get(&oid)?.get_or_init(|| super::analyse::view(definition, self).map(Arc::new)))
    }

    pub(crate) fn has_system_function(&self, name: &str) -> bool {
        self.system_functions.is_empty() || self.system_functions.contains(name)
    }

    /// What inherits from a relation, or is a partition of it, directly.
    fn children(&self, oid: u32) -> &[u32] {
        self.children.get(&oid).map(Vec::as_slice).unwrap_or_default()
    }

    /// Everything that a relation inherits from, or is a part of.
    pub(crate) fn ancestors(&self, oid: u32) -> Vec<&Arc<Relation>> {
        self.line(oid, |oid| self.numbered(oid).map(|relation| relation.parents.as_slice()).unwrap_or_default())
    }

    /// Everything that inherits from a relation, or is a part of it.
    pub(crate) fn descendants(&self, oid: u32) -> Vec<&Arc<Relation>> {
        self.line(oid, |oid| self.children(oid))
    }

    fn line<'c>(&'c self, oid: u32, next: impl Fn(u32) -> &'c [u32]) -> Vec<&'c Arc<Relation>> {
        let (mut open, mut seen, mut found) = (next(oid).to_vec(), HashSet::from([oid]), Vec::new());
        while let Some(oid) = open.pop() {
            if seen.insert(oid) {
                open.extend(next(oid));
                found.extend(self.numbered(oid));
            }
        }
        found
    }

    pub(crate) fn has_schema(&self, name: &str) -> bool {
        self.relations.contains_key(name) || self.rows.schemas.iter().any(|schema| **schema == *name)
    }

    pub(crate) fn functions<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Routine> + use<'a> {
        some(&self.functions, name, &self.rows.functions)
    }

    pub(crate) fn operators<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Operator> + use<'a> {
        some(&self.operators, name, &self.rows.operators)
    }

    pub(crate) fn casts<'a>(&'a self, to: &str) -> impl Iterator<Item = &'a Cast> + use<'a> {
        some(&self.casts, to, &self.rows.casts)
    }

    pub(crate) fn types<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Type> + use<'a> {
        some(&self.types, name, &self.rows.types)
    }
}

/// Whether its rows are made by a query that can be read. The system's own views are taken as tables: policy names them.
fn is_view(relation: &Relation) -> bool {
    let kind = matches!(relation.kind, RelationKind::View | RelationKind::MaterialisedView);
    kind && relation.definition.is_some() && !is_system(&relation.schema)
}

/// Whether a schema belongs to the server.
pub(crate) fn is_system(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
}

fn by_name<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> ByName {
    let mut map = ByName::new();
    names.enumerate().for_each(|(index, name)| map.entry(Arc::clone(name)).or_default().push(index));
    map
}

fn some<'a, T>(map: &'a ByName, name: &str, all: &'a [T]) -> impl Iterator<Item = &'a T> + use<'a, T> {
    map.get(name).into_iter().flatten().filter_map(|index| all.get(*index))
}
