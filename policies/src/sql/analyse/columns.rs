//! References to columns, whole rows and stars.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{ColumnRef, Node, RangeVar};

use super::super::refused::Refused;
use super::super::script::Use;
use super::scope::{Column, Columns, Item, Meaning, Scope, Value};
use super::{Analyst, Ruled};
use crate::Action;

/// The parts of a reference: its names, and whether a star follows.
struct Parts<'n> {
    names: Vec<&'n str>,
    star: bool,
}

fn parts(fields: &[Node]) -> Option<Parts<'_>> {
    let (mut names, mut star) = (Vec::new(), false);
    for field in fields {
        match &field.node {
            Some(NodeEnum::String(name)) if !star => names.push(name.sval.as_str()),
            Some(NodeEnum::AStar(_)) if !star => star = true,
            _ => return None,
        }
    }
    Some(Parts { names, star })
}

impl Analyst<'_> {
    /// A reference in an expression: its value, if it is a column's. Rows and calls are dealt with.
    pub(super) fn reference(&mut self, reference: &ColumnRef, scope: &Scope<'_>) -> Ruled<Value> {
        let ColumnRef { fields, location } = reference;
        let Some(Parts { names, star }) = parts(fields) else {
            return Err(self.refused(Refused::unsupported("the bastion cannot read this reference"), *location));
        };
        if star {
            for item in self.starred(&names, scope, *location)? {
                self.whole(&item, *location);
            }
            return Ok(Value::made());
        }
        match self.meaning(&names, scope, *location)? {
            Meaning::Column(value) => Ok(value),
            Meaning::Row(item) => {
                self.whole(&item, *location);
                Ok(Value::made())
            }
            Meaning::Call(item) => {
                let name = names.last().copied().unwrap_or_default();
                if !self.is_function(name) {
                    return Err(self.no_column(&names, *location));
                }
                self.whole(&item, *location);
                self.called(&[name], *location)?;
                Ok(Value::made())
            }
        }
    }

    fn no_column(&self, names: &[&str], location: i32) -> Refused {
        let shown = match names {
            [name] => format!("\"{name}\""),
            names => names.join("."),
        };
        self.refused(Refused::unknown("42703", format!("column {shown} does not exist")), location)
    }

    fn meaning(&mut self, names: &[&str], scope: &Scope<'_>, location: i32) -> Ruled<Meaning> {
        let place = |refused: Refused| refused.at(self.text, super::byte(location));
        match names {
            [name] => scope.bare(name).map_err(place)?.ok_or_else(|| self.no_column(names, location)),
            [item, name] => match scope.item(item).map_err(place)? {
                Some(item) => item.column(name).map_err(place),
                None => Err(self.no_item(item, location)),
            },
            [_, _, name] | [_, _, _, name] => {
                let item = self.item_of(names.get(..names.len() - 1).unwrap_or_default(), scope, location)?;
                item.column(name).map_err(|refused| self.refused(refused, location))
            }
            _ => Err(self.no_column(names, location)),
        }
    }

    /// The items that a star stands for; none named: all.
    fn starred(&mut self, names: &[&str], scope: &Scope<'_>, location: i32) -> Ruled<Vec<Item>> {
        match names {
            [] => Ok(scope.items.iter().filter(|item| item.bare).cloned().collect()),
            [name] => match scope.item(name).map_err(|refused| self.refused(refused, location))? {
                Some(item) => Ok(vec![item.clone()]),
                None => Err(self.no_item(name, location)),
            },
            names => Ok(vec![self.item_of(names, scope, location)?]),
        }
    }

    fn no_item(&self, name: &str, location: i32) -> Refused {
        self.refused(Refused::unknown("42P01", format!("missing FROM-clause entry for table \"{name}\"")), location)
    }

    /// The item that `schema.table` or `database.schema.table` names.
    fn item_of(&mut self, names: &[&str], scope: &Scope<'_>, location: i32) -> Ruled<Item> {
        let (database, schema, table) = match names {
            [schema, table] => ("", *schema, *table),
            [database, schema, table] => (*database, *schema, *table),
            _ => return Err(self.no_column(names, location)),
        };
        let range = RangeVar {
            catalogname: database.to_owned(),
            schemaname: schema.to_owned(),
            relname: table.to_owned(),
            location,
            ..RangeVar::default()
        };
        let relation = self.relation(&range)?;
        scope.item_of(&relation).cloned().ok_or_else(|| self.no_item(table, location))
    }

    /// An item's rows as a whole.
    pub(super) fn whole(&mut self, item: &Item, location: i32) {
        match &item.columns {
            Columns::Of(relation, _) => self.whole_row(relation, location),
            Columns::Given(columns) => {
                for column in columns.iter() {
                    self.used_as(&column.value, Action::PgReadColumn, &Use::WholeRow, location);
                }
            }
        }
    }

    /// The columns that a star in a list of results stands for, and whether there may be more; `None`: it is no star.
    pub(super) fn star(&mut self, node: &Node, scope: &Scope<'_>) -> Ruled<Option<(Vec<Column>, bool)>> {
        let Some(NodeEnum::ColumnRef(ColumnRef { fields, location })) = &node.node else { return Ok(None) };
        let Some(Parts { names, star: true }) = parts(fields) else { return Ok(None) };
        let items = self.starred(&names, scope, *location)?;
        let open = items.iter().any(|item| item.open);
        Ok(Some((items.iter().flat_map(Item::all).collect(), open)))
    }

    /// The bare name that a reference is, if it is one.
    pub(super) fn bare_name(node: &Node) -> Option<Arc<str>> {
        let Some(NodeEnum::ColumnRef(ColumnRef { fields, location: _ })) = &node.node else { return None };
        match parts(fields)? {
            Parts { names, star: false } => match names.as_slice() {
                [name] => Some((*name).into()),
                _ => None,
            },
            Parts { .. } => None,
        }
    }
}
