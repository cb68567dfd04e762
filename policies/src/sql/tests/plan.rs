//! What the planner is asked about, and what is read of its answers; and what a statement does, in a sentence.

use super::*;

fn read(text: &str, catalog: &Catalog, state: &State) -> Script {
    analyse(text.as_bytes(), catalog, state, &Limits::default()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn the_planner_is_asked_about_plain_statements_whose_planning_runs_nothing() {
    on_a_big_stack(|| {
        let catalog = catalog();
        let asked = |text: &str| explains(&read(text, &catalog, &state()), text, &catalog);
        for text in ["SELECT id FROM orders", "DELETE FROM orders WHERE id = 1", "INSERT INTO notes (id) VALUES (1), (2)", "VALUES (1)"] {
            assert_eq!(asked(text), [Some(format!("EXPLAIN (FORMAT JSON) {text}"))]);
        }
        assert_eq!(
            asked("SELECT id FROM orders WHERE id = $1"),
            [Some("EXPLAIN (FORMAT JSON, GENERIC_PLAN) SELECT id FROM orders WHERE id = $1".to_owned())]
        );
        for text in [
            "SELECT shout('x')",
            "SELECT id FROM orders WHERE note = shout('x')",
            "COPY orders TO STDOUT",
            "PREPARE p AS SELECT id FROM orders",
            "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM orders",
            "EXPLAIN SELECT id FROM orders",
            "SELECT id INTO kept FROM orders",
            "TRUNCATE orders",
            "SET work_mem = '1MB'",
            "CALL tidy()",
        ] {
            assert_eq!(asked(text), [None], "{text}");
        }
        // As far as nothing before it in the text changes what it means.
        assert_eq!(asked("BEGIN; DELETE FROM orders; COMMIT").iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(asked("SET search_path = other; DELETE FROM customers"), [None, None]);
        assert_eq!(asked("CREATE TABLE t (a int); DELETE FROM orders"), [None, None]);
        // What a view calls is called by planning it too.
        let mut rows = catalog.rows().clone();
        let definition = Some("SELECT orders.id FROM public.orders WHERE (orders.note = public.shout('x'::text))".into());
        let columns = vec![Column { number: 1, name: "id".into(), type_oid: 23 }];
        let view = Relation { kind: RelationKind::View, definition, ..relation(rows.relations.len(), "public", "calling", columns) };
        rows.relations.push(Arc::new(view));
        let foreign = Relation {
            kind: RelationKind::Foreign,
            ..relation(rows.relations.len(), "public", "far", vec![Column { number: 1, name: "id".into(), type_oid: 23 }])
        };
        rows.relations.push(Arc::new(foreign));
        rows.major = 15;
        let catalog = Catalog::new(rows);
        for text in ["SELECT id FROM calling", "SELECT id FROM far", "SELECT id FROM orders WHERE id = $1"] {
            assert_eq!(explains(&read(text, &catalog, &state()), text, &catalog), [None], "{text}");
        }
    });
}

#[test]
fn a_session_shares_its_meaning_as_long_as_nothing_is_its_own() {
    let path = |state: &State| state.shared_path().map(|path| path.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(path(&state()), Some(vec!["$user".to_owned(), "public".to_owned()]));
    let moved = state().apply(&Effect::SearchPath { path: Some(vec!["other".into()]), local: false });
    assert_eq!(path(&moved), Some(vec!["other".to_owned()]));
    let made = Arc::new(relation(0, "pg_temp", "t", Vec::new()));
    for effect in [
        Effect::Role { role: Some("other".into()), local: false },
        Effect::InDoubt,
        Effect::Make(made),
        Effect::Drop(Name::new("public", "orders")),
    ] {
        assert_eq!(path(&state().apply(&effect)), None, "{effect:?}");
    }
}

#[test]
fn a_plan_says_the_most_rows_that_are_given_or_changed() {
    let plan = |inner: &str| format!("[{{\"Plan\": {inner}}}]");
    for (inner, rows) in [
        (r#"{"Node Type": "Seq Scan", "Plan Rows": 5000}"#, Some(5_000)),
        (r#"{"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [{"Node Type": "Seq Scan", "Plan Rows": 5000}]}"#, Some(1)),
        (
            r#"{"Node Type": "ModifyTable", "Operation": "Delete", "Plan Rows": 0, "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 40},
                {"Node Type": "Result", "Parent Relationship": "InitPlan", "Plan Rows": 900}]}"#,
            Some(40),
        ),
        // Servers before 14 have a plan for each partition.
        (
            r#"{"Node Type": "ModifyTable", "Plan Rows": 0, "Plans": [
                {"Parent Relationship": "Member", "Plan Rows": 4}, {"Parent Relationship": "Member", "Plan Rows": 5}]}"#,
            Some(9),
        ),
        (
            r#"{"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [{"Node Type": "ModifyTable", "Parent Relationship": "InitPlan", "Plan Rows": 70,
                "Plans": [{"Parent Relationship": "Outer", "Plan Rows": 70}]}]}"#,
            Some(70),
        ),
        (r#"{"Node Type": "Nested Loop", "Plan Rows": 1e300}"#, Some(i64::MAX)),
        (r#"{"Node Type": "Utility Statement"}"#, None),
    ] {
        assert_eq!(estimate(&plan(inner)), rows, "{inner}");
    }
    assert_eq!(["", "[]", "{}", "[{\"Plan\": 7}]"].map(estimate), [None; 4]);
}

#[test]
fn what_a_statement_does_is_told_in_a_sentence() {
    on_a_big_stack(|| {
        let catalog = catalog();
        for (text, summary) in [
            ("DELETE FROM orders", "deletes from public.orders, all rows: no WHERE"),
            ("DELETE FROM orders WHERE id = 1", "deletes from public.orders"),
            ("UPDATE orders SET note = 'x', total = 1", "sets note, total in public.orders, all rows: no WHERE"),
            ("INSERT INTO notes (id, body) SELECT id, note FROM orders", "adds rows to public.notes"),
            ("SELECT c.name FROM customers c JOIN orders o ON o.customer_id = c.id", "reads public.customers, public.orders"),
            ("TRUNCATE orders, notes", "empties public.orders; empties public.notes"),
            ("DROP TABLE notes", "drop on public.notes"),
            ("COPY notes TO STDOUT", "copies public.notes out"),
            ("CALL tidy()", "calls public.tidy()"),
            ("DO 'BEGIN END'", "runs code that cannot be seen"),
            ("SET work_mem = '1MB'", "sets work_mem"),
            ("SELECT 1", "select (no table)"),
            (
                "MERGE INTO notes n USING orders o ON n.id = o.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (o.id)",
                "deletes from public.notes and adds rows to public.notes",
            ),
        ] {
            let outlines = outlines(&read(text, &catalog, &state()));
            assert_eq!(outlines.iter().map(|outline| outline.summary.as_str()).collect::<Vec<_>>(), [summary], "{text}");
        }
        let text =
            "WITH gone AS (DELETE FROM notes WHERE id = 1 RETURNING body) UPDATE orders SET note = body FROM gone WHERE orders.id = 3";
        let [outline] = outlines(&read(text, &catalog, &state())).try_into().expect("one");
        assert_eq!(outline.summary, "deletes from public.notes; sets note in public.orders");
        let tables: Vec<_> =
            outline.tables.iter().map(|table| (table.table.to_string(), table.does.join(" "), table.columns.len())).collect();
        assert_eq!(tables[0], ("public.notes".to_owned(), "delete read".to_owned(), 0));
        assert_eq!(tables[1].2, 1, "{tables:?}");
    });
}
