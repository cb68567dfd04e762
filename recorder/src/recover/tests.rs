use super::*;
use crate::testing::{Crashed, ID, Tape, now, shell};
use crate::{Outcome, Report, verify};
use std::fs;

fn report(tape: &Crashed) -> Report {
    verify(&tape.dir, &[tape.recordings.public_key()], &mut |_| ())
}

fn recover(tape: &Crashed) -> Vec<Recovered> {
    tape.recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap()
}

fn recorded() -> Tape {
    let mut tape = shell();
    for second in 0..11 {
        let line = format!("second {second}\r\n");
        tape.writer.tick(now(second * 1_000_000)).unwrap();
        tape.writer.append(now(second * 1_000_000), &[Event::output(line.as_bytes())]).unwrap();
    }
    tape
}

fn lines(tape: &Crashed) -> usize {
    let events = tape.recording().events().unwrap().owned();
    events.filter(|timed| matches!(timed.as_ref().unwrap().event, Event::Output(_))).count()
}

#[test]
fn a_crashed_recording_is_closed_and_keeps_every_event() {
    let tape = recorded().crash();
    let all = recover(&tape);
    assert!(matches!(&all[..], [Recovered { recovery: Recovery::Closed { cut_bytes: 0, .. }, .. }]), "{all:?}");
    assert_eq!(lines(&tape), 11);
    let report = report(&tape);
    assert_eq!(report.exit_code(), 0, "{report:#?}");
    let told = |check: &crate::Check| check.name == "recovery" && check.detail.contains("recovered after a crash");
    assert!(report.checks.iter().any(told), "{report:#?}");
    let seal = tape.recording().seal().unwrap().clone();
    assert_eq!((seal.reason, seal.channels[0].events, seal.number), (Reason::Recovered, 11, 7));
    assert!(recover(&tape).is_empty());
}

#[test]
fn a_recording_that_is_being_written_is_left_alone() {
    let tape = recorded();
    assert!(tape.recordings.recover(0, &|_| true, &mut rand::rng()).unwrap().is_empty());
    assert!(tape.recording().seal().is_none());
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_last_good_frame_and_kept_aside() {
    let tape = recorded().crash();
    let path = tape.dir.join("c0.brec");
    let whole = fs::read(&path).unwrap();
    let last = b"second 10\r\n".len() + 3 + crate::frame::HEADER_LEN;
    for cut in 1..last {
        for name in ["seal.json", "c0.cut"] {
            let _ = fs::remove_file(tape.dir.join(name));
        }
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let all = recover(&tape);
        let Recovery::Closed { cut_bytes, kept_bytes } = all[0].recovery else { panic!("{all:?}") };
        assert_eq!(cut_bytes as usize, last - cut, "cut {cut}");
        assert_eq!(kept_bytes as usize, whole.len() - last);
        assert_eq!(fs::read(tape.dir.join("c0.cut")).unwrap(), whole[whole.len() - last..whole.len() - cut]);
        assert_eq!(lines(&tape), 10);
        let report = report(&tape);
        assert_eq!(report.outcome(), Outcome::Good, "cut {cut}");
        let told = format!(" {cut_bytes} bytes of a torn last write were cut off");
        assert!(report.checks.iter().any(|check| check.detail.contains(&told)), "{report:#?}");
    }
}

#[test]
fn a_crash_between_end_and_seal_costs_only_the_seal() {
    let mut tape = recorded();
    let seal = tape.finish(12_000_000);
    let tape = tape.crash();
    for torn in [None, Some("")] {
        fs::remove_file(tape.dir.join("seal.json")).unwrap();
        if let Some(text) = torn {
            fs::write(tape.dir.join("seal.json"), text).unwrap();
        }
        assert!(matches!(recover(&tape)[0].recovery, Recovery::Sealed));
        assert_eq!(tape.recording().seal(), Some(&seal));
        assert_eq!(report(&tape).outcome(), Outcome::Good);
    }
}

#[test]
fn a_crash_in_the_midst_of_recovery_is_recovered_from() {
    let tape = recorded().crash();
    let path = tape.dir.join("c0.brec");
    let before = fs::metadata(&path).unwrap().len();
    recover(&tape);
    let whole = fs::read(&path).unwrap();
    for len in before as usize + 1..whole.len() {
        fs::remove_file(tape.dir.join("seal.json")).unwrap();
        fs::write(&path, &whole[..len]).unwrap();
        assert!(matches!(recover(&tape)[0].recovery, Recovery::Closed { .. }), "length {len}");
        assert_eq!(report(&tape).outcome(), Outcome::Good, "length {len}");
        assert_eq!(lines(&tape), 11);
    }
}

#[test]
fn a_recording_whose_head_was_torn_is_accounted_for() {
    for torn in ["", "{\"head\":{\"cl"] {
        let tape = recorded().crash();
        fs::write(tape.dir.join("head.json"), torn).unwrap();
        assert!(matches!(recover(&tape)[0].recovery, Recovery::HeadUnreadable));
        assert!(recover(&tape).is_empty());
        let seal: Seal = envelope::read(&fs::read(tape.dir.join("seal.json")).unwrap()).unwrap();
        assert_eq!((seal.reason, seal.session.as_str()), (Reason::HeadUnreadable, ID));
    }
}

#[test]
fn a_channel_file_that_was_never_written_is_made_good() {
    for torn in [None, Some(&b""[..]), Some(b"\x89BR")] {
        let tape = shell().crash();
        let path = tape.dir.join("c0.brec");
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = torn {
            fs::write(&path, bytes).unwrap();
        }
        let all = recover(&tape);
        assert!(matches!(all[0].recovery, Recovery::Closed { .. }), "{all:?}");
        assert_eq!(report(&tape).outcome(), Outcome::Good);
    }
}

/// Names and bytes of all files of a recording.
fn files(tape: &Crashed) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(&tape.dir).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_sealed_recording_that_was_cut_short_and_unsealed_is_not_sealed_again() {
    let mut tape = recorded();
    let open = fs::metadata(tape.dir().join("c0.brec")).unwrap().len() as usize;
    tape.finish(12_000_000);
    let tape = tape.crash();
    fs::remove_file(tape.dir.join("seal.json")).unwrap();
    let path = tape.dir.join("c0.brec");
    let whole = fs::read(&path).unwrap();
    for len in [0, 100, open, open + 9, whole.len()] {
        fs::write(&path, &whole[..len]).unwrap();
        let before = files(&tape);
        let all = tape.recordings.recover(1_795_349_000_000_000, &|_| false, &mut rand::rng()).unwrap();
        assert!(matches!(&all[..], [Recovered { recovery: Recovery::NotOpen, .. }]), "length {len}: {all:?}");
        assert_eq!(files(&tape), before, "length {len}");
        assert_eq!(report(&tape).exit_code(), 3, "length {len}");
    }
}

#[test]
fn a_torn_head_of_a_session_that_had_ended_is_not_sealed() {
    let tape = recorded().crash();
    fs::write(tape.dir.join("head.json"), "").unwrap();
    let all = tape.recordings.recover(0, &|_| false, &mut rand::rng()).unwrap();
    assert!(matches!(all[0].recovery, Recovery::NotOpen), "{all:?}");
    assert!(!tape.dir.join("seal.json").exists());
}

#[test]
fn only_the_recordings_of_sessions_that_were_open_are_closed() {
    let tape = recorded().crash();
    let other = "01JD0000000000000000000002";
    drop(tape.recordings.create(&crate::head::tests::head(other), &mut rand::rng()).unwrap());
    let all = tape.recordings.recover(1_795_349_000_000_000, &|session| session.as_str() == ID, &mut rand::rng()).unwrap();
    let of = |id: &str| &all.iter().find(|one| one.session.as_str() == id).unwrap().recovery;
    assert!(matches!(of(ID), Recovery::Closed { .. }), "{all:?}");
    assert!(matches!(of(other), Recovery::NotOpen), "{all:?}");
}

#[test]
fn what_was_tampered_with_is_left_as_it_is() {
    let tape = recorded().crash();
    let path = tape.dir.join("c0.brec");
    let mut bytes = fs::read(&path).unwrap();
    bytes[50] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(recover(&tape)[0].recovery, Recovery::Tampered(_)));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(tape.recording().seal().is_none());
}

#[test]
fn a_head_under_another_key_is_not_vouched_for_unless_that_key_is_trusted() {
    let mut tape = recorded().crash();
    let old = tape.recordings.public_key();
    let key = ed25519_dalek::SigningKey::generate(&mut rand::rng());
    tape.recordings = Recordings::new(tape.root.path(), key);
    assert!(matches!(recover(&tape)[0].recovery, Recovery::Tampered(_)));
    tape.recordings = tape.recordings.clone().trusting(vec![old]);
    assert!(matches!(recover(&tape)[0].recovery, Recovery::Closed { .. }));
}

#[test]
fn one_bad_recording_does_not_stop_the_others() {
    let tape = recorded().crash();
    let stray = tape.root.path().join("2026/11/22/01JD0000000000000000000002");
    fs::create_dir(&stray).unwrap();
    fs::create_dir(stray.join("head.json")).unwrap();
    let all = recover(&tape);
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|one| matches!(one.recovery, Recovery::Failed(_))));
    assert!(all.iter().any(|one| matches!(one.recovery, Recovery::Closed { .. })));
}
