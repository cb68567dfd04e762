//! Random statements: nothing panics, and whatever reads a masked column is masked or refused.

use proptest::prelude::*;

use super::*;

/// An expression over the columns of `c` (customers) and `o` (orders), and whether a masked column is in it.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("c.email".to_owned()),
        Just("c.card".to_owned()),
        Just("c.name".to_owned()),
        Just("o.note".to_owned()),
        Just("o.total".to_owned()),
        Just("1".to_owned()),
        Just("'x'".to_owned()),
        Just("(SELECT n.email FROM notes n LIMIT 1)".to_owned()),
        Just("(SELECT m.contact FROM customer_mails m LIMIT 1)".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("upper({a}::text)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("CASE WHEN {a} IS NULL THEN {b} END")),
            inner.clone().prop_map(|a| format!("(SELECT {a})")),
            inner.clone().prop_map(|a| format!("ARRAY[{a}]")),
            inner.prop_map(|a| format!("(SELECT s.x FROM (SELECT {a} AS x) s)")),
        ]
    })
}

/// What a random query is made of: its text, and each of its results.
fn query() -> impl Strategy<Value = (String, Vec<String>)> {
    let results = prop::collection::vec(expression(), 1..4);
    (results, any::<bool>(), any::<bool>()).prop_map(|(results, nested, with)| {
        let list = results.iter().enumerate().map(|(n, result)| format!("{result} AS r{n}")).collect::<Vec<_>>().join(", ");
        let mut text = format!("SELECT {list} FROM customers c JOIN orders o ON o.customer_id = c.id");
        if nested {
            text = format!("SELECT * FROM ({text}) q");
        }
        if with {
            text = format!("WITH w AS ({text}) TABLE w");
        }
        (text, results)
    })
}

fn reads_masked(expression: &str) -> bool {
    ["c.email", "c.card", "m.contact"].iter().any(|column| expression.contains(column))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_reads_a_masked_column_is_masked_or_refused((text, results) in query()) {
        let shown = text.clone();
        let (masks, refused) = on_a_big_stack(move || {
            let (_, judgement) = said(&text).expect("it is read");
            (judgement.statements[0].masks.clone(), judgement.refused)
        });
        if refused.is_none() {
            for (mask, result) in masks.iter().zip(&results) {
                prop_assert_eq!(mask.is_some(), reads_masked(result), "{}: {}", shown, result);
            }
        } else {
            prop_assert!(results.iter().any(|result| reads_masked(result)), "{}: {:?}", shown, refused);
        }
    }

    #[test]
    fn no_text_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 1..14)) {
        let text = words.join(" ");
        on_a_big_stack(move || drop(said(&text)));
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "customers",
    "c",
    "email",
    "*",
    ",",
    "(",
    ")",
    "=",
    "1",
    "'x'",
    "UNION",
    "ALL",
    "WITH",
    "RECURSIVE",
    "t",
    "AS",
    "INSERT INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "DELETE",
    "RETURNING",
    "JOIN",
    "USING",
    "ON",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    ".",
    "::text",
    "LATERAL",
    "generate_series(1, 2)",
    "NATURAL",
    "EXISTS",
    "IN",
    "CREATE TABLE",
    "ALTER TABLE",
    "COPY",
    "TO STDOUT",
    ";",
    "$1",
    "NULL",
    "PREPARE p AS",
    "EXECUTE p",
    "DECLARE x CURSOR FOR",
    "FETCH x",
    "BEGIN",
    "COMMIT",
    "/*",
    "*/",
    "U&\"\\0061\"",
    "MERGE INTO",
    "DROP VIEW",
];
