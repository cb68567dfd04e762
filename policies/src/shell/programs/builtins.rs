//! What the shell does itself.

use super::{Called, Inside, options::Options};
use crate::shell::names::is_name;

/// What the shell makes of a command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) enum Kind {
    /// Done by the shell itself, without running or touching anything.
    Control,
    Unset,
    Read,
    /// A program, or something of the shell that is asked about like one.
    Ordinary,
}

pub(in crate::shell) fn kind(name: &str) -> Kind {
    match name {
        "cd" | "pwd" | ":" | "true" | "false" | "exit" | "break" | "continue" | "return" => Kind::Control,
        "unset" => Kind::Unset,
        "read" => Kind::Read,
        _ => Kind::Ordinary,
    }
}

/// Names that mean something to the shell itself, so that no function may take them.
pub(in crate::shell) fn is_builtin(name: &str) -> bool {
    kind(name) != Kind::Ordinary || UNFOLLOWED.contains(&name) || ORDINARY.contains(&name)
}

/// What changes the shell, or what later words mean, in ways that are not followed; in any common shell.
const UNFOLLOWED: &[&str] = &[
    ".",
    "alias",
    "autoload",
    "bind",
    "bindkey",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "emulate",
    "enable",
    "eval",
    "fc",
    "float",
    "functions",
    "getopts",
    "history",
    "integer",
    "let",
    "local",
    "logout",
    "mapfile",
    "nameref",
    "popd",
    "pushd",
    "readarray",
    "readonly",
    "sched",
    "setopt",
    "shift",
    "shopt",
    "source",
    "suspend",
    "trap",
    "typeset",
    "unalias",
    "unsetopt",
    "vared",
    "zcompile",
    "zle",
    "zmodload",
    "zparseopts",
    "zstyle",
];

/// What is asked about like a program.
const ORDINARY: &[&str] = &[
    "[", "bg", "builtin", "command", "echo", "exec", "export", "fg", "hash", "jobs", "kill", "printf", "set", "test", "time", "times",
    "type", "ulimit", "umask", "wait",
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    // Only the bare name is the shell's own.
    let name = called.word(0)?;
    if UNFOLLOWED.contains(&name) {
        return Some(Inside::Unseen(called.says("changes the shell in a way that is not followed")));
    }
    let arguments = called.arguments();
    match name {
        "command" => Some(command(called)),
        "builtin" | "exec" => Some(match Options::NONE.operands(called, 1) {
            Ok(at) if at < called.words.len() => Inside::command(at),
            Ok(_) => Inside::Unseen(called.says("stands without a command")),
            Err(why) => Inside::Unseen(why),
        }),
        "set" => {
            let fine = !arguments.is_empty() && arguments.iter().all(|word| is_plain_setting(word));
            Some(if fine { Inside::Nothing } else { Inside::Unseen(called.says("changes the shell in a way that is not followed")) })
        }
        // Each of these takes the subscript of an array, in which bash looks for commands.
        "printf" | "test" | "[" | "wait" | "export" => {
            let risky = called.may_get_options()
                || arguments.iter().any(|word| matches!(word.as_str(), "-v" | "-R" | "-p" | "-f") || word.starts_with("-v"));
            let risky = risky && !(matches!(name, "test" | "[") && arguments.iter().all(|word| !matches!(word.as_str(), "-v" | "-R")));
            risky.then(|| Inside::Unseen(called.says("looks into a variable that is named by its argument")))
        }
        "unset" => arguments.iter().any(|word| word != "-v" && !is_name(word)).then(|| Inside::Unseen(called.says("names no variable"))),
        "hash" if !arguments.is_empty() => Some(Inside::Unseen(called.says("can say which file a program is"))),
        "jobs" if !arguments.iter().all(|word| matches!(word.as_str(), "-l" | "-p" | "-r" | "-s")) => {
            Some(Inside::Unseen(called.says("can run a command")))
        }
        _ => None,
    }
}

fn is_plain_setting(word: &str) -> bool {
    word.strip_prefix(['-', '+']).is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "eux".contains(c)))
}

/// `command -v` only says what a name stands for.
fn command(called: &Called<'_>) -> Inside {
    match called.word(1) {
        Some("-v" | "-V") => Inside::Nothing,
        None => Inside::Unseen(called.says("stands without a command")),
        _ => match (Options { flags: "p", ..Options::NONE }).operands(called, 1) {
            Ok(at) if at < called.words.len() => Inside::command(at),
            Ok(_) => Inside::Unseen(called.says("stands without a command")),
            Err(why) => Inside::Unseen(why),
        },
    }
}
