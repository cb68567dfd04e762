//! `git`, which runs commands that its options, its configuration and some of its verbs name.

use super::{Called, Inside};

/// Verbs that do what they say. Others run commands of the user's, or are aliases, which can be commands.
const VERBS: &[&str] = &[
    "add",
    "archive",
    "blame",
    "branch",
    "cat-file",
    "checkout",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
    "count-objects",
    "describe",
    "diff",
    "fetch",
    "fsck",
    "gc",
    "init",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge",
    "merge-base",
    "mv",
    "pull",
    "push",
    "reflog",
    "remote",
    "reset",
    "restore",
    "rev-list",
    "rev-parse",
    "revert",
    "rm",
    "shortlog",
    "show",
    "show-ref",
    "stash",
    "status",
    "switch",
    "tag",
    "version",
    "whatchanged",
];

/// Options of verbs that name a command, or open an editor; programs take abbreviations.
const RISKY: &[&str] = &[
    "--upload-pack",
    "--receive-pack",
    "--exec",
    "--ext-diff",
    "--textconv",
    "--config",
    "--template",
    "--edit",
    "--open-files-in-pager",
    "--output",
];

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    if called.name != "git" {
        return None;
    }
    if called.may_get_options() {
        return Some(Inside::Unseen(called.says("is given a pattern that could be an option")));
    }
    let mut at = 1;
    loop {
        match called.word(at) {
            Some("-C") => at += 2,
            Some("--no-pager" | "--bare" | "--no-optional-locks" | "--literal-pathspecs") => at += 1,
            Some("--version") => return Some(Inside::Nothing),
            Some(verb) if VERBS.contains(&verb) => break,
            _ => return Some(Inside::Unseen(called.says("can run commands that its options, its configuration or an alias name"))),
        }
    }
    let verb = called.word(at).unwrap_or_default();
    let arguments = called.words.get(at + 1..).unwrap_or_default();
    let risky = arguments.iter().any(|word| is_risky(word, verb));
    Some(if risky { Inside::Unseen(called.says("has an argument that names a command")) } else { Inside::Nothing })
}

fn is_risky(word: &str, verb: &str) -> bool {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let long = name.starts_with("--") && name.len() > 2 && RISKY.iter().any(|risky| risky.starts_with(name));
    // `ext::COMMAND` and `fd::` are addresses that are commands; an address that begins with a dash is an option of ssh.
    let address = word.contains("::") || word.contains("://-");
    let short = matches!(verb, "clone" | "fetch" | "pull" | "ls-remote") && word.starts_with("-u")
        || verb == "clone" && word.starts_with("-c")
        || verb == "commit" && (word == "-e" || word.starts_with("-c"));
    long || address || short
}
