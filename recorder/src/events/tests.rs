use super::*;
use crate::event::tests::any_event;
use crate::testing::{now, shell};
use proptest::prelude::*;

/// Joins what a writer may have cut: bytes of the same stream that follow each other at one time.
fn joined(events: impl IntoIterator<Item = Timed<'static>>) -> Vec<Timed<'static>> {
    let mut all: Vec<Timed<'static>> = Vec::new();
    for timed in events {
        let same = all.last_mut().filter(|last| last.at_us == timed.at_us && last.event.code() == timed.event.code());
        match (same.map(|last| &mut last.event), &timed.event) {
            (Some(Event::Output(to)), Event::Output(more))
            | (Some(Event::Stderr(to)), Event::Stderr(more))
            | (Some(Event::Input(to)), Event::Input(more)) => to.to_mut().extend_from_slice(more),
            _ => all.push(timed),
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_recorded_is_read_back_exactly(
        calls in proptest::collection::vec((0u64..20_000_000, proptest::collection::vec(any_event(), 0..6)), 1..20),
    ) {
        let mut tape = shell();
        let mut at_us = 0;
        let mut given = Vec::new();
        for (pause, events) in calls {
            at_us += pause;
            tape.writer.append(now(at_us), &events).unwrap();
            given.extend(events.into_iter().map(|event| Timed { at_us, event }));
        }
        let read: Result<Vec<_>, _> = tape.recording().events().unwrap().owned().collect();
        prop_assert_eq!(joined(read.unwrap()), joined(given));
    }
}

#[test]
fn a_flood_in_one_call_is_cut_into_frames_and_read_back() {
    let mut tape = shell();
    let flood: Vec<u8> = (0..3_000_000u32).flat_map(|number| number.to_le_bytes()).collect();
    tape.writer.append(now(5), &[Event::output(&flood[..]), Event::marker("after")]).unwrap();
    let read: Vec<_> = tape.recording().events().unwrap().owned().map(Result::unwrap).collect();
    let read = joined(read);
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].event, Event::output(flood));
}

#[test]
fn an_event_that_cannot_be_cut_is_refused_when_it_is_too_long() {
    let mut tape = shell();
    let long = "x".repeat(crate::frame::BODY_LIMIT);
    let refused = tape.writer.append(now(1), &[Event::output(&b"lost?"[..]), Event::note(long)]);
    assert!(matches!(refused, Err(crate::WriteError::TooLong)));
    tape.writer.append(now(2), &[Event::output(&b"kept"[..])]).unwrap();
    let read: Vec<_> = tape.recording().events().unwrap().owned().map(Result::unwrap).collect();
    assert_eq!(read, [Timed { at_us: 2, event: Event::output(&b"kept"[..]) }]);
}

#[test]
fn time_that_is_given_backwards_stands_still() {
    let mut tape = shell();
    for at_us in [100, 50, 200] {
        tape.writer.append(now(at_us), &[Event::marker("m")]).unwrap();
    }
    let read: Vec<u64> = tape.recording().events().unwrap().owned().map(|timed| timed.unwrap().at_us).collect();
    assert_eq!(read, [100, 100, 200]);
}

#[test]
fn a_follower_sees_events_as_they_are_written() {
    let mut tape = shell();
    let mut events = tape.recording().events().unwrap();
    assert!(events.next_event().unwrap().is_none());
    for at_us in [1, 2, 3] {
        tape.writer.append(now(at_us), &[Event::output(&b"the same words again and again, the same words"[..])]).unwrap();
        assert_eq!(events.peek_us().unwrap(), Some(at_us));
        assert_eq!(events.next_event().unwrap().unwrap().at_us, at_us);
        assert!(events.next_event().unwrap().is_none());
    }
}
