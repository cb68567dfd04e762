//! `sed`, whose scripts can run commands (`e`), and read and write files (`r`, `w`). Only scripts made of commands that do
//! neither are known; anything else is dynamic.

use super::{Called, Inside, options::Options};

pub(super) fn look(called: &Called<'_>) -> Option<Inside> {
    if !matches!(called.name, "sed" | "gsed") {
        return None;
    }
    let options = Options {
        flags: "nrEsuz",
        valued: "l",
        long: &[
            "quiet",
            "silent",
            "regexp-extended",
            "separate",
            "unbuffered",
            "null-data",
            "posix",
            "debug",
            "sandbox",
            "version",
            "help",
        ],
        long_valued: &["line-length"],
    };
    if called.may_get_options() {
        return Some(Inside::Unseen(called.says("is given a pattern that could be a script")));
    }
    // Scripts in options, and those in files.
    let mut scripts = Vec::new();
    let mut at = 1;
    while let Some(word) = called.word(at) {
        at += 1;
        match word {
            "-e" | "--expression" => scripts.extend(called.word(at).map(str::to_owned)),
            "-ne" => scripts.extend(called.word(at).map(str::to_owned)),
            "-i" | "--in-place" => continue,
            "--" => break,
            _ if word.len() > 1 && word.starts_with('-') => {
                match options.operands(&Called { words: &["".to_owned(), word.to_owned()], fields: &[], ..*called }, 1) {
                    Ok(_) if !word.starts_with("-l") => continue,
                    _ => return Some(Inside::Unseen(called.says("has an option that is not followed"))),
                }
            }
            _ => {
                // Operands and options may stand in any order.
                if scripts.is_empty() {
                    scripts.push(word.to_owned());
                }
                continue;
            }
        }
        at += 1;
    }
    let known = !scripts.is_empty() && scripts.iter().all(|script| is_harmless(script));
    Some(if known || called.words.len() == 2 && called.word(1) == Some("--version") {
        Inside::Nothing
    } else {
        Inside::Unseen(called.says("has a script that can run commands or write files"))
    })
}

/// Whether a script is a list of commands of which none runs, reads or writes anything else.
fn is_harmless(script: &str) -> bool {
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '}']);
        if rest.is_empty() {
            return true;
        }
        let Some(after) = address(rest).and_then(command) else { return false };
        rest = after;
    }
}

/// What follows the addresses.
fn address(text: &str) -> Option<&str> {
    let mut rest = one_address(text)?;
    if let Some(second) = rest.strip_prefix(',') {
        rest = one_address(second.trim_start_matches([' ', '+', '~']))?;
    }
    Some(rest.trim_start_matches([' ', '!']))
}

fn one_address(text: &str) -> Option<&str> {
    match text.chars().next()? {
        '0'..='9' => Some(text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '~')),
        '$' => text.get(1..),
        '/' => delimited(text.get(1..)?, '/').map(|rest| rest.trim_start_matches(['I', 'M'])),
        '\\' => None,
        _ => Some(text),
    }
}

/// What follows the next `delimiter` that is not escaped. Brackets, in which it would not count, are not followed.
fn delimited(text: &str, delimiter: char) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' | '\n' => return None,
            _ if c == delimiter => return text.get(at + c.len_utf8()..),
            _ => {}
        }
    }
    None
}

/// What follows one command, if it is known to be harmless.
fn command(text: &str) -> Option<&str> {
    let rest = text.get(1..)?;
    match text.chars().next()? {
        '{' => Some(rest),
        'p' | 'd' | 'q' | 'Q' | '=' | 'D' | 'P' | 'h' | 'H' | 'g' | 'G' | 'x' | 'n' | 'N' => {
            let rest = rest.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
            (rest.is_empty() || rest.starts_with([';', '\n', '}'])).then_some(rest)
        }
        's' => {
            let delimiter = rest.chars().next().filter(char::is_ascii_punctuation).filter(|c| *c != '\\')?;
            let replacement = delimited(rest.get(1..)?, delimiter)?;
            let flags = delimited(replacement, delimiter)?;
            let after = flags.trim_start_matches(|c: char| matches!(c, 'g' | 'p' | 'i' | 'I' | 'm' | 'M' | ' ') || c.is_ascii_digit());
            (after.is_empty() || after.starts_with([';', '\n', '}'])).then_some(after)
        }
        _ => None,
    }
}
