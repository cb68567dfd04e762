//! DDL, by the object it is about. In masked sessions whatever brings code into the database is refused: what runs later cannot be
//! seen. The rest is about a table, and is a hazard only where that table has masked columns.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{CreateSchemaStmt, CreateTrigStmt, DropStmt, GrantStmt, IndexStmt, Node, ObjectType, RangeVar, StatsElem};

use super::super::refused::Refused;
use super::super::script::{Answer, Effect, Name, On};
use super::scope::Scope;
use super::statement::{Read, range};
use super::{Analyst, For, Ruled, string, strings};
use crate::Action;

/// What brings code or a way around with it.
const CODE: &str = "what brings something into the database that the bastion cannot see";

fn unreadable() -> Refused {
    Refused::unsupported("the bastion cannot read this statement")
}

impl Analyst<'_> {
    pub(super) fn ddl(&mut self, node: &NodeEnum) -> Ruled<Read> {
        let read = self.ddl_of(node)?;
        if !self.effects.contains(&Effect::CatalogChanged) {
            self.effects.push(Effect::CatalogChanged);
        }
        Ok(read)
    }

    fn ddl_of(&mut self, node: &NodeEnum) -> Ruled<Read> {
        let kind = match node {
            NodeEnum::CreateTableAsStmt(create) => return self.create_as(create),
            NodeEnum::ViewStmt(create) => return self.create_view(create),
            NodeEnum::CreateStmt(create) => {
                self.create_table(create)?;
                "create table"
            }
            NodeEnum::AlterTableStmt(alter) => {
                self.alter_table(alter)?;
                "alter table"
            }
            NodeEnum::IndexStmt(index) => self.create_index(index)?,
            NodeEnum::DropStmt(drop) => self.drop(drop)?,
            NodeEnum::RenameStmt(rename) => {
                if !self.rename_relation(rename)? {
                    self.about(rename.rename_type, rename.object.as_deref(), None)?;
                    self.blind(CODE, -1);
                }
                "rename"
            }
            NodeEnum::CommentStmt(comment) => {
                self.about(comment.objtype, comment.object.as_deref(), None)?;
                "comment"
            }
            NodeEnum::CreateSchemaStmt(create) => self.create_schema(create)?,
            NodeEnum::CreateSeqStmt(create) => {
                let name = self.new_name(create.sequence.as_ref().ok_or_else(unreadable)?)?;
                self.ask(Action::PgDdl, On::Table(name.clone(), None));
                self.make_sequence(&name, create.if_not_exists);
                "create sequence"
            }
            NodeEnum::AlterSeqStmt(alter) => self.on_table("alter sequence", alter.sequence.as_ref())?,
            NodeEnum::GrantStmt(grant) => self.grant(grant)?,
            NodeEnum::CreateTrigStmt(create) => self.create_trigger(create)?,
            NodeEnum::CreateFunctionStmt(create) => {
                let names = strings(&create.funcname).ok_or_else(unreadable)?;
                self.blind(CODE, -1);
                let function = self.new_in_schema(&names)?;
                self.ask(Action::PgDdl, On::Function(function));
                if create.is_procedure { "create procedure" } else { "create function" }
            }
            NodeEnum::CreateStatsStmt(create) => {
                for node in &create.relations {
                    let table = self.relation(range(node)?)?;
                    self.ask_ddl(&table, -1);
                    let exprs = &create.exprs;
                    self.defined_on(&table, |analyst, scope| exprs.iter().try_for_each(|expr| analyst.statistics(expr, scope)))?;
                }
                "create statistics"
            }
            NodeEnum::CreateEnumStmt(create) => self.new_type("create type", &create.type_name)?,
            NodeEnum::AlterEnumStmt(alter) => self.new_type("alter type", &alter.type_name)?,
            NodeEnum::CreateRangeStmt(create) => self.code_type("create type", &create.type_name)?,
            NodeEnum::AlterTypeStmt(alter) => self.code_type("alter type", &alter.type_name)?,
            NodeEnum::CreateDomainStmt(create) => self.code_type("create domain", &create.domainname)?,
            NodeEnum::AlterDomainStmt(alter) => self.code_type("alter domain", &alter.type_name)?,
            NodeEnum::DefineStmt(define) => self.code_type("create", &define.defnames)?,
            NodeEnum::CompositeTypeStmt(create) => self.new_relation("create type", create.typevar.as_ref())?,
            node => return self.further(node),
        };
        Ok((kind, Answer::Nothing))
    }

    /// What masked sessions do not do at all.
    fn further(&mut self, node: &NodeEnum) -> Ruled<Read> {
        self.blind(CODE, -1);
        let kind = match node {
            NodeEnum::CreateForeignTableStmt(create) => {
                self.create_table(create.base_stmt.as_ref().ok_or_else(unreadable)?)?;
                "create foreign table"
            }
            NodeEnum::AlterObjectSchemaStmt(alter) => {
                self.about(alter.object_type, alter.object.as_deref(), alter.relation.as_ref())?;
                self.ask(Action::PgDdl, On::Schema(alter.newschema.as_str().into()));
                "alter schema"
            }
            NodeEnum::AlterOwnerStmt(alter) => {
                self.about(alter.object_type, alter.object.as_deref(), alter.relation.as_ref())?;
                "alter owner"
            }
            NodeEnum::AlterObjectDependsStmt(alter) => {
                self.about(alter.object_type, alter.object.as_deref(), alter.relation.as_ref())?;
                "alter"
            }
            NodeEnum::SecLabelStmt(label) => {
                self.about(label.objtype, label.object.as_deref(), None)?;
                "security label"
            }
            NodeEnum::AlterFunctionStmt(alter) => {
                let names = alter.func.as_ref().and_then(|function| strings(&function.objname)).ok_or_else(unreadable)?;
                let function = self.new_in_schema(&names)?;
                self.ask(Action::PgDdl, On::Function(function));
                "alter function"
            }
            NodeEnum::RuleStmt(rule) => {
                // What its actions do is done by whoever uses the table.
                self.ask(Action::PgDo, On::Database);
                self.on_table("create rule", rule.relation.as_ref())?
            }
            NodeEnum::CreatePolicyStmt(create) => {
                self.policy(create.table.as_ref(), [create.qual.as_deref(), create.with_check.as_deref()])?;
                "create policy"
            }
            NodeEnum::AlterPolicyStmt(alter) => {
                self.policy(alter.table.as_ref(), [alter.qual.as_deref(), alter.with_check.as_deref()])?;
                "alter policy"
            }
            NodeEnum::CreateEventTrigStmt(create) => {
                let names = strings(&create.funcname).ok_or_else(unreadable)?;
                let function = self.new_in_schema(&names)?;
                self.ask(Action::PgCall, On::Function(function));
                self.of_database("create event trigger")
            }
            node => match database_kind(node) {
                Some(kind) => self.of_database(kind),
                None => return Err(Refused::unsupported("this statement is not let through by the bastion")),
            },
        };
        Ok((kind, Answer::Nothing))
    }

    fn of_database(&mut self, kind: &'static str) -> &'static str {
        self.ask(Action::PgDdl, On::Database);
        kind
    }

    fn on_table(&mut self, kind: &'static str, place: Option<&RangeVar>) -> Ruled<&'static str> {
        let place = place.ok_or_else(unreadable)?;
        let table = self.relation(place)?;
        self.ask_ddl(&table, place.location);
        Ok(kind)
    }

    fn new_relation(&mut self, kind: &'static str, place: Option<&RangeVar>) -> Ruled<&'static str> {
        let name = self.new_name(place.ok_or_else(unreadable)?)?;
        self.ask(Action::PgDdl, On::Table(name, None));
        Ok(kind)
    }

    /// The schema that a name is in, or would be made in.
    fn new_in_schema(&mut self, names: &[&str]) -> Ruled<Name> {
        match names {
            [schema, name] => Ok(Name::new(*schema, *name)),
            [name] => {
                self.no_doubt(-1)?;
                // An unqualified name that is there already is meant before a new one.
                let there = self.catalog.functions(name).find(|own| self.schemas.contains(&own.schema)).map(|own| Arc::clone(&own.schema));
                let home = there.or_else(|| self.state.home(self.catalog));
                home.map(|schema| Name::new(schema, *name))
                    .ok_or_else(|| Refused::unknown("3F000", "no schema has been selected to create in"))
            }
            _ => Err(unreadable()),
        }
    }

    fn new_type(&mut self, kind: &'static str, names: &[Node]) -> Ruled<&'static str> {
        let names = strings(names).ok_or_else(unreadable)?;
        let place = self.new_in_schema(&names)?;
        self.ask(Action::PgDdl, On::Schema(place.schema));
        Ok(kind)
    }

    fn code_type(&mut self, kind: &'static str, names: &[Node]) -> Ruled<&'static str> {
        self.blind(CODE, -1);
        self.new_type(kind, names)
    }

    fn create_schema(&mut self, create: &CreateSchemaStmt) -> Ruled<&'static str> {
        let CreateSchemaStmt { schemaname, authrole: _, schema_elts, if_not_exists: _ } = create;
        if !schema_elts.is_empty() {
            let refused = Refused::unsupported("CREATE SCHEMA with objects in it is not let through");
            return Err(refused.hint("create the schema first, then what is in it"));
        }
        let on = if schemaname.is_empty() { On::Database } else { On::Schema(schemaname.as_str().into()) };
        self.ask(Action::PgDdl, on);
        Ok("create schema")
    }

    fn create_index(&mut self, index: &IndexStmt) -> Ruled<&'static str> {
        let place = index.relation.as_ref().ok_or_else(unreadable)?;
        let table = self.relation(place)?;
        self.ask_ddl(&table, place.location);
        self.defined_on(&table, |analyst, scope| {
            for element in index.index_params.iter().chain(&index.index_including_params) {
                analyst.index_element(element, scope, For::Stored)?;
            }
            analyst.expression_if(index.where_clause.as_deref(), scope, For::Stored)
        })?;
        Ok("create index")
    }

    fn statistics(&mut self, node: &Node, scope: &Scope<'_>) -> Ruled<()> {
        let Some(NodeEnum::StatsElem(element)) = &node.node else { return Err(unreadable()) };
        let StatsElem { name: _, expr } = &**element;
        self.expression_if(expr.as_deref(), scope, For::Stored)
    }

    fn policy(&mut self, place: Option<&RangeVar>, conditions: [Option<&Node>; 2]) -> Ruled<()> {
        let place = place.ok_or_else(unreadable)?;
        let table = self.relation(place)?;
        self.ask_ddl(&table, place.location);
        self.defined_on(&table, |analyst, scope| {
            conditions.into_iter().try_for_each(|condition| analyst.expression_if(condition, scope, For::Filter))
        })
    }

    /// A trigger calls its function for whoever changes the table.
    fn create_trigger(&mut self, create: &CreateTrigStmt) -> Ruled<&'static str> {
        self.blind(CODE, -1);
        let names = strings(&create.funcname).ok_or_else(unreadable)?;
        let function = self.new_in_schema(&names)?;
        self.ask(Action::PgCall, On::Function(function));
        self.on_table("create trigger", create.relation.as_ref())
    }

    fn grant(&mut self, grant: &GrantStmt) -> Ruled<&'static str> {
        let kind = if grant.is_grant { "grant" } else { "revoke" };
        let tables = matches!(ObjectType::try_from(grant.objtype), Ok(ObjectType::ObjectTable | ObjectType::ObjectSequence));
        let single = grant.targtype == pg_query::protobuf::GrantTargetType::AclTargetObject as i32;
        if tables && single {
            for object in &grant.objects {
                self.on_table(kind, Some(range(object)?))?;
            }
            return Ok(kind);
        }
        self.blind(CODE, -1);
        Ok(self.of_database(kind))
    }

    fn drop(&mut self, drop: &DropStmt) -> Ruled<&'static str> {
        let DropStmt { objects, remove_type, behavior: _, missing_ok: _, concurrent: _ } = drop;
        for object in objects {
            self.about(*remove_type, Some(object), None)?;
        }
        let dropped = self.operations.iter().filter_map(|operation| match &operation.on {
            On::Table(name, _) if is_relation(*remove_type) => Some(Effect::Drop(name.clone())),
            _ => None,
        });
        let dropped: Vec<Effect> = dropped.collect();
        self.effects.extend(dropped);
        Ok("drop")
    }

    /// Asks about an object by its kind and name.
    fn about(&mut self, kind: i32, object: Option<&Node>, relation: Option<&RangeVar>) -> Ruled<()> {
        if let Some(place) = relation {
            let table = self.relation(place)?;
            self.ask_ddl(&table, place.location);
            return Ok(());
        }
        let names = object.map(names_of).unwrap_or_default();
        let on = match ObjectType::try_from(kind) {
            Ok(kind) if is_relation(kind as i32) => self.table_named(&names)?,
            Ok(
                ObjectType::ObjectColumn
                | ObjectType::ObjectTrigger
                | ObjectType::ObjectRule
                | ObjectType::ObjectPolicy
                | ObjectType::ObjectTabconstraint,
            ) => self.table_named(names.get(..names.len().saturating_sub(1)).unwrap_or_default())?,
            Ok(ObjectType::ObjectFunction | ObjectType::ObjectProcedure | ObjectType::ObjectRoutine | ObjectType::ObjectAggregate) => {
                On::Function(self.new_in_schema(&names)?)
            }
            Ok(ObjectType::ObjectSchema) => names.last().map_or(On::Database, |name| On::Schema((*name).into())),
            _ => match names.as_slice() {
                [schema, _] => On::Schema((*schema).into()),
                _ => On::Database,
            },
        };
        self.ask(Action::PgDdl, on);
        Ok(())
    }

    fn table_named(&mut self, names: &[&str]) -> Ruled<On> {
        let (schema, name) = match names {
            [name] => ("", *name),
            [schema, name] | [_, schema, name] => (*schema, *name),
            _ => return Err(unreadable()),
        };
        let place = RangeVar { schemaname: schema.to_owned(), relname: name.to_owned(), location: -1, ..RangeVar::default() };
        match self.find(&place)? {
            Some(table) => Ok(On::Table(super::name_of(&table), Some(table.oid))),
            // It may be dropped only if it exists.
            None => Ok(On::Table(self.new_name(&place)?, None)),
        }
    }
}

/// What is in `pg_class` and can be named in FROM or dropped by name.
fn is_relation(kind: i32) -> bool {
    matches!(
        ObjectType::try_from(kind),
        Ok(ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectSequence
            | ObjectType::ObjectIndex)
    )
}

/// The names of an object, however it is written.
fn names_of(object: &Node) -> Vec<&str> {
    match &object.node {
        Some(NodeEnum::String(name)) => vec![&name.sval],
        Some(NodeEnum::List(list)) => list.items.iter().flat_map(names_of).collect(),
        Some(NodeEnum::TypeName(name)) => strings(&name.names).unwrap_or_default(),
        Some(NodeEnum::ObjectWithArgs(object)) => object.objname.iter().filter_map(string).collect(),
        _ => Vec::new(),
    }
}

/// Statements about the database as a whole, or the server.
fn database_kind(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::CreateTableSpaceStmt(_) | NodeEnum::AlterTableSpaceOptionsStmt(_) | NodeEnum::DropTableSpaceStmt(_) => "tablespace",
        NodeEnum::AlterTableMoveAllStmt(_) => "alter tablespace",
        NodeEnum::CreateExtensionStmt(_) => "create extension",
        NodeEnum::AlterExtensionStmt(_) | NodeEnum::AlterExtensionContentsStmt(_) => "alter extension",
        NodeEnum::CreateFdwStmt(_) | NodeEnum::AlterFdwStmt(_) => "foreign data wrapper",
        NodeEnum::CreateForeignServerStmt(_) | NodeEnum::AlterForeignServerStmt(_) => "foreign server",
        NodeEnum::CreateUserMappingStmt(_) | NodeEnum::AlterUserMappingStmt(_) | NodeEnum::DropUserMappingStmt(_) => "user mapping",
        NodeEnum::ImportForeignSchemaStmt(_) => "import foreign schema",
        NodeEnum::CreateAmStmt(_) => "create access method",
        NodeEnum::AlterEventTrigStmt(_) => "alter event trigger",
        NodeEnum::CreatePlangStmt(_) => "create language",
        NodeEnum::CreateRoleStmt(_) => "create role",
        NodeEnum::AlterRoleStmt(_) | NodeEnum::AlterRoleSetStmt(_) => "alter role",
        NodeEnum::DropRoleStmt(_) => "drop role",
        NodeEnum::GrantRoleStmt(_) => "grant role",
        NodeEnum::AlterDefaultPrivilegesStmt(_) => "alter default privileges",
        NodeEnum::DropOwnedStmt(_) => "drop owned",
        NodeEnum::ReassignOwnedStmt(_) => "reassign owned",
        NodeEnum::CreateOpClassStmt(_) | NodeEnum::CreateOpFamilyStmt(_) | NodeEnum::AlterOpFamilyStmt(_) => "operator class",
        NodeEnum::AlterOperatorStmt(_) => "alter operator",
        NodeEnum::AlterStatsStmt(_) => "alter statistics",
        NodeEnum::AlterCollationStmt(_) | NodeEnum::CreateConversionStmt(_) => "collation",
        NodeEnum::CreateCastStmt(_) | NodeEnum::CreateTransformStmt(_) => "create cast",
        NodeEnum::AlterTsdictionaryStmt(_) | NodeEnum::AlterTsconfigurationStmt(_) => "text search",
        NodeEnum::CreatePublicationStmt(_) | NodeEnum::AlterPublicationStmt(_) => "publication",
        NodeEnum::CreateSubscriptionStmt(_) | NodeEnum::AlterSubscriptionStmt(_) | NodeEnum::DropSubscriptionStmt(_) => "subscription",
        NodeEnum::CreatedbStmt(_) => "create database",
        NodeEnum::AlterDatabaseStmt(_) | NodeEnum::AlterDatabaseRefreshCollStmt(_) | NodeEnum::AlterDatabaseSetStmt(_) => "alter database",
        NodeEnum::DropdbStmt(_) => "drop database",
        NodeEnum::AlterSystemStmt(_) => "alter system",
        _ => return None,
    })
}
