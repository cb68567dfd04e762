use super::*;
use crate::testing::{Tape, command, now, shell};
use std::process::Command;

fn cast(tape: &Tape, version: CastVersion, exact: bool) -> Vec<Value> {
    let mut out = Vec::new();
    export_cast(&tape.recording(), version, exact, &mut out, &mut |_| ()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn v2(tape: &Tape) -> Vec<Value> {
    cast(tape, CastVersion::V2, false)
}

/// All events of one code, their data joined.
fn data(lines: &[Value], code: &str) -> String {
    lines[1..].iter().filter(|line| line[1] == code).map(|line| line[2].as_str().unwrap()).collect()
}

#[test]
fn the_header_of_version_two_is_what_players_ask_for() {
    let head = v2(&shell()).remove(0);
    assert_eq!(head["version"], 2);
    assert_eq!((&head["width"], &head["height"]), (&json!(80), &json!(24)));
    assert_eq!(head["timestamp"], json!(1_795_348_800));
    assert_eq!(head["env"]["TERM"], "xterm-256color");
    assert_eq!(head["title"], "corp/alice@example.com on deploy@web-1 (01JD0000000000000000000001)");
}

#[test]
fn the_header_of_version_three_names_its_terminal() {
    let head = cast(&shell(), CastVersion::V3, false).remove(0);
    assert_eq!(head["version"], 3);
    assert_eq!(head["term"], json!({ "cols": 80, "rows": 24, "type": "xterm-256color" }));
}

#[test]
fn every_kind_of_event_has_its_line() {
    let mut tape = shell();
    let events = [
        Event::output(&b"out"[..]),
        Event::stderr(&b"err"[..]),
        Event::input(&b"in\r"[..]),
        Event::Resize { cols: 100, rows: 30 },
        Event::marker("here"),
        Event::operation(r#"{"text":"get /etc/hosts","verdict":"allow"}"#),
        Event::environment("LANG", "C.UTF-8"),
        Event::note("gap"),
        Event::Exit(Exit::status(3)),
    ];
    tape.writer.append(now(1_500_000), &events).unwrap();
    let lines = v2(&tape);
    let seen: Vec<String> = lines[1..].iter().map(|line| format!("{} {} {}", line[0], line[1], line[2])).collect();
    assert_eq!(
        seen,
        [
            r#"1.5 "o" "out""#,
            r#"1.5 "o" "err""#,
            r#"1.5 "i" "in\r""#,
            r#"1.5 "r" "100x30""#,
            r#"1.5 "m" "here""#,
            r#"1.5 "m" "get /etc/hosts""#,
            r#"1.5 "P" "{\"text\":\"get /etc/hosts\",\"verdict\":\"allow\"}""#,
            r#"1.5 "V" "{\"name\":\"LANG\",\"value\":\"C.UTF-8\"}""#,
            r#"1.5 "N" "gap""#,
            r#"1.5 "X" "{\"status\":3}""#,
        ]
    );
    let lines = cast(&tape, CastVersion::V3, false);
    assert_eq!(lines.last().unwrap(), &json!([0.0, "x", "3"]));
}

#[test]
fn times_are_absolute_in_version_two_and_intervals_in_version_three() {
    let mut tape = shell();
    for at_us in [1, 1_000_000, 3_600_000_001] {
        tape.writer.append(now(at_us), &[Event::output(&b"x"[..])]).unwrap();
    }
    let times = |lines: Vec<Value>| lines[1..].iter().map(|line| line[0].to_string()).collect::<Vec<_>>();
    assert_eq!(times(v2(&tape)), ["1e-6", "1.0", "3600.000001"]);
    assert_eq!(times(cast(&tape, CastVersion::V3, false)), ["1e-6", "0.999999", "3599.000001"]);
}

#[test]
fn hostile_output_is_left_out_however_it_is_split_and_kept_in_the_exact_export() {
    let hostile = b"a\x1b]52;c;ZXZpbA==\x07b\x1b]0;title\x1b\\c\x1bP+q544e\x1b\\d\x1b[6n\x1b[ce\x1b]8;;http://x\x07f\x1b]0;never ends";
    for size in 1..hostile.len() {
        let mut tape = shell();
        for (number, part) in hostile.chunks(size).enumerate() {
            tape.writer.append(now(number as u64), &[Event::output(part)]).unwrap();
        }
        assert_eq!(data(&v2(&tape), "o"), "abcdef", "in parts of {size}");
        assert_eq!(data(&cast(&tape, CastVersion::V2, true), "o").as_bytes(), hostile);
    }
}

#[test]
fn a_hostile_head_or_marker_cannot_carry_a_control() {
    let mut tape = shell();
    tape.writer.append(now(1), &[Event::marker("x\x1b]0;t\x07\ny")]).unwrap();
    assert_eq!(data(&v2(&tape), "m"), "x ]0;t  y");
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_kept_beside_in_the_exact_export() {
    let mut tape = shell();
    tape.writer.append(now(1), &[Event::output(&b"caf\xe9 \xe2\x82"[..])]).unwrap();
    tape.writer.append(now(2), &[Event::output(&b"\xac"[..])]).unwrap();
    assert_eq!(data(&v2(&tape), "o"), "caf\u{fffd} \u{20ac}");
    assert_eq!(data(&v2(&tape), "B"), "");
    let exact = cast(&tape, CastVersion::V2, true);
    assert_eq!(STANDARD.decode(data(&exact, "B")).unwrap(), b"caf\xe9 \xe2\x82");
}

#[test]
fn a_running_recording_exports_up_to_its_last_whole_frame() {
    let mut tape = shell();
    tape.writer.append(now(1), &[Event::output(&b"whole"[..])]).unwrap();
    let len = tape.writer.bytes();
    tape.writer.append(now(2), &[Event::output(&b"torn"[..])]).unwrap();
    let path = tape.dir().join("c0.brec");
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len + 30).unwrap();
    assert_eq!(data(&v2(&tape), "o"), "whole");
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let result = export_cast(&shell().recording(), CastVersion::V2, false, &mut Full, &mut |_| ());
    assert!(matches!(result, Err(ExportError::Write(_))));
}

/// A session of each sort with everything in it that can be recorded.
fn everything() -> [Tape; 2] {
    let mut tapes = [shell(), command()];
    for tape in &mut tapes {
        let events = [
            Event::output("first line ü\r\n".as_bytes()),
            Event::stderr(&b"error\n"[..]),
            Event::Resize { cols: 120, rows: 40 },
            Event::marker("place"),
            Event::operation(r#"{"text":"get x"}"#),
            Event::environment("A", "b"),
            Event::note("note"),
            Event::output(&b"\x1b[31mred\x1b[0m \xff\r\n"[..]),
            Event::output(&b"last line\r\n"[..]),
            Event::Exit(Exit::signal("TERM")),
        ];
        for (number, event) in events.into_iter().enumerate() {
            tape.writer.append(now(number as u64 * 1000), &[event]).unwrap();
        }
        tape.finish(20_000);
    }
    tapes
}

#[test]
fn debians_player_plays_an_export() {
    for tape in everything() {
        let file = tape.root.path().join("export.cast");
        let mut out = std::fs::File::create(&file).unwrap();
        export_cast(&tape.recording(), CastVersion::V2, false, &mut out, &mut |_| ()).unwrap();
        for command in ["cat", "play --speed 100"] {
            // The player wants a terminal of its own: script(1) is in every Debian.
            let line = format!("asciinema {command} {}", file.display());
            let played = Command::new("script").args(["-qec", &line, "/dev/null"]).env("LC_ALL", "C.UTF-8").output();
            let played = played.expect("script is part of the system");
            let shown = String::from_utf8_lossy(&played.stdout).replace('\r', "");
            assert!(played.status.success(), "asciinema is a package that the project's set-up installs: {shown}");
            assert!(shown.contains("first line ü\nerror\n"), "{shown:?}");
            assert!(shown.contains("\x1b[31mred\x1b[0m \u{fffd}\nlast line\n"), "{shown:?}");
        }
    }
}

/// A reader of version 2 by others, which knows output and input only.
#[test]
fn another_reader_reads_what_was_written() {
    let mut tape = shell();
    let events =
        [Event::output(&b"a\x1b[31m\xc3\xa4\xff\r\n"[..]), Event::input(&b"l\ts\r"[..]), Event::marker("here"), Event::stderr(&b"e"[..])];
    for (at, event) in events.iter().enumerate() {
        tape.writer.append(now(at as u64 * 1_500_000), std::slice::from_ref(event)).unwrap();
    }
    let mut out = Vec::new();
    export_cast(&tape.recording(), CastVersion::V2, false, &mut out, &mut |_| ()).unwrap();
    let text = String::from_utf8(out).unwrap();
    let header: asciicast::Header = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((header.version, header.width, header.height, header.timestamp), (2, 80, 24, Some(1_795_348_800.0)));
    let known = text.lines().skip(1).filter(|line| line.contains("\"o\"") || line.contains("\"i\""));
    let entries: Vec<asciicast::Entry> = known.map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(f64, asciicast::EventType, &str)> =
        entries.iter().map(|entry| (entry.time, entry.event_type, entry.event_data.as_str())).collect();
    use asciicast::EventType::{Input, Output};
    assert_eq!(seen, [(0.0, Output, "a\u{1b}[31mä\u{fffd}\r\n"), (1.5, Input, "l\ts\r"), (4.5, Output, "e")]);
}
