//! What names mean at one place of a query: the items of FROM, the common table expressions, and the queries around. It follows
//! PostgreSQL's own rules of visibility; what they leave ambiguous is refused.

use std::rc::Rc;
use std::sync::Arc;

use super::super::catalog::{ColumnId, Relation};
use super::super::refused::Refused;
use super::super::script::{Name, Origin};
use super::{name_of, no_column, system_column};

/// A column of a relation whose value is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) id: ColumnId,
    pub(super) table: Name,
    pub(super) column: Arc<str>,
}

/// What is known of a value: which columns it may be handed on from, and what the server will say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) flows: Vec<Source>,
    pub(super) origin: Origin,
}

impl Value {
    /// A value that no column is handed on in.
    pub(super) fn made() -> Self {
        Value { flows: Vec::new(), origin: no_column() }
    }

    /// Either of two values.
    pub(super) fn or(mut self, other: &Value) -> Self {
        for source in &other.flows {
            if !self.flows.contains(source) {
                self.flows.push(source.clone());
            }
        }
        self.origin = match (self.origin, &other.origin) {
            (Origin::Known(mut one), Origin::Known(two)) => {
                one.extend(two.iter().filter(|id| !one.contains(id)).copied().collect::<Vec<_>>());
                Origin::Known(one)
            }
            _ => Origin::Made,
        };
        self
    }
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: Arc<str>,
    pub(super) value: Value,
}

impl Column {
    pub(super) fn made(name: impl Into<Arc<str>>) -> Self {
        Column { name: name.into(), value: Value::made() }
    }
}

/// Where the columns of an item come from.
#[derive(Debug, Clone)]
pub(super) enum Columns {
    /// A relation's, with other names for the first of them.
    Of(Arc<Relation>, Vec<Arc<str>>),
    Given(Rc<Vec<Column>>),
}

/// One item of FROM.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name; empty for a join without one.
    pub(super) name: Arc<str>,
    /// Whether the name is an alias.
    pub(super) aliased: bool,
    pub(super) columns: Columns,
    /// Whether there may be further columns, which are no table's.
    pub(super) open: bool,
    /// Whether it can be named.
    pub(super) named: bool,
    /// Whether its columns can be named without it.
    pub(super) bare: bool,
}

impl Item {
    pub(super) fn of(relation: Arc<Relation>, alias: Option<Arc<str>>, names: Vec<Arc<str>>) -> Self {
        let name = alias.clone().unwrap_or_else(|| Arc::clone(&relation.name));
        Item { name, aliased: alias.is_some(), columns: Columns::Of(relation, names), open: false, named: true, bare: true }
    }

    pub(super) fn given(name: Arc<str>, columns: Vec<Column>) -> Self {
        let named = !name.is_empty();
        Item { name, aliased: true, columns: Columns::Given(Rc::new(columns)), open: false, named, bare: true }
    }

    /// The relation whose rows these are, if they are one's.
    pub(super) fn relation(&self) -> Option<&Arc<Relation>> {
        match &self.columns {
            Columns::Of(relation, _) => Some(relation),
            Columns::Given(_) => None,
        }
    }

    pub(super) fn all(&self) -> Vec<Column> {
        match &self.columns {
            Columns::Given(columns) => columns.to_vec(),
            Columns::Of(relation, names) => (0..relation.columns.len()).filter_map(|n| nth(relation, names, n)).collect(),
        }
    }

    /// The columns of this name; more than one is ambiguous.
    fn find(&self, name: &str) -> Vec<Column> {
        match &self.columns {
            Columns::Given(columns) => columns.iter().filter(|column| *column.name == *name).cloned().collect(),
            Columns::Of(relation, names) => {
                let named = |n: &usize| named(relation, names, *n).is_some_and(|own| **own == *name);
                (0..relation.columns.len()).filter(named).filter_map(|n| nth(relation, names, n)).collect()
            }
        }
    }

    /// A column of the system's, of which nothing is asked.
    fn system(&self, name: &str) -> Option<Value> {
        let id = system_column(self.relation()?, name)?;
        Some(Value { flows: Vec::new(), origin: Origin::Known(vec![id]) })
    }
}

fn named<'a>(relation: &'a Relation, names: &'a [Arc<str>], n: usize) -> Option<&'a Arc<str>> {
    names.get(n).or_else(|| relation.columns.get(n).map(|column| &column.name))
}

fn nth(relation: &Relation, names: &[Arc<str>], n: usize) -> Option<Column> {
    let (column, name) = (relation.columns.get(n)?, named(relation, names, n)?);
    let source = Source { id: relation.id(column), table: name_of(relation), column: Arc::clone(&column.name) };
    let origin = if made_here(relation) { Origin::Made } else { Origin::Known(vec![source.id]) };
    Some(Column { name: Arc::clone(name), value: Value { flows: vec![source], origin } })
}

/// Whether a relation has a number of our own.
fn made_here(relation: &Relation) -> bool {
    relation.oid > u32::MAX - (1 << 24)
}

/// A common table expression.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: Arc<str>,
    /// `None` while it cannot be used yet: a reference to one that is written later.
    pub(super) columns: Option<Rc<Vec<Column>>>,
}

/// The names at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) parent: Option<&'s Scope<'s>>,
    pub(super) items: &'s [Item],
    pub(super) tables: &'s [Table],
}

/// What a column's name means.
pub(super) enum Meaning {
    Column(Value),
    /// The item's rows as a whole.
    Row(Item),
    /// A function of that name on the item's rows as a whole.
    Call(Item),
}

impl<'s> Scope<'s> {
    pub(super) const EMPTY: Scope<'static> = Scope { parent: None, items: &[], tables: &[] };

    pub(super) fn under(parent: Option<&'s Scope<'s>>, items: &'s [Item]) -> Self {
        Scope { parent, items, tables: &[] }
    }

    fn levels(&'s self) -> impl Iterator<Item = &'s Scope<'s>> {
        std::iter::successors(Some(self), |scope| scope.parent)
    }

    /// The common table expression of this name.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.levels().find_map(|scope| scope.tables.iter().rev().find(|table| *table.name == *name))
    }

    /// `name`
    pub(super) fn bare(&self, name: &str) -> Result<Option<Meaning>, Refused> {
        let mut open = false;
        for scope in self.levels() {
            if let Some(value) = scope.here(name)? {
                return Ok(Some(Meaning::Column(value)));
            }
            open |= scope.items.iter().any(|item| item.open && item.bare);
        }
        if let Some(item) = self.item(name)? {
            return Ok(Some(Meaning::Row(item.clone())));
        }
        Ok(open.then(|| Meaning::Column(Value::made())))
    }

    /// `name`, of this level only.
    pub(super) fn here(&self, name: &str) -> Result<Option<Value>, Refused> {
        let bare = || self.items.iter().filter(|item| item.bare);
        let mut found = bare().flat_map(|item| item.find(name));
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(Some(column.value)),
            (Some(_), Some(_)) => Err(Refused::new("42702", format!("column reference \"{name}\" is ambiguous"))),
            (None, _) => Ok(bare().find_map(|item| item.system(name))),
        }
    }

    /// The item of this name at the nearest level that has one.
    pub(super) fn item(&self, name: &str) -> Result<Option<&Item>, Refused> {
        for scope in self.levels() {
            let mut found = scope.items.iter().filter(|item| item.named && *item.name == *name);
            match (found.next(), found.next()) {
                (Some(item), None) => return Ok(Some(item)),
                (Some(_), Some(_)) => return Err(Refused::new("42P09", format!("table reference \"{name}\" is ambiguous"))),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// The item that is this very relation, without an alias.
    pub(super) fn item_of(&self, relation: &Relation) -> Option<&Item> {
        let is = |item: &&Item| item.named && !item.aliased && item.relation().is_some_and(|own| own.oid == relation.oid);
        self.levels().find_map(|scope| scope.items.iter().find(is))
    }
}

impl Item {
    /// `item.name`
    pub(super) fn column(&self, name: &str) -> Result<Meaning, Refused> {
        let mut found = self.find(name).into_iter();
        match (found.next(), found.next()) {
            (Some(column), None) => return Ok(Meaning::Column(column.value)),
            (Some(_), Some(_)) => return Err(Refused::new("42702", format!("column reference \"{name}\" is ambiguous"))),
            (None, _) => {}
        }
        match self.system(name) {
            Some(value) => Ok(Meaning::Column(value)),
            None if self.open => Ok(Meaning::Column(Value::made())),
            None => Ok(Meaning::Call(self.clone())),
        }
    }
}
