//! Nesting and length: ordinary chains pass, bombs are refused, and neither ends the process.

use super::*;

fn read(text: String) -> Result<Script, Refused> {
    on_a_big_stack(move || analyse(text.as_bytes(), &catalog(), &state(), &Limits::default()))
}

#[test]
fn long_chains_that_people_write_pass() {
    let chain = |operator: &str, n: usize| format!("SELECT id FROM orders WHERE {}", vec!["id = 1"; n].join(operator));
    let cases = [
        chain(" OR ", 3000),
        chain(" AND ", 3000),
        format!("SELECT {}", vec!["1"; 1000].join(" + ")),
        format!("SELECT {} 1", "'x' || ".repeat(500)),
        format!("SELECT id FROM orders WHERE id IN ({})", vec!["1"; 20_000].join(", ")),
        format!("INSERT INTO orders (id) VALUES {}", vec!["(1)"; 5000].join(", ")),
        vec!["SELECT id FROM orders"; 300].join(" UNION ALL "),
        format!("SELECT {}1{}", "(".repeat(400), ")".repeat(400)),
        format!("SELECT id FROM {}orders{}", "(SELECT id FROM ".repeat(60), ") s".repeat(60)),
        format!("SELECT {}1 END", "CASE WHEN true THEN 1 ELSE ".repeat(60) + &"1 END + ".repeat(59)),
    ];
    for text in cases {
        let shown: String = text.chars().take(60).collect();
        assert!(read(text).map(|script| script.statements.len()).is_ok_and(|n| n == 1), "{shown}");
    }
}

#[test]
fn bombs_are_refused() {
    let cases = [
        format!("SELECT {}1{}", "(".repeat(1_000_000), ")".repeat(1_000_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("SELECT {}", vec!["1"; 100_000].join(" + ")),
        vec!["SELECT 1"; 50_000].join(" UNION ALL "),
        format!("SELECT * FROM {}orders{}", "(SELECT * FROM ".repeat(20_000), ") s".repeat(20_000)),
        format!("SELECT ARRAY{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("SELECT f({}1{}", "f(".repeat(50_000), ")".repeat(50_001)),
    ];
    for text in cases {
        let shown: String = text.chars().take(40).collect();
        let refused = read(text).expect_err(&shown);
        assert_eq!(refused.code, "54001", "{shown}: {refused}");
    }
}

#[test]
fn queries_that_grow_by_repetition_are_refused_in_time() {
    let tables = (1..40).map(|n| format!("t{n} AS (SELECT a.* FROM t{} a, t{} b)", n - 1, n - 1)).collect::<Vec<_>>().join(", ");
    let text = format!("WITH t0 AS (SELECT * FROM orders), {tables} SELECT * FROM t39");
    assert!(read(text).is_ok());
    let tables = (1..30).map(|n| format!("t{n} AS (SELECT a.*, b.* FROM t{} a, t{} b)", n - 1, n - 1)).collect::<Vec<_>>().join(", ");
    let text = format!("WITH t0 AS (SELECT id FROM orders), {tables} SELECT 1 FROM t29");
    assert_eq!(read(text).expect_err("it doubles thirty times").code, "54011");
}
