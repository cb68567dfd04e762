use super::*;
use proptest::prelude::*;

fn clean(text: &str) -> String {
    let mut out = String::new();
    Sanitiser::new().push(text, &mut out);
    out
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    Sanitiser::plain().push(text, &mut out);
    out
}

/// What must never reach another person's terminal, and a name for it.
const HOSTILE: &[(&str, &str)] = &[
    ("clipboard", "\x1b]52;c;ZXZpbA==\x07"),
    ("clipboard by ST", "\x1b]52;c;ZXZpbA==\x1b\\"),
    ("clipboard, eight-bit", "\u{9d}52;c;ZXZpbA==\u{9c}"),
    ("hyperlink", "\x1b]8;;http://evil.example\x1b\\"),
    ("title", "\x1b]0;evil\x07"),
    ("unterminated title", "\x1b]0;evil"),
    ("device control", "\x1bP+q544e\x1b\\"),
    ("sixel", "\x1bPq#0;2;0;0;0~-\x1b\\"),
    ("application command", "\x1b_Gf=24;AAAA\x1b\\"),
    ("privacy message", "\x1b^evil\x1b\\"),
    ("start of string", "\x1bXevil\x1b\\"),
    ("device attributes", "\x1b[c\x1b[>c\x1b[=c\x1b[0c\u{9b}c"),
    ("identify", "\x1bZ"),
    ("status report", "\x1b[5n\x1b[6n\x1b[?6n"),
    ("answerback", "\x05"),
    ("window report", "\x1b[21t\x1b[18t\x1b[3;0;0t"),
    ("mode report", "\x1b[?25$p\x1b[4$p"),
    ("setting report", "\x1bP$qm\x1b\\"),
    ("checksum", "\x1b[1;1;1;1;10;10*y"),
    ("terminal parameters", "\x1b[x"),
    ("version", "\x1b[>q"),
    ("printing", "\x1b[5i\x1b[i\x1b[?5i"),
    ("mouse", "\x1b[?1000h\x1b[?1006h\x1b[?1003h"),
    ("mouse highlight", "\x1b[1;2;3;4;5T"),
    ("pasting", "\x1b[?2004h"),
    ("focus", "\x1b[?1004h"),
    ("keys", "\x1b[?1h\x1b=\x1b[>4;2m\x1b[>1u\x1b[=1u\x1b[?u"),
    ("scroll-back", "\x1b[3J"),
    ("132 columns", "\x1b[?3h"),
    ("bell and nulls", "\x07\0\x7f"),
    ("locking", "\x1b[2h"),
    ("synchronised update", "\x1b[?2026h"),
    (
        "too long",
        concat!(
            "\x1b[",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "m"
        ),
    ),
];

/// What draws, and must pass as it is.
const DRAWING: &[&str] = &[
    "plain text, tab\tand lines\r\n",
    "äöü €uro 漢字 🎈",
    "\x1b[1;31mred\x1b[0m\x1b[38;2;1;2;3m\x1b[38:5:200m",
    "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[1K",
    "\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l",
    "\x1b7\x1b8\x1bM\x1bD\x1bE\x1bH\x1bc",
    "\x1b(0lqqk\x1b(B\x0e\x0f",
    "\x1b[5L\x1b[2M\x1b[3P\x1b[4@\x1b[5X\x1b[2S\x1b[2T\x1b[3;10r",
    "\x1b[s\x1b[u\x1b[!p\x1b[4h\x1b[4l\x1b[20h",
    "x\x1b[5b",
];

#[test]
fn nothing_hostile_passes() {
    for (name, hostile) in HOSTILE {
        assert_eq!(clean(hostile), "", "{name}");
        assert_eq!(plain(hostile), "", "{name}");
    }
}

#[test]
fn what_draws_passes_as_it_is() {
    for drawing in DRAWING {
        assert_eq!(clean(drawing), *drawing);
    }
}

#[test]
fn only_the_drawing_modes_of_a_list_pass() {
    assert_eq!(clean("\x1b[?1000;1049;2004;25h"), "\x1b[?1049;25h");
    assert_eq!(clean("\x1b[2;4h"), "\x1b[4h");
}

#[test]
fn a_string_is_left_by_escape_cancel_or_terminator() {
    assert_eq!(clean("\x1b]0;evil\x1b[31mred"), "\x1b[31mred");
    assert_eq!(clean("\x1b]0;evil\x18text"), "text");
    assert_eq!(clean("\x1bPevil\x07still evil\x1b\\text"), "text");
    assert_eq!(clean("\x1b[31\x18mred"), "mred");
}

#[test]
fn controls_inside_a_sequence_act_and_the_sequence_goes_on() {
    assert_eq!(clean("\x1b[3\r1m"), "\r\x1b[31m");
    assert_eq!(clean("\x1b[3\x1b[1m"), "\x1b[1m");
}

#[test]
fn a_bomb_of_repetitions_is_defused() {
    assert_eq!(clean("x\x1b[99999999999b"), "x\x1b[1000b");
    let mut sanitiser = Sanitiser::new();
    sanitiser.push("x\x1b[65535b\x1b[2J\n", &mut String::new());
    assert_eq!(sanitiser.take_cost(), Cost { chars: 1 + 1000 + 1 + 1, rows: 1, screens: 1 });
    assert_eq!(sanitiser.take_cost(), Cost::default());
}

#[test]
fn plain_text_keeps_lines_and_tabs_only() {
    assert_eq!(plain("a\x1b[31mb\x1b[0m\tc\r\nd\x08"), "ab\tc\nd");
}

proptest! {
    #[test]
    fn a_split_changes_nothing(
        parts in proptest::collection::vec(prop_oneof![
            1 => proptest::sample::select(HOSTILE.iter().map(|(_, text)| *text).collect::<Vec<_>>()),
            1 => proptest::sample::select(DRAWING.to_vec()),
        ], 1..6),
        cut: usize,
    ) {
        let text = parts.concat();
        let mut cut = cut % (text.len() + 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let (mut sanitiser, mut out) = (Sanitiser::new(), String::new());
        sanitiser.push(&text[..cut], &mut out);
        let mut resumed = Sanitiser::new();
        let before = out.len();
        resumed.push(&sanitiser.resume(), &mut out);
        prop_assert_eq!(out.len(), before, "resuming lets nothing pass");
        let mut other = out.clone();
        sanitiser.push(&text[cut..], &mut out);
        resumed.push(&text[cut..], &mut other);
        prop_assert_eq!(&out, &clean(&text));
        prop_assert_eq!(&other, &out);
    }

    #[test]
    fn what_passed_passes_again_and_holds_no_other_control(text in "[ -~\u{80}-\u{9f}\u{1b}\u{7}\u{9}\u{d}\u{0}\u{18}éß€]{0,40}") {
        let once = clean(&text);
        prop_assert_eq!(&clean(&once), &once);
        prop_assert!(!once.contains("\x1b]") && !once.contains("\x1bP"));
        prop_assert!(once.chars().all(|next| !next.is_control() || next == '\x1b' || harmless_c0(next)));
    }
}
