//! Every statement of the corpus has the outcome that is written beside it.

use serde::Deserialize;

use super::*;
use crate::Verdict;
use crate::rule::Mask;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(default)]
    masked: Vec<(String, String)>,
    #[serde(default)]
    allowed: Vec<String>,
    #[serde(default)]
    scrubbed: Vec<String>,
    #[serde(default)]
    refused: Vec<(String, String)>,
    #[serde(default)]
    unread: Vec<(String, String)>,
}

fn groups() -> Vec<Group> {
    toml::from_str::<File>(include_str!("../corpus.toml")).expect("the corpus is TOML").group
}

fn letter(mask: Option<Mask>) -> char {
    match mask {
        None => '-',
        Some(Mask::Redact) => 'r',
        Some(Mask::Last4) => '4',
        Some(Mask::Null) => 'n',
        Some(Mask::Hash) => 'h',
        Some(Mask::Email) => 'e',
    }
}

/// The masks of the last answer, if all is let through.
fn passes(text: &str) -> Result<(String, bool), String> {
    let (_, judgement) = said(text).map_err(|refused| format!("unread: {refused}"))?;
    if let Some(refused) = judgement.refused {
        return Err(format!("refused: {refused}"));
    }
    if judgement.decision.verdict != Verdict::Allow {
        return Err(format!("denied: {:?}", judgement.decision.verdict));
    }
    let last = judgement.statements.last().map(|judged| judged.masks.iter().copied().map(letter).collect()).unwrap_or_default();
    Ok((last, judgement.statements.iter().any(|judged| judged.scrub)))
}

fn wrong(group: &Group) -> Vec<String> {
    let mut wrong = Vec::new();
    for (text, masks) in &group.masked {
        if !matches!(passes(text), Ok((got, true)) if got == *masks) {
            wrong.push(format!("{text}\n    expected {masks}, got {:?}", passes(text)));
        }
    }
    for text in &group.allowed {
        if !matches!(passes(text), Ok((got, _)) if got.chars().all(|letter| letter == '-')) {
            wrong.push(format!("{text}\n    expected nothing masked, got {:?}", passes(text)));
        }
    }
    for text in &group.scrubbed {
        if !matches!(passes(text), Ok((got, true)) if got.chars().all(|letter| letter == '-')) {
            wrong.push(format!("{text}\n    expected to be scrubbed, got {:?}", passes(text)));
        }
    }
    for (text, named) in &group.refused {
        let refused = said(text).map(|(_, judgement)| judgement.refused.map(|refused| refused.message));
        if !matches!(&refused, Ok(Some(message)) if message.contains(named.as_str())) {
            wrong.push(format!("{text}\n    expected to be refused for {named}, got {refused:?}"));
        }
    }
    for (text, named) in &group.unread {
        let refused = said(text).map(|(_, judgement)| judgement.refused);
        if !matches!(&refused, Err(why) if why.message.contains(named.as_str())) {
            wrong.push(format!("{text}\n    expected nobody to pass for {named}, got {refused:?}"));
        }
    }
    wrong
}

#[test]
fn every_statement_of_the_corpus_has_its_outcome() {
    let wrong = on_a_big_stack(|| {
        groups()
            .iter()
            .flat_map(|group| wrong(group).into_iter().map(|one| format!("[{}] {one}", group.name)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_has_every_class_in_number() {
    let groups = groups();
    let count: usize = groups
        .iter()
        .map(|group| group.masked.len() + group.allowed.len() + group.scrubbed.len() + group.refused.len() + group.unread.len())
        .sum();
    assert!(count >= 500, "{count}");
    assert!(groups.iter().all(|group| !group.refused.is_empty() || !group.masked.is_empty()));
}

#[test]
fn a_refusal_says_where() {
    let place = |text: &'static str| on_a_big_stack(move || said(text).expect("it is read").1.refused.expect("it is refused").position);
    assert_eq!(place("SELECT id, upper(email) FROM customers"), Some(18));
    assert_eq!(place("SELECT 'ä', upper(email) FROM customers"), Some(19));
    let refused = on_a_big_stack(|| said("SELECT id,\n nosuch FROM customers").expect_err("no such column"));
    assert_eq!((refused.code, refused.position, refused.stale), ("42703", Some(13), true));
}

#[test]
fn where_nothing_is_masked_nothing_is_refused_for_it() {
    let wrong = on_a_big_stack(|| {
        let slice = slice_of("@id(\"all\") permit (principal, action, resource);");
        let texts = groups().into_iter().flat_map(|group| group.refused.into_iter().chain(group.masked)).map(|(text, _)| text);
        texts.filter(|text| said_by(text, &slice).map_or(true, |(_, judgement)| judgement.refused.is_some())).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_policy_is_asked_is_what_the_statement_does() {
    let asked = |text: &'static str| {
        on_a_big_stack(move || {
            let (script, _) = said(text).expect("it is read");
            let one = |operation: &Operation| match &operation.on {
                On::Database => {
                    format!("{}{}", operation.action, operation.setting.as_ref().map(|name| format!(" {name}")).unwrap_or_default())
                }
                On::Schema(name) => format!("{} {name}", operation.action),
                On::Table(name, _) | On::Function(name) => format!("{} {name}", operation.action),
                On::Column(name, column, _) => format!("{} {name}.{column}", operation.action),
            };
            script.statements.iter().flat_map(|statement| statement.operations.iter().map(one)).collect::<Vec<_>>().join(", ")
        })
    };
    let cases = [
        (
            "SELECT total FROM orders WHERE id = 1",
            "pg.select public.orders, pg.filter_column public.orders.id, pg.read_column public.orders.total",
        ),
        ("UPDATE orders SET note = 'x' WHERE id = 1", "pg.update public.orders, pg.filter_column public.orders.id"),
        ("DELETE FROM orders", "pg.delete public.orders"),
        (
            "INSERT INTO orders (id) VALUES (1) RETURNING id",
            "pg.insert public.orders, pg.select public.orders, pg.read_column public.orders.id",
        ),
        ("TRUNCATE orders, notes", "pg.truncate public.orders, pg.truncate public.notes"),
        ("COPY orders (id) TO STDOUT", "pg.select public.orders, pg.copy_out public.orders, pg.read_column public.orders.id"),
        ("COPY orders FROM STDIN", "pg.insert public.orders, pg.copy_in public.orders"),
        ("SELECT shout('x')", "pg.call public.shout"),
        ("SELECT pg_sleep(1)", "pg.call pg_catalog.pg_sleep"),
        ("SELECT count(*) FROM orders GROUP BY note", "pg.select public.orders, pg.filter_column public.orders.note"),
        ("CALL tidy()", "pg.do public.tidy"),
        ("DO ''", "pg.do"),
        ("SET work_mem = '1GB'", "pg.set work_mem"),
        ("BEGIN READ WRITE", "pg.set transaction_read_only"),
        ("BEGIN", ""),
        ("SELECT 1", ""),
        ("DROP TABLE orders", "pg.ddl public.orders"),
        ("CREATE TABLE t (id int)", "pg.ddl public.t"),
        ("VACUUM", "pg.maintain"),
        ("SELECT 1 FROM orders FOR UPDATE", "pg.select public.orders, pg.update public.orders"),
        (
            "WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d",
            "pg.delete public.orders, pg.select public.orders, pg.read_column public.orders.id",
        ),
    ];
    for (text, operations) in cases {
        assert_eq!(asked(text), operations, "{text}");
    }
}

#[test]
fn a_ban_on_a_table_or_column_holds_for_its_partitions_and_views() {
    let banned = |policies: &'static str, text: &'static str| {
        on_a_big_stack(move || {
            let slice = slice_of(&format!("@id(\"all\") permit (principal, action, resource); {policies}"));
            matches!(said_by(text, &slice).expect("it is read").1.decision.verdict, Verdict::Deny(_))
        })
    };
    let table = "@id(\"no\") forbid (principal, action == Action::\"pg.select\", resource == Table::\"corpus/public.people\");";
    assert!(banned(table, "SELECT id FROM people_1"));
    assert!(!banned(table, "SELECT id FROM staff"));
    let column =
        "@id(\"no\") forbid (principal, action == Action::\"pg.read_column\", resource == Column::\"corpus/public.customers.email\");";
    assert!(banned(column, "SELECT c FROM customer_contacts"));
    assert!(!banned(column, "SELECT id FROM customer_contacts"));
}
