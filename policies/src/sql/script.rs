//! What is known of a script once it is analysed: plain data, no policy in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::catalog::{ColumnId, Relation};
use crate::Action;
use crate::request::{Database, DbSchema, Function, Place, Table, Target};

/// A name within a schema. `pg_temp` stands for the session's own temporary schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The schema.
    pub schema: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl Name {
    /// `schema.name`
    #[must_use]
    pub fn new(schema: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Name { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A text of one or more statements. All of it is decided before any of it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The statements in order; none for an empty text.
    pub statements: Vec<Arc<Statement>>,
    /// Whether it names a prepared statement or a cursor, so that it means what that name means now.
    pub by_name: bool,
}

/// All of a statement that policy looks at: not its values, nor where anything stands in its text. Statements that are alike are decided
/// alike at one time and with one catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Likeness {
    kind: &'static str,
    has_where: bool,
    operations: Vec<Operation>,
    answer: Answer,
    hazards: Vec<(Concern, Use)>,
}

impl Script {
    /// What policy looks at. `None` for one that means what the name of something else means now.
    #[must_use]
    pub fn likeness(&self) -> Option<Vec<Likeness>> {
        let of = |statement: &Arc<Statement>| Likeness {
            kind: statement.kind,
            has_where: statement.has_where,
            operations: statement.operations.clone(),
            answer: statement.answer.clone(),
            hazards: statement.hazards.iter().map(|hazard| (hazard.concern, hazard.usage.clone())).collect(),
        };
        (!self.by_name).then(|| self.statements.iter().map(of).collect())
    }
}

impl AsRef<Script> for Script {
    fn as_ref(&self) -> &Script {
        self
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes in the text, without the semicolon.
    pub range: Range<usize>,
    /// Its kind in lower case, as policies see it: `select`, `create table`. PREPARE, EXECUTE, DECLARE, FETCH and EXPLAIN are of the
    /// kind of what is within.
    pub kind: &'static str,
    /// Whether it has a WHERE of its own.
    pub has_where: bool,
    /// Whether it is a query or a change of rows as it stands, which EXPLAIN takes.
    pub planned: bool,
    /// Whether it has places for values, `$1`.
    pub has_parameters: bool,
    /// What policy is asked, each once, in order of first use.
    pub operations: Vec<Operation>,
    /// The columns that it names to give them values.
    pub assigned: Vec<(Name, Arc<str>)>,
    /// What it would answer with.
    pub answer: Answer,
    /// What it changes about the session, to be taken in once the server has acknowledged it ([`super::State::apply`]).
    pub effects: Vec<Effect>,
    /// Where values are used otherwise than by being handed on.
    pub hazards: Vec<Hazard>,
}

/// What is asked of policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operation {
    /// What is wanted.
    pub action: Action,
    /// On what.
    pub on: On,
    /// The setting, for `pg.set`.
    pub setting: Option<Arc<str>>,
}

/// What an operation is about, beside the target and its database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum On {
    /// The database as a whole.
    Database,
    /// A schema.
    Schema(Arc<str>),
    /// A relation; its number in the catalog if it is there.
    Table(Name, Option<u32>),
    /// A column of a relation.
    Column(Name, Arc<str>, ColumnId),
    /// All functions of that name.
    Function(Name),
}

impl On {
    /// As policy is asked about it.
    #[must_use]
    pub fn place(&self, target: &Target, database: &str) -> Place {
        let (target, database) = (target.clone(), database.to_owned());
        let table =
            |name: &Name, target, database| Table { target, database, schema: name.schema.to_string(), name: name.name.to_string() };
        match self {
            On::Database => Place::Database(Database { target, name: database }),
            On::Schema(schema) => Place::Schema(DbSchema { target, database, name: schema.to_string() }),
            On::Table(name, _) => Place::Table(table(name, target, database)),
            On::Column(name, column, _) => Place::Column(table(name, target, database), column.to_string()),
            On::Function(Name { schema, name }) => {
                Place::Function(Function { target, database, schema: schema.to_string(), name: name.to_string() })
            }
        }
    }
}

/// What a statement answers with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A command tag and no rows.
    Nothing,
    /// Rows with exactly these columns.
    Rows(Vec<Output>),
    /// Rows that the server makes up itself (EXPLAIN, SHOW); nothing of a table is in them.
    Report,
    /// COPY data out with these columns, in this form if it is one that can be read again.
    CopyOut(Vec<Output>, Option<CopyForm>),
    /// COPY data in.
    CopyIn,
    /// Rows of which the columns cannot be told. In a masked session such a statement is refused.
    Unknown,
}

/// How copied data is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CopyForm {
    /// In which format.
    pub format: CopyFormat,
    /// What stands between two columns.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: Arc<str>,
    /// What CSV puts around values.
    pub quote: u8,
    /// What CSV puts before a quote in a value.
    pub escape: u8,
    /// Whether the first line has the columns' names.
    pub header: bool,
}

/// The formats of COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyFormat {
    /// Lines with backslashes.
    Text,
    /// Comma-separated values.
    Csv,
    /// The types' own bytes.
    Binary,
}

/// One predicted column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// Its name.
    pub name: Arc<str>,
    /// What RowDescription may say of where it comes from.
    pub origin: Origin,
    /// The columns whose values are handed on in it unchanged.
    pub flows: Vec<ColumnId>,
}

/// Where the server may say that a column comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// From no table, or from one of these columns.
    Known(Vec<ColumnId>),
    /// From a relation that the session made itself and whose number is not known.
    Made,
}

impl Output {
    /// Whether the origin that RowDescription gives fits the prediction. `(0, 0)`, which says nothing, always does; `known` tells
    /// whether the catalog has a relation of that number.
    #[must_use]
    pub fn admits(&self, reported: ColumnId, known: bool) -> bool {
        reported.relation == 0
            || match &self.origin {
                Origin::Known(columns) => columns.contains(&reported),
                Origin::Made => !known,
            }
    }
}

/// What later statements have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The search path is this from now on; `None` puts the session's default back. `local`: until the end of the transaction.
    SearchPath {
        /// The schemas as they were written.
        path: Option<Vec<Arc<str>>>,
        /// SET LOCAL.
        local: bool,
    },
    /// The role is this from now on; `None` is the session's own.
    Role {
        /// The role's name.
        role: Option<Arc<str>>,
        /// SET LOCAL.
        local: bool,
    },
    /// A transaction block begins.
    Begin,
    /// The block ends well. If the server's tag is ROLLBACK instead, take in [`Effect::Rollback`]. `chain`: another begins.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// The block ends and what it did is undone.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// A savepoint.
    Savepoint(Arc<str>),
    /// It is given up.
    Release(Arc<str>),
    /// What was done since is undone.
    RollbackTo(Arc<str>),
    /// A statement prepared by SQL: what EXECUTE of that name does.
    Prepare(Arc<str>, Arc<Statement>),
    /// `None`: all.
    Deallocate(Option<Arc<str>>),
    /// A cursor: what FETCH from it gives.
    Declare(Arc<str>, Arc<Statement>),
    /// `None`: all.
    Close(Option<Arc<str>>),
    /// A relation made in this session, temporary or not yet committed; the catalog cannot know it.
    Make(Arc<Relation>),
    /// A relation dropped in this session.
    Drop(Name),
    /// The catalog is not what it was: read it again before the next analysis outside the transaction block.
    CatalogChanged,
    /// Code ran that cannot be seen: search path, role and temporary relations may be anything. Ask the server for them.
    InDoubt,
    /// DISCARD ALL.
    Discard,
}

/// A place where a value is used otherwise than by being handed on, or where the bastion cannot see what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hazard {
    /// For whom it is one.
    pub concern: Concern,
    /// How it is used.
    pub usage: Use,
    /// Where in the text, in bytes.
    pub position: Option<usize>,
}

/// When a hazard is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concern {
    /// When this column is masked.
    Column(ColumnId),
    /// When any column of this relation is masked.
    Relation(u32),
    /// When anything is masked for the principal on this target.
    Session,
}

/// How a value is used. Reads after "column x is masked for you and cannot be"; the last two after "this rules out".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Use {
    /// In an expression, a function, a cast, an aggregate.
    Expression,
    /// Compared for equality with a value that is no column; allowed where `@mask_use("eq")` says so.
    Equality,
    /// In any other condition.
    Filter,
    /// As what rows are joined by.
    Join,
    /// As what rows are sorted by.
    Sort,
    /// As what rows are grouped by or told apart by.
    Group,
    /// In a window.
    Window,
    /// Compared by UNION, INTERSECT or EXCEPT.
    SetOperation,
    /// As part of a whole row.
    WholeRow,
    /// Written to where it is not masked: a table, a view, a cursor that cannot be seen.
    Stored,
    /// Copied out in a form that is not read again.
    Copied,
    /// Changed or depended on by DDL.
    Ddl,
    /// Told by the planner's estimates.
    Explain,
    /// Something that concerns the session, as a noun.
    Session(&'static str),
    /// As [`Use::Session`], about the object named.
    Object(&'static str, Arc<str>),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Use::Expression => "used in an expression",
            Use::Equality | Use::Filter => "filtered by",
            Use::Join => "joined by",
            Use::Sort => "sorted by",
            Use::Group => "grouped by or told apart",
            Use::Window => "used in a window",
            Use::SetOperation => "compared by UNION, INTERSECT or EXCEPT",
            Use::WholeRow => "taken as part of a whole row",
            Use::Stored => "stored where it would not be masked",
            Use::Copied => "copied out in this form: select it instead",
            Use::Ddl => "changed or built upon",
            Use::Explain => "explained: the planner's estimates tell values",
            Use::Session(what) => what,
            Use::Object(what, name) => return write!(f, "{what} {name}"),
        })
    }
}
