//! Random lines: nothing panics, nothing is read differently the second time, and no depth or length is too much.

use proptest::prelude::*;

use super::grammar::{line, lines, some_or};
use crate::{Line, Variables};

/// What must hold of any line.
fn holds(text: &[u8]) {
    let line = Line::read(text);
    let _ = Line::completeness(text);
    let dynamic = line.canonical().is_none();
    assert_eq!(dynamic, line.why_dynamic().is_some());
    for sent in [line.canonical(), line.script()].into_iter().flatten() {
        let again = Line::read(sent.as_bytes());
        assert_eq!(again.operations(), line.operations(), "{:?} is sent as {sent:?}", String::from_utf8_lossy(text));
        assert!(!sent.is_empty() && !sent.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{sent:?}");
    }
    let after = line.after();
    assert_eq!(Line::read_in(b"", &after).after(), after);
}

/// Pieces that mean something to a shell.
fn tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "ls",
        "$x",
        "$",
        "${",
        "}",
        "{",
        "(",
        ")",
        "((",
        "))",
        "$(",
        "$((",
        "`",
        "'",
        "\"",
        "\\",
        "\n",
        " ",
        ";",
        ";;",
        "&",
        "&&",
        "|",
        "||",
        "<",
        ">",
        "<<",
        "<<-",
        "<<<",
        ">&",
        "2>",
        "if",
        "then",
        "fi",
        "else",
        "for",
        "in",
        "do",
        "done",
        "while",
        "case",
        "esac",
        "function",
        "f()",
        "x=",
        "[",
        "]",
        "[[",
        "]]",
        "*",
        "?",
        "~",
        "#",
        "!",
        "$'",
        "\\x",
        "{a,b}",
        "{1..3}",
        ",",
        "..",
        "EOF",
        "time",
        "coproc",
        "sudo",
        "sh",
        "-c",
        "env",
        "xargs",
        "find",
        "-exec",
        "{}",
        "+",
        "99999999999999999999",
        "~99999999999999999999",
        "ü",
        "\u{a0}",
        "\0",
        "\r",
        "=",
        "a[",
        "@(",
        "$@",
        "${x:-",
        "${#",
        "export",
        "%",
        "^",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

#[test]
fn lines_of_the_grammar_are_read_the_same_twice() {
    lines(some_or(3_000, 300_000)).into_iter().for_each(|made| holds(made.text.as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(some_or(3_000, 300_000)).unwrap_or(u32::MAX)))]

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        holds(&bytes);
    }

    #[test]
    fn no_characters_are_too_much(text in "[ -~\n\t]{0,60}") {
        holds(text.as_bytes());
    }

    #[test]
    fn no_order_of_tokens_is_too_much(text in tokens()) {
        holds(text.as_bytes());
    }

    #[test]
    fn no_broken_line_is_too_much(made in line(), cut in 0.0..1.0, more in tokens()) {
        let at = (made.text.len() as f64 * cut) as usize;
        let (before, after) = made.text.as_bytes().split_at(at);
        holds(&[before, more.as_bytes(), after].concat());
    }
}

#[test]
fn no_depth_is_too_much() {
    // On a stack as small as those of the daemon's threads.
    let deep = || {
        for (open, close) in [
            ("(", ")"),
            ("{ ", "; }"),
            ("$(", ")"),
            ("`", "`"),
            ("if a; then ", "; fi"),
            ("while a; do ", "; done"),
            ("case a in a) ", ";; esac"),
            ("f() { ", "; }"),
            ("echo \"$(", ")\""),
            ("${a:-", "}"),
            ("$((", "))"),
            ("{a,", "}"),
            ("! ", ""),
            ("a && ", ""),
            ("a | ", ""),
            ("a; ", ""),
            ("sh -c '", "'"),
            ("sudo ", ""),
            ("a <<E\n", "\nE\n"),
            ("[", "]"),
            ("((", "))"),
            ("x=$(", ")"),
            ("for i in a b c; do ", "; done"),
            ("\"${a:-", "}\""),
            ("@(", ")"),
            ("env a=b ", ""),
            ("find -exec ", " \\;"),
            ("x=$x$x$x$x; ", ""),
            ("time ", ""),
            ("a <(", ")"),
        ] {
            for depth in [1, 3, 10, 31, 33, 100, 1_000, 10_000] {
                holds(format!("{}ls{}", open.repeat(depth), close.repeat(depth)).as_bytes());
                holds(open.repeat(depth).as_bytes());
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(deep).expect("a thread").join().expect("no overflow");
}

#[test]
fn no_length_is_too_much() {
    assert!(Line::read("a ".repeat(40_000).as_bytes()).canonical().is_none());
    assert!(Line::read("ls; ".repeat(600).as_bytes()).canonical().is_none());
    assert!(Line::read("ls; ".repeat(200).as_bytes()).canonical().is_some());
    let doubling = format!("x={}; {} echo $x", "y".repeat(60), "x=$x$x; ".repeat(30));
    assert!(Line::read(doubling.as_bytes()).canonical().is_none());
    let mut variables = Variables::default();
    for at in 0..2_000 {
        variables = Line::read_in(format!("v{at}=1").as_bytes(), &variables).after();
    }
    assert!(variables.assignments().len() < 8_000);
}
