//! Shells, and programs that hand a script to one.

use super::{Called, Inside, options::Options};
use crate::shell::why::shown;

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    Some(match called.name {
        "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "ksh93" | "mksh" | "rbash" | "rksh" | "lksh" | "pdksh" | "posh" | "yash" => {
            shell(called)
        }
        // Their scripts are not in the grammar that is read here.
        "csh" | "tcsh" | "fish" | "elvish" | "nu" | "xonsh" | "pwsh" | "rc" | "es" | "scsh" | "oil" | "osh" | "ysh" | "brush" => {
            Inside::Unseen(called.says("is a shell whose language is not read here"))
        }
        "su" | "runuser" | "sg" => as_another(called),
        "flock" => flock(called),
        "watch" => {
            joined(called, "tbcdegpxw", "nq", &["exec", "beep", "color", "differences", "errexit", "chgexit", "no-title"], &["interval"])
        }
        "script" => script(called),
        "parallel" | "sem" | "env_parallel" => Inside::Unseen(called.says("makes scripts of what it is fed")),
        _ => return None,
    })
}

/// `sh -c SCRIPT [NAME ARGUMENT…]`.
fn shell(called: &Called<'_>) -> Inside {
    let mut at = 1;
    let mut takes_script = false;
    while let Some(word) = called.word(at) {
        if called.fields.get(at).is_some_and(|field| field.is_pattern()) {
            return Inside::Unseen(called.says("is given a pattern where its script would stand"));
        }
        match word {
            "--" => {
                at += 1;
                break;
            }
            "--norc" | "--noprofile" | "--posix" => {}
            "--version" | "--help" => return Inside::Nothing,
            _ if word.len() > 1 && word.starts_with('-') && word.chars().skip(1).all(|c| "ceux".contains(c)) => {
                takes_script |= word.contains('c');
            }
            _ if word.starts_with(['-', '+']) => {
                return Inside::Unseen(called.says(&format!("has the option `{}`, which changes how its script is read", shown(word))));
            }
            _ => break,
        }
        at += 1;
    }
    match called.word(at) {
        None => Inside::Unseen(called.says("reads a script that is not seen")),
        Some(_) if takes_script => Inside::Script { at, positional: Some(at + 2) },
        // Named with its path, a script is a program like any other; without, it is looked for in more than one place.
        Some(file) if file.contains('/') && !called.open => Inside::Nothing,
        Some(_) => Inside::Unseen(called.says("runs a script that is not seen")),
    }
}

/// `su [-] [LOGIN] -c SCRIPT`: options may stand anywhere. `runuser -u LOGIN COMMAND` takes a command as it is.
fn as_another(called: &Called<'_>) -> Inside {
    let words: Vec<_> = called.arguments().iter().map(String::as_str).collect();
    if called.may_get_options() {
        return Inside::Unseen(called.says("is given a pattern"));
    }
    let is_login = |word: &&str| !word.starts_with('-');
    match (called.name, words.as_slice()) {
        ("runuser", ["-u", login, "--", _, ..]) if is_login(login) => Inside::command(4),
        ("runuser", ["-u", login, command, ..]) if is_login(login) && is_login(command) => Inside::command(3),
        (_, ["-c", _]) => Inside::Script { at: 2, positional: None },
        (_, ["-c", _, login]) if is_login(login) => Inside::Script { at: 2, positional: None },
        (_, [login, "-c", _]) if *login == "-" || is_login(login) => Inside::Script { at: 3, positional: None },
        (_, ["-" | "-l", login, "-c", _]) if is_login(login) => Inside::Script { at: 4, positional: None },
        _ => Inside::Unseen(called.says("starts a shell whose script is not seen")),
    }
}

/// `flock [OPTION…] FILE COMMAND…` or `flock FILE -c SCRIPT`; `flock FD` runs nothing.
fn flock(called: &Called<'_>) -> Inside {
    let options = Options {
        flags: "sexunoFv",
        valued: "wE",
        long: &["shared", "exclusive", "unlock", "nonblock", "close", "no-fork", "verbose"],
        long_valued: &["timeout", "wait", "conflict-exit-code"],
    };
    match options.operands(called, 1) {
        Err(why) => Inside::Unseen(why),
        Ok(at) => match (called.word(at), called.word(at + 1), called.word(at + 2)) {
            (_, None, _) if !called.open => Inside::Nothing,
            (_, Some("-c" | "--command"), Some(_)) if called.words.len() == at + 3 && !called.open => {
                Inside::Script { at: at + 2, positional: None }
            }
            (_, Some(command), _) if !command.starts_with('-') => Inside::command(at + 1),
            _ => Inside::Unseen(called.says("runs a command that is not seen")),
        },
    }
}

/// Programs that join their operands with blanks and hand them to sh: one operand is a script, several are only safe as one.
fn joined(
    called: &Called<'_>,
    flags: &'static str,
    valued: &'static str,
    long: &'static [&'static str],
    long_valued: &'static [&'static str],
) -> Inside {
    match (Options { flags, valued, long, long_valued }).operands(called, 1) {
        Err(why) => Inside::Unseen(why),
        Ok(at) if at + 1 == called.words.len() && !called.open => Inside::Script { at, positional: None },
        Ok(at)
            if called.words.get(at..).is_some_and(|words| words.len() > 1 && words.iter().all(|word| is_literal(word)))
                && !called.may_get_options() =>
        {
            Inside::command(at)
        }
        Ok(_) => Inside::Unseen(called.says("makes a script of its arguments")),
    }
}

/// Whether a shell reads the word back as it is.
fn is_literal(word: &str) -> bool {
    !word.is_empty() && word.chars().all(crate::shell::quote::is_bare) && !word.contains('=')
}

/// `script -c SCRIPT FILE`.
fn script(called: &Called<'_>) -> Inside {
    let words: Vec<_> = called.arguments().iter().map(String::as_str).collect();
    match words.as_slice() {
        ["-q" | "-e" | "-a" | "-f", "-c", _, file] if !file.starts_with('-') => Inside::Script { at: 3, positional: None },
        ["-c", _, file] | ["-qc" | "-qec" | "-qefc", _, file] if !file.starts_with('-') => Inside::Script { at: 2, positional: None },
        ["-c" | "-qc" | "-qec" | "-qefc", _] => Inside::Script { at: 2, positional: None },
        _ => Inside::Unseen(called.says("starts a shell whose script is not seen")),
    }
}
