//! Exports a recording as asciicast, version 2 or 3: what players read. Every line whole, time never backwards, nothing
//! that a terminal could obey unless the untouched evidence is asked for.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::event::{Event, Exit};
use crate::events::{ReadError, Timed};
use crate::frames::FrameError;
use crate::head::Head;
use crate::recording::{OpenError, Recording};
use crate::redact::{Item, Redaction, Stream};
use crate::render::{Renderer, Style, label_of, one_line};
use crate::screen::DEFAULT_SIZE;

/// Which asciicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CastVersion {
    /// What every player reads.
    #[default]
    V2,
    /// What newer players read: intervals, exit status.
    V3,
}

/// Why an export failed. What was written until then ends with a whole line.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The recording cannot be read on.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The recording cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A redacted copy would still show what a rule names.
    #[error("at {at_s} s the screen still shows something of the rule \"{rule}\", drawn in parts: this copy must not be used")]
    StillShown {
        /// Which rule.
        rule: String,
        /// When, in seconds since the session began.
        at_s: u64,
    },
}

/// Writes `recording` as asciicast to `out`. `exact` leaves everything in that a terminal could obey, and gives the bytes
/// that are no UTF-8 in an event `B` (base64) before the line they belong to. `progress` is told how many bytes of the
/// channel file are behind.
///
/// # Errors
/// [`ExportError`]. A torn end, as a running recording may have, is none.
pub fn export_cast(
    recording: &Recording,
    version: CastVersion,
    exact: bool,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    export(recording, version, exact, None, out, progress)
}

/// The same as a copy without what `redaction` names.
///
/// # Errors
/// [`ExportError`]; with [`ExportError::StillShown`] all was written, and must not be used.
pub fn export_cast_redacted(
    recording: &Recording,
    version: CastVersion,
    redaction: &mut Redaction,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    export(recording, version, false, Some(redaction), out, progress)
}

pub(crate) fn export(
    recording: &Recording,
    version: CastVersion,
    exact: bool,
    redaction: Option<&mut Redaction>,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    let head = recording.head();
    let style = if exact { Style::Exact } else { Style::Drawn };
    let renderer = Renderer::new(style, head.terminal.is_some());
    let size = head.terminal.as_ref().map_or(DEFAULT_SIZE, |terminal| (terminal.cols, terminal.rows));
    let stream = redaction.map(|redaction| Stream::new(redaction, size));
    let mut cast = Cast { version, exact, renderer, out, last_us: 0, put_us: 0, text: String::new(), stream };
    let mut header = header(head, version);
    if let (Some(stream), Some(title)) = (&mut cast.stream, header.get_mut("title")) {
        *title = stream.masked(title.as_str().unwrap_or_default()).into();
    }
    cast.line(&header)?;
    let mut events = recording.all_events()?;
    loop {
        match events.next_event() {
            Ok(Some(Timed { at_us, event })) => cast.event(at_us, &event)?,
            Ok(None) | Err(ReadError::Frame(FrameError::Torn { .. })) => break,
            Err(error) => return Err(error.into()),
        }
        progress(events.offset());
    }
    cast.finish()
}

/// The first line. Numbers are whole: players refuse a fraction in the timestamp.
fn header(head: &Head, version: CastVersion) -> Value {
    let (cols, rows) = head.terminal.as_ref().map_or(DEFAULT_SIZE, |terminal| (terminal.cols, terminal.rows));
    let term = head.terminal.as_ref().map(|terminal| one_line(&terminal.term, 64));
    let timestamp = head.started_us.div_euclid(1_000_000);
    let place = match &head.login {
        Some(login) => format!("{login}@{}", head.target),
        None => head.target.clone(),
    };
    let title = one_line(&format!("{} on {place} ({})", head.principal, head.session), 200);
    match version {
        CastVersion::V2 => json!({
            "version": 2, "width": cols, "height": rows, "timestamp": timestamp, "title": title,
            "env": term.map_or_else(|| json!({}), |term| json!({ "TERM": term })),
        }),
        CastVersion::V3 => {
            let term =
                term.map_or_else(|| json!({ "cols": cols, "rows": rows }), |term| json!({ "cols": cols, "rows": rows, "type": term }));
            json!({ "version": 3, "term": term, "timestamp": timestamp, "title": title })
        }
    }
}

struct Cast<'a, W> {
    version: CastVersion,
    exact: bool,
    renderer: Renderer,
    out: &'a mut W,
    /// Time of the last event that came.
    last_us: u64,
    /// Time of the last event that was written.
    put_us: u64,
    text: String,
    /// Where something is to be taken out.
    stream: Option<Stream<'a>>,
}

impl<W: Write> Cast<'_, W> {
    fn event(&mut self, at_us: u64, event: &Event<'_>) -> Result<(), ExportError> {
        let at_us = at_us.max(self.last_us);
        self.last_us = at_us;
        self.text.clear();
        let lossy = self.renderer.push(event, &mut self.text);
        if lossy && self.exact {
            self.put(at_us, "B", &STANDARD.encode(event.data()))?;
        }
        self.put_text(at_us)?;
        match event {
            Event::Output(_) | Event::Stderr(_) | Event::Other { .. } => Ok(()),
            Event::Input(bytes) => self.put(at_us, "i", &String::from_utf8_lossy(bytes)),
            Event::Resize { cols, rows } => self.put(at_us, "r", &format!("{}x{}", cols.max(&1), rows.max(&1))),
            Event::Marker(text) => self.put(at_us, "m", &one_line(text, 200)),
            Event::Operation(json) => {
                if let Some(label) = label_of(json) {
                    self.put(at_us, "m", &label)?;
                }
                self.put(at_us, "P", json)
            }
            Event::Environment { .. } => self.put(at_us, "V", &String::from_utf8_lossy(&event.data())),
            Event::Note(text) if self.exact => self.put(at_us, "N", text),
            Event::Note(text) => self.put(at_us, "N", &one_line(text, usize::MAX)),
            Event::Exit(exit) => self.put_exit(at_us, exit, &event.data()),
        }
    }

    /// Version 3 has an exit event of its own, which knows a status only; ours says the rest.
    fn put_exit(&mut self, at_us: u64, exit: &Exit, json: &[u8]) -> Result<(), ExportError> {
        self.put(at_us, "X", &String::from_utf8_lossy(json))?;
        match (self.version, exit.status) {
            (CastVersion::V3, Some(status)) => self.put(at_us, "x", &status.to_string()),
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        self.text.clear();
        self.renderer.finish(&mut self.text);
        self.put_text(self.last_us)?;
        if let Some(stream) = self.stream.take() {
            let shown = |(rule, at_us): (String, u64)| ExportError::StillShown { rule, at_s: at_us / 1_000_000 };
            for item in stream.finish().map_err(shown)? {
                self.write(item.at_us, item.code, &item.data)?;
            }
        }
        self.out.flush()?;
        Ok(())
    }

    fn put_text(&mut self, at_us: u64) -> Result<(), ExportError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let done = self.put(at_us, "o", &text);
        self.text = text;
        done
    }

    fn put(&mut self, at_us: u64, code: &'static str, data: &str) -> Result<(), ExportError> {
        let Some(stream) = &mut self.stream else { return self.write(at_us, code, data) };
        for item in stream.push(Item { at_us, code, data: data.to_owned() }) {
            self.write(item.at_us, item.code, &item.data)?;
        }
        Ok(())
    }

    /// One event line: three elements, the last a string.
    fn write(&mut self, at_us: u64, code: &str, data: &str) -> Result<(), ExportError> {
        let time = match self.version {
            CastVersion::V2 => at_us,
            CastVersion::V3 => at_us - self.put_us,
        };
        self.put_us = at_us;
        let line = format!("[{}.{:06}, \"{code}\", {}]", time / 1_000_000, time % 1_000_000, quoted(data)?);
        self.whole_line(line)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), ExportError> {
        self.whole_line(serde_json::to_string(value).map_err(io::Error::other)?)
    }

    fn whole_line(&mut self, mut line: String) -> Result<(), ExportError> {
        line.push('\n');
        Ok(self.out.write_all(line.as_bytes())?)
    }
}

fn quoted(text: &str) -> io::Result<String> {
    serde_json::to_string(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
