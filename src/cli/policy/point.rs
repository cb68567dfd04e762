//! Shows what is wrong at its place: file, line and column, the line itself with a mark beneath, and the mend. Text of the file is
//! shown so that it cannot act on a terminal.

use bartizan_policies::{Gravity, Problem};
use miette::Diagnostic;

use crate::cli::print::Page;
use crate::model::Printable;

/// How much of a long line is shown, in characters.
const WIDE: usize = 120;

/// `problem` in several lines, with colours if there is a page for it.
pub(super) fn at(problem: &Problem, page: Option<&Page>) -> String {
    let (word, paint): (_, fn(&Page, &str) -> String) = match problem.gravity {
        Gravity::Error => ("error", Page::alarming),
        Gravity::Warning => ("warning", Page::warning),
    };
    let word = page.map_or_else(|| word.to_owned(), |page| paint(page, word));
    let number = problem.line.to_string();
    let margin = " ".repeat(number.len());
    let mut text = format!("{word}: {}\n{margin}--> {}:{number}:{}", plain(&problem.message), Printable(&problem.file), problem.column);
    if let Some((line, mark)) = marked(problem) {
        text.push_str(&format!("\n{margin} |\n{number} | {line}\n{margin} | {mark}"));
    }
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n{margin} = help: {}", plain(help)));
    }
    text.push('\n');
    text
}

/// Several lines, each harmless.
fn plain(text: &str) -> String {
    text.lines().map(|line| Printable(line).to_string()).collect::<Vec<_>>().join("\n    ")
}

/// The line of the problem, and a line with a mark beneath what it is about.
fn marked(problem: &Problem) -> Option<(String, String)> {
    let label = problem.labels()?.next()?;
    // A line of context is what makes it begin where a line does.
    let contents = problem.source_code()?.read_span(label.inner(), 1, 1).ok()?;
    let skip = problem.line.checked_sub(contents.line() + 1)?;
    let line = String::from_utf8_lossy(contents.data()).lines().nth(skip)?.to_owned();
    let before = problem.column.saturating_sub(1);
    let left = before.saturating_sub(WIDE / 2);
    let part = |skip: usize, count: usize| -> String {
        let part: String = line.chars().skip(skip).take(count).collect();
        Printable(&part.replace('\t', "    ")).to_string()
    };
    let length = label.inner().len().clamp(1, WIDE);
    // The mark ends with the line.
    let length = length.min(line.chars().count().saturating_sub(before)).max(1);
    let (cut_left, shown) = (if left > 0 { "…" } else { "" }, part(left, WIDE));
    let cut_right = if line.chars().count() > left + WIDE { "…" } else { "" };
    let space = cut_left.chars().count() + part(left, before - left).chars().count();
    let mark = part(before, length).chars().count().max(1);
    Some((format!("{cut_left}{shown}{cut_right}"), format!("{}{}", " ".repeat(space), "^".repeat(mark))))
}
