//! What a statement does, for somebody who has to decide about it at a glance: which tables, what is done to each, which columns get
//! values, and all of it in a sentence. It follows from what policy is asked; it decides nothing.

use std::sync::Arc;

use super::script::{Name, On, Script, Statement};
use crate::Action;

/// A statement in what it does to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// All of it in a sentence without its end, as in `deletes from public.orders, all rows: no WHERE`.
    pub summary: String,
    /// The relations, in order of first use.
    pub tables: Vec<Touched>,
}

/// What a statement does to one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub table: Name,
    /// `read`, `insert`, `update`, `delete` and the like, each once.
    pub does: Vec<&'static str>,
    /// The columns that it names to give them values.
    pub columns: Vec<Arc<str>>,
}

/// What a script does: the sentences of its statements, one after the other.
#[must_use]
pub fn outlines(script: &Script) -> Vec<Outline> {
    script.statements.iter().map(|statement| Outline::of(statement)).collect()
}

impl Outline {
    fn of(statement: &Statement) -> Self {
        let tables = touched(statement);
        let changes: Vec<String> = tables.iter().filter_map(|table| table.changes(statement)).collect();
        let others = others(statement);
        let reads: Vec<String> = tables.iter().filter(|table| table.does == ["read"]).map(|table| table.table.to_string()).collect();
        let mut parts = changes;
        parts.extend(others);
        if parts.is_empty() && !reads.is_empty() {
            parts.push(format!("reads {}", reads.join(", ")));
        }
        if parts.is_empty() {
            parts.push(format!("{} (no table)", statement.kind));
        }
        let mut summary = parts.join("; ");
        if matches!(statement.kind, "update" | "delete") && !statement.has_where {
            summary.push_str(", all rows: no WHERE");
        }
        Outline { summary, tables }
    }
}

/// What is done to a relation, by the action that policy is asked about; `None` for what is about no rows and no definition.
fn does(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::PgSelect | Action::PgReadColumn | Action::PgFilterColumn => "read",
        Action::PgInsert => "insert",
        Action::PgUpdate => "update",
        Action::PgDelete => "delete",
        Action::PgTruncate => "truncate",
        Action::PgDdl => "ddl",
        Action::PgCopyIn => "copy in",
        Action::PgCopyOut => "copy out",
        Action::PgMaintain => "maintain",
        _ => return None,
    })
}

fn touched(statement: &Statement) -> Vec<Touched> {
    let mut tables: Vec<Touched> = Vec::new();
    for operation in &statement.operations {
        let (On::Table(name, _) | On::Column(name, _, _)) = &operation.on else { continue };
        let Some(word) = does(operation.action) else { continue };
        let columns = || statement.assigned.iter().filter(|(table, _)| table == name).map(|(_, column)| Arc::clone(column)).collect();
        match tables.iter_mut().find(|known| known.table == *name) {
            Some(known) if known.does.contains(&word) => {}
            Some(known) => known.does.push(word),
            None => tables.push(Touched { table: name.clone(), does: vec![word], columns: columns() }),
        }
    }
    tables
}

impl Touched {
    /// What becomes of it; `None` where it is only read.
    fn changes(&self, statement: &Statement) -> Option<String> {
        let columns: Vec<&str> = self.columns.iter().map(|column| &**column).collect();
        let columns = columns.join(", ");
        let one = |word: &&str| {
            Some(match *word {
                "insert" => format!("adds rows to {}", self.table),
                "update" if columns.is_empty() => format!("changes rows of {}", self.table),
                "update" => format!("sets {columns} in {}", self.table),
                "delete" => format!("deletes from {}", self.table),
                "truncate" => format!("empties {}", self.table),
                "copy in" => format!("copies rows into {}", self.table),
                "copy out" => format!("copies {} out", self.table),
                "ddl" | "maintain" => format!("{} on {}", statement.kind, self.table),
                _ => return None,
            })
        };
        let changes: Vec<String> = self.does.iter().filter_map(one).collect();
        (!changes.is_empty()).then(|| changes.join(" and "))
    }
}

/// What it does beside tables.
fn others(statement: &Statement) -> Vec<String> {
    let one = |operation: &super::Operation| {
        Some(match (operation.action, &operation.on, &operation.setting) {
            (Action::PgSet, _, Some(setting)) => format!("sets {setting}"),
            (Action::PgCall | Action::PgDo, On::Function(name), _) => format!("calls {name}()"),
            (Action::PgDo, _, _) => "runs code that cannot be seen".to_owned(),
            (Action::PgDdl | Action::PgMaintain, On::Schema(schema), _) => format!("{} in schema {schema}", statement.kind),
            (Action::PgDdl | Action::PgMaintain, On::Database, _) => format!("{} in the database", statement.kind),
            (Action::PgDdl, On::Function(name), _) => format!("{} on {name}()", statement.kind),
            _ => return None,
        })
    };
    let mut all: Vec<String> = Vec::new();
    for part in statement.operations.iter().filter_map(one) {
        if !all.contains(&part) {
            all.push(part);
        }
    }
    all
}
