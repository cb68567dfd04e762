use super::*;
use crate::testing::{Crashed, ID, Tape, now, shell};
use crate::{Outcome, Report, verify};
use std::fs;

fn report(tape: &Crashed) -> Report {
    verify(&tape.dir, &[tape.recordings.public_key()], &mut |_| ())
}

fn recover(tape: &Crashed) -> Vec<Recovered> {
    tape.recordings.recover(1_795_349_000_000_000, &mut rand::rng()).unwrap()
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
    assert_eq!(report.outcome(), Outcome::Incomplete, "{report:#?}");
    assert!(report.checks.iter().any(|check| check.name == "recovery"));
    let seal = tape.recording().seal().unwrap().clone();
    assert_eq!((seal.reason, seal.channels[0].events, seal.number), (Reason::Recovered, 11, 7));
    assert!(recover(&tape).is_empty());
}

#[test]
fn a_recording_that_is_being_written_is_left_alone() {
    let tape = recorded();
    assert!(tape.recordings.recover(0, &mut rand::rng()).unwrap().is_empty());
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
        assert_eq!(report(&tape).outcome(), Outcome::Incomplete, "cut {cut}");
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
        assert_eq!(report(&tape).outcome(), Outcome::Incomplete, "length {len}");
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
        assert_eq!(report(&tape).outcome(), Outcome::Incomplete);
    }
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
