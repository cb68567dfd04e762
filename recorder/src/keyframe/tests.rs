use super::*;
use crate::event::Event;
use crate::map::Map;
use crate::testing::{Tape, command, now, shell};
use proptest::prelude::*;

/// The map of a tape as it is now, index or not.
fn map(tape: &Tape) -> Map {
    let recording = tape.recording();
    let index = recording.seal().map_or(0, |seal| seal.channels[0].index);
    Map::load(&recording.channel().unwrap(), index, None).unwrap()
}

/// Writes `chunks` chunks of lines, a tick after each append when `ticking`.
fn lines(tape: &mut Tape, chunks: u64, ticking: bool) {
    let line = "0123456789 the quick brown fox jumps over the lazy dog 0123456789 0123456789\r\n";
    for number in 0..chunks * 4 {
        let block = format!("\x1b[3{}mblock {number}\r\n{}", number % 8, line.repeat(850));
        tape.writer.append(now(number * 1000), &[Event::output(block.as_bytes())]).unwrap();
        if ticking {
            tape.writer.tick(now(number * 1000)).unwrap();
        }
    }
}

#[test]
fn each_chunk_but_the_first_has_a_keyframe_before_it() {
    let mut tape = shell();
    lines(&mut tape, 6, true);
    let map = map(&tape);
    assert!(map.chunks.len() >= 6, "{}", map.chunks.len());
    let before: Vec<u64> = map.keyframes.iter().map(|keyframe| keyframe.seq).collect();
    let begun: Vec<u64> = map.chunks[1..].iter().map(|chunk| chunk.seq).collect();
    assert_eq!(before, begun);
}

#[test]
fn keyframes_that_fell_behind_are_drawn_later() {
    let mut tape = shell();
    lines(&mut tape, 6, false);
    assert!(map(&tape).keyframes.is_empty());
    let mut last = 0;
    for second in 1..40 {
        tape.writer.tick(now(second * 1_000_000)).unwrap();
        let drawn = map(&tape).keyframes.len();
        assert!(drawn - last <= 4, "{drawn} after {last} in one tick");
        last = drawn;
    }
    assert_eq!(last, map(&tape).chunks.len() - 1);
}

#[test]
fn keyframes_can_be_drawn_by_another_thread_and_are_kept_once() {
    let mut tape = shell();
    lines(&mut tape, 4, false);
    let work = [tape.writer.keyframe_work().unwrap(), tape.writer.keyframe_work().unwrap()];
    for work in work {
        let drawn = std::thread::spawn(|| work.run(u64::MAX)).join().unwrap();
        tape.writer.keep_keyframes(now(1_000_000), drawn).unwrap();
    }
    assert_eq!(map(&tape).keyframes.len(), map(&tape).chunks.len() - 1);
    assert!(tape.writer.keyframe_work().is_none());
}

#[test]
fn an_idle_session_draws_nothing_more() {
    let mut tape = shell();
    lines(&mut tape, 2, true);
    tape.writer.tick(now(10_000_000)).unwrap();
    tape.writer.tick(now(20_000_000)).unwrap();
    let bytes = tape.writer.bytes();
    for second in 21..100 {
        tape.writer.tick(now(second * 1_000_000)).unwrap();
    }
    assert_eq!(tape.writer.bytes(), bytes);
}

#[test]
fn a_session_without_a_terminal_has_no_keyframes() {
    let mut tape = command();
    lines(&mut tape, 3, true);
    tape.finish(9_000_000);
    assert!(map(&tape).keyframes.is_empty());
}

#[test]
fn a_chunk_made_to_be_dear_ends_the_keyframes_but_not_the_recording() {
    let mut tape = shell();
    tape.writer.append(now(0), &[Event::Resize { cols: 1000, rows: 500 }]).unwrap();
    let bomb = "\x1b[2J".repeat(60_000);
    tape.writer.append(now(1), &[Event::output(bomb.as_bytes())]).unwrap();
    lines(&mut tape, 2, true);
    tape.finish(9_000_000);
    assert!(map(&tape).keyframes.is_empty());
    assert!(map(&tape).chunks.len() > 2);
}

#[test]
fn the_index_and_a_walk_draw_the_same_map() {
    let mut tape = shell();
    lines(&mut tape, 80, false);
    for second in 1..60 {
        tape.writer.tick(now(second * 1_000_000)).unwrap();
    }
    let walked = map(&tape);
    tape.finish(60_000_000);
    let indexed = map(&tape);
    assert!(tape.recording().seal().unwrap().channels[0].index > 0);
    assert!(indexed.chunks.len() > 64);
    assert_eq!(indexed.chunks, walked.chunks);
    assert!(indexed.keyframes.starts_with(&walked.keyframes));
    let file = tape.recording().channel().unwrap();
    assert_eq!(Map::load(&file, 0, None).unwrap().keyframes, indexed.keyframes);
}

#[test]
fn an_index_that_is_none_or_points_in_circles_is_walked_around() {
    let mut tape = shell();
    lines(&mut tape, 3, true);
    tape.finish(9_000_000);
    let file = tape.recording().channel().unwrap();
    let good = Map::load(&file, 0, None).unwrap();
    for wrong in [1, 8, 1000, u64::MAX] {
        assert_eq!(Map::load(&file, wrong, None).unwrap().chunks, good.chunks);
    }
}

proptest! {
    #[test]
    fn a_keyframe_comes_back_as_it_was_written(
        seq: u64, at_us: u64, offset: u64, size: (u16, u16), resume: Vec<u8>, dump: String, exact: bool,
    ) {
        let before = ChunkStart { seq, at_us, offset };
        let keyframe = Keyframe { before, exact, snapshot: Snapshot { size, resume, dump } };
        prop_assert_eq!(Keyframe::decode(&keyframe.encode()), Some(keyframe));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(body: Vec<u8>) {
        let _ = Keyframe::decode(&body);
    }
}
