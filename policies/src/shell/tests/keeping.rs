//! What a shell keeps from one line to the next, and when a line is whole.

use crate::{Completeness, Line, Operation, Variables};

/// Reads lines one after the other in one shell; returns what is sent of the last.
fn after(lines: &[&str]) -> Option<String> {
    let mut variables = Variables::default();
    let mut sent = None;
    for line in lines {
        let line = Line::read_in(line.as_bytes(), &variables);
        variables = line.after();
        sent = line.script().map(str::to_owned);
    }
    sent
}

#[test]
fn variables_of_earlier_lines_are_put_into_later_ones() {
    assert_eq!(after(&["x=web", "ping $x-1"]).as_deref(), Some("ping web-1"));
    assert_eq!(after(&["x=1", "x=$((x+1))", "echo $x"]).as_deref(), Some("echo 2"));
    assert_eq!(after(&["export A=1", "ls"]).as_deref(), Some("A=1 ls"));
    assert_eq!(after(&["f() { ls \"$1\"; }", "f a"]).as_deref(), Some("ls a"));
    assert_eq!(after(&["x=1", "unset x", "echo $x"]), None);
    assert_eq!(after(&["x=1", "read x", "echo $x"]), None);
    assert_eq!(after(&["for i in a b; do ls; done", "echo $i"]).as_deref(), Some("echo b"));
}

#[test]
fn a_variable_that_may_have_been_set_is_not_known() {
    assert_eq!(after(&["x=1", "ls && x=2", "echo $x"]), None);
    assert_eq!(after(&["x=1", "while ls; do x=2; done", "echo $x"]), None);
    assert_eq!(after(&["x=2", "while ls; do x=1; id && break; x=2; done", "echo $x"]), None);
    assert_eq!(after(&["x=1", "(x=2)", "echo $x"]).as_deref(), Some("echo 1"));
    assert_eq!(after(&["x=$(id)", "echo $x"]), None);
    assert_eq!(after(&["ls && f() { id; }", "f"]), None);
}

#[test]
fn what_the_running_shell_sets_is_seen_in_the_environment_of_later_commands() {
    let first = Line::read_in(b"x=$(id)", &Variables::default());
    let second = Line::read_in(b"ls", &first.after());
    assert!(matches!(second.operations(), [Operation::Run(command)] if command.environment() == ["x"]));
}

#[test]
fn a_dynamic_line_leaves_what_is_known_as_it_was_and_can_be_told_it() {
    let mut variables = Line::read(b"x='a b'; export y=c; f() { id; }").after();
    let dynamic = Line::read_in(b"eval x=2; echo $x $z", &variables);
    assert_eq!((dynamic.canonical(), dynamic.after()), (None, variables.clone()));
    assert_eq!(variables.assignments(), "x='a b'; y=c; export y; f() { id; }\n");
    variables.set("PWD", "/srv");
    variables.set_status(3);
    assert_eq!(Line::read_in(b"echo $? $PWD", &variables).script(), Some("y=c echo 3 /srv"));
    assert_eq!(Line::read_in(b"ls; echo $?", &variables).script(), None);
}

#[test]
fn no_operation_is_asked_for_what_runs_nothing() {
    for line in ["", " ", "# x", "x=1", "x=1; y=$x", "cd /tmp", "cd; pwd", "exit 2", "export A=1", "f() { ls; }", "true && false || :"] {
        let line = Line::read(line.as_bytes());
        assert!(line.operations().is_empty() && line.canonical().is_some(), "{line:?}");
        assert_ne!(line.canonical(), Some(""), "an empty command would be a shell");
    }
}

#[test]
fn a_line_that_is_not_whole_asks_for_more() {
    for text in [
        "if",
        "if a",
        "if a; then b",
        "a &&",
        "a |",
        "(a",
        "{ a",
        "while a; do",
        "for i in a; do b; ",
        "case a in",
        "case a in b) c",
        "f() {",
        "f()",
        "echo 'a",
        "echo \"a\nb",
        "echo $(ls",
        "echo `ls",
        "cat <<E",
        "cat <<E\na\n",
        "a \\",
        "a \\\n",
        "if a # x",
        "cat <<'E' | wc\nE x",
    ] {
        assert_eq!(Line::completeness(text.as_bytes()), Completeness::Incomplete, "{text:?}");
    }
}

#[test]
fn a_line_that_no_other_could_mend_is_wrong() {
    for text in ["ls )", "fi", "}", "; a", "ls;;", "a && ; b", "if then fi", "\u{1b}", "ls\0"] {
        assert_eq!(Line::completeness(text.as_bytes()), Completeness::Wrong, "{text:?}");
    }
    assert_eq!(Line::completeness(b"\xff"), Completeness::Wrong);
}

#[test]
fn a_line_that_is_whole_is_complete() {
    for text in [
        "",
        "  ",
        "# x",
        "ls",
        "ls # x",
        "ls &",
        "cat <<E\na\nE",
        "cat <<E\na\nE\n",
        "if a; then b; fi",
        "f() { a; }",
        "a;",
        "x=1",
        "echo 'a\nb'",
    ] {
        assert_eq!(Line::completeness(text.as_bytes()), Completeness::Complete, "{text:?}");
    }
}
