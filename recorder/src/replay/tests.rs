use super::*;
use crate::testing::{Tape, command, now, shell};

/// Five minutes of a busy terminal: colours, cursor moves, resizes, an editor's screen, split characters.
fn busy(tape: &mut Tape) {
    for step in 0..300u64 {
        let at_us = step * 1_000_000;
        let text = format!("\x1b[{};{}H\x1b[3{}mstep {step} ü", step % 24 + 1, step % 60 + 1, step % 8);
        let (one, other) = text.as_bytes().split_at(text.len() - 1);
        tape.writer.append(now(at_us), &[Event::output(one)]).unwrap();
        tape.writer.append(now(at_us + 10), &[Event::output(other)]).unwrap();
        let extra = match step % 50 {
            7 => Event::Resize { cols: 80 + (step % 40) as u16, rows: 24 },
            13 => Event::output(&b"\x1b[?1049h\x1b[2J"[..]),
            29 => Event::output(&b"\x1b[?1049l"[..]),
            31 => Event::marker(format!("mark {step}")),
            _ => Event::output(&b"\r\n"[..]),
        };
        tape.writer.append(now(at_us + 20), &[extra]).unwrap();
        tape.writer.tick(now(at_us + 30)).unwrap();
    }
}

fn shown(replay: &Replay) -> Grid {
    let mut grid = Grid::default();
    replay.draw(&mut grid);
    grid
}

#[test]
fn a_jump_shows_what_playing_there_shows() {
    let mut tape = shell();
    busy(&mut tape);
    tape.finish(300_000_000);
    let mut straight = Replay::open(&tape.recording()).unwrap();
    let mut jumping = Replay::open(&tape.recording()).unwrap();
    let mut screens = Vec::new();
    for second in (0..=300u64).step_by(3) {
        straight.advance(second * 1_000_000).unwrap();
        screens.push((second, shown(&straight)));
    }
    // Back and forth, near and far.
    for hop in 0..screens.len() * 3 {
        let (second, screen) = &screens[hop * 37 % screens.len()];
        jumping.seek(second * 1_000_000).unwrap();
        assert_eq!(shown(&jumping), *screen, "at {second} s");
        assert_eq!(jumping.at_us(), second * 1_000_000);
        assert!(jumping.is_exact());
    }
}

#[test]
fn a_jump_reads_one_chunk_and_not_the_recording() {
    let mut tape = shell();
    busy(&mut tape);
    tape.finish(300_000_000);
    let mut replay = Replay::open(&tape.recording()).unwrap();
    replay.seek(299_000_000).unwrap();
    assert!(replay.since > 500, "began at frame {}", replay.since);
}

#[test]
fn stepping_gives_every_event_once() {
    let mut tape = shell();
    let events = [
        Event::output(&b"x"[..]),
        Event::marker("here"),
        Event::operation(r#"{"text":"get x"}"#),
        Event::operation("{}"),
        Event::input(&b"y"[..]),
        Event::note("note"),
        Event::Exit(Exit::status(0)),
    ];
    tape.writer.append(now(5), &events).unwrap();
    let mut replay = Replay::open(&tape.recording()).unwrap();
    assert_eq!(replay.next_us().unwrap(), Some(5));
    let mut steps = Vec::new();
    while let Some(step) = replay.step().unwrap() {
        steps.push(step);
    }
    assert_eq!(
        steps,
        [
            Step::Screen,
            Step::Marker("here".into()),
            Step::Marker("get x".into()),
            Step::Other,
            Step::Input,
            Step::Note("note".into()),
            Step::Exit(Exit::status(0)),
        ]
    );
    assert_eq!(replay.next_us().unwrap(), None);
}

#[test]
fn a_session_without_a_terminal_can_be_jumped_in() {
    let mut tape = command();
    for number in 0..3000u64 {
        let block = format!("line {number}\n{}", "filler\n".repeat(200));
        tape.writer.append(now(number * 1000), &[Event::output(block.as_bytes())]).unwrap();
    }
    tape.finish(3_000_000);
    let mut straight = Replay::open(&tape.recording()).unwrap();
    let mut jumping = Replay::open(&tape.recording()).unwrap();
    straight.advance(2_500_000).unwrap();
    jumping.seek(2_999_000).unwrap();
    jumping.seek(2_500_000).unwrap();
    assert_eq!(shown(&straight), shown(&jumping));
    assert!(!jumping.is_exact());
}

#[test]
fn a_running_recording_is_played_on_as_it_grows() {
    let mut tape = shell();
    tape.writer.append(now(1), &[Event::output(&b"one "[..])]).unwrap();
    let mut replay = Replay::open(&tape.recording()).unwrap();
    assert!(replay.advance(u64::MAX).unwrap());
    tape.writer.append(now(2), &[Event::output(&b"two"[..])]).unwrap();
    assert!(replay.advance(u64::MAX).unwrap());
    assert_eq!(shown(&replay).text()[0], "one two");
}

#[test]
fn a_damaged_keyframe_costs_time_and_not_the_picture() {
    let mut tape = shell();
    busy(&mut tape);
    tape.finish(300_000_000);
    let mut good = Replay::open(&tape.recording()).unwrap();
    good.seek(290_000_000).unwrap();
    let at = good.map.keyframes.last().unwrap().offset as usize;
    let path = tape.dir().join("c0.brec");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at + 40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut damaged = Replay::open(&tape.recording()).unwrap();
    // Reading on over the damage is refused; jumping to before it is not.
    damaged.seek(269_000_000).unwrap();
    assert_eq!(damaged.at_us(), 269_000_000);
}

#[test]
fn the_places_of_a_recording_are_found_in_order() {
    let mut tape = shell();
    busy(&mut tape);
    let places = places(&tape.recording(), &mut |_| ()).unwrap();
    let labels: Vec<&str> = places.iter().map(|place| place.label.as_str()).collect();
    assert_eq!(labels, ["mark 31", "mark 81", "mark 131", "mark 181", "mark 231", "mark 281"]);
    assert_eq!(places[0].at_us, 31_000_020);
}

#[test]
fn a_bomb_is_not_drawn_and_what_follows_is() {
    let mut tape = shell();
    let bomb = "\x1b[2J".repeat(60_000);
    let events = [Event::Resize { cols: 1000, rows: 500 }, Event::output(bomb.as_bytes()), Event::output(&b"after"[..])];
    tape.writer.append(now(1), &events).unwrap();
    let mut replay = Replay::open(&tape.recording()).unwrap();
    replay.advance(u64::MAX).unwrap();
    assert_eq!(shown(&replay).text()[0], "after");
    assert!(!replay.is_exact());
}
