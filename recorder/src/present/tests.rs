use super::*;
use crate::Replay;
use crate::testing::{Tape, now, shell};

fn rows(canvas: &Canvas) -> Vec<String> {
    let mut grid = Grid::default();
    canvas.draw(&mut grid);
    grid.text()
}

fn seen(present: &Present) -> Canvas {
    let (cols, rows) = present.size();
    Canvas::new(cols, rows, present.text()).unwrap()
}

/// What a replay of all that is written shows.
fn replayed(tape: &Tape) -> Vec<String> {
    let mut replay = Replay::open(&tape.recording()).unwrap();
    while replay.step().unwrap().is_some() {}
    let mut grid = Grid::default();
    replay.draw(&mut grid);
    grid.text()
}

fn print(tape: &mut Tape, at_us: u64, text: &str) {
    tape.writer.append(now(at_us), &[Event::output(text.as_bytes())]).unwrap();
}

#[test]
fn who_joins_sees_the_screen_as_it_is() {
    let mut tape = shell();
    print(&mut tape, 1, "\x1b[2J\x1b[Htop\r\n\x1b[31mred\x1b[0m");
    let present = tape.writer.present_work().unwrap().run();
    assert!(present.is_exact());
    assert_eq!(rows(&seen(&present)), replayed(&tape));
    assert_eq!(&rows(&seen(&present))[..2], ["top", "red"]);
}

#[test]
fn keyframes_before_it_change_nothing_of_what_is_seen() {
    let mut tape = shell();
    for number in 0..40_u64 {
        print(&mut tape, number * 1000, &format!("block {number}\r\n{}", "some more words than fit\r\n".repeat(2000)));
        if number % 3 == 0 {
            tape.writer.tick(now(number * 1000)).unwrap();
        }
        let present = tape.writer.present_work().unwrap().run();
        assert_eq!(rows(&seen(&present)), replayed(&tape), "{number}");
    }
}

#[test]
fn what_comes_after_the_work_was_taken_is_not_in_it() {
    let mut tape = shell();
    print(&mut tape, 1, "before\r\n");
    let work = tape.writer.present_work().unwrap();
    print(&mut tape, 2, "behind");
    let present = work.run();
    assert_eq!(&rows(&seen(&present))[..2], ["before", ""]);
    let mut canvas = seen(&present);
    canvas.feed(present.follow().push(&Event::output(&b"behind"[..])));
    assert_eq!(rows(&canvas), replayed(&tape));
}

#[test]
fn a_sequence_cut_in_two_by_joining_is_still_one() {
    let whole = "\u{20ac}\x1b[5;3Hhere\x1b]52;c;aGVsbG8=\x07!";
    for cut in 0..whole.len() {
        let mut tape = shell();
        let (first, second) = whole.as_bytes().split_at(cut);
        tape.writer.append(now(1), &[Event::output(first)]).unwrap();
        let present = tape.writer.present_work().unwrap().run();
        let mut canvas = seen(&present);
        canvas.feed(present.follow().push(&Event::output(second)));
        tape.writer.append(now(2), &[Event::output(second)]).unwrap();
        assert_eq!(rows(&canvas), replayed(&tape), "{cut}");
    }
}

#[test]
fn an_encrypted_session_is_drawn_by_its_own_writer() {
    let mut tape = shell();
    let (_, recipient) = crate::Identities::generate();
    tape.recordings = tape.recordings.encrypting_to(Some(crate::Recipients::parse([recipient]).unwrap()));
    let head = crate::head::tests::head("01JD0000000000000000000003");
    let mut writer = tape.recordings.create(&head, &mut rand::rng()).unwrap();
    for number in 0..30_u64 {
        let text = format!("\x1b[2J\x1b[Hblock {number}\r\n{}", "words\r\n".repeat(9000));
        writer.append(now(number * 1000), &[Event::output(text.as_bytes())]).unwrap();
        if number % 4 == 0 {
            writer.tick(now(number * 1000)).unwrap();
        }
    }
    writer.append(now(40_000), &[Event::output(&b"\x1b[2J\x1b[Hthe end"[..])]).unwrap();
    let present = writer.present_work().unwrap().run();
    assert_eq!(rows(&seen(&present))[0], "the end");
}

#[test]
fn nothing_that_acts_on_a_terminal_passes() {
    let mut drawing = Present::blank(Some((80, 24))).follow();
    let hostile =
        b"a\x1b]52;c;aGk=\x07b\x1b]0;title\x1b\\c\x1bP+q544e\x1b\\d\x1b[c\x1b[6n\x1b]8;;http://x\x07e\x1b[?1000h\x1b[5i\x1b#8\x9b6nf";
    let shown: String = hostile.iter().map(|byte| drawing.push(&Event::output(&[*byte][..])).to_owned()).collect();
    assert!(shown.starts_with("abcde"), "{shown:?}");
    for bad in ["\x1b]", "\x1bP", "\x1b[c", "\x1b[6n", "\x1b[?1000h", "\x1b[5i", "\u{9b}"] {
        assert!(!shown.contains(bad), "{bad:?} in {shown:?}");
    }
}

#[test]
fn a_session_without_a_terminal_shows_its_last_lines() {
    let events = [Event::output(&b"one\ntwo\n"[..]), Event::operation(r#"{"text":"sftp.read /etc/motd"}"#)];
    let present = Present::after(&events);
    assert_eq!(&rows(&seen(&present))[..3], ["one", "two", "sftp.read /etc/motd"]);
    let mut canvas = seen(&present);
    canvas.feed(present.follow().push(&Event::stderr(&b"three\n"[..])));
    assert_eq!(rows(&canvas)[3], "three");
}
