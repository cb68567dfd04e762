//! Relations that a statement makes or alters: what they are asked as, and how the session knows them before the catalog does.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, Constraint, CreateStmt, CreateTableAsStmt, IntoClause, Node, ObjectType,
    PartitionCmd, PartitionElem, PartitionSpec, RangeVar, RenameStmt, TableLikeClause, ViewStmt,
};

use super::super::catalog::{Column as CatalogColumn, Relation, RelationKind};
use super::super::refused::Refused;
use super::super::script::{Answer, Concern, Effect, Name, On, Use};
use super::scope::{Item, Scope};
use super::select::Rows;
use super::statement::{Read, range};
use super::{Analyst, For, Ruled, string};
use crate::Action;

fn unreadable() -> Refused {
    Refused::unsupported("the bastion cannot read this definition")
}

/// A relation of these columns, of which the catalog knows nothing yet.
fn made(name: &Name, kind: RelationKind, names: Vec<Arc<str>>, parents: Vec<u32>) -> Relation {
    let column = |(number, name): (i16, Arc<str>)| CatalogColumn { number, name, type_oid: 0 };
    let columns = (1..).zip(names).map(column).collect();
    let (schema, name) = (Arc::clone(&name.schema), Arc::clone(&name.name));
    Relation { oid: 0, schema, name, kind, columns, parents, definition: None, rules: false }
}

/// What every sequence has.
const SEQUENCE: [&str; 3] = ["last_value", "log_cnt", "is_called"];

impl Analyst<'_> {
    pub(super) fn make_sequence(&mut self, name: &Name, unless_there: bool) {
        if !(unless_there && self.is_made(name)) {
            self.make(made(name, RelationKind::Sequence, SEQUENCE.map(Into::into).to_vec(), Vec::new()));
        }
    }

    /// Whether there is something of this name, so that IF NOT EXISTS leaves it as it is.
    fn is_made(&self, name: &Name) -> bool {
        self.state.relation(self.catalog, &name.schema, &name.name).is_some()
    }

    fn make(&mut self, relation: Relation) {
        self.effects.push(Effect::Make(Arc::new(relation)));
        self.effects.push(Effect::CatalogChanged);
    }

    /// A relation that is built upon or altered.
    pub(super) fn ask_ddl(&mut self, relation: &Relation, location: i32) {
        self.ask_table(Action::PgDdl, relation);
        self.hazard(Concern::Relation(relation.oid), Use::Ddl, location);
    }

    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    pub(super) fn make_as(&mut self, place: Option<&RangeVar>, names: &[Node], rows: Rows, unless_there: bool) -> Ruled<()> {
        let place = place.ok_or_else(unreadable)?;
        let name = self.new_name(place)?;
        self.ask(Action::PgDdl, On::Table(name.clone(), None));
        let columns = super::with::renamed(&rows.columns, &names.iter().filter_map(string).map(Into::into).collect::<Vec<_>>());
        if !(unless_there && self.is_made(&name)) {
            self.make(made(&name, RelationKind::Table, columns.into_iter().map(|column| column.name).collect(), Vec::new()));
        }
        Ok(())
    }

    pub(super) fn create_as(&mut self, create: &CreateTableAsStmt) -> Ruled<Read> {
        let CreateTableAsStmt { query, into, objtype, is_select_into: _, if_not_exists } = create;
        let IntoClause { rel, col_names, access_method: _, options: _, on_commit: _, table_space_name: _, view_query: _, skip_data: _ } =
            into.as_deref().ok_or_else(unreadable)?;
        let rows = match super::is_there(query.as_deref()) {
            Some(NodeEnum::ExecuteStmt(_)) => {
                let statement = self.within(query.as_deref())?;
                self.executed(&statement.answer)?
            }
            _ => self.query_if(query.as_deref(), None)?,
        };
        self.stored(&rows);
        if rows.open {
            self.blind("storing a query whose columns cannot be told", -1);
        }
        self.make_as(rel.as_ref(), col_names, rows, *if_not_exists)?;
        let view = *objtype == ObjectType::ObjectMatview as i32;
        Ok((if view { "create materialized view" } else { "create table as" }, Answer::Nothing))
    }

    /// The rows of a prepared statement: nothing masked may be among them.
    fn executed(&mut self, answer: &Answer) -> Ruled<Rows> {
        let Answer::Rows(outputs) = answer else { return Err(unreadable()) };
        for id in outputs.iter().flat_map(|output| &output.flows) {
            self.hazard(Concern::Column(*id), Use::Stored, -1);
        }
        Ok(Rows { columns: outputs.iter().map(|output| super::scope::Column::made(Arc::clone(&output.name))).collect(), open: false })
    }

    pub(super) fn create_view(&mut self, create: &ViewStmt) -> Ruled<Read> {
        let ViewStmt { view, aliases, query, replace: _, options: _, with_check_option: _ } = create;
        let place = view.as_ref().ok_or_else(unreadable)?;
        let rows = self.query_if(query.as_deref(), None)?;
        self.stored(&rows);
        let name = self.new_name(place)?;
        if let Some(old) = self.state.relation(self.catalog, &name.schema, &name.name) {
            self.ask_ddl(&old, place.location);
        }
        self.ask(Action::PgDdl, On::Table(name.clone(), None));
        let names: Vec<Arc<str>> = aliases.iter().filter_map(string).map(Into::into).collect();
        let columns = super::with::renamed(&rows.columns, &names);
        self.make(made(&name, RelationKind::Table, columns.into_iter().map(|column| column.name).collect(), Vec::new()));
        Ok(("create view", Answer::Nothing))
    }

    pub(super) fn create_table(&mut self, create: &CreateStmt) -> Ruled<()> {
        let CreateStmt {
            relation,
            table_elts,
            inh_relations,
            partbound: _,
            partspec,
            of_typename,
            constraints,
            nnconstraints,
            options: _,
            oncommit: _,
            tablespacename: _,
            access_method: _,
            if_not_exists,
        } = create;
        let place = relation.as_ref().ok_or_else(unreadable)?;
        let name = self.new_name(place)?;
        self.ask(Action::PgDdl, On::Table(name.clone(), None));
        self.cast(of_typename.as_ref())?;
        let (mut names, mut parents): (Vec<Arc<str>>, Vec<u32>) = (Vec::new(), Vec::new());
        for parent in inh_relations {
            let parent = self.relation(range(parent)?)?;
            self.ask_ddl(&parent, place.location);
            parents.push(parent.oid);
            names.extend(parent.columns.iter().map(|column| Arc::clone(&column.name)));
        }
        for element in table_elts {
            match &element.node {
                Some(NodeEnum::ColumnDef(column)) => names.push(column.colname.as_str().into()),
                Some(NodeEnum::TableLikeClause(TableLikeClause { relation, options: _, relation_oid: _ })) => {
                    let like = self.relation(relation.as_ref().ok_or_else(unreadable)?)?;
                    self.ask_ddl(&like, place.location);
                    names.extend(like.columns.iter().map(|column| Arc::clone(&column.name)));
                }
                Some(NodeEnum::Constraint(_)) => {}
                _ => return Err(unreadable()),
            }
        }
        let mut once: Vec<Arc<str>> = Vec::new();
        names.into_iter().for_each(|name| {
            if !once.contains(&name) {
                once.push(name)
            }
        });
        let table = made(&name, RelationKind::Table, once, parents);
        self.defined_on(&table, |analyst, scope| {
            for element in table_elts.iter().chain(constraints).chain(nnconstraints) {
                analyst.definition(element, scope)?;
            }
            analyst.partitioned_by(partspec.as_ref(), scope)
        })?;
        if !(*if_not_exists && self.is_made(&name)) {
            self.make(table);
        }
        Ok(())
    }

    fn partitioned_by(&mut self, spec: Option<&PartitionSpec>, scope: &Scope<'_>) -> Ruled<()> {
        let Some(PartitionSpec { strategy: _, part_params, location: _ }) = spec else { return Ok(()) };
        for part in part_params {
            let Some(NodeEnum::PartitionElem(part)) = &part.node else { return Err(unreadable()) };
            let PartitionElem { name: _, expr, collation: _, opclass: _, location: _ } = &**part;
            self.expression_if(expr.as_deref(), scope, For::Stored)?;
        }
        Ok(())
    }

    /// Reads definitions on a table: its columns are not asked about, the functions in them are.
    pub(super) fn defined_on(&mut self, table: &Relation, read: impl FnOnce(&mut Self, &Scope<'_>) -> Ruled<()>) -> Ruled<()> {
        let items = [Item::of(Arc::new(table.clone()), None, Vec::new())];
        let before = std::mem::replace(&mut self.defines, true);
        let done = read(self, &Scope::under(None, &items));
        self.defines = before;
        done
    }

    fn definition(&mut self, node: &Node, scope: &Scope<'_>) -> Ruled<()> {
        match &node.node {
            Some(NodeEnum::ColumnDef(column)) => self.column_definition(column, scope),
            Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint, scope),
            _ => Ok(()),
        }
    }

    pub(super) fn column_definition(&mut self, column: &ColumnDef, scope: &Scope<'_>) -> Ruled<()> {
        let ColumnDef {
            colname: _,
            type_name,
            compression: _,
            inhcount: _,
            is_local: _,
            is_not_null: _,
            is_from_type: _,
            storage: _,
            storage_name: _,
            raw_default,
            cooked_default: _,
            identity: _,
            identity_sequence: _,
            generated: _,
            coll_clause: _,
            coll_oid: _,
            constraints,
            fdwoptions: _,
            location: _,
        } = column;
        self.cast(type_name.as_ref())?;
        self.expression_if(raw_default.as_deref(), scope, For::Stored)?;
        constraints.iter().try_for_each(|constraint| self.definition(constraint, scope))
    }

    fn constraint(&mut self, constraint: &Constraint, scope: &Scope<'_>) -> Ruled<()> {
        // Names of columns and indexes say nothing of what runs; expressions and other tables do.
        self.expression_if(constraint.raw_expr.as_deref(), scope, For::Stored)?;
        self.expression_if(constraint.where_clause.as_deref(), scope, For::Stored)?;
        if let Some(other) = &constraint.pktable {
            let other = self.relation(other)?;
            self.ask_ddl(&other, constraint.location);
        }
        Ok(())
    }

    pub(super) fn alter_table(&mut self, alter: &AlterTableStmt) -> Ruled<()> {
        let AlterTableStmt { relation, cmds, objtype: _, missing_ok } = alter;
        let place = relation.as_ref().ok_or_else(unreadable)?;
        let Some(table) = self.find(place)? else {
            if !*missing_ok {
                self.relation(place)?;
            }
            let name = self.new_name(place)?;
            self.ask(Action::PgDdl, On::Table(name, None));
            return Ok(());
        };
        self.ask_ddl(&table, place.location);
        let mut altered = Relation::clone(&table);
        for node in cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { return Err(unreadable()) };
            self.command(command, &mut altered)?;
        }
        self.make(altered);
        Ok(())
    }

    fn command(&mut self, command: &AlterTableCmd, table: &mut Relation) -> Ruled<()> {
        let AlterTableCmd { subtype, name, num: _, newowner: _, def, behavior: _, missing_ok: _, recurse: _ } = command;
        match AlterTableType::try_from(*subtype) {
            Ok(AlterTableType::AtAddColumn | AlterTableType::AtAddColumnToView) => {
                if let Some(NodeEnum::ColumnDef(column)) = super::is_there(def.as_deref()) {
                    let next = table.columns.iter().map(|column| column.number).max().unwrap_or(0).saturating_add(1);
                    table.columns.push(CatalogColumn { number: next, name: column.colname.as_str().into(), type_oid: 0 });
                }
            }
            Ok(AlterTableType::AtDropColumn) => table.columns.retain(|column| *column.name != **name),
            _ => {}
        }
        let now = table.clone();
        self.defined_on(&now, |analyst, scope| match super::is_there(def.as_deref()) {
            Some(NodeEnum::ColumnDef(_) | NodeEnum::Constraint(_)) => def.iter().try_for_each(|node| analyst.definition(node, scope)),
            Some(NodeEnum::RangeVar(other)) => analyst.other(Some(other)),
            Some(NodeEnum::PartitionCmd(PartitionCmd { name, bound: _, concurrent: _ })) => analyst.other(name.as_ref()),
            _ if *subtype == AlterTableType::AtColumnDefault as i32 => analyst.expression_if(def.as_deref(), scope, For::Stored),
            _ => Ok(()),
        })
    }

    /// Another relation that an ALTER TABLE is about: a parent, a partition.
    fn other(&mut self, range: Option<&RangeVar>) -> Ruled<()> {
        let Some(range) = range else { return Ok(()) };
        let other = self.relation(range)?;
        self.ask_ddl(&other, range.location);
        Ok(())
    }

    /// RENAME of a relation or a column; `false`: of something else.
    pub(super) fn rename_relation(&mut self, rename: &RenameStmt) -> Ruled<bool> {
        let RenameStmt { rename_type, relation_type: _, relation, object: _, subname, newname, behavior: _, missing_ok } = rename;
        let Some(place) = relation else { return Ok(false) };
        let Some(table) = self.find(place)? else {
            if !*missing_ok {
                self.relation(place)?;
            }
            let name = self.new_name(place)?;
            self.ask(Action::PgDdl, On::Table(name, None));
            return Ok(true);
        };
        self.ask_ddl(&table, place.location);
        let mut renamed = Relation::clone(&table);
        match ObjectType::try_from(*rename_type) {
            Ok(ObjectType::ObjectColumn | ObjectType::ObjectAttribute) => {
                let column = renamed.columns.iter_mut().find(|column| *column.name == **subname);
                column.into_iter().for_each(|column| column.name = newname.as_str().into());
            }
            Ok(
                ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectForeignTable
                | ObjectType::ObjectSequence
                | ObjectType::ObjectIndex,
            ) => {
                renamed.name = newname.as_str().into();
                // The new name is asked about too: policies go by names.
                self.ask(Action::PgDdl, On::Table(super::name_of(&renamed), None));
                self.effects.push(Effect::Drop(super::name_of(&table)));
            }
            _ => {}
        }
        self.make(renamed);
        Ok(true)
    }
}
