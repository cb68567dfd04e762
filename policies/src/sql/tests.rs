//! The corpus of statements with their outcomes, on the schema beside it; deep and long texts; random and harmed statements; what is
//! kept of them.

mod corpus;
mod deep;
mod keeping;
mod mutated;
mod plan;
mod random;

use std::sync::{Arc, OnceLock};

use super::*;
use crate::request::{Context, Principal, Target};
use crate::{Facts, Known, PolicySet, Slice};

const SCHEMA: &str = include_str!("corpus.sql");

/// Runs on a thread with the stack that analysis asks for.
fn on_a_big_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread").join().expect("it ends well")
}

fn state() -> State {
    State::new("app", ["$user", "public"])
}

/// The catalog of the corpus' schema: made by the analysis itself, statement by statement.
fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    Arc::clone(CATALOG.get_or_init(|| Arc::new(on_a_big_stack(build))))
}

fn build() -> Catalog {
    let mut rows = Rows { major: 18, database: "corpus".to_owned(), schemas: vec!["public".into(), "other".into()], ..Rows::default() };
    for (name, columns) in SYSTEM {
        let columns = (1..).zip(columns.split(' ')).map(|(number, name)| Column { number, name: name.into(), type_oid: 0 }).collect();
        rows.relations.push(Arc::new(relation(rows.relations.len(), "pg_catalog", name, columns)));
    }
    for text in statements(SCHEMA) {
        let catalog = Catalog::new(rows.clone());
        let script = analyse(text.as_bytes(), &catalog, &state(), &Limits::default()).unwrap_or_else(|why| panic!("{text}: {why}"));
        for statement in &script.statements {
            take(&mut rows, statement, &text);
        }
    }
    Catalog::new(rows)
}

const SYSTEM: &[(&str, &str)] = &[
    ("pg_class", "oid relname relnamespace relkind reltuples"),
    ("pg_namespace", "oid nspname"),
    ("pg_attribute", "attrelid attname atttypid atttypmod attnum attmissingval"),
    ("pg_stats", "schemaname tablename attname most_common_vals"),
    ("pg_statistic", "starelid staattnum stavalues1"),
    ("pg_stat_activity", "pid usename query"),
    ("pg_largeobject", "loid pageno data"),
    ("pg_settings", "name setting"),
];

fn relation(index: usize, schema: &str, name: &str, columns: Vec<Column>) -> Relation {
    let oid = 16_384 + u32::try_from(index).expect("a small number");
    let (schema, name) = (schema.into(), name.into());
    Relation { oid, schema, name, kind: RelationKind::Table, columns, parents: Vec::new(), definition: None, rules: false }
}

/// What a server would have in its catalogs after a statement.
fn take(rows: &mut Rows, statement: &Statement, text: &str) {
    for effect in &statement.effects {
        let Effect::Make(made) = effect else { continue };
        let base = relation(rows.relations.len(), &made.schema, &made.name, made.columns.clone());
        let view = statement.kind.contains("view");
        let definition = view.then(|| text.split_once(" AS ").expect("a query").1.into());
        let kind = if view { RelationKind::View } else { made.kind };
        rows.relations.push(Arc::new(Relation { kind, parents: made.parents.clone(), definition, ..base }));
    }
    for operation in &statement.operations {
        if let (On::Function(name), true) = (&operation.on, statement.kind.starts_with("create ")) {
            rows.functions.push(Routine { schema: name.schema.clone(), name: name.name.clone(), native: false });
        }
    }
}

/// The statements of a text, without comments.
fn statements(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    lines.join("\n").split(";\n").map(str::trim).filter(|text| !text.is_empty()).map(|text| text.trim_end_matches(';').to_owned()).collect()
}

const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
@id("email") @mask("redact") forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.customers.email");
@id("card") @mask("last4") @mask_use("eq")
forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.customers.card");
@id("age") @mask("null") forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.customers.age");
@id("ssn") @mask("hash") forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.people.ssn");
@id("bonus") @mask("null") forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.managers.bonus");
@id("odd") @mask("redact") forbid (principal, action == Action::"pg.read_column", resource == Column::"corpus/public.Odd Names.E-Mail");
"#;

fn target() -> Target {
    Target::new("corpus", "postgres")
}

fn slice_of(policies: &str) -> Slice {
    let set = PolicySet::load(vec![("p.cedar".to_owned(), policies.to_owned())], &Known::default());
    let set = set.unwrap_or_else(|problems| panic!("{}", problems[0]));
    set.slice(&Principal::user("corp/ann", ["corp/support"]), &target())
}

fn slice() -> Slice {
    static SLICE: OnceLock<Slice> = OnceLock::new();
    SLICE.get_or_init(|| slice_of(POLICIES)).clone()
}

fn context() -> Context {
    let now = "2026-01-02T03:04:05Z".parse().expect("a moment");
    let source_ip = "192.0.2.7".parse().expect("an address");
    Context { source_ip, time: now, authenticated_at: now, device_bound: false, reason: None, facts: Facts::None }
}

/// Analysis and judgement of a text, with the corpus' policies.
fn said(text: &str) -> Result<(Script, Judgement), Refused> {
    said_by(text, &slice())
}

fn said_by(text: &str, slice: &Slice) -> Result<(Script, Judgement), Refused> {
    let (catalog, target, context) = (catalog(), target(), context());
    let script = analyse(text.as_bytes(), &catalog, &state(), &Limits::default())?;
    let judgement = Judge::new(slice, &target, &catalog, &context).judge(&script, text);
    Ok((script, judgement))
}
