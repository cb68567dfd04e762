//! From a parse tree to what it would do. Every node is taken apart field by field, so that one this code has not seen does not
//! compile, and a node without a meaning here is refused.

mod calls;
mod change;
mod columns;
mod copy;
mod ddl;
mod expression;
mod from;
mod json;
mod makes;
mod named;
mod order;
mod scope;
mod select;
mod session;
mod statement;
mod titles;
mod types;
mod with;

use std::collections::HashSet;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RawStmt};

use super::catalog::{Catalog, ColumnId, Relation};
use super::limits::Limits;
use super::refused::Refused;
use super::script::{Answer, Concern, Effect, Hazard, Name, On, Operation, Origin, Output, Script, Statement, Use};
use super::state::State;
use super::{parse, scan};
use crate::Action;
use scope::{Source, Value};

type Ruled<T> = Result<T, Refused>;

/// Reads a script. Call it on a thread with a stack of [`super::STACK`] bytes.
///
/// # Errors
/// What is not understood, or not let through for anybody. If it is [`Refused::stale`] a catalog read again may mend it.
pub fn analyse(text: &[u8], catalog: &Catalog, state: &State, limits: &Limits) -> Result<Script, Refused> {
    let text = scan::scan(text, limits, catalog.rows().major)?;
    let tree = parse::parse(text)?;
    if tree.stmts.len() > limits.statements {
        return Err(Refused::new("54000", format!("more than {} statements are sent at once", limits.statements)));
    }
    let mut state = state.clone();
    let mut statements = Vec::with_capacity(tree.stmts.len());
    let (mut steps, mut by_name) = (0, false);
    for raw in &tree.stmts {
        let RawStmt { stmt, stmt_location, stmt_len } = raw;
        let range = range(text, *stmt_location, *stmt_len);
        let mut analyst = Analyst::new(text, catalog, &state, limits, steps);
        let (kind, answer) = analyst.statement(stmt.as_deref())?;
        (steps, by_name) = (analyst.steps, by_name || analyst.by_name);
        let statement = Statement { planned: is_planned(stmt.as_deref()), ..analyst.finish(range, kind, answer) };
        for effect in &statement.effects {
            state = state.apply(effect);
        }
        statements.push(Arc::new(statement));
    }
    Ok(Script { statements, by_name })
}

/// The definition of a view, which the server wrote itself.
pub(super) fn view(definition: &str, catalog: &Catalog) -> Result<Statement, Refused> {
    let limits = Limits::default();
    let state = State::new("", Vec::<Arc<str>>::new());
    let script = analyse(definition.as_bytes(), catalog, &state, &limits)?;
    let mut statements = script.statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(one), None) => Ok(Arc::unwrap_or_clone(one)),
        _ => Err(Refused::unsupported("a view's definition is not one statement")),
    }
}

/// Whether it is a query or a change of rows, and nothing around one.
fn is_planned(node: Option<&Node>) -> bool {
    match is_there(node) {
        Some(NodeEnum::SelectStmt(select)) => select.into_clause.is_none(),
        Some(NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) | NodeEnum::MergeStmt(_)) => true,
        _ => false,
    }
}

/// The bytes of a statement without the white space around it.
fn range(text: &str, location: i32, length: i32) -> std::ops::Range<usize> {
    let begin = usize::try_from(location).unwrap_or(0);
    let end = match usize::try_from(length) {
        Ok(0) | Err(_) => text.len(),
        Ok(length) => begin.saturating_add(length),
    };
    let Some(all) = text.get(begin..end) else { return 0..text.len() };
    let trimmed = all.trim_start();
    let begin = begin.saturating_add(all.len().saturating_sub(trimmed.len()));
    begin..begin.saturating_add(trimmed.trim_end().len())
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Its value goes on, changed.
    Value,
    /// A condition on rows.
    Filter,
    Join,
    Sort,
    Group,
    Window,
    SetOperation,
    Stored,
}

impl For {
    fn usage(self) -> Use {
        match self {
            For::Value => Use::Expression,
            For::Filter => Use::Filter,
            For::Join => Use::Join,
            For::Sort => Use::Sort,
            For::Group => Use::Group,
            For::Window => Use::Window,
            For::SetOperation => Use::SetOperation,
            For::Stored => Use::Stored,
        }
    }

    fn action(self) -> Action {
        match self {
            For::Value | For::Stored => Action::PgReadColumn,
            For::Filter | For::Join | For::Sort | For::Group | For::Window | For::SetOperation => Action::PgFilterColumn,
        }
    }
}

/// One statement's analysis.
struct Analyst<'a> {
    text: &'a str,
    catalog: &'a Catalog,
    state: &'a State,
    limits: &'a Limits,
    /// Where unqualified relations are looked for.
    schemas: Vec<Arc<str>>,
    operations: Vec<Operation>,
    asked: HashSet<Operation>,
    assigned: Vec<(Name, Arc<str>)>,
    hazards: Vec<Hazard>,
    effects: Vec<Effect>,
    has_where: bool,
    has_parameters: bool,
    steps: usize,
    depth: usize,
    /// The queries that the statement is made of, around what is looked at.
    queries: usize,
    /// Columns are named only to define something on their table, which is asked about as a whole.
    defines: bool,
    /// A prepared statement or a cursor is named.
    by_name: bool,
    /// Where the calls stand that are surely run, once: results of a SELECT of nothing else.
    certain: Vec<i32>,
    /// Columns that WHERE holds to a text, in the results of the query that is looked at.
    held: Vec<(ColumnId, String)>,
}

impl<'a> Analyst<'a> {
    fn new(text: &'a str, catalog: &'a Catalog, state: &'a State, limits: &'a Limits, steps: usize) -> Self {
        Analyst {
            text,
            catalog,
            state,
            limits,
            schemas: state.schemas(catalog),
            operations: Vec::new(),
            asked: HashSet::new(),
            assigned: Vec::new(),
            hazards: Vec::new(),
            effects: Vec::new(),
            has_where: false,
            has_parameters: false,
            steps,
            depth: 0,
            queries: 0,
            defines: false,
            by_name: false,
            certain: Vec::new(),
            held: Vec::new(),
        }
    }

    fn finish(self, range: std::ops::Range<usize>, kind: &'static str, answer: Answer) -> Statement {
        let Analyst { operations, assigned, hazards, effects, has_where, has_parameters, .. } = self;
        Statement { range, kind, has_where, planned: false, has_parameters, operations, assigned, answer, effects, hazards }
    }

    /// Counts a step down, so that neither depth nor work is without bound. Pair it with [`Analyst::up`].
    fn down(&mut self) -> Ruled<()> {
        self.steps += 1;
        self.depth += 1;
        if self.depth > self.limits.depth {
            let message = format!("the statement is nested more than {} deep", self.limits.depth);
            return Err(Refused::new("54001", message));
        }
        if self.steps > self.limits.steps {
            return Err(Refused::new("54001", "the statement is too complex for the bastion to follow"));
        }
        Ok(())
    }

    /// Counts so many columns as work.
    fn spend(&mut self, columns: usize) -> Ruled<()> {
        self.steps = self.steps.saturating_add(columns);
        if self.steps > self.limits.steps {
            return Err(Refused::new("54001", "the statement is too complex for the bastion to follow"));
        }
        Ok(())
    }

    fn up(&mut self) {
        self.depth -= 1;
    }

    fn refused(&self, refused: Refused, location: i32) -> Refused {
        refused.at(self.text, byte(location))
    }

    fn ask(&mut self, action: Action, on: On) {
        self.ask_operation(Operation { action, on, setting: None });
    }

    fn ask_operation(&mut self, operation: Operation) {
        if self.asked.insert(operation.clone()) {
            self.operations.push(operation);
        }
    }

    fn assigns(&mut self, table: Name, column: &Arc<str>) {
        let assigned = (table, Arc::clone(column));
        if !self.assigned.contains(&assigned) {
            self.assigned.push(assigned);
        }
    }

    fn ask_table(&mut self, action: Action, relation: &Relation) {
        self.ask(action, On::Table(name_of(relation), Some(relation.oid)));
    }

    fn ask_source(&mut self, action: Action, source: &Source) {
        if *source.column == *"attmissingval" && *source.table.schema == *super::state::SYSTEM {
            self.blind("reading attmissingval, which has values of other tables", -1);
        }
        self.ask(action, On::Column(source.table.clone(), Arc::clone(&source.column), source.id));
    }

    fn hazard(&mut self, concern: Concern, usage: Use, location: i32) {
        let hazard = Hazard { concern, usage, position: byte(location) };
        if !self.hazards.contains(&hazard) {
            self.hazards.push(hazard);
        }
    }

    /// Something that no masked session may do.
    fn blind(&mut self, what: &'static str, location: i32) {
        self.hazard(Concern::Session, Use::Session(what), location);
    }

    /// A value used otherwise than by being handed on.
    fn used(&mut self, value: &Value, purpose: For, location: i32) {
        self.used_as(value, purpose.action(), &purpose.usage(), location);
    }

    fn used_as(&mut self, value: &Value, action: Action, usage: &Use, location: i32) {
        for source in value.flows.iter().filter(|_| !self.defines).cloned().collect::<Vec<_>>() {
            self.ask_source(action, &source);
            self.hazard(Concern::Column(source.id), usage.clone(), location);
        }
    }

    /// A value handed on.
    fn handed_on(&mut self, value: &Value) {
        value.flows.iter().for_each(|source| self.ask_source(Action::PgReadColumn, source));
    }

    /// All columns of a relation as one value.
    fn whole_row(&mut self, relation: &Relation, location: i32) {
        for column in &relation.columns {
            let source = Source { id: relation.id(column), table: name_of(relation), column: Arc::clone(&column.name) };
            self.ask_source(Action::PgReadColumn, &source);
        }
        self.hazard(Concern::Relation(relation.oid), Use::WholeRow, location);
    }
}

fn name_of(relation: &Relation) -> Name {
    Name::new(Arc::clone(&relation.schema), Arc::clone(&relation.name))
}

/// Locations are bytes; a negative one is none.
fn byte(location: i32) -> Option<usize> {
    usize::try_from(location).ok()
}

fn is_there(node: Option<&Node>) -> Option<&NodeEnum> {
    node.and_then(|node| node.node.as_ref())
}

/// The text of a String node.
fn string(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        _ => None,
    }
}

/// The texts of a list of String nodes; `None` if there is anything else in it.
fn strings(nodes: &[Node]) -> Option<Vec<&str>> {
    nodes.iter().map(string).collect()
}

/// The predicted columns of an answer.
fn outputs(columns: Vec<scope::Column>) -> Vec<Output> {
    let output = |column: scope::Column| {
        let scope::Column { name, value: Value { flows, origin } } = column;
        Output { name, origin, flows: flows.into_iter().map(|source| source.id).collect() }
    };
    columns.into_iter().map(output).collect()
}

fn no_column() -> Origin {
    Origin::Known(Vec::new())
}

/// The system's columns that every table has.
const SYSTEM_COLUMNS: [(&str, i16); 6] = [("ctid", -1), ("xmin", -2), ("cmin", -3), ("xmax", -4), ("cmax", -5), ("tableoid", -6)];

fn system_column(relation: &Relation, name: &str) -> Option<ColumnId> {
    let (_, number) = SYSTEM_COLUMNS.iter().find(|(known, _)| *known == name)?;
    Some(ColumnId { relation: relation.oid, number: *number })
}
