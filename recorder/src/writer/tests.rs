use super::*;
use crate::testing::{Tape, now, shell};
use crate::{Recordings, head::tests::head};

fn line(tape: &mut Tape, at_us: u64) {
    tape.writer.append(now(at_us), &[Event::output(&b"a line as a shell would show it, and another\r\n"[..])]).unwrap();
}

#[test]
fn an_idle_session_holds_less_than_half_a_page() {
    let mut tape = shell();
    for step in 0..300 {
        line(&mut tape, step * 10_000);
    }
    tape.writer.tick(now(60_000_000)).unwrap();
    let Writer { history, index, keyframer, .. } = &tape.writer;
    let outside = history.held() + index.chunks.capacity() * 24 + index.keyframes.capacity() * 16;
    let held = size_of::<Writer>() + outside + keyframer.as_ref().map_or(0, Keyframer::held);
    assert!(held < 2048, "{held} bytes");
}

#[test]
fn nothing_can_be_recorded_behind_the_end_and_ending_twice_gives_the_same_seal() {
    let mut tape = shell();
    line(&mut tape, 1);
    let seal = tape.finish(2);
    assert!(matches!(tape.writer.append(now(3), &[Event::marker("late")]), Err(WriteError::Ended)));
    assert!(matches!(tape.writer.tick(now(3)), Err(WriteError::Ended)));
    assert_eq!(tape.finish(4), seal);
    assert_eq!(tape.recording().seal(), Some(&seal));
}

#[test]
fn an_end_whose_seal_could_not_be_written_can_be_repeated() {
    let mut tape = shell();
    line(&mut tape, 1);
    let blocked = tape.dir().join("seal.json.part");
    std::fs::create_dir(&blocked).unwrap();
    assert!(matches!(tape.writer.finish(now(2), Reason::Closed, None), Err(WriteError::Io { .. })));
    let bytes = tape.writer.bytes();
    std::fs::remove_dir(&blocked).unwrap();
    tape.finish(3);
    assert_eq!(tape.writer.bytes(), bytes);
    let report = crate::verify(&tape.dir(), &[tape.recordings.public_key()], &mut |_| ());
    assert_eq!(report.exit_code(), 0, "{report:#?}");
}

#[test]
fn a_session_cannot_be_recorded_twice_or_outside_the_root() {
    let tape = shell();
    let again = tape.recordings.create(&head(crate::testing::ID), &mut rand::rng());
    assert!(matches!(again, Err(WriteError::Io { .. })));
    let hostile = crate::Head { target: "../../x".into(), principal: "../y".into(), ..head("01JD0000000000000000000002") };
    let writer = tape.recordings.create(&hostile, &mut rand::rng()).unwrap();
    assert!(writer.dir().starts_with(tape.root.path()));
    assert!(writer.dir().ends_with("2026/11/22/01JD0000000000000000000002"));
}

#[test]
fn a_head_that_does_not_do_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(root.path(), SigningKey::from_bytes(&[1; 32]));
    let bad = crate::Head { target: String::new(), ..head(crate::testing::ID) };
    assert!(matches!(recordings.create(&bad, &mut rand::rng()), Err(WriteError::Head(BadHead::Empty("target")))));
    let long = crate::Head { command: Some("x".repeat(300_000)), ..head(crate::testing::ID) };
    assert!(matches!(recordings.create(&long, &mut rand::rng()), Err(WriteError::Head(BadHead::TooLong))));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_tick_commits_within_five_seconds_and_an_append_if_no_tick_comes() {
    let mut tape = shell();
    line(&mut tape, 0);
    tape.writer.tick(now(4_000_000)).unwrap();
    assert_eq!(tape.writer.state.counts.commits, 0);
    tape.writer.tick(now(5_000_000)).unwrap();
    assert_eq!(tape.writer.state.counts.commits, 1);
    line(&mut tape, 6_000_000);
    line(&mut tape, 11_000_000);
    assert_eq!(tape.writer.state.counts.commits, 1);
    line(&mut tape, 16_000_000);
    assert_eq!(tape.writer.state.counts.commits, 2);
}

fn encrypted() -> (Tape, crate::Identities) {
    let (identity, recipient) = crate::Identities::generate();
    let mut tape = shell();
    let recipients = crate::Recipients::parse([recipient]).unwrap();
    tape.recordings = tape.recordings.encrypting_to(Some(recipients));
    tape.writer = tape.recordings.create(&head("01JD0000000000000000000003"), &mut rand::rng()).unwrap();
    (tape, crate::Identities::parse(&identity, None).unwrap())
}

/// What the writer still holds opens nothing of earlier chunks.
#[test]
fn a_writer_cannot_read_the_chunks_behind_it() {
    let (mut tape, identities) = encrypted();
    for second in 0..200 {
        line(&mut tape, second * 1_000_000);
        tape.writer.tick(now(second * 1_000_000 + 500_000)).unwrap();
    }
    let file = || File::open(tape.dir().join("c0.brec")).unwrap();
    let held = tape.writer.keyframer.as_ref().unwrap().opener().unwrap();
    let mut all = crate::Events::over(crate::frames::Frames::open(file()).unwrap(), Some(held)).unwrap();
    let refused = all.next_event().unwrap_err();
    assert!(matches!(refused, crate::ReadError::Body { bad: crate::BadBody::Undecryptable, .. }), "{refused}");
    // Yet the keyframes drawn with it are there, and an auditor reads all of it.
    let recording = tape.recording().unlock(&identities).unwrap();
    assert_eq!(recording.events().unwrap().owned().filter(Result::is_ok).count(), 200);
    let map = crate::map::Map::load(&file(), 0, recording.opener().as_ref()).unwrap();
    assert!(map.keyframes.len() >= 5, "{}", map.keyframes.len());
}

#[test]
fn a_write_that_failed_is_not_encrypted_again_under_the_same_key() {
    let (mut tape, identities) = encrypted();
    line(&mut tape, 1);
    let path = tape.dir().join("c0.brec");
    let before = tape.writer.log.position();
    let real = std::mem::replace(&mut tape.writer.log, Log::resume(File::open(&path).unwrap(), before));
    let number = format!("{:?}", tape.writer.sealer);
    assert!(matches!(tape.writer.append(now(2), &[Event::output(&b"one"[..])]), Err(WriteError::Io { .. })));
    assert_ne!(format!("{:?}", tape.writer.sealer), number);
    tape.writer.log = real;
    tape.writer.append(now(3), &[Event::output(&b"two"[..])]).unwrap();
    let recording = tape.recording().unlock(&identities).unwrap();
    let last = recording.events().unwrap().owned().last().unwrap().unwrap();
    assert_eq!(last.event, Event::output(&b"two"[..]));
}
