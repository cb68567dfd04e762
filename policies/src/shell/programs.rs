//! What is known about programs that run others, or that do more than their arguments say.

use super::field::Field;
use super::why::{Why, shown};

/// What the shell makes of a command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Done by the shell itself, without running or touching anything.
    Control,
    Unset,
    Read,
    /// A program, or something of the shell that is asked about like one.
    Ordinary,
}

/// The commands inside a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    /// None.
    Nothing,
    /// There may be some, or it does more than it says.
    Unseen(Why),
    /// From the word `at` on, with these variables set. `open` if it is given more arguments than are written.
    Command { at: usize, environment: Vec<String>, open: bool },
    /// In these words.
    Commands(Vec<(usize, usize)>),
    /// A script for sh in the word `at`; `$1` and so on, if they are known, from the word after `positional`.
    Script { at: usize, positional: Option<usize> },
}

const CONTROL: &[&str] = &["cd", "pwd", ":", "true", "false", "exit", "break", "continue", "return"];

pub(super) fn kind(name: &str) -> Kind {
    match name {
        "unset" => Kind::Unset,
        "read" => Kind::Read,
        _ if CONTROL.contains(&name) => Kind::Control,
        _ => Kind::Ordinary,
    }
}

/// Names that mean something to the shell itself, so that no function may take them.
pub(super) fn is_builtin(name: &str) -> bool {
    kind(name) != Kind::Ordinary || SHELL_OWN.contains(&name)
}

const SHELL_OWN: &[&str] = &["alias"];

pub(super) fn stays_in_shell(words: &[Field]) -> bool {
    words.first().is_some_and(|first| matches!(first.value().as_str(), "command" | "builtin" | "exec" | "time"))
}

const RUNS_OTHERS: &[&str] = &[
    ".",
    "ash",
    "bash",
    "builtin",
    "busybox",
    "chroot",
    "command",
    "csh",
    "dash",
    "doas",
    "docker",
    "env",
    "eval",
    "exec",
    "find",
    "fish",
    "flock",
    "ionice",
    "ksh",
    "kubectl",
    "nice",
    "nohup",
    "nsenter",
    "parallel",
    "podman",
    "runuser",
    "script",
    "setsid",
    "sh",
    "source",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "tcsh",
    "time",
    "timeout",
    "toybox",
    "trap",
    "unshare",
    "watch",
    "xargs",
    "zsh",
];

pub(super) fn inside(words: &[Field], _in_shell: bool, _open: bool) -> Inside {
    let name = words.first().map(Field::value).unwrap_or_default();
    let base = name.rsplit('/').next().unwrap_or_default();
    if RUNS_OTHERS.contains(&base) {
        return Inside::Unseen(Why::new(format!("`{}` runs another command", shown(&name))));
    }
    if words.first().map(Field::value).as_deref() == Some("/bin/sh") && words.len() == 3 {
        return Inside::Script { at: 2, positional: None };
    }
    Inside::Nothing
}
