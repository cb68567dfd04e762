//! Bytes that claim to be SQL: the analyser understands them or refuses, never panics, and says the same of the same bytes.
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_policies::sql::{Catalog, Column, Limits, Relation, RelationKind, Rows, STACK, State, analyse};
use libfuzzer_sys::fuzz_target;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut rows = Rows { major: 18, database: "fuzz".to_owned(), schemas: vec!["public".into(), "hr".into()], ..Rows::default() };
    for (oid, (schema, name, columns)) in
        (16_384..).zip([("public", "orders", "id customer total note"), ("public", "customers", "id name email card"), ("hr", "payroll", "id name salary")])
    {
        let columns = (1..).zip(columns.split(' ')).map(|(number, name)| Column { number, name: name.into(), type_oid: 25 }).collect();
        let (schema, name, kind, parents, definition, rules) = (schema.into(), name.into(), RelationKind::Table, Vec::new(), None, false);
        rows.relations.push(Arc::new(Relation { oid, schema, name, kind, columns, parents, definition, rules }));
    }
    Catalog::new(rows)
});

/// What it says, as text: two readings of the same bytes must not differ.
fn read(data: &[u8]) -> String {
    format!("{:?}", analyse(data, &CATALOG, &State::new("app", ["$user", "public"]), &Limits::default()))
}

fuzz_target!(|data: &[u8]| {
    // The grammar is deep, and the analyser is given this much stack in the bastion too.
    let twice = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || (read(data), read(data)));
        thread.expect("a thread").join()
    });
    let (one, two) = twice.unwrap_or_else(|_| std::process::abort());
    assert_eq!(one, two, "the same statement was understood in two ways");
});
