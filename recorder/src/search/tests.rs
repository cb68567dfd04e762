use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::head::tests::head;
use crate::testing::now;
use crate::{Event, Head, Identities, Reason, Recipients, Recordings, SigningKey};

struct Fixture {
    root: tempfile::TempDir,
    recordings: Recordings,
    index: SearchIndex,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(root.path().join("recordings"), SigningKey::from_bytes(&[7; 32]));
        let index = SearchIndex::open(&root.path().join("index")).unwrap();
        Self { root, recordings, index }
    }

    fn record(&self, number: u64, user: &str, target: &str, events: &[Event<'_>]) -> Recording {
        let id = format!("01JD{number:022}");
        let started_us = 1_795_348_800_000_000 + number as i64 * 1_000_000;
        let head = Head { principal: user.into(), target: target.into(), number, started_us, terminal: None, ..head(&id) };
        let mut writer = self.recordings.create(&head, &mut rand::rng()).unwrap();
        writer.append(now(5), events).unwrap();
        writer.finish(now(9), Reason::Closed, None).unwrap();
        Recording::open(writer.dir()).unwrap()
    }

    fn found(&self, query: &Query) -> Vec<(u64, TextKind, String)> {
        let hits = self.index.search(query).unwrap();
        hits.into_iter().map(|hit| (hit.session.as_str()[4..].parse().unwrap(), hit.kind, hit.snippet)).collect()
    }

    fn refresh(&mut self) -> Refreshed {
        let root = self.recordings.root().to_owned();
        self.index.refresh(&root, None, &mut |_| None, &mut |_, _| ()).unwrap()
    }
}

fn text(text: &str) -> Query {
    Query { text: Some(text.into()), ..Query::default() }
}

fn sql(statement: &str, verdict: &str) -> Event<'static> {
    Event::operation(serde_json::json!({ "action": "pg.select", "text": statement, "verdict": verdict }).to_string())
}

#[test]
fn any_part_of_the_text_is_found_in_any_case_with_session_and_time() {
    let mut fixture = Fixture::new();
    let one =
        fixture.record(1, "corp/alice", "web-1", &[Event::output(&b"nothing here\nPermission DENIED by \"root\" \xc3\x84rger\n"[..])]);
    assert_eq!(fixture.index.add(&one).unwrap(), Added::Whole);
    for wanted in ["ission den", "denied", "\"root\"", "ärger", "by \"ro"] {
        let hits = fixture.index.search(&text(wanted)).unwrap();
        assert_eq!(hits.len(), 1, "{wanted}");
        assert_eq!((hits[0].at_us, hits[0].kind, &hits[0].session), (5, TextKind::Screen, &one.head().session));
        assert!(hits[0].snippet.contains("Permission DENIED"), "{:?}", hits[0].snippet);
    }
    for wanted in ["denied AND root", "perm*", "ission den ", "root\" OR \"x"] {
        assert!(fixture.found(&text(wanted)).is_empty(), "{wanted}");
    }
    assert!(matches!(fixture.index.search(&text("ab")), Err(SearchError::TooShort)));
}

#[test]
fn conditions_are_joined_and_the_latest_session_comes_first() {
    let mut fixture = Fixture::new();
    let of = [("corp/alice", "web-1", "allow"), ("corp/bob", "web-2", "deny"), ("corp/alice", "db[1]", "deny")];
    for (number, (user, target, verdict)) in of.into_iter().enumerate() {
        let one = fixture.record(number as u64, user, target, &[sql("select * from orders", verdict), Event::output(&b"orders\n"[..])]);
        fixture.index.add(&one).unwrap();
    }
    let numbers = |query: &Query| fixture.found(query).into_iter().map(|found| found.0).collect::<Vec<_>>();
    let orders = Query { kinds: vec![TextKind::Sql], ..text("orders") };
    assert_eq!(numbers(&orders), [2, 1, 0]);
    assert_eq!(numbers(&Query { user: Some("alice".into()), ..orders.clone() }), [2, 0]);
    assert_eq!(numbers(&Query { target: Some("web-*".into()), ..orders.clone() }), [1, 0]);
    assert_eq!(numbers(&Query { target: Some("db[1]".into()), ..orders.clone() }), [2]);
    assert_eq!(numbers(&Query { verdict: Some("deny".into()), ..orders.clone() }), [2, 1]);
    assert_eq!(numbers(&Query { since_us: Some(1_795_348_801_000_000), until_us: Some(1_795_348_802_000_000), ..orders.clone() }), [1]);
    assert_eq!(numbers(&Query { limit: 2, ..orders.clone() }), [2, 1]);
    assert_eq!(numbers(&Query { per_session: 1, ..text("orders") }), [2, 1, 0]);
    assert_eq!(numbers(&Query { verdict: Some("deny".into()), ..Query::default() }), [2, 1]);
}

#[test]
fn what_was_typed_is_found_only_where_it_is_asked_for() {
    let mut fixture = Fixture::new();
    let one = fixture.record(1, "a/b", "web-1", &[Event::input(&b"hunter22\r"[..])]);
    fixture.index.add(&one).unwrap();
    assert!(fixture.found(&text("hunter22")).is_empty());
    assert_eq!(fixture.found(&Query { kinds: vec![TextKind::Input], ..text("hunter22") }).len(), 1);
}

#[test]
fn a_refresh_adds_what_is_new_and_takes_out_what_is_gone_and_nothing_twice() {
    let mut fixture = Fixture::new();
    let one = fixture.record(1, "a/b", "web-1", &[Event::output(&b"first one\n"[..])]);
    fixture.record(2, "a/b", "web-1", &[Event::output(&b"first two\n"[..])]);
    assert_eq!(fixture.refresh().added, 2);
    assert_eq!(fixture.refresh().added, 0);
    assert_eq!(fixture.index.add(&one).unwrap(), Added::Unchanged);
    std::fs::remove_dir_all(one.dir()).unwrap();
    fixture.record(3, "a/b", "web-1", &[Event::output(&b"first three\n"[..])]);
    let done = fixture.refresh();
    assert_eq!((done.added, done.removed, done.failed.len()), (1, 1, 0));
    assert_eq!(fixture.found(&text("first")).iter().map(|found| found.0).collect::<Vec<_>>(), [3, 2]);
    let left: i64 = fixture.index.connection.query_row("SELECT count(*) FROM words", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2, "one line of each that is left");
}

#[test]
fn a_look_at_what_has_changed_finds_what_was_sealed_since_and_opens_nothing_else() {
    let mut fixture = Fixture::new();
    let root = fixture.recordings.root().to_owned();
    let look = |fixture: &mut Fixture, since| fixture.index.refresh(&root, Some(since), &mut |_| None, &mut |_, _| ()).unwrap();
    let one = fixture.record(1, "a/b", "web-1", &[Event::output(&b"first one\n"[..])]);
    let mut writer = fixture.recordings.create(&head("01JD0000000000000000000002"), &mut rand::rng()).unwrap();
    writer.append(now(1), &[Event::output(&b"first two\r\n"[..])]).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    for dir in [one.dir(), writer.dir()] {
        std::fs::File::open(dir).unwrap().set_modified(old).unwrap();
    }
    let since = old + std::time::Duration::from_secs(1_800);
    assert_eq!(look(&mut fixture, since).added, 0, "nothing happened since");
    writer.finish(now(9), Reason::Closed, None).unwrap();
    assert_eq!(look(&mut fixture, since).added, 1, "it was sealed");
    assert_eq!(look(&mut fixture, old).added, 1, "the other changed then");
    std::fs::remove_dir_all(one.dir()).unwrap();
    let done = look(&mut fixture, since);
    assert_eq!((done.added, done.removed), (0, 0), "what is gone is for a look at everything");
    assert_eq!(fixture.refresh().removed, 1);
}

#[test]
fn a_recording_that_grew_is_indexed_anew() {
    let mut fixture = Fixture::new();
    let mut writer = fixture.recordings.create(&head("01JD0000000000000000000001"), &mut rand::rng()).unwrap();
    writer.append(now(1), &[Event::output(&b"early\r\n"[..])]).unwrap();
    let recording = Recording::open(writer.dir()).unwrap();
    fixture.index.add(&recording).unwrap();
    writer.append(now(2), &[Event::output(&b"later\r\n"[..])]).unwrap();
    assert_eq!(fixture.index.add(&recording).unwrap(), Added::Whole);
    assert_eq!((fixture.found(&text("early")).len(), fixture.found(&text("later")).len()), (1, 1));
}

#[test]
fn an_encrypted_recording_is_indexed_only_when_it_is_unlocked() {
    let mut fixture = Fixture::new();
    let (identity, recipient) = Identities::generate();
    fixture.recordings = fixture.recordings.clone().encrypting_to(Some(Recipients::parse([recipient]).unwrap()));
    let one = fixture.record(1, "a/b", "web-1", &[Event::output(&b"a secret\n"[..])]);
    assert!(matches!(fixture.index.add(&one), Err(SearchError::Locked)));
    assert_eq!(fixture.refresh().locked, 1);
    assert!(fixture.found(&text("secret")).is_empty());
    let identities = Identities::parse(&identity, None).unwrap();
    let root = fixture.recordings.root().to_owned();
    let done = fixture.index.refresh(&root, None, &mut |locked| locked.unlock(&identities).ok(), &mut |_, _| ()).unwrap();
    assert_eq!((done.added, done.locked), (1, 0));
    assert_eq!(fixture.found(&text("secret")).len(), 1);
    assert_eq!(fixture.refresh().locked, 0, "it is indexed already");
}

#[test]
fn several_use_one_index_at_once() {
    let fixture = Fixture::new();
    let all: Vec<_> = (0..40).map(|number| fixture.record(number, "a/b", "web-1", &[Event::output(&b"common text\n"[..])])).collect();
    let path = fixture.root.path().join("index");
    std::thread::scope(|scope| {
        for half in all.chunks(20) {
            let path = &path;
            scope.spawn(move || {
                let mut index = SearchIndex::open(path).unwrap();
                half.iter().for_each(|one| assert_eq!(index.add(one).unwrap(), Added::Whole));
            });
        }
        for _ in 0..20 {
            let found = fixture.found(&text("common"));
            assert!(found.len() <= 40);
        }
    });
    assert_eq!(fixture.found(&text("common")).len(), 40);
}

#[test]
fn an_index_of_another_version_or_a_broken_one_is_refused_and_can_be_made_anew() {
    let fixture = Fixture::new();
    let path = fixture.root.path().join("index");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fixture.index.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(fixture.index);
    assert!(matches!(SearchIndex::open(&path), Err(SearchError::Version)));
    std::fs::write(&path, b"no database at all, but long enough to be looked at".repeat(100)).unwrap();
    assert!(matches!(SearchIndex::open(&path), Err(SearchError::Index(_))));
    assert!(SearchIndex::renew(&path).unwrap().sessions().unwrap().is_empty());
}

#[test]
fn a_snippet_obeys_nothing() {
    let mut fixture = Fixture::new();
    let one = fixture.record(1, "a/b", "web-1", &[sql("select '\u{1b}]52;c;eA==\u{7}' from wanted\nwhere 1", "allow")]);
    fixture.index.add(&one).unwrap();
    let found = fixture.found(&text("wanted"));
    assert!(!found[0].2.contains(char::is_control) && found[0].2.contains("from wanted where 1"), "{found:?}");
}
