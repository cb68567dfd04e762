//! Reads a command line with the grammar of the shell: finds every command in it, says what is not known before it runs, and
//! writes the line again from what it understood, so that bastion and target cannot read it differently. It runs nothing.
//!
//! `walk` tells the story: the parser's tree is walked in the order a shell would run it, with account kept of the variables.
//! `words` expands words, `simple` and `compound` follow commands, `programs` knows which programs run others, `piece` and
//! `quote` write the script. Nothing is sent that was not written here: where the parser and a shell would differ, the shell gets
//! what the parser saw.

mod ansi;
mod arithmetic;
mod atoms;
mod bounds;
mod compound;
mod field;
mod names;
mod piece;
mod programs;
mod quote;
mod redirects;
mod simple;
mod variables;
mod walk;
mod why;
mod words;

pub use variables::Variables;

use crate::command::Command;
use crate::line::Completeness;
use piece::Piece;
use shuck_parser::parser::{ParseDiagnostic, ParseStatus};
use walk::State;
use why::Why;

/// Longer lines are not looked into, in bytes.
const MOST: usize = 1 << 16;

/// What was found out about a line.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) operations: Vec<Command>,
    pub(crate) canonical: Option<String>,
    pub(crate) script: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) after: Variables,
}

/// Reads a line that is run in a shell where `before` is known.
pub(crate) fn read(line: &[u8], before: &Variables) -> Reading {
    let mut state = State::new(before.clone());
    let piece = match text(line) {
        Ok(text) => walk::script(text, &mut state),
        Err(why) => {
            state.dynamic(why);
            Piece::nothing()
        }
    };
    let canonical = if piece.plain { piece.text.clone() } else { format!("/bin/sh -c {}", quote::quoted(&piece.as_argument())) };
    if canonical.len() > MOST {
        state.dynamic(Why::new("the line is too long to be looked into"));
    }
    let Some(why) = state.why.take() else {
        return Reading {
            operations: state.found,
            canonical: Some(canonical),
            script: Some(piece.text),
            why: None,
            after: state.variables,
        };
    };
    let whole = Command::dynamic(String::from_utf8_lossy(line).into_owned(), state.seen);
    Reading {
        operations: [whole].into_iter().chain(state.found).collect(),
        canonical: None,
        script: None,
        why: Some(why.into_string()),
        after: before.clone(),
    }
}

/// The line as text that a shell and a terminal can be given.
fn text(line: &[u8]) -> Result<&str, Why> {
    if line.len() > MOST {
        return Err(Why::new("the line is too long to be looked into"));
    }
    let text = std::str::from_utf8(line).map_err(|_| Why::new("the line is not UTF-8"))?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        return Err(Why::new("the line holds a control character"));
    }
    Ok(text)
}

/// Whether more lines are needed.
pub(crate) fn completeness(line: &[u8]) -> Completeness {
    let Ok(text) = text(line) else { return Completeness::Wrong };
    let Some(parsed) = walk::parse(text) else { return Completeness::Wrong };
    if parsed.is_ok() {
        // Another command after it must be one of its own, or it is taken into a here-document or a continued line.
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        let more = walk::parse(&format!("{text}{newline}:\n"));
        let whole = more.is_some_and(|more| more.is_ok() && more.file.body.len() > parsed.file.body.len());
        return if whole { Completeness::Complete } else { Completeness::Incomplete };
    }
    let open = |wrong: &ParseDiagnostic| {
        let rest = text.get(wrong.span.end.offset()..).unwrap_or_default().trim_start();
        let at_end = rest.is_empty() || rest.starts_with('#') && !rest.contains('\n');
        wrong.message.contains("unterminated") || at_end && parsed.status == ParseStatus::Recovered
    };
    if parsed.diagnostics.iter().any(open) { Completeness::Incomplete } else { Completeness::Wrong }
}

#[cfg(test)]
mod tests;
