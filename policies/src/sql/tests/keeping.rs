//! What was understood of a text is kept by its exact bytes, the catalog and what names mean, and no verdict with it.

use super::*;
use crate::Verdict;

#[test]
fn what_is_kept_is_found_by_exact_bytes_the_catalog_and_the_state_only() {
    on_a_big_stack(|| {
        let (catalog, state) = (catalog(), state());
        let text = b"SELECT id FROM orders".as_slice();
        let script = Arc::new(analyse(text, &catalog, &state, &Limits::default()).expect("it is read"));
        let mut cache = Cache::new(1 << 20);
        cache.put(text, &catalog, &state, &script);
        assert!(cache.get(text, &catalog, &state).is_some_and(|found| Arc::ptr_eq(&found, &script)));
        for other in
            ["SELECT id  FROM orders", "select id from orders", "SELECT id FROM orders ", "SELECT id FROM orders--", "SELECT id FROM notes"]
        {
            assert!(cache.get(other.as_bytes(), &catalog, &state).is_none(), "{other}");
        }
        let moved = state.apply(&Effect::SearchPath { path: Some(vec!["other".into()]), local: false });
        let role = state.apply(&Effect::Role { role: Some("other".into()), local: false });
        let doubtful = state.apply(&Effect::InDoubt);
        let dropped = state.apply(&Effect::Drop(Name::new("public", "orders")));
        for other in [&moved, &role, &doubtful, &dropped] {
            assert!(cache.get(text, &catalog, other).is_none(), "{}", other.key());
        }
        let again = moved.apply(&Effect::SearchPath { path: None, local: false });
        assert!(cache.get(text, &catalog, &again).is_some(), "back in the same state");
        let read_anew = Catalog::new(catalog.rows().clone());
        assert!(cache.get(text, &read_anew, &state).is_none());
    });
}

#[test]
fn what_names_a_prepared_statement_or_a_cursor_is_not_kept() {
    on_a_big_stack(|| {
        let (catalog, state) = (catalog(), state());
        let texts = ["PREPARE p AS SELECT 1; EXECUTE p", "BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH c"];
        for text in texts {
            let script = Arc::new(analyse(text.as_bytes(), &catalog, &state, &Limits::default()).expect("it is read"));
            let mut cache = Cache::new(1 << 20);
            cache.put(text.as_bytes(), &catalog, &state, &script);
            assert!(cache.get(text.as_bytes(), &catalog, &state).is_none(), "{text}");
        }
    });
}

#[test]
fn what_is_alike_is_judged_alike_whatever_its_values() {
    on_a_big_stack(|| {
        let (catalog, state, target, context) = (catalog(), state(), target(), context());
        let slice = slice_of(POLICIES);
        let read = |text: &str| analyse(text.as_bytes(), &catalog, &state, &Limits::default());
        // Each text of the corpus, and the same with other values in it.
        let texts = super::mutated::corpus().into_iter().flat_map(|text| [text.replace('1', "7").replace("'a", "'zz"), text]);
        let mut known: std::collections::HashMap<_, (Judgement, String)> = std::collections::HashMap::new();
        let mut alike = 0;
        for text in texts {
            let Ok(script) = read(&text) else { continue };
            let Some(likeness) = script.likeness() else { continue };
            let judged = Judge::new(&slice, &target, &catalog, &context).judge(&script, &text);
            let Some((before, first)) = known.get(&likeness) else {
                known.insert(likeness, (judged, text));
                continue;
            };
            alike += 1;
            assert_eq!(judged.statements, before.statements, "{text}\n{first}");
            assert_eq!(judged.refused.is_some(), before.refused.is_some(), "{text}\n{first}");
        }
        assert!(alike > 100, "{alike}");
        let is_alike = |one: &str, other: &str| read(one).unwrap().likeness() == read(other).unwrap().likeness();
        assert!(is_alike("SELECT id FROM orders WHERE id = 1", "SELECT id  FROM orders WHERE id = 2"));
        for other in ["SELECT id FROM orders", "SELECT id FROM notes WHERE id = 1", "SELECT * FROM orders WHERE id = 1", "SELECT 1"] {
            assert!(!is_alike("SELECT id FROM orders WHERE id = 1", other), "{other}");
        }
        assert_eq!(read("PREPARE p AS SELECT 1; EXECUTE p").unwrap().likeness(), None);
    });
}

#[test]
fn what_is_kept_is_judged_by_the_policies_of_the_moment() {
    on_a_big_stack(|| {
        let (catalog, state, target, context) = (catalog(), state(), target(), context());
        let text = "SELECT email FROM customers";
        let script = analyse(text.as_bytes(), &catalog, &state, &Limits::default()).expect("it is read");
        let judged = |policies: &str| Judge::new(&slice_of(policies), &target, &catalog, &context).judge(&script, text);
        let all = "@id(\"all\") permit (principal, action, resource);";
        assert_eq!(judged(all).statements[0].masks, [None]);
        assert!(judged(POLICIES).statements[0].masks[0].is_some());
        assert!(matches!(judged("@id(\"none\") forbid (principal, action, resource);").decision.verdict, Verdict::Deny(_)));
    });
}

#[test]
fn what_was_local_to_one_statement_is_over_with_it() {
    let local = state().apply(&Effect::SearchPath { path: Some(vec!["other".into()]), local: true });
    assert_eq!(local.alone().expect("it was local").key(), state().key());
    let inside = local.apply(&Effect::Begin);
    assert!(inside.alone().is_none(), "a transaction block is open");
    assert!(state().alone().is_none());
    let told = state().apply(&Effect::Begin).told("app", ["other"], true);
    assert!(!told.is_in_doubt() && told.apply(&Effect::Commit { chain: false }).is_in_doubt(), "it may have been local to the block");
    assert!(!state().told("app", ["other"], false).apply(&Effect::Begin).apply(&Effect::Commit { chain: false }).is_in_doubt());
}
