//! The corpus: see `corpus.toml`.

use serde::Deserialize;

use crate::{Command, Line, Operation};

#[derive(Deserialize)]
struct Corpus {
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    lines: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    line: String,
    #[serde(default)]
    runs: Vec<String>,
    #[serde(default)]
    dynamic: bool,
    sends: Option<String>,
}

fn corpus() -> Corpus {
    toml::from_str(include_str!("../corpus.toml")).expect("the corpus is TOML of this form")
}

/// A command as the corpus writes it.
pub(super) fn shown(command: &Command) -> String {
    let mut text: String = command.environment().iter().map(|name| format!("{name}= ")).collect();
    text.push_str(command.text());
    command.redirects().iter().for_each(|file| text.push_str(&format!(" {file}")));
    if command.has_patterns() {
        text.push_str(" …");
    }
    text
}

fn commands(line: &Line) -> Vec<&Command> {
    fn command(operation: &Operation) -> &Command {
        match operation {
            Operation::Run(command) => command,
            Operation::File(access) => panic!("not a command: {access:?}"),
        }
    }
    line.operations().iter().map(command).collect()
}

#[test]
fn every_line_of_the_corpus_is_read_as_it_says() {
    let mut wrong = String::new();
    let mut count = 0;
    for group in corpus().group {
        for row in group.lines {
            count += 1;
            let line = Line::read(row.line.as_bytes());
            let (dynamic, known): (Vec<_>, Vec<_>) = commands(&line).into_iter().partition(|command| command.is_dynamic());
            let known: Vec<_> = known.into_iter().map(shown).collect();
            let is_dynamic = line.canonical().is_none();
            let consistent = is_dynamic == line.why_dynamic().is_some()
                && is_dynamic == line.script().is_none()
                && dynamic.len() == usize::from(is_dynamic)
                && dynamic.iter().all(|command| command.text() == row.line && command.program().is_none());
            let sends = row.sends.is_none_or(|sends| line.canonical() == Some(&sends));
            if known != row.runs || is_dynamic != row.dynamic || !consistent || !sends {
                wrong.push_str(&format!(
                    "{}: {:?}\n  runs {known:?}\n  sends {:?}\n  because {:?}\n",
                    group.name,
                    row.line,
                    line.canonical(),
                    line.why_dynamic()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 170, "{count}");
}

#[test]
fn what_is_sent_reads_back_as_the_same_operations() {
    for row in corpus().group.into_iter().flat_map(|group| group.lines) {
        let line = Line::read(row.line.as_bytes());
        for sent in [line.canonical(), line.script()].into_iter().flatten() {
            let again = Line::read(sent.as_bytes());
            assert_eq!(again.operations(), line.operations(), "{:?} is sent as {sent:?}", row.line);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_dynamic() {
    for line in [&b"ls \xff"[..], b"ls '\xff'", b"\xc3", b"ls \xed\xa0\x80"] {
        let line = Line::read(line);
        assert_eq!(line.canonical(), None);
        assert!(matches!(line.operations(), [Operation::Run(command)] if command.is_dynamic()));
    }
}

#[test]
fn a_dynamic_line_says_why_and_what_it_sets_and_touches() {
    let line = Line::read(b"A=1 $x -l > /tmp/f");
    assert_eq!(line.why_dynamic(), Some("the program is `$x`, which is not known before it runs"));
    let whole = commands(&line)[0];
    assert_eq!((whole.environment(), whole.redirects()), (&["A".to_owned()][..], &[">/tmp/f".to_owned()][..]));
}
