//! Queries: SELECT, VALUES, TABLE, and what UNION, INTERSECT and EXCEPT make of them.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{List, LockingClause, Node, RangeVar, ResTarget, SelectStmt, SetOperation};

use super::super::refused::Refused;
use super::scope::{Column, Item, Scope, Table, Value};
use super::{Analyst, For, Ruled};
use crate::Action;

/// PostgreSQL's own limit.
const MOST_COLUMNS: usize = 1664;

/// What a query gives.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    /// There may be further columns, and then it is not known which is which.
    pub(super) open: bool,
}

impl Rows {
    pub(super) fn none() -> Self {
        Rows { columns: Vec::new(), open: false }
    }
}

impl Analyst<'_> {
    pub(super) fn query_if(&mut self, node: Option<&Node>, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        match node {
            Some(node) => self.query(node, around),
            None => Err(Refused::unsupported("the bastion cannot read this query")),
        }
    }

    /// A query, or a statement that gives rows within one.
    pub(super) fn query(&mut self, node: &Node, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        self.down()?;
        self.queries += 1;
        let rows = match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select, around),
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert, around),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update, around),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete, around),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge, around),
            _ => Err(Refused::unsupported("the bastion cannot read this query")),
        };
        self.queries -= 1;
        self.up();
        rows
    }

    fn select(&mut self, select: &SelectStmt, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        if let Some(into) = &select.into_clause {
            let place = into.rel.as_ref().map_or(-1, |range| range.location);
            return Err(self.refused(Refused::new("42601", "SELECT ... INTO is not allowed here"), place));
        }
        let tables = self.with(select.with_clause.as_ref(), around)?;
        let scope = Scope { parent: around, items: &[], tables: &tables };
        self.body(select, &scope, None)
    }

    /// A query without its WITH. `recursive`: it is what a recursive common table expression of this name is made of.
    pub(super) fn body(&mut self, select: &SelectStmt, around: &Scope<'_>, recursive: Option<(&Arc<str>, &[Arc<str>])>) -> Ruled<Rows> {
        let SelectStmt {
            distinct_clause,
            into_clause: _,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause: _,
            op,
            all,
            larg,
            rarg,
        } = select;
        self.newer_than(13, *group_distinct);
        let outer = std::mem::take(&mut self.held);
        let mut items = Vec::new();
        let rows = match (SetOperation::try_from(*op), larg, rarg) {
            (Ok(SetOperation::SetopNone | SetOperation::Undefined), None, None) if !values_lists.is_empty() => {
                self.values(values_lists, around)?
            }
            (Ok(SetOperation::SetopNone | SetOperation::Undefined), None, None) => {
                self.from(from_clause, around, &mut items)?;
                let scope = Scope::under(Some(around), &items);
                self.note_where(where_clause.is_some());
                self.condition(where_clause.as_deref(), &scope, For::Filter)?;
                self.held = self.held_by(where_clause.as_deref(), &items, &scope)?;
                let rows = self.targets(target_list, &scope)?;
                self.held.clear();
                self.group_by(group_clause, &rows.columns, &scope)?;
                self.expression_if(having_clause.as_deref(), &scope, For::Filter)?;
                for window in window_clause {
                    match &window.node {
                        Some(NodeEnum::WindowDef(window)) => self.window(window, &scope)?,
                        _ => return Err(Refused::unsupported("the bastion cannot read this WINDOW")),
                    }
                }
                rows
            }
            (Ok(operation), Some(left), Some(right)) => {
                let compares = operation != SetOperation::SetopUnion || !*all;
                self.set_operation(left, right, compares, around, recursive)?
            }
            _ => return Err(Refused::unsupported("the bastion cannot read this query")),
        };
        let scope = Scope::under(Some(around), &items);
        self.distinct(distinct_clause, &rows.columns, &scope, -1)?;
        self.order_by(sort_clause, &rows.columns, &scope)?;
        self.expression_if(limit_offset.as_deref(), &scope, For::Filter)?;
        self.expression_if(limit_count.as_deref(), &scope, For::Filter)?;
        self.locking(locking_clause, &items)?;
        self.held = outer;
        Ok(rows)
    }

    /// Whether the statement itself, not a query within it, has a WHERE.
    pub(super) fn note_where(&mut self, is: bool) {
        self.has_where |= is && self.queries <= 1;
    }

    /// A list of results.
    pub(super) fn targets(&mut self, targets: &[Node], scope: &Scope<'_>) -> Ruled<Rows> {
        let mut rows = Rows::none();
        for target in targets {
            let Some(NodeEnum::ResTarget(target)) = &target.node else {
                return Err(Refused::unsupported("the bastion cannot read this list of results"));
            };
            let ResTarget { name, indirection, val, location: _ } = &**target;
            self.indirection(indirection, scope, For::Value)?;
            let Some(node) = val.as_deref() else { continue };
            if let Some((columns, open)) = self.star(node, scope)? {
                columns.iter().for_each(|column| self.handed_on(&column.value));
                rows.columns.extend(columns);
                rows.open |= open;
                continue;
            }
            rows.open |= expands(node);
            let title = if name.is_empty() { super::titles::title(node) } else { name.clone() };
            let value = self.value(node, scope)?;
            rows.columns.push(Column { name: title.into(), value });
        }
        self.spend(rows.columns.len())?;
        if rows.columns.len() > MOST_COLUMNS {
            return Err(Refused::new("54011", format!("target lists can have at most {MOST_COLUMNS} entries")));
        }
        if rows.open {
            // Which result is which is not known, so that none could be masked.
            rows.columns.iter().for_each(|column| self.used(&column.value, For::Value, -1));
        }
        Ok(rows)
    }

    fn values(&mut self, lists: &[Node], scope: &Scope<'_>) -> Ruled<Rows> {
        let mut width = 0;
        for list in lists {
            let Some(NodeEnum::List(List { items })) = &list.node else {
                return Err(Refused::unsupported("the bastion cannot read these VALUES"));
            };
            width = items.len();
            self.expressions(items, scope, For::Value)?;
        }
        Ok(Rows { columns: (1..=width).map(|n| Column::made(format!("column{n}"))).collect(), open: false })
    }

    fn set_operation(
        &mut self,
        left: &SelectStmt,
        right: &SelectStmt,
        compares: bool,
        around: &Scope<'_>,
        recursive: Option<(&Arc<str>, &[Arc<str>])>,
    ) -> Ruled<Rows> {
        let one = self.arm(left, around)?;
        let Some((name, names)) = recursive else {
            let two = self.arm(right, around)?;
            return self.combined(one, two, compares);
        };
        // The recursive part reads what it gives itself: look until nothing is added.
        let mut rows = one;
        for _ in 0..=rows.columns.len().saturating_add(1) {
            let own = Table { name: Arc::clone(name), columns: Some(super::with::renamed(&rows.columns, names).into()) };
            let tables = [own];
            let scope = Scope { parent: Some(around), items: &[], tables: &tables };
            let more = self.arm(right, &scope)?;
            let next = self.combined(rows.clone(), more, compares)?;
            if next.columns == rows.columns && next.open == rows.open {
                return Ok(next);
            }
            rows = next;
        }
        Err(Refused::unsupported("the bastion cannot follow what this recursive query hands on"))
    }

    fn arm(&mut self, select: &SelectStmt, around: &Scope<'_>) -> Ruled<Rows> {
        self.down()?;
        let rows = self.select(select, Some(around));
        self.up();
        rows
    }

    fn combined(&mut self, one: Rows, two: Rows, compares: bool) -> Ruled<Rows> {
        let open = one.open || two.open;
        if !open && one.columns.len() != two.columns.len() {
            return Err(Refused::new("42601", "each UNION, INTERSECT or EXCEPT query must have the same number of columns"));
        }
        if compares || open {
            let purpose = if compares { For::SetOperation } else { For::Value };
            one.columns.iter().chain(&two.columns).for_each(|column| self.used(&column.value, purpose, -1));
        }
        let pair = |(left, right): (Column, Column)| Column { name: left.name, value: left.value.or(&right.value) };
        Ok(Rows { columns: one.columns.into_iter().zip(two.columns).map(pair).collect(), open })
    }

    /// FOR UPDATE and the like need the right to change rows.
    fn locking(&mut self, clauses: &[Node], items: &[Item]) -> Ruled<()> {
        for clause in clauses {
            let Some(NodeEnum::LockingClause(LockingClause { locked_rels, strength: _, wait_policy: _ })) = &clause.node else {
                return Err(Refused::unsupported("the bastion cannot read this locking clause"));
            };
            let names: Vec<&str> = locked_rels.iter().filter_map(relname).collect();
            for item in items.iter().filter(|item| names.is_empty() || names.contains(&&*item.name)) {
                if let Some(relation) = item.relation() {
                    let relation = Arc::clone(relation);
                    self.ask_table(Action::PgUpdate, &relation);
                }
            }
        }
        Ok(())
    }

    /// The values of a query that go where they are not masked.
    pub(super) fn stored(&mut self, rows: &Rows) {
        rows.columns.iter().for_each(|column| self.used(&column.value, For::Stored, -1));
    }
}

fn relname(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::RangeVar(RangeVar { catalogname: _, schemaname: _, relname, inh: _, relpersistence: _, alias: _, location: _ })) => {
            Some(relname)
        }
        _ => None,
    }
}

/// Whether a result is more than one column: `(row).*`
fn expands(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AIndirection(indirection)) => {
            indirection.indirection.iter().any(|part| matches!(part.node, Some(NodeEnum::AStar(_))))
        }
        _ => false,
    }
}

/// A column that is made of another's value.
pub(super) fn named(name: impl Into<Arc<str>>, value: Value) -> Column {
    Column { name: name.into(), value }
}
