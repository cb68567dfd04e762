//! A recording as text to read, search or print: the lines as they stood on the screen, or the plain output of a session
//! without one. Holds no control but line feed and tab.

use std::io::Write;

use crate::cast::ExportError;
use crate::event::Event;
use crate::events::{ReadError, Timed};
use crate::frames::FrameError;
use crate::recording::Recording;
use crate::redact::Redaction;
use crate::render::{Renderer, Style};
use crate::sanitise::Cost;
use crate::screen::Lines;

/// Writes the text of `recording` to `out`. `progress` is told how many bytes of the channel file are behind.
///
/// # Errors
/// [`ExportError`]. A torn end, as a running recording may have, is none.
pub fn transcript(recording: &Recording, out: &mut impl Write, progress: &mut dyn FnMut(u64)) -> Result<(), ExportError> {
    write_text(recording, out, progress)
}

/// The same as a copy without what `redaction` names.
///
/// # Errors
/// As [`transcript`].
pub fn transcript_redacted(
    recording: &Recording,
    redaction: &mut Redaction,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    let mut masked = Masked { redaction, out, line: Vec::new() };
    write_text(recording, &mut masked, progress)?;
    masked.end()
}

/// Masks whole lines on their way.
struct Masked<'a, W> {
    redaction: &'a mut Redaction,
    out: &'a mut W,
    line: Vec<u8>,
}

impl<W: Write> Masked<'_, W> {
    fn put(&mut self) -> std::io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.out.write_all(self.redaction.masked(&String::from_utf8_lossy(&line)).as_bytes())
    }

    fn end(mut self) -> Result<(), ExportError> {
        self.put()?;
        Ok(self.out.flush()?)
    }
}

impl<W: Write> Write for Masked<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.put()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn write_text(recording: &Recording, out: &mut impl Write, progress: &mut dyn FnMut(u64)) -> Result<(), ExportError> {
    let terminal = recording.head().terminal.as_ref();
    let mut lines = terminal.and_then(|terminal| Lines::new((terminal.cols, terminal.rows)));
    let style = if lines.is_some() { Style::Drawn } else { Style::Plain };
    let mut renderer = Renderer::new(style, lines.is_some());
    let mut text = String::new();
    let mut events = recording.events()?;
    loop {
        match events.next_event() {
            Ok(Some(Timed { event, .. })) => {
                text.clear();
                renderer.push(&event, &mut text);
                show(lines.as_mut(), &event, (&text, renderer.take_cost()), out)?;
            }
            Ok(None) | Err(ReadError::Frame(FrameError::Torn { .. })) => break,
            Err(error) => return Err(error.into()),
        }
        progress(events.offset());
    }
    text.clear();
    renderer.finish(&mut text);
    match lines {
        Some(mut lines) => {
            put_lines(out, lines.feed(&text, renderer.take_cost()))?;
            put_lines(out, lines.finish())?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    Ok(out.flush()?)
}

fn show(lines: Option<&mut Lines>, event: &Event<'_>, (text, cost): (&str, Cost), out: &mut impl Write) -> Result<(), ExportError> {
    match (lines, event) {
        (Some(lines), Event::Resize { cols, rows }) => put_lines(out, lines.resize(*cols, *rows)),
        (Some(lines), _) => put_lines(out, lines.feed(text, cost)),
        (None, _) => Ok(out.write_all(text.as_bytes())?),
    }
}

fn put_lines(out: &mut impl Write, lines: Vec<String>) -> Result<(), ExportError> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tape, command, now, shell};

    fn text(tape: &Tape) -> String {
        let mut out = Vec::new();
        transcript(&tape.recording(), &mut out, &mut |_| ()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_shell_reads_as_its_lines_stood_on_the_screen() {
        let mut tape = shell();
        let typed = b"$ rm -rf /\x08\x08\x08\x1b[Kls\r\n\x1b[32mfile\x1b[0m\r\n$ \x1b]0;title\x07";
        tape.writer.append(now(1), &[Event::output(&typed[..])]).unwrap();
        assert_eq!(text(&tape), "$ rm -rls\nfile\n$\n");
    }

    #[test]
    fn lines_that_scrolled_away_are_kept() {
        let mut tape = shell();
        for number in 0..100 {
            let line = format!("line {number}\r\n");
            tape.writer.append(now(number), &[Event::output(line.as_bytes())]).unwrap();
        }
        assert_eq!(text(&tape).lines().count(), 100);
        assert!(text(&tape).starts_with("line 0\nline 1\n"));
    }

    #[test]
    fn a_command_reads_as_its_plain_output_with_what_went_wrong() {
        let mut tape = command();
        let events = [Event::output(&b"a\x1b[31mb\n"[..]), Event::stderr(&b"oops\n"[..]), Event::output(&b"c\xff\x1b]52;c;x\x07\n"[..])];
        tape.writer.append(now(1), &events).unwrap();
        assert_eq!(text(&tape), "ab\noops\nc\u{fffd}\n");
    }

    #[test]
    fn what_is_made_to_be_dear_is_left_out_and_said_so() {
        let mut tape = shell();
        let bomb = "\x1b[2J".repeat(60_000);
        let events = [Event::Resize { cols: 1000, rows: 500 }, Event::output(bomb.as_bytes()), Event::output(&b"after"[..])];
        tape.writer.append(now(1), &events).unwrap();
        assert_eq!(text(&tape), "[output made to be too dear to draw is left out here]\nafter\n");
    }
}
