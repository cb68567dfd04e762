//! From what policies need to the statements that grant it. Every name is quoted; what no grant can give or take is told.

use std::collections::{BTreeSet, HashMap};

use bartizan_policies::sql::{Needs, RelationKind, TableNeeds};
use postgres_protocol::escape::escape_identifier;

use crate::model::Printable;
use crate::upstream::Survey;

/// From this major version on there is a right to maintain a table.
const MAINTAIN: u16 = 17;

/// The statements, and what is to be said beside them.
pub(super) struct Script {
    pub(super) statements: Vec<String>,
    pub(super) masked: Vec<Masked>,
    pub(super) notes: Vec<String>,
}

/// A column that everybody has masked.
pub(super) struct Masked {
    pub(super) table: String,
    pub(super) column: String,
    pub(super) policies: Vec<String>,
    /// Why the role can read it although nothing grants it to the role itself.
    pub(super) still: Option<String>,
}

impl Script {
    pub(super) fn new(needs: &Needs, survey: &Survey, with_masked: bool) -> Self {
        let role = escape_identifier(&survey.role);
        let own = |schema: &str| !schema.starts_with("pg_") && schema != "information_schema";
        let schemas: BTreeSet<&str> = survey.catalog.rows().schemas.iter().map(AsRef::as_ref).filter(|schema| own(schema)).collect();
        let mut statements = Vec::new();
        for schema in &schemas {
            for objects in ["TABLES", "SEQUENCES", "ROUTINES"] {
                statements.push(format!("REVOKE ALL ON ALL {objects} IN SCHEMA {} FROM {role}", escape_identifier(schema)));
            }
        }
        let used: BTreeSet<&str> =
            needs.tables.iter().map(|table| &*table.relation.schema).chain(needs.functions.iter().map(|name| &*name.schema)).collect();
        statements.extend(used.iter().map(|schema| format!("GRANT USAGE ON SCHEMA {} TO {role}", escape_identifier(schema))));
        let mut masked: HashMap<u32, Vec<&str>> = HashMap::new();
        for column in needs.masked.iter().filter(|_| with_masked) {
            masked.entry(column.id.relation).or_default().push(&column.column);
        }
        let filled: BTreeSet<u32> = needs.tables.iter().filter(|table| table.insert).map(|table| table.relation.oid).collect();
        let feeds = |oid: u32| survey.sequences.iter().any(|(sequence, table)| *sequence == oid && filled.contains(table));
        for table in needs.tables.iter().filter(|table| table.relation.kind != RelationKind::Sequence) {
            statements.extend(of_table(table, masked.get(&table.relation.oid), survey.catalog.rows().major, &role));
        }
        for sequence in survey.catalog.rows().relations.iter().filter(|one| one.kind == RelationKind::Sequence && own(&one.schema)) {
            let read = needs.tables.iter().any(|table| table.relation.oid == sequence.oid && table.select);
            if read || feeds(sequence.oid) {
                let rights = if read { "USAGE, SELECT" } else { "USAGE" };
                statements.push(format!(
                    "GRANT {rights} ON SEQUENCE {}.{} TO {role}",
                    escape_identifier(&sequence.schema),
                    escape_identifier(&sequence.name)
                ));
            }
        }
        let routines = needs.functions.iter().filter_map(|name| survey.routines.get(name)).flatten();
        statements.extend(routines.map(|written| format!("GRANT EXECUTE ON ROUTINE {written} TO {role}")));
        Self { statements, masked: needs.masked.iter().map(|column| of_masked(column, survey)).collect(), notes: notes(needs, survey) }
    }

    pub(super) fn text(&self, target: &str, database: &str, survey: &Survey) -> String {
        let mut text = format!(
            "-- What the policies need of role {} in database {} of {target}, and nothing else.\n-- Run it as the owner of the tables: \
             psql -v ON_ERROR_STOP=1 -d {} -f FILE\n",
            comment(&survey.role),
            comment(database),
            comment(database)
        );
        for note in &self.notes {
            text.push_str(&format!("-- {}\n", comment(note)));
        }
        for Masked { table, column, policies, still } in &self.masked {
            let still = still.as_ref().map(|why| format!("; the role can read it even so: {why}")).unwrap_or_default();
            text.push_str(&format!("-- Everybody has {table}.{column} masked ({}){}\n", comment(&policies.join(", ")), comment(&still)));
        }
        text.push_str("BEGIN;\n");
        for statement in &self.statements {
            text.push_str(statement);
            text.push_str(";\n");
        }
        text.push_str("COMMIT;\n");
        text
    }
}

fn of_table(table: &TableNeeds, masked: Option<&Vec<&str>>, major: u16, role: &str) -> Option<String> {
    let TableNeeds { relation, columns, select, insert, update, delete, truncate, maintain, ddl: _ } = table;
    let read: Vec<&str> = columns.iter().map(AsRef::as_ref).chain(masked.into_iter().flatten().copied()).collect();
    let mut rights = Vec::new();
    if read.len() == relation.columns.len() && *select {
        rights.push("SELECT".to_owned());
    } else if !read.is_empty() {
        let names: Vec<String> = read.iter().map(|name| escape_identifier(name)).collect();
        rights.push(format!("SELECT ({})", names.join(", ")));
    }
    let more = [
        (insert, "INSERT"),
        (update, "UPDATE"),
        (delete, "DELETE"),
        (truncate, "TRUNCATE"),
        (&(*maintain && major >= MAINTAIN), "MAINTAIN"),
    ];
    rights.extend(more.into_iter().filter(|(needed, _)| **needed).map(|(_, word)| word.to_owned()));
    let on = format!("{}.{}", escape_identifier(&relation.schema), escape_identifier(&relation.name));
    (!rights.is_empty()).then(|| format!("GRANT {} ON {on} TO {role}", rights.join(", ")))
}

fn of_masked(column: &bartizan_policies::sql::MaskedColumn, survey: &Survey) -> Masked {
    let still = survey.reads_all.clone().or_else(|| survey.reads.get(&column.id).cloned().flatten());
    Masked {
        table: Printable(&column.table.to_string()).to_string(),
        column: Printable(&column.column).to_string(),
        policies: column.policies.clone(),
        still,
    }
}

fn notes(needs: &Needs, survey: &Survey) -> Vec<String> {
    let mut notes = Vec::new();
    let count = |which: fn(&TableNeeds) -> bool| needs.tables.iter().filter(|table| which(table)).count();
    let (ddl, maintain) = (count(|table| table.ddl), count(|table| table.maintain));
    if ddl > 0 {
        notes.push(format!(
            "Policies let somebody change the definition of {ddl} relations, which only their owner can: no grant gives that."
        ));
    }
    if maintain > 0 && survey.catalog.rows().major < MAINTAIN {
        notes
            .push(format!("Policies let somebody maintain {maintain} relations, which before PostgreSQL {MAINTAIN} only their owner can."));
    }
    if let Some(why) = &survey.reads_all {
        notes.push(format!("No grant limits what the role reads: {why}."));
    }
    notes
}

/// A text that cannot end the comment that it is in.
fn comment(text: &str) -> String {
    Printable(text).to_string().replace(['\n', '\r'], " ")
}
