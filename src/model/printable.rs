//! Makes foreign text safe to show: nothing a user, target or provider supplies reaches another person's terminal raw.

use std::fmt;

/// Shows a string with control characters, invisible and direction-changing characters escaped.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is safe goes on in one piece: it is nearly all of what passes.
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            let (safe, unsafe_first) = rest.split_at(at);
            write!(f, "{safe}{}", c.escape_default())?;
            rest = unsafe_first.get(c.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// C0 and C1 controls, bidirectional overrides (CVE-2021-42574), zero-width and other format characters, line separators.
fn is_unsafe(c: char) -> bool {
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
