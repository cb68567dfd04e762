//! Makes lines that have the shape of the grammar, for the tests that try many.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The programs that lines are made of.
pub(super) const PROGRAMS: [&str; 4] = ["alpha", "beta", "gamma", "fail"];

/// A line, and whether every POSIX shell reads it; else only bash.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) text: String,
    pub(super) posix: bool,
}

fn posix(text: impl Into<String>) -> Made {
    Made { text: text.into(), posix: true }
}

fn joined(parts: Vec<Made>, between: &str) -> Made {
    let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(between);
    Made { text, posix: parts.iter().all(|part| part.posix) }
}

/// `made` with text around it.
fn around(before: &str, made: &Made, after: &str) -> Made {
    Made { text: format!("{before}{}{after}", made.text), posix: made.posix }
}

/// The same word, written in ways that shells do not tell apart.
fn written(word: &'static str) -> BoxedStrategy<Made> {
    let (first, rest) = word.split_at(1);
    prop_oneof![
        8 => Just(posix(word)),
        1 => Just(posix(format!("'{word}'"))),
        1 => Just(posix(format!("\"{first}\"{rest}"))),
        1 => Just(posix(format!("\\{word}"))),
        1 => Just(posix(format!("{first}''{rest}"))),
        1 => Just(posix(format!("{first}\\\n{rest}"))),
        1 => Just(Made { text: format!("$'\\x{:02x}'{rest}", first.as_bytes()[0]), posix: false }),
    ]
    .boxed()
}

fn word() -> impl Strategy<Value = Made> {
    let plain = prop::sample::select(vec![
        "a",
        "-x",
        "b.log",
        "k=v",
        "''",
        "\"\"",
        "'c d'",
        "\"it's\"",
        "'$x'",
        "\"\\$x\"",
        "a\\ b",
        "'a\\b'",
        "\"a\\b\"",
        "'\"'",
        "\\;",
        "'#'",
        "a#b",
        "'*'",
        "\\*",
        "'~'",
        "a~",
        "[",
        "]",
        "!",
        "'!'",
        "'\n'",
        "\"a\nb\"",
        "-",
        "--",
        "%1",
        "=a",
        "^a",
        "a:b",
        "{}",
        "'{a,b}'",
        "\\\\",
        "@",
        "1",
        "'ü'",
        "if",
        "done",
        "'&'",
        "\"|\"",
        "\"`\"''",
        "\\`",
        "\"\\`\"",
        "$",
        "a$",
        "\"$\"",
        "'\t'",
        "--opt='v w'",
    ]);
    prop_oneof![
        12 => plain.prop_filter("not a quote left open", |word| *word != "\"`\"''").prop_map(posix),
        2 => prop::sample::select(vec!["*.log", "?.log", "[ab].log", "~", "~/z", "*g", "[!a].log", "n*pe", "b[.]log"]).prop_map(posix),
        4 => prop::sample::select(vec!["$v", "\"$v\"", "${w}", "\"${w}x\"", "$w$v", "'$v'\"$w\"", "$((n+2))", "$(($n*3))", "${#w}", "${v:-d}", "\"$e\"", "$e"])
            .prop_map(posix),
        1 => prop::sample::select(vec!["$1", "\"$@\"", "$#", "$*", "\"$2\""]).prop_map(posix),
        2 => prop::sample::select(vec!["{a,b}", "x{1..3}", "{a,'b c'}{1,2}", "a{,b}", "{c..a}", "$'a\\tb'", "$'\\101'", "{a,{b,c}}"])
            .prop_map(|text| Made { text: text.to_owned(), posix: false }),
        1 => prop::sample::select(vec!["$(alpha)", "`beta`", "$u", "\"$(gamma 1)\"", "${u:-x}", "$?", "<(alpha)"]).prop_map(posix),
    ]
}

fn redirect() -> impl Strategy<Value = Made> {
    prop_oneof![
        6 => prop::sample::select(vec![">f", ">>f", "2>f", "<b.log", ">/dev/null", "2>&1", ">'g h'", "2>/dev/null", "<>f", ">|f", "0<b.log"]).prop_map(posix),
        1 => prop::sample::select(vec!["<<<x", "&>f", "<<<'a b'"]).prop_map(|text| Made { text: text.to_owned(), posix: false }),
    ]
}

fn simple() -> impl Strategy<Value = Made> {
    let program = prop::sample::select(PROGRAMS.to_vec()).prop_flat_map(written);
    let wrapper = prop_oneof![
        12 => Just(""),
        1 => prop::sample::select(vec!["env ", "env A=1 ", "command ", "exec ", "A=1 ", "A=1 B='x y' ", "env -i A=2 PATH=/none ", "command -p "]),
    ];
    let plain = (wrapper, program, prop::collection::vec(word(), 0..4), prop::collection::vec(redirect(), 0..2))
        .prop_map(|(wrapper, program, words, redirects)| around(wrapper, &joined([vec![program], words, redirects].concat(), " "), ""));
    let own = prop::sample::select(vec![
        "v=1",
        "w='x y'",
        "v=$w",
        "n=4",
        "n=$((n+1))",
        "v='*'",
        "e=",
        "w=abc v=d",
        "true",
        "false",
        ":",
        "cd .",
        "export v=7",
        "unset v",
        "v=$(alpha s)",
        "v=\"$(beta 'q r')\"",
        "x=$u",
        "set -e",
        "exit 3",
        "eval alpha",
        ">f",
        "v=\\'",
        "v=\"$v$w\"",
        "read v <b.log",
    ])
    .prop_map(posix);
    prop_oneof![5 => plain, 2 => own]
}

/// A whole line.
pub(super) fn line() -> impl Strategy<Value = Made> {
    let command = simple().boxed().prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec((inner.clone(), prop::sample::select(vec!["; ", "\n", " && ", " || ", " | ", "; ", " & "])), 1..4)
            .prop_map(|items| {
                let last = items.len() - 1;
                let parts = items.into_iter().enumerate().map(|(at, (item, sign))| around("", &item, if at == last { "" } else { sign }));
                joined(parts.collect(), "")
            })
            .boxed();
        let two = (list.clone(), list.clone());
        prop_oneof![
            6 => list.clone(),
            1 => list.clone().prop_map(|list| around("(", &list, "\n)")),
            1 => list.clone().prop_map(|list| around("{ ", &list, "\n}")),
            1 => (list.clone(), redirect()).prop_map(|(list, redirect)| joined(vec![around("{ ", &list, "\n}"), redirect], " ")),
            1 => two.clone().prop_map(|(a, b)| joined(vec![around("if ", &a, "\n"), around("then ", &b, "\nfi")], "")),
            1 => (two.clone(), list.clone())
                .prop_map(|((a, b), c)| joined(vec![around("if ", &a, "\n"), around("then ", &b, "\n"), around("else ", &c, "\nfi")], "")),
            1 => (prop::collection::vec(word(), 0..4), list.clone())
                .prop_map(|(words, list)| joined(vec![around("for v in ", &joined(words, " "), "\n"), around("do ", &list, "\ndone")], "")),
            1 => list.clone().prop_map(|list| around("for v in a b; do ", &list, "\nbreak\ndone")),
            1 => list.clone().prop_map(|list| around("while ", &list, "\nbreak; do :; done")),
            1 => list.clone().prop_map(|list| around("until alpha; do ", &list, "\ndone")),
            1 => (word(), two.clone()).prop_map(|(word, (a, b))| {
                joined(vec![around("case ", &word, " in "), around("a|[b-d]*) ", &a, "\n;; "), around("'c d') ", &b, "\n;; (*) gamma;; esac")], "")
            }),
            1 => (list.clone(), prop::collection::vec(word(), 0..3))
                .prop_map(|(list, words)| joined(vec![around("f() { ", &list, "\n}\nf "), joined(words, " ")], "")),
            1 => inner.clone().prop_map(|inner| around("! ", &inner, "")),
            1 => (prop::sample::select(vec!["cat", "alpha"]), prop::sample::select(vec!["<<E", "<<'E'", "<<-E", "<<\\E"]), inner.clone())
                .prop_map(|(program, sign, inner)| around(&format!("{program} {sign} | beta\n\ta $v \\$x\nE x\nE\n"), &inner, "")),
            1 => list.prop_filter("a script for sh without quotes", |list| list.posix && !list.text.contains('\'')).prop_map(|list| around("sh -c '", &list, "' _ p 'q'")),
        ]
    });
    command.prop_map(|made| if made.text.contains("<(") { Made { posix: false, ..made } } else { made })
}

/// `count` lines: always the same, or new ones with `BARTIZAN_TEST_FULL`.
pub(super) fn lines(count: usize) -> Vec<Made> {
    let mut runner = match std::env::var_os("BARTIZAN_TEST_FULL") {
        Some(_) => TestRunner::default(),
        None => TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let line = line();
    (0..count).map(|_| line.new_tree(&mut runner).expect("a line").current()).collect()
}

/// `some`, or `many` with `BARTIZAN_TEST_FULL`.
pub(super) fn some_or(some: usize, many: usize) -> usize {
    if std::env::var_os("BARTIZAN_TEST_FULL").is_some() { many } else { some }
}
