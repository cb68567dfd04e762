//! Turns events into the text a terminal would show: characters joined, hostile sequences gone, standard error merged,
//! sessions without a terminal in readable lines. Never holds more than one sequence back.

use serde::Deserialize;

use crate::event::Event;
use crate::sanitise::{Cost, Sanitiser};
use crate::utf8::Joiner;

/// How to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For a terminal or player: drawing sequences pass.
    Drawn,
    /// For a text file: no sequence passes.
    Plain,
    /// Untouched, but for U+FFFD.
    Exact,
}

/// The state between two events.
#[derive(Debug, Clone)]
pub(crate) struct Renderer {
    output: Joiner,
    stderr: Joiner,
    /// `None` when nothing is to be kept out.
    sanitiser: Option<Sanitiser>,
    /// Without a terminal, nothing has turned line feeds into new lines.
    bare_lines: bool,
    /// With a terminal, what an operation did is on the screen already.
    reads_operations: bool,
    last_was_return: bool,
    joined: String,
}

/// How an operation reads.
#[derive(Deserialize, Default)]
struct Readable {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    result: Option<String>,
}

impl Renderer {
    pub(crate) fn new(style: Style, has_terminal: bool) -> Self {
        let sanitiser = match style {
            Style::Drawn => Some(Sanitiser::new()),
            Style::Plain => Some(Sanitiser::plain()),
            Style::Exact => None,
        };
        let bare_lines = !has_terminal && style != Style::Plain;
        let (output, stderr) = (Joiner::default(), Joiner::default());
        Self { output, stderr, sanitiser, bare_lines, reads_operations: !has_terminal, last_was_return: false, joined: String::new() }
    }

    /// Operations show nothing: whoever reads them reads them apart.
    pub(crate) fn without_operations(self) -> Self {
        Self { reads_operations: false, ..self }
    }

    /// Appends to `out` what `event` shows. Returns true when bytes of it were no UTF-8.
    pub(crate) fn push(&mut self, event: &Event<'_>, out: &mut String) -> bool {
        self.joined.clear();
        let lossy = match event {
            Event::Output(bytes) => self.output.push(bytes, &mut self.joined),
            Event::Stderr(bytes) => self.stderr.push(bytes, &mut self.joined),
            Event::Operation(json) if self.reads_operations => {
                self.joined = lines_of(json);
                false
            }
            _ => false,
        };
        self.pass(out);
        lossy
    }

    /// Appends what was held back: the stream is over.
    pub(crate) fn finish(&mut self, out: &mut String) {
        self.joined.clear();
        self.output.finish(&mut self.joined);
        self.stderr.finish(&mut self.joined);
        self.pass(out);
    }

    pub(crate) fn take_cost(&mut self) -> Cost {
        self.sanitiser.as_mut().map(Sanitiser::take_cost).unwrap_or_default()
    }

    /// Bytes of output that bring a new renderer into this state.
    pub(crate) fn resume(&self) -> Vec<u8> {
        let sequence = self.sanitiser.as_ref().map(Sanitiser::resume).unwrap_or_default();
        [sequence.as_bytes(), self.output.pending()].concat()
    }

    fn pass(&mut self, out: &mut String) {
        let from = out.len();
        match &mut self.sanitiser {
            Some(sanitiser) => sanitiser.push(&self.joined, out),
            None => out.push_str(&self.joined),
        }
        if self.bare_lines {
            self.end_lines(from, out);
        }
    }

    /// Puts a return before each line feed behind `from` that has none.
    fn end_lines(&mut self, from: usize, out: &mut String) {
        let text = out.split_off(from);
        for next in text.split_inclusive('\n') {
            let line = next.strip_suffix('\n').unwrap_or(next);
            out.push_str(line);
            let returned = if line.is_empty() { self.last_was_return } else { line.ends_with('\r') };
            if next.ends_with('\n') {
                out.push_str(if returned { "\n" } else { "\r\n" });
            }
            self.last_was_return = returned && !next.ends_with('\n');
        }
    }
}

/// An operation as lines: its text, then its result.
fn lines_of(json: &str) -> String {
    let readable: Readable = serde_json::from_str(json).unwrap_or_default();
    let parts = [readable.text, readable.result];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).map(|part| format!("{part}\n")).collect()
}

/// What an operation is called in a list of places to jump to.
pub(crate) fn label_of(json: &str) -> Option<String> {
    let readable: Readable = serde_json::from_str(json).ok()?;
    readable.text.filter(|text| !text.is_empty()).map(|text| one_line(&text, 80))
}

/// At most `limit` characters of `text` without any control: safe wherever one line is shown.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let clean = |next: char| if next.is_control() { ' ' } else { next };
    let mut line: String = text.chars().take(limit).map(clean).collect();
    if text.chars().nth(limit).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(renderer: &mut Renderer, events: &[Event<'_>]) -> String {
        let mut out = String::new();
        for event in events {
            renderer.push(event, &mut out);
        }
        renderer.finish(&mut out);
        out
    }

    #[test]
    fn line_feeds_of_a_session_without_a_terminal_become_new_lines() {
        let mut renderer = Renderer::new(Style::Drawn, false);
        let events = [Event::output(&b"a\nb\r"[..]), Event::output(&b"\nc\n\nd"[..])];
        assert_eq!(rendered(&mut renderer, &events), "a\r\nb\r\nc\r\n\r\nd");
    }

    #[test]
    fn line_feeds_of_a_terminal_are_left_alone() {
        let mut renderer = Renderer::new(Style::Drawn, true);
        assert_eq!(rendered(&mut renderer, &[Event::output(&b"a\nb\r\n"[..])]), "a\nb\r\n");
    }

    #[test]
    fn a_character_split_between_reads_is_joined_though_stderr_came_between() {
        let mut renderer = Renderer::new(Style::Drawn, false);
        let events = [Event::output(&b"\xe2\x82"[..]), Event::stderr(&b"!"[..]), Event::output(&b"\xac"[..])];
        assert_eq!(rendered(&mut renderer, &events), "!\u{20ac}");
    }

    #[test]
    fn operations_read_as_lines_only_without_a_terminal() {
        let event = [Event::operation(r#"{"text":"orders=> UPDATE x","result":"UPDATE 3","rows":3}"#)];
        assert_eq!(rendered(&mut Renderer::new(Style::Drawn, false), &event), "orders=> UPDATE x\r\nUPDATE 3\r\n");
        assert_eq!(rendered(&mut Renderer::new(Style::Plain, false), &event), "orders=> UPDATE x\nUPDATE 3\n");
        assert_eq!(rendered(&mut Renderer::new(Style::Drawn, true), &event), "");
    }

    #[test]
    fn an_operation_cannot_smuggle_a_sequence() {
        let event = [Event::operation(r#"{"text":"a\u001b]52;c;eA==\u0007b"}"#)];
        assert_eq!(rendered(&mut Renderer::new(Style::Drawn, false), &event), "ab\r\n");
        assert_eq!(label_of(r#"{"text":"a\u001b]0;x\nb"}"#).unwrap(), "a ]0;x b");
    }

    #[test]
    fn a_character_that_never_came_whole_is_shown_as_lost() {
        assert_eq!(rendered(&mut Renderer::new(Style::Exact, true), &[Event::output(&b"x\xe2\x82"[..])]), "x\u{fffd}");
    }
}
