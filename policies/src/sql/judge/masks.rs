//! Which columns are masked: by what policy says of the column itself, of what its table inherits from and what inherits from it, and
//! of what a view hands on in it. The strongest wins.

use std::sync::Arc;

use cedar_policy::ResourceConstraint;

use super::{Judge, Sitting, column_of};
use crate::entities::names_in;
use crate::rule::Mask;
use crate::sql::catalog::{ColumnId, is_system};
use crate::sql::script::{Name, On};
use crate::{Action, Decision, Facts};

/// Views on views are followed this far.
pub(in crate::sql) const DEEPEST: usize = 32;

/// How a column is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) mask: Option<Mask>,
    /// Every mask on it allows comparing for equality.
    pub(super) equality: bool,
}

impl Shown {
    fn of(decision: &Decision) -> Self {
        Shown { mask: decision.mask, equality: decision.mask_equality }
    }

    fn and(self, other: Shown) -> Shown {
        let equality = match (self.mask, other.mask) {
            (Some(_), Some(_)) => self.equality && other.equality,
            (Some(_), None) => self.equality,
            (None, _) => other.equality,
        };
        Shown { mask: self.mask.max(other.mask), equality }
    }
}

impl Sitting<'_, '_> {
    pub(super) fn shown(&self, id: ColumnId) -> Shown {
        self.shown_at(id, 0)
    }

    fn shown_at(&self, id: ColumnId, depth: usize) -> Shown {
        if let Some(shown) = self.shown.borrow().get(&id) {
            return *shown;
        }
        let shown = self.look(id, depth);
        self.shown.borrow_mut().insert(id, shown);
        shown
    }

    fn look(&self, id: ColumnId, depth: usize) -> Shown {
        let Some((name, column)) = self.named(id) else { return Shown::default() };
        let own = Shown::of(&self.decide(Action::PgReadColumn, &On::Column(name, Arc::clone(&column), id), false));
        if depth >= DEEPEST {
            return Shown { mask: Some(Mask::Null), equality: false };
        }
        let above = self.judge.catalog.ancestors(id.relation).into_iter();
        let below = self.judge.catalog.descendants(id.relation);
        let family = above.chain(below).filter_map(|relation| column_of(relation, &column));
        let shown = family.map(|on| Shown::of(&self.decide(Action::PgReadColumn, &on, true))).fold(own, Shown::and);
        let flows = self.flows_of_view(id).unwrap_or_default();
        flows.into_iter().map(|flow| self.shown_at(flow, depth + 1)).fold(shown, Shown::and)
    }

    fn named(&self, id: ColumnId) -> Option<(Name, Arc<str>)> {
        if let Some(named) = self.names.get(&id) {
            return Some(named.clone());
        }
        let relation = self.judge.catalog.numbered(id.relation)?;
        Some((super::name_of(relation), Arc::clone(&relation.numbered(id.number)?.name)))
    }

    pub(super) fn name(&self, id: ColumnId) -> String {
        self.named(id).map(|(table, column)| format!("{table}.{column}")).unwrap_or_default()
    }

    /// A masked column of the relation, if it has one.
    pub(super) fn masked_of(&self, oid: u32) -> Option<ColumnId> {
        let columns =
            self.judge.catalog.numbered(oid).into_iter().flat_map(|relation| relation.columns.iter().map(|column| relation.id(column)));
        let made = self.names.keys().copied().filter(|id| id.relation == oid);
        columns.chain(made).find(|id| self.shown(*id).mask.is_some())
    }
}

impl Judge<'_> {
    /// Whether a policy with a mask holds here. Where it names its columns they are tried; where it is about more, it is taken to.
    pub(super) fn finds_masks(&self) -> bool {
        self.slice.masks(Action::PgReadColumn).any(|scope| match scope {
            ResourceConstraint::Eq(uid) if uid.type_name().basename() == "Column" => {
                match parts(&self.target.name, uid.id().unescaped()).as_slice() {
                    [schema, table, column] => self.hides(&Name::new(schema.as_str(), table.as_str()), column),
                    _ => false,
                }
            }
            ResourceConstraint::In(uid) if uid.type_name().basename() == "Table" => {
                match parts(&self.target.name, uid.id().unescaped()).as_slice() {
                    [schema, table] => self.hides_any(schema, table),
                    _ => false,
                }
            }
            _ => true,
        })
    }

    fn hides_any(&self, schema: &str, table: &str) -> bool {
        let Some(relation) = self.catalog.relation(schema, table).filter(|_| !is_system(schema)) else { return true };
        relation.columns.iter().any(|column| self.hides(&super::name_of(relation), &column.name))
    }

    fn hides(&self, table: &Name, column: &str) -> bool {
        let facts = Facts::Sql {
            statement: "select".to_owned(),
            has_where: false,
            in_transaction: self.in_transaction,
            setting: None,
            estimated_rows: None,
        };
        let on = On::Column(table.clone(), column.into(), ColumnId { relation: 0, number: 0 });
        self.ask(Action::PgReadColumn, &on, &self.context(facts), true).mask.is_some()
    }
}

/// The names in an id of the target's: `target/schema.table.column`, a name with dots in double quotes.
pub(in crate::sql) fn parts(target: &str, id: &str) -> Vec<String> {
    id.strip_prefix(target).and_then(|rest| rest.strip_prefix('/')).map(names_in).unwrap_or_default()
}
