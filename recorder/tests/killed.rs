//! `kill -9` at any moment loses nothing of what was handed on: what the writer said it had recorded is there, what it said was
//! sealed is sealed, and all else can be closed. `BARTIZAN_TEST_FULL=1` kills a thousand times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::print_stdout, unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bartizan_recorder::{Event, Outcome, Reason, Recording, Recovery, find, verify};
use common::{head, now, recordings};
use rand::RngExt;

const ROOT: &str = "BARTIZAN_TEST_ROOT";

fn session(number: u64) -> String {
    format!("01JD{number:022}")
}

/// Not a test of its own: the process that is killed. Records session after session, each of some numbered lines, and says each
/// once it is recorded, as a gateway hands bytes on: so that it is killed while it begins, writes, commits, draws and seals.
#[test]
#[ignore = "run by a_killed_writer_has_lost_nothing_that_was_seen"]
fn writer() {
    let root = std::env::var_os(ROOT).expect("started by the test below");
    let recordings = recordings(root.as_ref());
    for number in 0u64.. {
        let mut head = head();
        head.session = session(number).parse().unwrap();
        head.number = number;
        let mut writer = recordings.create(&head, &mut rand::rng()).unwrap();
        for line in 0..3 + number * 37 % 200 {
            let text = format!("line {line} {}\r\n", "x".repeat(line as usize * 131 % 40_000));
            writer.append(now(line * 70_000), &[Event::output(text.as_bytes())]).unwrap();
            println!("recorded {number} {line}");
            writer.tick(now(line * 70_000)).unwrap();
        }
        writer.finish(now(100_000_000), Reason::Closed, None).unwrap();
        println!("sealed {number}");
    }
}

/// What the killed process said of one session.
#[derive(Default)]
struct Said {
    line: Option<u64>,
    sealed: bool,
}

#[test]
fn a_killed_writer_has_lost_nothing_that_was_seen() {
    let rounds = if std::env::var_os("BARTIZAN_TEST_FULL").is_some() { 1_000 } else { 36 };
    let (mut open, mut closed) = (0, 0);
    for round in 0..rounds {
        let root = tempfile::tempdir().unwrap();
        let said = kill_after(root.path(), Duration::from_micros(rand::rng().random_range(0..120_000)));
        let recordings = recordings(root.path());
        let recovered = recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        assert!(recovered.len() <= 1, "round {round}: {recovered:?}");
        for one in &recovered {
            let good = matches!(one.recovery, Recovery::Closed { .. } | Recovery::Sealed | Recovery::HeadUnreadable);
            assert!(good, "round {round}: {:?}", one.recovery);
            open += 1;
        }
        for (number, said) in said {
            let dir = find(root.path(), &session(number).parse().unwrap()).unwrap().expect("it was seen");
            let report = verify(&dir, &[recordings.public_key()], &mut |_| ());
            assert_eq!(report.outcome(), Outcome::Good, "round {round}: {report:#?}");
            let recording = Recording::open(&dir).unwrap();
            let kept = last_line(&recording);
            assert!(kept >= said.line, "round {round}, session {number}: kept {kept:?}, seen {:?}", said.line);
            if said.sealed {
                assert_eq!(recording.seal().unwrap().reason, Reason::Closed, "round {round}, session {number}");
                closed += 1;
            }
        }
    }
    assert!(open > rounds / 4 && closed > 0, "{open} left open, {closed} sealed: the kills came at no random moments");
}

/// Starts the writer, kills it some time after its first word, and returns what it said.
fn kill_after(root: &Path, pause: Duration) -> HashMap<u64, Said> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writer", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = HashMap::new();
    while said.is_empty() {
        take(&mut said, &lines.next().expect("it says something").unwrap());
    }
    // Read on meanwhile: a full pipe would hold it at one place.
    let reader = std::thread::spawn(move || {
        let mut more = HashMap::new();
        lines.map_while(Result::ok).for_each(|line| take(&mut more, &line));
        more
    });
    std::thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap();
    said.extend(reader.join().unwrap());
    said
}

/// The test harness begins the first line with words of its own; the last may be torn.
fn take(said: &mut HashMap<u64, Said>, line: &str) {
    if let Some((_, rest)) = line.rsplit_once("recorded ")
        && let Some((Ok(session), Ok(line))) = rest.split_once(' ').map(|(session, line)| (session.parse(), line.parse()))
    {
        said.entry(session).or_default().line = Some(line);
    } else if let Some(Ok(session)) = line.strip_prefix("sealed ").map(str::parse) {
        said.entry(session).or_default().sealed = true;
    }
}

fn last_line(recording: &Recording) -> Option<u64> {
    let events = recording.events().unwrap().owned().map(|timed| timed.unwrap().event.data().into_owned());
    let lines = events.filter_map(|data| String::from_utf8(data).ok());
    lines.filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).max()
}
