//! What was typed lies in a channel file of its own: read only where it is asked for, verified, recovered and encrypted as the
//! rest is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what is wrong by panicking")]
#![allow(unreachable_pub, missing_docs, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use bartizan_recorder::*;

mod common;

use common::{now, recordings};

const SECOND: u64 = 1_000_000;

fn typed(text: &str) -> Vec<Event<'static>> {
    vec![Event::Input(text.as_bytes().to_vec().into())]
}

/// A recording with output at 1, 3 and 5 s and keys at 2 and 4 s; ended if `finish` says so.
fn recorded(recordings: &Recordings, finish: bool) -> PathBuf {
    let mut writer = recordings.create_with_input(&common::head(), &mut rand::rng()).unwrap();
    assert!(writer.records_input());
    for at in 1..=5 {
        match at % 2 {
            1 => writer.append(now(at * SECOND), &[Event::output(format!("shown-{at}\r\n").into_bytes())]).unwrap(),
            _ => writer.append_input(now(at * SECOND), &typed(&format!("typed-{at}\r"))).unwrap(),
        }
    }
    let dir = writer.dir().to_owned();
    if finish {
        writer.finish(now(9 * SECOND), Reason::Closed, None).unwrap();
        assert!(matches!(writer.append_input(now(9 * SECOND), &typed("x")), Err(WriteError::Ended)));
    }
    dir
}

fn cast(recording: &Recording) -> String {
    let mut out = Vec::new();
    export_cast(recording, CastVersion::V2, false, &mut out, &mut |_| ()).unwrap();
    String::from_utf8(out).unwrap()
}

fn outcome(dir: &Path, recordings: &Recordings) -> (Outcome, String) {
    let report = verify(dir, &[recordings.public_key()], &mut |_| ());
    (report.outcome(), format!("{:?}", report.checks))
}

#[test]
fn what_was_typed_is_read_only_where_it_is_asked_for_and_in_order() {
    let root = tempfile::tempdir().unwrap();
    let recordings = recordings(root.path());
    let dir = recorded(&recordings, true);
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Good, "{:?}", outcome(&dir, &recordings));
    let recording = Recording::open(&dir).unwrap();
    assert!(recording.records_input() && !cast(&recording).contains("typed"));
    assert!(!fs::read(dir.join("c0.brec")).unwrap().windows(5).any(|part| part == b"typed"));
    let cast = cast(&recording.with_input().unwrap());
    let codes: Vec<&str> = cast.lines().skip(1).map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(codes, ["o", "i", "o", "i", "o"], "{cast}");
}

#[test]
fn a_recording_that_takes_no_input_drops_it() {
    let root = tempfile::tempdir().unwrap();
    let recordings = recordings(root.path());
    let mut writer = recordings.create(&common::head(), &mut rand::rng()).unwrap();
    writer.append_input(now(1), &typed("hunter2")).unwrap();
    writer.finish(now(2), Reason::Closed, None).unwrap();
    let dir = writer.dir();
    assert!(!dir.join("c1.brec").exists());
    assert!(!fs::read(dir.join("c0.brec")).unwrap().windows(7).any(|part| part == b"hunter2"));
    assert_eq!(outcome(dir, &recordings).0, Outcome::Good);
}

#[test]
fn a_change_of_what_was_typed_is_found_and_its_absence_too() {
    let root = tempfile::tempdir().unwrap();
    let recordings = recordings(root.path());
    let dir = recorded(&recordings, true);
    let path = dir.join("c1.brec");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(outcome(&dir, &recordings).0, Outcome::Tampered, "byte {at}");
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Tampered);
    // The other channel's file is another chain.
    fs::copy(dir.join("c0.brec"), &path).unwrap();
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Tampered);
    fs::remove_file(&path).unwrap();
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Tampered);
    let without = verify_without_input(&dir, &[recordings.public_key()], None, &mut |_| ());
    assert_eq!(without.outcome(), Outcome::Good, "{without:?}");
    fs::write(&path, good).unwrap();
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Good);
}

#[test]
fn both_channels_are_recovered_after_a_crash_at_any_byte() {
    let root = tempfile::tempdir().unwrap();
    let recordings = recordings(root.path());
    let dir = recorded(&recordings, false);
    let (first, second) = (fs::read(dir.join("c0.brec")).unwrap(), fs::read(dir.join("c1.brec")).unwrap());
    for kept in 0..=second.len() {
        for name in ["seal.json", "c0.cut", "c1.cut"] {
            let _ = fs::remove_file(dir.join(name));
        }
        fs::write(dir.join("c0.brec"), &first[..first.len() - kept % 7]).unwrap();
        fs::write(dir.join("c1.brec"), &second[..kept]).unwrap();
        let recovered = recordings.recover(0, &|_| true, &mut rand::rng()).unwrap();
        assert!(matches!(recovered[0].recovery, Recovery::Closed { .. }), "{kept}: {recovered:?}");
        let (outcome, checks) = outcome(&dir, &recordings);
        assert_eq!(outcome, Outcome::Good, "{kept}: {checks}");
        drop(cast(&Recording::open(&dir).unwrap().with_input().unwrap()));
    }
}

#[test]
fn what_was_typed_is_encrypted_with_keys_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let (identity, recipient) = Identities::generate();
    let recipients = Recipients::parse([&recipient]).unwrap();
    let recordings = recordings(root.path()).encrypting_to(Some(recipients));
    let dir = recorded(&recordings, true);
    for file in ["c0.brec", "c1.brec"] {
        let bytes = fs::read(dir.join(file)).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"typed-" || part == b"shown-"), "{file}");
    }
    assert_eq!(outcome(&dir, &recordings).0, Outcome::Good, "{:?}", outcome(&dir, &recordings));
    let open = || Recording::open(&dir).unwrap().unlock(&Identities::parse(identity.as_str(), None).unwrap()).unwrap();
    assert!(!cast(&open()).contains("typed-"));
    let whole = cast(&open().with_input().unwrap());
    assert!(whole.contains("typed-2") && whole.contains("shown-1"), "{whole}");
}
