//! INSERT, UPDATE, DELETE and MERGE, with what they hand back.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, DeleteStmt, IndexElem, InferClause, InsertStmt, MergeStmt, MergeWhenClause, MultiAssignRef, Node, OnConflictAction,
    OnConflictClause, RangeVar, ResTarget, ReturningClause, ReturningOption, ReturningOptionKind, UpdateStmt,
};

use super::super::catalog::Relation;
use super::super::refused::Refused;
use super::super::script::{Concern, Use};
use super::named::alias;
use super::scope::{Item, Scope};
use super::select::Rows;
use super::{Analyst, For, Ruled};
use crate::Action;

fn unreadable() -> Refused {
    Refused::unsupported("the bastion cannot read this statement")
}

impl Analyst<'_> {
    /// The relation that is changed, as an item that can be named.
    fn changed(&mut self, range: Option<&RangeVar>, action: Action) -> Ruled<(Arc<Relation>, Item)> {
        let range = range.ok_or_else(unreadable)?;
        let relation = self.readable(range)?;
        self.ask_table(action, &relation);
        if relation.rules {
            self.hazard(Concern::Session, Use::Object("changing a relation with rules:", Arc::clone(&relation.name)), range.location);
            self.in_doubt();
        }
        let (name, names) = alias(range.alias.as_ref());
        Ok((Arc::clone(&relation), Item::of(relation, name, names)))
    }

    pub(super) fn insert(&mut self, insert: &InsertStmt, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        let InsertStmt { relation, cols, select_stmt, on_conflict_clause, returning_clause, with_clause, r#override: _ } = insert;
        let tables = self.with(with_clause.as_ref(), around)?;
        let scope = Scope { parent: around, items: &[], tables: &tables };
        let (table, item) = self.changed(relation.as_ref(), Action::PgInsert)?;
        for target in cols {
            self.assigned(target, &table, &Scope::under(Some(&scope), &[]))?;
        }
        if let Some(select) = select_stmt {
            let rows = self.query(select, Some(&scope))?;
            self.stored(&rows);
        }
        if let Some(conflict) = on_conflict_clause {
            self.on_conflict(conflict, &table, &item, &scope)?;
        }
        self.returning(returning_clause.as_ref(), &table, &[item], &scope)
    }

    fn on_conflict(&mut self, conflict: &OnConflictClause, table: &Arc<Relation>, item: &Item, scope: &Scope<'_>) -> Ruled<()> {
        let OnConflictClause { action, infer, target_list, where_clause, location: _ } = conflict;
        let excluded = Item { aliased: true, bare: false, ..Item::of(Arc::clone(table), Some("excluded".into()), Vec::new()) };
        let items = [item.clone(), excluded];
        let inside = Scope::under(Some(scope), &items);
        if let Some(infer) = infer {
            let InferClause { index_elems, where_clause, conname: _, location: _ } = &**infer;
            for element in index_elems {
                self.index_element(element, &inside, For::Filter)?;
            }
            self.expression_if(where_clause.as_deref(), &inside, For::Filter)?;
        }
        if *action == OnConflictAction::OnconflictUpdate as i32 {
            self.ask_table(Action::PgUpdate, table);
        }
        self.assignments(target_list, table, &inside)?;
        self.condition(where_clause.as_deref(), &inside, For::Filter)
    }

    /// A column or an expression of an index.
    pub(super) fn index_element(&mut self, node: &Node, scope: &Scope<'_>, purpose: For) -> Ruled<()> {
        let Some(NodeEnum::IndexElem(element)) = &node.node else { return Err(unreadable()) };
        let IndexElem { name, expr, indexcolname: _, collation: _, opclass: _, opclassopts: _, ordering: _, nulls_ordering: _ } =
            &**element;
        if !name.is_empty() {
            let value = scope.here(name)?.ok_or_else(|| Refused::unknown("42703", format!("column \"{name}\" does not exist")))?;
            self.used(&value, purpose, -1);
        }
        self.expression_if(expr.as_deref(), scope, purpose)
    }

    /// The column that a value goes to, which has to be there.
    fn assigned(&mut self, node: &Node, table: &Relation, scope: &Scope<'_>) -> Ruled<()> {
        let Some(NodeEnum::ResTarget(target)) = &node.node else { return Err(unreadable()) };
        let ResTarget { name, indirection, val: _, location } = &**target;
        let Some(column) = table.column(name) else {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
            return Err(self.refused(Refused::unknown("42703", message), *location));
        };
        self.assigns(super::name_of(table), &column.name);
        self.indirection(indirection, scope, For::Stored)
    }

    /// `SET a = …, (b, c) = …`
    fn assignments(&mut self, targets: &[Node], table: &Relation, scope: &Scope<'_>) -> Ruled<()> {
        for node in targets {
            self.assigned(node, table, scope)?;
            let Some(NodeEnum::ResTarget(target)) = &node.node else { continue };
            match target.val.as_deref().and_then(|value| value.node.as_ref()) {
                // The source stands at each of its columns; once is enough.
                Some(NodeEnum::MultiAssignRef(assign)) => {
                    let MultiAssignRef { source, colno, ncolumns: _ } = &**assign;
                    if *colno == 1 {
                        self.expression_if(source.as_deref(), scope, For::Stored)?;
                    }
                }
                _ => self.expression_if(target.val.as_deref(), scope, For::Stored)?,
            }
        }
        Ok(())
    }

    pub(super) fn update(&mut self, update: &UpdateStmt, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        let UpdateStmt { relation, target_list, where_clause, from_clause, returning_clause, with_clause } = update;
        let tables = self.with(with_clause.as_ref(), around)?;
        let scope = Scope { parent: around, items: &[], tables: &tables };
        let (table, item) = self.changed(relation.as_ref(), Action::PgUpdate)?;
        let mut others = Vec::new();
        self.from(from_clause, &scope, &mut others)?;
        let items: Vec<Item> = std::iter::once(item).chain(others).collect();
        let inside = Scope::under(Some(&scope), &items);
        self.note_where(where_clause.is_some());
        self.condition(where_clause.as_deref(), &inside, For::Filter)?;
        self.assignments(target_list, &table, &inside)?;
        self.returning(returning_clause.as_ref(), &table, &items, &scope)
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } = delete;
        let tables = self.with(with_clause.as_ref(), around)?;
        let scope = Scope { parent: around, items: &[], tables: &tables };
        let (table, item) = self.changed(relation.as_ref(), Action::PgDelete)?;
        let mut others = Vec::new();
        self.from(using_clause, &scope, &mut others)?;
        let items: Vec<Item> = std::iter::once(item).chain(others).collect();
        let inside = Scope::under(Some(&scope), &items);
        self.note_where(where_clause.is_some());
        self.condition(where_clause.as_deref(), &inside, For::Filter)?;
        self.returning(returning_clause.as_ref(), &table, &items, &scope)
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt, around: Option<&Scope<'_>>) -> Ruled<Rows> {
        let MergeStmt { relation, source_relation, join_condition, merge_when_clauses, returning_clause, with_clause } = merge;
        self.newer_than(14, true);
        self.newer_than(16, returning_clause.is_some());
        let tables = self.with(with_clause.as_ref(), around)?;
        let scope = Scope { parent: around, items: &[], tables: &tables };
        let range = relation.as_ref().ok_or_else(unreadable)?;
        let table = self.readable(range)?;
        if table.rules {
            self.hazard(Concern::Session, Use::Object("changing a relation with rules:", Arc::clone(&table.name)), range.location);
            self.in_doubt();
        }
        let (name, names) = alias(range.alias.as_ref());
        let target = Item::of(Arc::clone(&table), name, names);
        let mut items = Vec::new();
        if let Some(source) = source_relation {
            self.from(std::slice::from_ref(&**source), &scope, &mut items)?;
        }
        items.push(target);
        let inside = Scope::under(Some(&scope), &items);
        self.note_where(join_condition.is_some());
        self.condition(join_condition.as_deref(), &inside, For::Join)?;
        for clause in merge_when_clauses {
            self.when(clause, &table, &inside)?;
        }
        self.returning(returning_clause.as_ref(), &table, &items, &scope)
    }

    fn when(&mut self, node: &Node, table: &Relation, scope: &Scope<'_>) -> Ruled<()> {
        let Some(NodeEnum::MergeWhenClause(clause)) = &node.node else { return Err(unreadable()) };
        let MergeWhenClause { match_kind, command_type, r#override: _, condition, target_list, values } = &**clause;
        self.newer_than(16, *match_kind == pg_query::protobuf::MergeMatchKind::MergeWhenNotMatchedBySource as i32);
        self.condition(condition.as_deref(), scope, For::Filter)?;
        match CmdType::try_from(*command_type) {
            Ok(CmdType::CmdInsert) => {
                self.ask_table(Action::PgInsert, table);
                target_list.iter().try_for_each(|target| self.assigned(target, table, scope))?;
                self.expressions(values, scope, For::Stored)
            }
            Ok(CmdType::CmdUpdate) => {
                self.ask_table(Action::PgUpdate, table);
                self.assignments(target_list, table, scope)
            }
            Ok(CmdType::CmdDelete) => {
                self.ask_table(Action::PgDelete, table);
                Ok(())
            }
            Ok(CmdType::CmdNothing) => Ok(()),
            _ => Err(unreadable()),
        }
    }

    /// RETURNING: the rows changed, as a query gives rows. `old` and `new` are names of their own.
    fn returning(&mut self, clause: Option<&ReturningClause>, table: &Arc<Relation>, items: &[Item], around: &Scope<'_>) -> Ruled<Rows> {
        let Some(ReturningClause { options, exprs }) = clause else { return Ok(Rows::none()) };
        let mut names =
            [("old".to_owned(), ReturningOptionKind::ReturningOptionOld), ("new".to_owned(), ReturningOptionKind::ReturningOptionNew)];
        self.newer_than(17, !options.is_empty());
        for option in options {
            let Some(NodeEnum::ReturningOption(ReturningOption { option, value, location: _ })) = &option.node else {
                return Err(unreadable());
            };
            names.iter_mut().filter(|(_, kind)| *kind as i32 == *option).for_each(|(name, _)| name.clone_from(value));
        }
        let mut items = items.to_vec();
        for (name, _) in names {
            if !items.iter().any(|item| *item.name == *name) {
                let row = Item::of(Arc::clone(table), Some(name.into()), Vec::new());
                items.push(Item { bare: false, ..row });
            }
        }
        // Handing rows back reads them.
        self.ask_table(Action::PgSelect, table);
        let scope = Scope::under(Some(around), &items);
        self.targets(exprs, &scope)
    }
}
