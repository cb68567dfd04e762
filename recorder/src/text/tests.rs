use super::*;
use crate::testing::{Tape, command, now, shell};

fn rows(tape: &Tape) -> Vec<TextRow> {
    let mut rows = Vec::new();
    text_rows(&tape.recording(), TextLimits::default(), &mut |row| rows.push(row), &mut |_| ()).unwrap();
    rows
}

fn said(rows: &[TextRow], kind: TextKind) -> Vec<(u64, &str)> {
    rows.iter().filter(|row| row.kind == kind).map(|row| (row.at_us, row.text.trim_end())).collect()
}

#[test]
fn a_line_is_noted_when_it_first_stood_on_the_screen_and_once() {
    let mut tape = shell();
    let events: &[(u64, &[u8])] = &[
        (1_000_000, b"$ "),
        (1_100_000, b"whoami\r\n"),
        (1_200_000, b"deploy\r\n$ "),
        (9_000_000, b"exit\r\n"),
        (9_100_000, b"logout\r\n"),
    ];
    for (at, text) in events {
        tape.writer.append(now(*at), &[Event::output(*text)]).unwrap();
    }
    assert_eq!(said(&rows(&tape), TextKind::Screen), [(1_200_000, "$ whoami\ndeploy"), (9_000_000, "$ exit"), (9_100_000, "logout")]);
}

#[test]
fn what_scrolled_away_and_what_a_full_screen_program_drew_are_both_noted() {
    let mut tape = shell();
    let mut flood = String::new();
    (0..200).for_each(|number| flood.push_str(&format!("line {number} of a flood\r\n")));
    tape.writer.append(now(1), &[Event::output(flood.as_bytes())]).unwrap();
    tape.writer.append(now(2), &[Event::output(&b"\x1b[?1049h\x1b[2J\x1b[5;5Hsecret of the editor\x1b[9;1H"[..])]).unwrap();
    tape.writer.append(now(5_000_000), &[Event::output(&b"\x1b[?1049lback"[..])]).unwrap();
    let rows = rows(&tape);
    let all = said(&rows, TextKind::Screen).iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
    assert!((0..200).all(|number| all.contains(&format!("line {number} of a flood"))), "{all}");
    assert!(all.contains("secret of the editor") && all.contains("back"));
    assert_eq!(all.matches("line 7 of").count(), 1);
}

#[test]
fn a_wrapped_line_is_one_line() {
    let mut tape = shell();
    let long = "0123456789 ".repeat(20);
    tape.writer.append(now(1), &[Event::output(format!("{long}\r\n").as_bytes())]).unwrap();
    assert_eq!(said(&rows(&tape), TextKind::Screen), [(1, long.trim_end())]);
}

#[test]
fn operations_are_told_apart_and_keep_their_verdict_and_place() {
    let mut tape = command();
    let of = |action: &str, text: &str| Event::operation(format!(r#"{{"action":"{action}","text":"{text}","verdict":"deny"}}"#));
    let events = [of("ssh.exec", "cat x"), of("pg.select", "select 1"), of("sftp.read", "/etc/passwd"), of("approve", "it")];
    tape.writer.append(now(7), &[Event::output(&b"out\nerr"[..])]).unwrap();
    let before = tape.writer.bytes();
    tape.writer.append(now(8), &events).unwrap();
    tape.writer.append(now(9), &[Event::note("a remark"), Event::marker("here"), Event::input(&b"typed\rrest"[..])]).unwrap();
    let rows = rows(&tape);
    assert_eq!(said(&rows, TextKind::Command), [(8, "cat x")]);
    assert_eq!(said(&rows, TextKind::Sql), [(8, "select 1")]);
    assert_eq!(said(&rows, TextKind::File), [(8, "/etc/passwd")]);
    assert_eq!(said(&rows, TextKind::Operation), [(8, "it")]);
    assert_eq!(said(&rows, TextKind::Note), [(9, "a remark")]);
    assert_eq!(said(&rows, TextKind::Marker), [(9, "here")]);
    assert_eq!(said(&rows, TextKind::Input).iter().map(|row| row.1).collect::<Vec<_>>(), ["typed", "rest"]);
    assert_eq!(said(&rows, TextKind::Screen), [(7, "out"), (9, "err")]);
    let sql = rows.iter().find(|row| row.kind == TextKind::Sql).unwrap();
    assert_eq!((sql.verdict.as_deref(), sql.offset), (Some("deny"), before));
}

#[test]
fn limits_bound_what_is_given_and_say_so() {
    let mut tape = command();
    for number in 0..2000 {
        let line = format!("line {number} {}\n", "x".repeat(300));
        tape.writer.append(now(number), &[Event::output(line.as_bytes())]).unwrap();
    }
    for limits in [TextLimits { text: 10_000, ..TextLimits::default() }, TextLimits { output: 10_000, ..TextLimits::default() }] {
        let mut bytes = 0;
        assert!(text_rows(&tape.recording(), limits, &mut |row| bytes += row.text.len(), &mut |_| ()).unwrap());
        assert!((5_000..=10_100).contains(&bytes), "{bytes}");
    }
    let mut longest = 0;
    let cut = text_rows(&tape.recording(), TextLimits::default(), &mut |row| longest = longest.max(row.text.len()), &mut |_| ()).unwrap();
    assert!(!cut && longest <= 2 * ROW, "{longest}");
}

#[test]
fn one_endless_line_is_cut_into_rows() {
    let mut tape = command();
    tape.writer.append(now(2), &[Event::output((0..9000).map(|n| format!("{n}ü")).collect::<String>().as_bytes())]).unwrap();
    let rows = rows(&tape);
    assert!(rows.iter().all(|row| row.text.len() <= 2 * ROW + 1) && rows.len() > 10);
    assert_eq!(rows.iter().map(|row| row.text.matches('ü').count()).sum::<usize>(), 9000);
}
