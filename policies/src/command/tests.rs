//! What is read as plain words, and what is not.

use super::*;

fn read(line: &str) -> Command {
    Command::read(line.as_bytes())
}

#[test]
fn plain_words_are_known_and_written_back_in_canonical_form() {
    for (line, text, words) in [
        ("systemctl restart nginx", "systemctl restart nginx", &["systemctl", "restart", "nginx"][..]),
        ("  uptime\t ", "uptime", &["uptime"]),
        ("echo 'a b'  \"c d\"", "echo 'a b' 'c d'", &["echo", "a b", "c d"]),
        ("echo a'b'\"c\"d", "echo abcd", &["echo", "abcd"]),
        ("echo '' \"\"", "echo '' ''", &["echo", "", ""]),
        ("echo '$HOME `id` \"'", "echo '$HOME `id` \"'", &["echo", "$HOME `id` \""]),
        ("echo \"it's\"", "echo 'it'\"'\"'s'", &["echo", "it's"]),
        ("'ls' -l", "ls -l", &["ls", "-l"]),
        ("grep 'ü' /etc/motd", "grep 'ü' /etc/motd", &["grep", "ü", "/etc/motd"]),
        ("scp -t /tmp/x", "scp -t /tmp/x", &["scp", "-t", "/tmp/x"]),
        ("dd if=/dev/zero of=x", "dd if=/dev/zero of=x", &["dd", "if=/dev/zero", "of=x"]),
        ("echo '=ls' '%1'", "echo '=ls' '%1'", &["echo", "=ls", "%1"]),
    ] {
        let command = read(line);
        assert!(!command.is_dynamic(), "{line}");
        assert_eq!((command.text(), command.program()), (text, Some(words[0])), "{line}");
        assert_eq!(command.arguments(), &words[1..], "{line}");
        assert_eq!(read(command.text()), command, "the canonical form reads as itself");
    }
}

#[test]
fn whatever_a_shell_could_read_differently_is_dynamic() {
    for line in [
        "",
        "   ",
        "ls; id",
        "ls & id",
        "ls && id",
        "ls | sh",
        "ls\nid",
        "ls\rid",
        "$0",
        "echo $HOME",
        "echo \"$HOME\"",
        "echo `id`",
        "echo \"`id`\"",
        "echo $(id)",
        "ls *",
        "ls ?",
        "ls [a]",
        "ls {a,b}",
        "ls ~",
        "ls ~root",
        "ls > x",
        "ls < x",
        "(ls)",
        "{ ls; }",
        "! ls",
        "ls !1",
        "echo '!1'",
        "echo \"!1\"",
        "ls \\x",
        "echo 'a\\'",
        "ls # x",
        "ls ^a",
        "A=b ls",
        "'A'=b ls",
        "=ls",
        "%1",
        "ls =ls",
        "ls %1",
        "echo 'a",
        "echo \"a",
        "ls 'a\tb'",
        "ls \u{a0}x",
        "ls ü",
        "''",
        "'' ls",
        "/",
        "bin/",
    ] {
        let command = read(line);
        assert!(command.is_dynamic(), "{line:?}");
        assert_eq!((command.text(), command.program(), command.arguments()), (line, None, &[][..]), "{line:?}");
    }
}

#[test]
fn a_program_that_runs_another_hides_what_it_runs() {
    for line in ["sudo id", "/usr/bin/sudo id", "sh -c id", "env id", ". x", "eval id", "xargs rm", "if true", "find . -exec rm x"] {
        assert!(read(line).is_dynamic(), "{line}");
    }
    assert!(!read("echo sudo").is_dynamic());
}

#[test]
fn a_line_that_is_not_utf8_is_dynamic() {
    assert!(Command::read(b"ls \xff").is_dynamic());
    assert!(Command::read(b"ls '\xff'").is_dynamic());
}
