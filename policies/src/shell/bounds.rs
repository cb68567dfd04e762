//! What is too deep to be given to the parser. Its own limits stop most of it; these are for what gets past them: the cost of
//! expansions with operators doubles with every level, that of braces grows with the square, and neither `time` nor arithmetic
//! counts against its stack. Whatever
//! opens is counted, closed or not, quoted or not, so that no way of writing hides a level.

const MOST_PARENTHESES: usize = 512;
const MOST_BRACKETS: usize = 512;
const MOST_BRACES: usize = 512;
/// `${name}` without an operator is not counted.
const MOST_EXPANSIONS: usize = 12;
const MOST_TIMES: usize = 8;

/// Whether `source` may be parsed.
pub(super) fn holds(source: &str) -> bool {
    let most = |c: u8, most| source.bytes().filter(|byte| *byte == c).count() <= most;
    most(b'(', MOST_PARENTHESES)
        && most(b'[', MOST_BRACKETS)
        && most(b'{', MOST_BRACES)
        && source.split("${").skip(1).filter(|rest| !is_plain(rest)).count() <= MOST_EXPANSIONS
        && source.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| *word == "time").count() <= MOST_TIMES
}

/// Whether what follows `${` is a name and its brace.
fn is_plain(rest: &str) -> bool {
    rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').starts_with('}')
}
