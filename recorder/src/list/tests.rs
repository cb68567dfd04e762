use super::*;
use crate::head::tests::head;
use crate::{Head, Recordings};
use ed25519_dalek::SigningKey;

const DAY: i64 = 86_400_000_000;
const BEGAN: i64 = 1_795_348_800_000_000;

fn recorded() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(root.path(), SigningKey::generate(&mut rand::rng()));
    let heads = [
        ("01JD0000000000000000000001", "corp/alice", "web-1", "ssh.shell", 0),
        ("01JD0000000000000000000002", "corp/bob", "web-2", "ssh.exec", 1),
        ("01JD0000000000000000000003", "corp/alice", "orders", "postgres", 2),
    ];
    for (id, principal, target, kind, day) in heads {
        let (principal, target, kind) = (principal.into(), target.into(), kind.into());
        let head = Head { principal, target, kind, started_us: BEGAN + day * DAY, ..head(id) };
        recordings.create(&head, &mut rand::rng()).unwrap();
    }
    root
}

fn found(filter: &Filter) -> Vec<String> {
    let root = recorded();
    list(root.path(), filter).unwrap().into_iter().map(|found| found.recording.unwrap().head().target.clone()).collect()
}

#[test]
fn recordings_are_listed_newest_first() {
    assert_eq!(found(&Filter::default()), ["orders", "web-2", "web-1"]);
}

#[test]
fn each_filter_keeps_what_it_names() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found(&Filter { user: some("alice"), ..Filter::default() }), ["orders", "web-1"]);
    assert_eq!(found(&Filter { target: some("web-*"), ..Filter::default() }), ["web-2", "web-1"]);
    assert_eq!(found(&Filter { target: some("web"), ..Filter::default() }), Vec::<String>::new());
    assert_eq!(found(&Filter { kind: some("ssh"), ..Filter::default() }), ["web-2", "web-1"]);
    assert_eq!(found(&Filter { since_us: Some(BEGAN + 1), ..Filter::default() }), ["orders", "web-2"]);
    assert_eq!(found(&Filter { until_us: Some(BEGAN + DAY), ..Filter::default() }), ["web-1"]);
}

#[test]
fn a_bad_directory_is_listed_with_its_error_and_stops_nothing() {
    let root = recorded();
    let torn = root.path().join("2026/11/22/01JD0000000000000000000009");
    fs::create_dir(&torn).unwrap();
    fs::write(torn.join("head.json"), "{").unwrap();
    fs::create_dir_all(root.path().join("2026/11/22/not-a-session")).unwrap();
    fs::write(root.path().join("2026/11/stray"), "").unwrap();
    let all = list(root.path(), &Filter::default()).unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().filter(|found| found.recording.is_err()).count(), 1);
}

#[test]
fn a_missing_root_holds_no_recordings() {
    assert!(list(Path::new("/nowhere/at/all"), &Filter::default()).unwrap().is_empty());
}

#[test]
fn a_recording_is_found_by_its_session() {
    let root = recorded();
    let id = "01JD0000000000000000000002".parse().unwrap();
    assert!(find(root.path(), &id).unwrap().unwrap().ends_with("2026/11/23/01JD0000000000000000000002"));
    assert_eq!(find(root.path(), &"01JD0000000000000000000008".parse().unwrap()).unwrap(), None);
}

#[test]
fn a_star_stands_for_any_characters() {
    for (pattern, name) in [("a*c", "abc"), ("*", ""), ("a*b*c", "axxbyyc"), ("abc", "abc"), ("*c", "abc")] {
        assert!(matches(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [("a*c", "ab"), ("a", "ab"), ("a*b*c", "acb"), ("", "a")] {
        assert!(!matches(pattern, name), "{pattern} {name}");
    }
}
