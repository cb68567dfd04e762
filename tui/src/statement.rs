//! Operations of several lines, and SQL with a line for each clause: only where white space stands already, outside of quotes and
//! parentheses, so that what is shown is what would run. Understands nothing else of SQL.

/// Words that begin a clause.
const CLAUSES: [&str; 18] = [
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "SET",
    "VALUES",
    "RETURNING",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "LEFT",
    "INNER",
    "ON",
];

/// A statement that is shorter is read at a glance.
const SHORT: usize = 50;

/// The lines of `text` as they are, and of SQL (`is_sql`) a line for each clause.
pub(crate) fn lines(text: &str, is_sql: bool) -> Vec<String> {
    let whole = text.split('\n').map(str::trim_end).filter(|line| !line.trim().is_empty());
    let mut lines = Vec::new();
    let mut inside = Inside::default();
    for line in whole {
        if is_sql { clauses(line, &mut inside, &mut lines) } else { lines.push(line.to_owned()) }
    }
    lines
}

/// Where a line stands in a statement.
#[derive(Default)]
struct Inside {
    quote: Option<char>,
    depth: usize,
    /// A body in dollars or a comment of several lines: from there on lines stay as they are.
    opaque: bool,
}

fn clauses(line: &str, inside: &mut Inside, lines: &mut Vec<String>) {
    let long = line.chars().count() > SHORT;
    let mut rest = String::new();
    let mut gap = false;
    for (at, c) in line.char_indices() {
        let free = inside.quote.is_none() && inside.depth == 0 && !inside.opaque;
        let tail = line.get(at..).unwrap_or_default();
        if long && free && gap && !rest.trim().is_empty() && begins_clause(tail) {
            lines.push(std::mem::take(&mut rest).trim_end().to_owned());
        }
        gap = c == ' ' || c == '\t';
        inside.opaque |= inside.quote.is_none() && (c == '$' || tail.starts_with("--") || tail.starts_with("/*"));
        match inside.quote {
            Some(quote) if c == quote => inside.quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => inside.quote = Some(c),
            None if c == '(' => inside.depth += 1,
            None if c == ')' => inside.depth = inside.depth.saturating_sub(1),
            None => {}
        }
        rest.push(c);
    }
    if !rest.trim().is_empty() {
        lines.push(rest);
    }
}

fn begins_clause(text: &str) -> bool {
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).take(12).collect();
    let ends = text.chars().nth(word.len()).is_none_or(|c| c == ' ' || c == '\t' || c == '(');
    ends && CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_statement_has_a_line_for_each_clause_and_quotes_stay_whole() {
        let text = "UPDATE orders SET note = 'paid from here where it was', total = (SELECT max(x) FROM y) where id = 7 returning id";
        assert_eq!(
            lines(text, true),
            ["UPDATE orders", "SET note = 'paid from here where it was', total = (SELECT max(x) FROM y)", "where id = 7", "returning id"]
        );
        assert_eq!(lines("SELECT 1 FROM t", true), ["SELECT 1 FROM t"]);
        assert_eq!(lines("echo a\n\necho from b where c is a rather long line of a shell", false).len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added_but_white_space(text in "[ a-zFROM'\"()$\n\t;-]{0,200}", sql: bool) {
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&lines(&text, sql).concat()), bare(&text));
        }
    }
}
