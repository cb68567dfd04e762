//! `kill -9` at any moment loses nothing of what was handed on: what the writer said it had recorded is there, and the
//! recording can be closed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::print_stdout, unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use bartizan_recorder::{Event, Outcome, Recording, Recovery, verify};
use common::{head, now, recordings};

const ROOT: &str = "BARTIZAN_TEST_ROOT";

/// Not a test of its own: the process that is killed. Records numbered lines for ever, and says each number once it is
/// recorded, as a gateway hands bytes on.
#[test]
#[ignore = "run by a_killed_writer_has_lost_nothing_that_was_seen"]
fn writer() {
    let root = std::env::var_os(ROOT).expect("started by the test below");
    let mut writer = recordings(root.as_ref()).create(&head(), &mut rand::rng()).unwrap();
    for number in 0u64.. {
        let line = format!("line {number} {}\r\n", "x".repeat(number as usize * 131 % 40_000));
        writer.append(now(number * 70_000), &[Event::output(line.as_bytes())]).unwrap();
        println!("recorded {number}");
        writer.tick(now(number * 70_000)).unwrap();
    }
}

#[test]
fn a_killed_writer_has_lost_nothing_that_was_seen() {
    for round in 0..12u64 {
        let root = tempfile::tempdir().unwrap();
        let seen = kill_after(root.path(), Duration::from_millis(round * 23 + 5));
        let recordings = recordings(root.path());
        let recovered = recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        let Some(one) = recovered.first() else {
            assert_eq!(seen, None, "round {round}");
            continue;
        };
        assert!(matches!(one.recovery, Recovery::Closed { .. }), "round {round}: {:?}", one.recovery);
        let kept = last_line(&Recording::open(&one.dir).unwrap());
        assert!(kept >= seen, "round {round}: kept {kept:?}, seen {seen:?}");
        let report = verify(&one.dir, &[recordings.public_key()], &mut |_| ());
        assert_eq!(report.outcome(), Outcome::Good, "round {round}: {report:#?}");
    }
}

/// Starts the writer, kills it, and returns the last number it said.
fn kill_after(root: &std::path::Path, pause: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writer", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.by_ref().map_while(Result::ok).find_map(|line| number(&line));
    std::thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).filter_map(|line| number(&line)).last().or(first)
}

fn number(line: &str) -> Option<u64> {
    // The test harness begins the first line with words of its own.
    line.rsplit_once("recorded ").and_then(|(_, number)| number.parse().ok())
}

fn last_line(recording: &Recording) -> Option<u64> {
    let events = recording.events().unwrap().owned().map(|timed| timed.unwrap().event.data().into_owned());
    let lines = events.filter_map(|data| String::from_utf8(data).ok());
    lines.filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).max()
}
