//! `find` and its like, which run a command for each file.

use super::{Called, Inside};

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    Some(match called.name {
        "find" | "gfind" | "bfs" => find(called),
        "fd" | "fdfind" => unless(called, &["-x", "-X", "--exec", "--exec-batch"]),
        "rg" => unless(called, &["--pre", "--hostname-bin", "-z", "--search-zip"]),
        _ => return None,
    })
}

/// Each `-exec COMMAND ;` or `-exec COMMAND {} +`, in which `{}` stands for files.
fn find(called: &Called<'_>) -> Inside {
    if called.may_get_options() {
        return Inside::Unseen(called.says("is given a pattern that could be an action"));
    }
    let mut commands = Vec::new();
    let mut at = 1;
    while let Some(word) = called.word(at) {
        at += 1;
        if word == "-files0-from" {
            return Inside::Unseen(called.says("takes its files from elsewhere"));
        }
        if !is_action(word) {
            continue;
        }
        let rest = called.words.get(at..).unwrap_or_default();
        let end = |(place, word): (usize, &String)| {
            (word == ";" || word == "+" && place > 0 && rest.get(place - 1).is_some_and(|before| before == "{}")).then_some(place)
        };
        let Some(length) = rest.iter().enumerate().find_map(end).filter(|length| *length > 0) else {
            return Inside::Unseen(called.says("has a command that does not end"));
        };
        let command = at..at + length;
        if !is_plain(called, command.clone()) {
            return Inside::Unseen(called.says("puts files into a command that is then not seen"));
        }
        commands.push((command.start, command.end));
        at += length + 1;
    }
    if commands.is_empty() { Inside::Nothing } else { Inside::Commands(commands) }
}

fn is_action(word: &str) -> bool {
    matches!(word, "-exec" | "-execdir" | "-ok" | "-okdir")
}

/// Whether no file stands where it would be a program or part of a script.
fn is_plain(called: &Called<'_>, command: std::ops::Range<usize>) -> bool {
    let fields = called.fields.get(command.clone()).unwrap_or_default();
    let words = called.words.get(command).unwrap_or_default();
    // A search in a search is not looked into.
    if words.iter().any(|word| is_action(word)) {
        return false;
    }
    match super::inside(fields, false) {
        Inside::Script { at, .. } => !words.iter().take(at + 1).any(|word| word.contains("{}")),
        Inside::Command { at, .. } => !words.iter().take(at + 1).any(|word| word.contains("{}")),
        Inside::Commands(_) => false,
        Inside::Nothing | Inside::Unseen(_) => !words.first().is_some_and(|word| word.contains("{}")),
    }
}

fn unless(called: &Called<'_>, options: &[&str]) -> Inside {
    let risky = called.may_get_options() || called.arguments().iter().any(|word| options.iter().any(|option| word.starts_with(option)));
    if risky { Inside::Unseen(called.says("can run a command for each file")) } else { Inside::Nothing }
}
