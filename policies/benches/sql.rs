//! How long a statement takes to be understood: by the parser alone, analysed, found in the cache, and judged. Asserts no time.
//!
//! `cargo bench -p bartizan-policies --bench sql`

#![allow(clippy::expect_used, missing_docs, reason = "a bench")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};

use bartizan_policies::sql::{Cache, Catalog, Column, Judge, Limits, Relation, RelationKind, Rows, STACK, State, analyse};
use bartizan_policies::{Context, Facts, Known, PolicySet, Principal, Target};

const TABLES: [(&str, &str); 3] = [
    ("accounts", "aid bid abalance filler"),
    ("customers", "id name email card age note"),
    ("orders", "id customer_id total state note created"),
];

fn catalog() -> Catalog {
    let mut rows = Rows { major: 18, database: "bench".to_owned(), schemas: vec!["public".into()], ..Rows::default() };
    for (oid, (name, columns)) in (16_384..).zip(TABLES) {
        let columns = (1..).zip(columns.split(' ')).map(|(number, name)| Column { number, name: name.into(), type_oid: 25 }).collect();
        let (schema, kind, parents, definition, rules) = ("public".into(), RelationKind::Table, Vec::new(), None, false);
        rows.relations.push(Arc::new(Relation { oid, schema, name: name.into(), kind, columns, parents, definition, rules }));
    }
    Catalog::new(rows)
}

fn long() -> String {
    let part = |n: usize| {
        format!(
            "p{n} AS (SELECT c.id, c.name, count(*) AS orders, sum(o.total) AS total FROM customers c JOIN orders o ON o.customer_id = c.id \
             WHERE o.state = 'paid' AND o.created > now() - interval '{n} days' AND c.name LIKE 'A%' GROUP BY c.id, c.name HAVING count(*) > {n})"
        )
    };
    let parts: Vec<String> = (1..9).map(part).collect();
    format!("WITH {} SELECT a.id, b.total FROM p1 a JOIN p2 b ON a.id = b.id ORDER BY b.total DESC LIMIT 10", parts.join(", "))
}

fn run(bench: &mut Criterion) {
    let (catalog, state, limits) = (catalog(), State::new("app", ["$user", "public"]), Limits::default());
    let set =
        PolicySet::load(vec![("p.cedar".to_owned(), "@id(\"all\") permit (principal, action, resource);".to_owned())], &Known::default());
    let target = Target::new("bench", "postgres");
    let (set, ann) = (set.expect("policies"), Principal::user("corp/ann", ["corp/sre"]));
    let slice = set.slice(&ann, &target);
    let now = "2026-01-02T03:04:05Z".parse().expect("a moment");
    let source_ip = "192.0.2.7".parse().expect("an address");
    let context = Context { source_ip, time: now, authenticated_at: now, device_bound: false, reason: None, facts: Facts::None };
    let long = long();
    for (name, text) in [
        ("short select", "SELECT abalance FROM accounts WHERE aid = $1"),
        ("update", "UPDATE accounts SET abalance = abalance + $1 WHERE aid = $2"),
        ("join of two", "SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = 7 ORDER BY o.created"),
        ("eight common tables", &long),
    ] {
        let script = Arc::new(analyse(text.as_bytes(), &catalog, &state, &limits).expect("it is read"));
        let mut cache = Cache::new(1 << 20);
        cache.put(text.as_bytes(), &catalog, &state, &script);
        let mut measure = |what: &str, call: &mut dyn FnMut()| {
            bench.benchmark_group(what).bench_function(BenchmarkId::from_parameter(name), |timer| timer.iter(&mut *call));
        };
        measure("pg_query alone", &mut || drop(black_box(pg_query::parse(black_box(text), 0))));
        measure("analyse a statement", &mut || drop(black_box(analyse(black_box(text.as_bytes()), &catalog, &state, &limits))));
        measure("find a repeated statement", &mut || drop(black_box(cache.get(black_box(text.as_bytes()), &catalog, &state))));
        // By a slice that has made nothing yet, with the cutting of it.
        measure("judge by a new slice", &mut || {
            drop(black_box(Judge::new(&set.slice(&ann, &target), &target, &catalog, &context).judge(&script, text)));
        });
        measure("judge", &mut || drop(black_box(Judge::new(&slice, &target, &catalog, &context).judge(&script, text))));
    }
}

fn main() {
    // The parser needs more stack than a thread has by itself.
    let measured = std::thread::Builder::new().stack_size(STACK).spawn(|| {
        let mut bench = Criterion::default().configure_from_args();
        run(&mut bench);
        bench.final_summary();
    });
    measured.expect("a thread").join().expect("it ends well");
}
