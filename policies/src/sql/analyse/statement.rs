//! Which statement it is. Each kind there is has a line here; any other is refused by name.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CallStmt, DefElem, ExplainStmt, IntoClause, LockStmt, Node, RangeVar, RefreshMatViewStmt, ReindexObjectType, ReindexStmt, SelectStmt,
    VacuumRelation, VacuumStmt,
};

use super::super::refused::Refused;
use super::super::script::{Answer, Concern, Effect, Name, On, Operation, Statement, Use};
use super::scope::Scope;
use super::{Analyst, For, Ruled, outputs, string, strings};
use crate::Action;

pub(super) type Read = (&'static str, Answer);

impl Analyst<'_> {
    pub(super) fn statement(&mut self, node: Option<&Node>) -> Ruled<Read> {
        let inner = super::is_there(node).ok_or_else(|| Refused::unsupported("there is an empty statement"))?;
        self.down()?;
        let read = match inner {
            NodeEnum::SelectStmt(select) => self.top_select(select, node),
            NodeEnum::InsertStmt(_) => self.changes("insert", node),
            NodeEnum::UpdateStmt(_) => self.changes("update", node),
            NodeEnum::DeleteStmt(_) => self.changes("delete", node),
            NodeEnum::MergeStmt(_) => self.changes("merge", node),
            NodeEnum::CopyStmt(copy) => Ok(("copy", self.copy(copy)?)),
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::CallStmt(call) => self.call_procedure(call),
            NodeEnum::DoStmt(_) => Ok(self.run_block()),
            NodeEnum::TruncateStmt(truncate) => {
                for table in self.tables(&truncate.relations)? {
                    self.ask_table(Action::PgTruncate, &table);
                }
                Ok(("truncate", Answer::Nothing))
            }
            NodeEnum::LockStmt(LockStmt { relations, mode: _, nowait: _ }) => {
                for table in self.tables(relations)? {
                    self.ask_table(Action::PgMaintain, &table);
                }
                Ok(("lock table", Answer::Nothing))
            }
            NodeEnum::VacuumStmt(vacuum) => self.vacuum(vacuum),
            NodeEnum::ClusterStmt(cluster) => self.maintain("cluster", cluster.relation.as_ref()),
            NodeEnum::ReindexStmt(reindex) => self.reindex(reindex),
            NodeEnum::RefreshMatViewStmt(RefreshMatViewStmt { concurrent: _, skip_data: _, relation }) => {
                self.maintain("refresh materialized view", relation.as_ref())
            }
            NodeEnum::CheckPointStmt(_) => self.maintain("checkpoint", None),
            NodeEnum::VariableShowStmt(_) => Ok(("show", Answer::Report)),
            NodeEnum::LoadStmt(_) => Err(Refused::new("0A000", "LOAD is not let through: it runs code from a file of the server")),
            inner => match self.session_statement(inner)? {
                Some(read) => Ok(read),
                None => self.ddl(inner),
            },
        };
        self.up();
        read
    }

    fn top_select(&mut self, select: &SelectStmt, node: Option<&Node>) -> Ruled<Read> {
        let Some(into) = &select.into_clause else {
            self.certain = alone(select);
            let rows = self.query_if(node, None)?;
            return Ok(("select", self.answered(rows)));
        };
        self.queries += 1;
        let tables = self.with(select.with_clause.as_ref(), None)?;
        let scope = Scope { parent: None, items: &[], tables: &tables };
        let rows = self.body(select, &scope, None)?;
        self.queries -= 1;
        let IntoClause { rel, col_names, access_method: _, options: _, on_commit: _, table_space_name: _, view_query: _, skip_data: _ } =
            &**into;
        self.stored(&rows);
        self.make_as(rel.as_ref(), col_names, rows, false)?;
        Ok(("select into", Answer::Nothing))
    }

    pub(super) fn answered(&mut self, rows: super::select::Rows) -> Answer {
        if rows.open {
            self.blind("an answer whose columns cannot be told beforehand", -1);
            return Answer::Unknown;
        }
        Answer::Rows(outputs(rows.columns))
    }

    fn changes(&mut self, kind: &'static str, node: Option<&Node>) -> Ruled<Read> {
        let rows = self.query_if(node, None)?;
        let nothing = rows.columns.is_empty() && !rows.open;
        Ok((kind, if nothing { Answer::Nothing } else { self.answered(rows) }))
    }

    /// A statement within another, taken out as one of its own. What it asks stays asked.
    pub(super) fn within(&mut self, node: Option<&Node>) -> Ruled<Statement> {
        let (kind, answer) = self.statement(node)?;
        let effects = std::mem::take(&mut self.effects);
        let (operations, assigned, hazards) = (self.operations.clone(), self.assigned.clone(), self.hazards.clone());
        let (has_where, has_parameters) = (self.has_where, self.has_parameters);
        Ok(Statement { range: 0..0, kind, has_where, planned: false, has_parameters, operations, assigned, answer, effects, hazards })
    }

    /// Takes in what a statement that was analysed before does.
    pub(super) fn again(&mut self, statement: &Statement) {
        let Statement { range: _, kind: _, has_where, planned: _, has_parameters: _, operations, assigned, answer: _, effects, hazards } =
            statement;
        self.has_where = *has_where;
        assigned.iter().for_each(|(table, column)| self.assigns(table.clone(), column));
        operations.iter().for_each(|operation| self.ask_operation(operation.clone()));
        hazards.iter().for_each(|hazard| self.hazard(hazard.concern, hazard.usage.clone(), -1));
        self.effects.extend(effects.iter().cloned());
    }

    /// EXPLAIN shows plans, and their estimates tell of values.
    fn explain(&mut self, explain: &ExplainStmt) -> Ruled<Read> {
        let ExplainStmt { query, options } = explain;
        let statement = self.within(query.as_deref())?;
        let mut analyses = false;
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else {
                return Err(Refused::unsupported("the bastion cannot read this EXPLAIN"));
            };
            let DefElem { defnamespace: _, defname, arg, defaction: _, location, arg_location: _ } = &**option;
            if defname == "analyze" {
                // The last one counts, as it does to the server.
                let refused = || {
                    self.refused(
                        Refused::unsupported("the bastion cannot read this EXPLAIN").hint("write ANALYZE, or leave it out"),
                        *location,
                    )
                };
                analyses = switched(arg.as_deref()).ok_or_else(refused)?;
            }
        }
        // What is explained is planned, which may call functions; run it is only by ANALYZE, and then no cursor is left of it.
        self.effects.extend(
            statement
                .effects
                .iter()
                .filter(|effect| match effect {
                    Effect::InDoubt => true,
                    Effect::Declare(..) | Effect::Prepare(..) => false,
                    _ => analyses,
                })
                .cloned(),
        );
        let relations: Vec<u32> = self.operations.iter().filter_map(relation_of).collect();
        for relation in relations {
            self.hazard(Concern::Relation(relation), Use::Explain, -1);
        }
        Ok((statement.kind, Answer::Report))
    }

    fn call_procedure(&mut self, call: &CallStmt) -> Ruled<Read> {
        let CallStmt { funccall, funcexpr: _, outargs: _ } = call;
        let call = funccall.as_deref().ok_or_else(|| Refused::unsupported("the bastion cannot read this CALL"))?;
        let names = strings(&call.funcname).unwrap_or_default();
        self.expressions(&call.args, &Scope::EMPTY, For::Value)?;
        let procedures = match names.as_slice() {
            [schema, name] => vec![Name::new(*schema, *name)],
            [name] => {
                self.no_doubt(call.location)?;
                self.catalog
                    .functions(name)
                    .filter(|own| self.schemas.contains(&own.schema))
                    .map(|own| Name::new(own.schema.clone(), own.name.clone()))
                    .collect()
            }
            _ => Vec::new(),
        };
        if procedures.is_empty() {
            let refused = Refused::unknown("42883", format!("procedure {}() does not exist", names.join(".")));
            return Err(self.refused(refused, call.location));
        }
        procedures.into_iter().for_each(|procedure| self.ask(Action::PgDo, On::Function(procedure)));
        self.blind("CALL, which runs code that the bastion cannot see", call.location);
        self.effects.extend([Effect::InDoubt, Effect::CatalogChanged]);
        Ok(("call", Answer::Unknown))
    }

    fn run_block(&mut self) -> Read {
        self.ask(Action::PgDo, On::Database);
        self.blind("DO, which runs code that the bastion cannot see", -1);
        self.effects.extend([Effect::InDoubt, Effect::CatalogChanged]);
        ("do", Answer::Nothing)
    }

    pub(super) fn tables(&mut self, nodes: &[Node]) -> Ruled<Vec<Arc<super::Relation>>> {
        nodes.iter().map(|node| self.relation(range(node)?)).collect()
    }

    fn maintain(&mut self, kind: &'static str, range: Option<&RangeVar>) -> Ruled<Read> {
        match range {
            Some(range) => {
                let table = self.relation(range)?;
                self.ask_table(Action::PgMaintain, &table);
            }
            None => self.ask(Action::PgMaintain, On::Database),
        }
        Ok((kind, Answer::Nothing))
    }

    fn vacuum(&mut self, vacuum: &VacuumStmt) -> Ruled<Read> {
        let VacuumStmt { options: _, rels, is_vacuumcmd } = vacuum;
        let kind = if *is_vacuumcmd { "vacuum" } else { "analyze" };
        if rels.is_empty() {
            return self.maintain(kind, None);
        }
        for node in rels {
            let Some(NodeEnum::VacuumRelation(VacuumRelation { relation, oid: _, va_cols: _ })) = &node.node else {
                return Err(Refused::unsupported("the bastion cannot read this VACUUM"));
            };
            self.maintain(kind, relation.as_ref())?;
        }
        Ok((kind, Answer::Nothing))
    }

    fn reindex(&mut self, reindex: &ReindexStmt) -> Ruled<Read> {
        let ReindexStmt { kind, relation, name, params: _ } = reindex;
        match ReindexObjectType::try_from(*kind) {
            Ok(ReindexObjectType::ReindexObjectIndex | ReindexObjectType::ReindexObjectTable) => {
                self.maintain("reindex", relation.as_ref())
            }
            Ok(
                ReindexObjectType::ReindexObjectSchema | ReindexObjectType::ReindexObjectSystem | ReindexObjectType::ReindexObjectDatabase,
            ) => self.maintain("reindex", None),
            _ => Err(Refused::unsupported(format!("the bastion cannot read this REINDEX of {name}"))),
        }
    }
}

/// Where the calls of `set_config` stand that are the results of a SELECT with nothing else to it: each is run once. Beside a
/// set-returning function a result may be run more than once, or never.
fn alone(select: &SelectStmt) -> Vec<i32> {
    let call = |node: &Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => match super::is_there(target.val.as_deref()) {
            Some(NodeEnum::FuncCall(call)) if call.funcname.last().and_then(string) == Some("set_config") => Some(call.location),
            _ => None,
        },
        _ => None,
    };
    let few = Some(&select.target_list).filter(|targets| targets.len() <= MOST_ALONE);
    let Some(calls) = few.and_then(|targets| targets.iter().map(call).collect::<Option<Vec<i32>>>()) else { return Vec::new() };
    let (target_list, limit_option, op) = (select.target_list.clone(), select.limit_option, select.op);
    if *select == (SelectStmt { target_list, limit_option, op, ..SelectStmt::default() }) { calls } else { Vec::new() }
}

/// What is looked through for such calls.
const MOST_ALONE: usize = 16;

/// The truth of an option as the server reads it; `None`: it does not.
pub(super) fn switched(value: Option<&Node>) -> Option<bool> {
    match super::is_there(value) {
        None => Some(true),
        Some(NodeEnum::Integer(number)) => match number.ival {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Some(NodeEnum::Boolean(truth)) => Some(truth.boolval),
        Some(NodeEnum::String(text)) => match text.sval.to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        Some(_) => None,
    }
}

fn relation_of(operation: &Operation) -> Option<u32> {
    match &operation.on {
        On::Table(_, Some(oid)) => Some(*oid),
        On::Column(_, _, id) => Some(id.relation),
        _ => None,
    }
}

pub(super) fn range(node: &Node) -> Ruled<&RangeVar> {
    match &node.node {
        Some(NodeEnum::RangeVar(range)) => Ok(range),
        _ => Err(Refused::unsupported("the bastion cannot read this list of relations")),
    }
}
