//! Hostile and honest sources against the flow, with streams of bytes for both sides.

use std::io::Cursor;

use bartizan_policies::{Action, Direction};
use proptest::prelude::*;

use super::{Flow, FlowError, Judge, Passed, Sides};
use crate::gateways::ssh::scp::places::{Asked, Places};

/// Refuses what has `no` in its path.
#[derive(Default)]
struct Table {
    passed: Vec<String>,
}

impl Judge for Table {
    type Allowed = ();

    async fn decide(&mut self, _: Action, path: Option<String>) -> Result<Result<(Option<String>, ()), String>, FlowError> {
        let refused = path.as_deref().is_some_and(|path| path.contains("no"));
        Ok(if refused { Err("refused\nby policy".to_owned()) } else { Ok((path, ())) })
    }

    async fn passed(&mut self, action: Action, file: Passed<'_>) -> Result<(), FlowError> {
        self.passed.push(format!("{action} {} {}", file.path.unwrap_or("?"), file.bytes));
        Ok(())
    }
}

struct Outcome {
    done: Result<(), FlowError>,
    to_source: Vec<u8>,
    to_sink: Vec<u8>,
    passed: Vec<String>,
}

fn run(direction: Direction, recursive: bool, source: &[u8], sink: &[u8]) -> Outcome {
    let places = match direction {
        Direction::ToTarget => Places::To { path: Some("/d".to_owned()), is_folder: true },
        Direction::FromTarget => {
            let one = |name: &str| Asked::One { path: Some(format!("/d/{name}")), name: name.to_owned(), shown: name.to_owned() };
            Places::From(vec![one("a"), one("b"), one("no")], 0)
        }
    };
    let sides = Sides { from_source: Cursor::new(source), to_source: Vec::new(), from_sink: Cursor::new(sink), to_sink: Vec::new() };
    let mut flow = Flow { sides, judge: Table::default(), direction, recursive, places, open: Vec::new(), times: None };
    let done = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(flow.run());
    Outcome { done, to_source: flow.sides.to_source, to_sink: flow.sides.to_sink, passed: flow.judge.passed }
}

#[test]
fn a_refused_file_is_answered_like_an_unreadable_one_and_the_next_passes() {
    let up = run(Direction::ToTarget, false, b"T1 0 2 0\nC0644 9 no\nC0600 3 yes\nabc\0", &[0; 3]);
    assert!(up.done.is_ok());
    assert_eq!(up.to_sink, b"C0600 3 yes\nabc\0", "neither the file nor its times");
    assert_eq!(up.to_source, b"\0\0\x01bartizan: no: refused by policy\n\0\0");
    assert_eq!(up.passed, ["sftp.write /d/yes 3"]);
    let down = run(Direction::FromTarget, false, b"C0600 1 a\nx\0C0644 9 no\n", &[0; 3]);
    assert_eq!(down.to_sink, b"C0600 1 a\nx\0\x01bartizan: no: refused by policy\n");
    assert_eq!(down.passed, ["sftp.read /d/a 1"]);
}

#[test]
fn a_target_that_sends_what_nobody_asked_for_is_cut_off() {
    for sent in
        ["C0644 1 c\n", "C0644 1 b\nx\0C0644 1 a\n", "C0644 1 a\nx\0C0644 1 a\n", "D0755 0 a\n", "E\n", "C0644 1 ../a\n", "C0644 1 /a\n"]
    {
        let down = run(Direction::FromTarget, false, sent.as_bytes(), &[0; 9]);
        assert!(matches!(down.done, Err(FlowError::Unasked(_) | FlowError::Malformed(..))), "{sent}");
        assert!(down.passed.len() <= 1 && !down.to_sink.ends_with(b"c\n"), "{sent}");
    }
}

#[test]
fn no_more_passes_than_was_announced_and_less_is_an_error() {
    let short = run(Direction::FromTarget, false, b"C0644 100 a\nabc", &[0; 9]);
    assert!(matches!(short.done, Err(FlowError::Gone(_))) && short.passed.is_empty());
    let long = run(Direction::FromTarget, false, b"C0644 2 a\nabc\0", &[0; 9]);
    assert!(long.done.is_err() && long.passed.is_empty());
    assert_eq!(long.to_sink, b"C0644 2 a\nab", "what stands behind the end of a file is no part of it");
}

#[test]
fn folders_are_entered_and_left_and_a_refused_one_is_not() {
    let up = run(Direction::ToTarget, true, b"D0755 0 t\nC0644 1 x\n1\0D0755 0 no\nE\n", &[0; 6]);
    assert!(up.done.is_ok());
    assert_eq!(up.to_sink, b"D0755 0 t\nC0644 1 x\n1\0E\n");
    assert_eq!(up.passed, ["sftp.write /d/t/x 1"]);
}

#[test]
fn what_a_target_says_reaches_no_terminal_raw() {
    let down = run(Direction::FromTarget, false, b"\x01\x1b]0;evil\x07 no such file\n", &[0; 2]);
    assert!(!down.to_sink.contains(&0x1b) && down.to_sink.starts_with(b"\x01"));
}

proptest! {
    #[test]
    fn no_source_and_no_sink_make_it_panic_or_forward_what_was_refused(
        up: bool,
        source in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"CDTE0 \nano64\0\x01".to_vec())], 0..60),
        sink in prop::collection::vec(0u8..3, 0..20),
    ) {
        let direction = if up { Direction::ToTarget } else { Direction::FromTarget };
        let outcome = run(direction, true, &source, &sink);
        prop_assert!(outcome.passed.iter().all(|line| !line.contains("no")));
    }
}
