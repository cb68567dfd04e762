//! `recordings search` on recordings made here: what was typed, what cannot be read, what is asked wrongly.

use std::fs;

use bartizan_recorder::{Event, Head, Now, Reason, Recordings, SigningKey};

use super::Operator;

const SESSION: &str = "01JD0000000000000000000001";

/// An operator with one ended recording: a command, its output, what was typed.
fn operator() -> Operator {
    let operator = Operator::new();
    let head = Head {
        client: String::new(),
        command: Some("cat /etc/hosts".into()),
        groups: Vec::new(),
        kind: "ssh.exec".into(),
        login: Some("deploy".into()),
        number: 1,
        policy_digest: "00ff".into(),
        principal: "corp/alice".into(),
        server: "bastion.example.com".into(),
        session: SESSION.parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: 1_795_348_800_000_000,
        tags: Default::default(),
        target: "web-1".into(),
        terminal: None,
        first_key: String::new(),
        input_key: String::new(),
        recipients: Vec::new(),
        version: 0,
    };
    let recordings = Recordings::new(operator.state().join("recordings"), SigningKey::from_bytes(&[7; 32]));
    let mut writer = recordings.create_with_input(&head, &mut rand::rng()).unwrap();
    let now = |at_us: u64| Now { at_us, wall_us: head.started_us + i64::try_from(at_us).unwrap() };
    writer.append(now(1_000), &[Event::output(&b"sixteen \x1b[31mpelicans\x1b[0m\r\n"[..])]).unwrap();
    writer
        .append(now(4_000_000), &[Event::operation(r#"{"action":"sftp.read","text":"sftp.read /srv/heron\u202e","verdict":"deny"}"#)])
        .unwrap();
    writer.append_input(now(5_000_000), &[Event::Input(b"flamingo\r"[..].into())]).unwrap();
    writer.finish(now(6_000_000), Reason::Closed, None).unwrap();
    operator
}

#[test]
fn what_was_recorded_is_found_by_its_kind_and_each_search_is_audited() {
    let operator = operator();
    let hits = operator.json(&["recordings", "search", "HERON", "--json", "--kind", "file", "--verdict", "deny", "--user", "corp/alice"]);
    let hit = &hits.as_array().unwrap()[0];
    assert_eq!(hit["session"], SESSION);
    assert_eq!((&hit["kind"], &hit["verdict"], &hit["at_us"]), (&"file".into(), &"deny".into(), &4_000_000.into()));
    assert_eq!((&hit["principal"], &hit["target"]), (&"corp/alice".into(), &"web-1".into()));
    assert!(hit["time"].as_str().unwrap().ends_with("04Z") && hit["text"].as_str().unwrap().contains("/srv/heron"), "{hit}");
    assert!(operator.sees(0, &["recordings", "search", "sixteen pelicans"]).contains(&format!("recordings play {SESSION} --at 0")));
    assert!(operator.sees(0, &["recordings", "search", "/etc/hosts", "--kind", "command"]).contains(SESSION));
    for other in [["--verdict", "allow"], ["--target", "web-2"], ["--kind", "sql"], ["--since", "2026-12-01"]] {
        assert_eq!(operator.json(&[&["recordings", "search", "heron", "--json"], &other[..]].concat()), serde_json::json!([]), "{other:?}");
    }
    let audited = operator.audited();
    assert_eq!(audited.len(), 7, "{audited:?}");
    let first = &audited[0]["entry"];
    assert_eq!((&first["kind"], &first["text"], &first["hits"]), (&"recordings.searched".into(), &"HERON".into(), &1.into()));
    assert!(first["by"].as_str().unwrap().starts_with("local:"));
}

#[test]
fn what_was_typed_is_found_only_by_who_asks_for_it() {
    let operator = operator();
    assert_eq!(operator.json(&["recordings", "search", "flamingo", "--json"]), serde_json::json!([]));
    assert!(operator.sees(0, &["recordings", "search", "flamingo", "--input"]).contains("input"));
    assert!(operator.sees(2, &["recordings", "search", "flamingo", "--kind", "input"]).contains("--input"));
}

#[test]
fn a_spoilt_index_is_made_anew_and_a_recording_that_cannot_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let operator = operator();
    let index = operator.state().join("search.db");
    operator.sees(0, &["recordings", "search", "pelicans"]);
    assert_eq!(fs::metadata(&index).unwrap().permissions().mode() & 0o777, 0o600);
    for end in ["-wal", "-shm"] {
        let _not_there = fs::remove_file(operator.state().join(format!("search.db{end}")));
    }
    fs::write(&index, "no index at all ".repeat(500)).unwrap();
    let again = operator.sees(0, &["recordings", "search", "pelicans"]);
    assert!(again.contains("made anew") && again.contains(SESSION), "{again}");
    let broken = operator.state().join("recordings/2026/11/22/01JD0000000000000000000002");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("head.json"), "{").unwrap();
    let told = operator.sees(3, &["recordings", "search", "pelicans"]);
    assert!(told.contains(SESSION) && told.contains("1 recording was not searched"), "{told}");
}

#[test]
fn a_search_that_makes_no_sense_is_a_usage_error_and_does_nothing() {
    let operator = Operator::new();
    let more: [&[&str]; 6] =
        [&[], &["ab"], &["abc", "--kind", "bird"], &["abc", "--verdict", "maybe"], &["abc", "--limit", "0"], &["abc", "--since", "soon"]];
    for line in more {
        operator.sees(2, &[&["recordings", "search"], line].concat());
    }
    assert!(!operator.state().join("search.db").exists() && !operator.state().join("audit").exists(), "something was done");
}

#[test]
fn a_recording_is_held_released_and_deleted_each_with_its_entry() {
    let operator = operator();
    operator.sees(0, &["recordings", "search", "pelicans"]);
    operator.sees(0, &["recordings", "hold", SESSION, "--reason", "case 4711"]);
    let told = operator.sees(1, &["recordings", "delete", SESSION, "--reason", "asked to"]);
    assert!(told.contains("case 4711") && told.contains("recordings release"), "{told}");
    operator.sees(0, &["recordings", "release", &SESSION[..20]]);
    operator.sees(1, &["recordings", "release", SESSION]);
    operator.sees(0, &["recordings", "delete", SESSION, "--reason", "asked to"]);
    assert!(operator.sees(1, &["recordings", "delete", SESSION, "--reason", "again"]).contains("no recording"));
    assert_eq!(operator.json(&["recordings", "list", "--json"]), serde_json::json!([]));
    assert_eq!(operator.json(&["recordings", "search", "pelicans", "--json"]), serde_json::json!([]));
    let entries: Vec<_> = operator.audited().into_iter().map(|line| line["entry"].clone()).collect();
    let of = |kind: &str| entries.iter().find(|entry| entry["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {entries:?}"));
    assert_eq!(of("recording.held")["reason"], "case 4711");
    assert_eq!(of("recording.released")["session"], SESSION);
    let deleted = of("recording.deleted");
    assert_eq!((&deleted["number"], &deleted["reason"]), (&1.into(), &"asked to".into()), "{deleted}");
    operator.sees(2, &["recordings", "delete", SESSION]);
}

#[test]
fn recordings_are_listed_by_what_was_recorded_and_how_it_was_decided() {
    let operator = operator();
    let listed = |more: &[&str]| operator.json(&[&["recordings", "list", "--json"], more].concat()).as_array().unwrap().len();
    assert_eq!((listed(&["--text", "pelicans"]), listed(&["--text", "ostrich"])), (1, 0));
    assert_eq!((listed(&["--verdict", "deny"]), listed(&["--verdict", "hold"])), (1, 0));
    assert_eq!((listed(&["--user", "alice", "--limit", "1"]), listed(&["--text", "pelicans", "--target", "db-*"])), (1, 0));
    assert_eq!(listed(&["--text", "flamingo"]), 0, "what was typed is not looked through");
    operator.sees(2, &["recordings", "list", "--verdict", "maybe"]);
    operator.sees(2, &["recordings", "list", "--text", "ab"]);
}
