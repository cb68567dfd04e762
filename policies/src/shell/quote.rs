//! Writes a word so that sh, bash, dash, zsh, ksh and fish all read it back as that word. It quotes more than any one of them
//! needs: a word is bare only if every character of it is plain in all of them.

/// Characters that stand for themselves in every common shell.
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '+' | '@' | '%' | '=')
}

/// Whether a word needs no quotes. `=` and `%` where a word begins are expansions in zsh and fish.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(is_bare) && !word.starts_with(['=', '%'])
}

/// A word as every common shell reads it back. fish gives `\\` and `\'` in single quotes a meaning of their own, so that both a
/// quote and a backslash stand in double quotes, where all agree on them.
pub(super) fn quoted(word: &str) -> String {
    if is_plain(word) || matches!(word, "[" | "]") {
        return word.to_owned();
    }
    let mut text = String::with_capacity(word.len() + 2);
    let mut rest = word;
    while let Some(special) = rest.find(['\'', '\\']) {
        let (before, after) = rest.split_at(special);
        let c = if after.starts_with('\'') { "\"'\"" } else { "\"\\\\\"" };
        single(before, &mut text);
        text.push_str(c);
        rest = after.get(1..).unwrap_or_default();
    }
    single(rest, &mut text);
    if text.is_empty() { "''".to_owned() } else { text }
}

fn single(part: &str, text: &mut String) {
    if !part.is_empty() {
        text.push('\'');
        text.push_str(part);
        text.push('\'');
    }
}

/// Words that some common shell takes for syntax where a command begins, if they are not quoted.
const KEYWORDS: &[&str] = &[
    "and",
    "begin",
    "break",
    "builtin",
    "case",
    "command",
    "continue",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "exec",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "namespace",
    "nocorrect",
    "noglob",
    "not",
    "or",
    "repeat",
    "return",
    "select",
    "switch",
    "then",
    "until",
    "while",
    "{",
    "}",
    "!",
    "[[",
    "]]",
];

/// Whether a word in the program's place can stand there as it is, in every common shell.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// The program's name as it stands in a script for sh: quoted also where it would else be syntax.
pub(super) fn program(word: &str) -> String {
    let syntax = matches!(
        word,
        "case"
            | "coproc"
            | "do"
            | "done"
            | "elif"
            | "else"
            | "esac"
            | "fi"
            | "for"
            | "function"
            | "if"
            | "in"
            | "namespace"
            | "select"
            | "then"
            | "until"
            | "while"
    );
    if syntax { format!("'{word}'") } else { quoted(word) }
}
