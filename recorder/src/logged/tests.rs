use std::fs;

use super::*;
use crate::testing::{Tape, now, shell};
use crate::tlog::Leaf;
use crate::{Event, verify_logged};

/// A recording with commits that were told to the log, and the leaves that the log has of it.
struct Fixture {
    tape: Tape,
    leaves: Vec<Leaf>,
}

const NUMBER: u64 = 7;

fn recorded(finish: bool) -> Fixture {
    let mut tape = shell();
    let number = tape.recording().head().number;
    assert_eq!(number, NUMBER);
    let mut leaves = vec![Leaf::Begin { session: NUMBER }, Leaf::Opened { number, head: tape.writer.head_hash() }];
    for second in 0..40 {
        tape.writer.append(now(second * 1_000_000), &[Event::output(&b"a line of a session\r\n"[..])]).unwrap();
        tape.writer.tick(now(second * 1_000_000 + 500_000)).unwrap();
        if let Some((bytes, chain)) = tape.writer.committed().filter(|_| second % 10 == 9) {
            leaves.push(Leaf::Commit { number, bytes, chain });
        }
    }
    if finish {
        tape.finish(41_000_000);
        leaves.push(Leaf::Closed { number, seal: tape.writer.seal_hash().unwrap() });
    }
    Fixture { tape, leaves }
}

impl Fixture {
    /// The check against the log at `later` microseconds after the end.
    fn log(&self, leaves: &[Leaf], later: i64) -> (Outcome, String) {
        let mut sessions = LoggedSessions::default();
        (0..).zip(leaves).for_each(|(index, leaf)| sessions.take(index, leaf));
        let log = InLog { sessions: &sessions, now_us: now(41_000_000).wall_us + later };
        let report = verify_logged(&self.tape.dir(), &[self.tape.recordings.public_key()], Some(&log), &mut |_| ());
        assert_eq!(report.number, Some(NUMBER));
        let check = report.checks.iter().find(|check| check.name == "log").unwrap();
        (check.outcome, check.detail.clone())
    }
}

const DAY: i64 = 86_400_000_000;

#[test]
fn a_recording_that_is_as_it_was_logged_is_good() {
    let fixture = recorded(true);
    let (outcome, detail) = fixture.log(&fixture.leaves, DAY);
    assert_eq!(outcome, Outcome::Good, "{detail}");
    assert_eq!(detail, "opened as leaf 1; 4 commits are in it as they were; sealed as leaf 6");
    let hashes = document_hashes(&fixture.tape.dir()).unwrap();
    assert_eq!(hashes, (Some(fixture.tape.writer.head_hash()), fixture.tape.writer.seal_hash()));
    let running = recorded(false);
    assert_eq!(running.log(&running.leaves, 0).0, Outcome::Good);
}

#[test]
fn a_recording_made_anew_with_the_key_is_named() {
    let (genuine, forged) = (recorded(true), recorded(true));
    let (outcome, detail) = forged.log(&genuine.leaves, DAY);
    assert!(outcome == Outcome::Tampered && detail.contains("head.json is not the one that leaf 1 has"), "{detail}");
}

#[test]
fn a_recording_cut_short_and_recovered_anew_is_named() {
    // Whoever has the key can cut a recording that still runs and sign a recovery: what was logged until then shows it.
    let fixture = recorded(false);
    let (dir, leaves) = (fixture.tape.dir(), fixture.leaves.clone());
    let crashed = fixture.tape.crash();
    let path = dir.join("c0.brec");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    crashed.recordings.recover(now(50_000_000).wall_us, &|_| true, &mut rand::rng()).unwrap();
    let mut sessions = LoggedSessions::default();
    (0..).zip(&leaves).for_each(|(index, leaf)| sessions.take(index, leaf));
    let log = InLog { sessions: &sessions, now_us: now(0).wall_us + DAY };
    let report = verify_logged(&dir, &[crashed.recordings.public_key()], Some(&log), &mut |_| ());
    let names: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Tampered).map(|check| check.name).collect();
    assert_eq!(names, ["log"], "{report:#?}");
    let detail = &report.checks.last().unwrap().detail;
    assert!(detail.contains("cut short or rewritten"), "{detail}");
}

#[test]
fn a_seal_that_is_gone_or_another_one_is_named() {
    let fixture = recorded(true);
    let seal = fixture.tape.dir().join("seal.json");
    let good = fs::read(&seal).unwrap();
    fs::remove_file(&seal).unwrap();
    let (outcome, detail) = fixture.log(&fixture.leaves, DAY);
    assert!(outcome == Outcome::Tampered && detail.contains("its seal, which leaf 6 has, is gone"), "{detail}");
    fs::write(&seal, good).unwrap();
    let mut leaves = fixture.leaves.clone();
    leaves[6] = Leaf::Closed { number: NUMBER, seal: [1; 32] };
    let (outcome, detail) = fixture.log(&leaves, DAY);
    assert!(outcome == Outcome::Tampered && detail.contains("not the one that leaf 6 has"), "{detail}");
}

#[test]
fn what_the_log_does_not_have_is_on_its_way_for_a_moment_and_named_after() {
    let fixture = recorded(true);
    assert_eq!(fixture.log(&fixture.leaves[..6], 0).0, Outcome::Good);
    assert_eq!(fixture.log(&fixture.leaves[..6], DAY).0, Outcome::Incomplete);
    // A second after its beginning.
    assert_eq!(fixture.log(&fixture.leaves[..1], -40_000_000).0, Outcome::Good);
    let (outcome, detail) = fixture.log(&fixture.leaves[..1], DAY);
    assert!(outcome == Outcome::Tampered && detail.contains("the log has no session 7"), "{detail}");
    let older = [Leaf::Begin { session: 9 }];
    assert_eq!(fixture.log(&older, DAY).0, Outcome::Good);
}

#[test]
fn a_recording_that_is_nothing_but_a_seal_is_known_by_it_and_no_other_seal_will_do() {
    let tape = recorded(true).tape;
    let (key, elsewhere) = (tape.recordings.public_key(), tape.dir().with_file_name("01JD0000000000000000000002"));
    fs::create_dir(&elsewhere).unwrap();
    let found = tape.recordings.recover(now(0).wall_us, &|_| true, &mut rand::rng()).unwrap();
    assert!(matches!(found[0].recovery, crate::Recovery::HeadUnreadable));
    let number_of = |dir: &std::path::Path, logged: &std::path::Path| {
        let seal = document_hashes(logged).unwrap().1.unwrap();
        let mut sessions = LoggedSessions::default();
        sessions.take(0, &Leaf::Closed { number: 8, seal });
        let log = InLog { sessions: &sessions, now_us: now(0).wall_us + DAY };
        let report = verify_logged(dir, &[key], Some(&log), &mut |_| ());
        assert_eq!(report.outcome(), Outcome::Incomplete, "{report:?}");
        report.number
    };
    assert_eq!(number_of(&elsewhere, &elsewhere), Some(8));
    assert_eq!(number_of(&elsewhere, &tape.dir()), None);
    // A good seal beside a head that was taken away is not such a one.
    fs::remove_file(tape.dir().join("head.json")).unwrap();
    assert_eq!(number_of(&tape.dir(), &tape.dir()), None);
}
