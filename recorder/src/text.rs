//! What can be searched in a recording, as rows of text with time and place: operations by their kind, and what stood on
//! the screen. Read from the recording, never written to it: a row can always be made again from the evidence.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;

use crate::event::Event;
use crate::events::{ReadError, Timed};
use crate::frames::FrameError;
use crate::recording::{OpenError, Recording};
use crate::render::{Renderer, Style};
use crate::screen::Lines;

/// What a row is the text of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TextKind {
    /// A command line (`ssh.…` operations, and the command a session was asked for).
    Command,
    /// An SQL statement (`pg.…` operations).
    Sql,
    /// A file's name (`sftp.…` and `scp.…` operations).
    File,
    /// A request (`http.…` and `kubernetes.…` operations).
    Request,
    /// Any other operation.
    Operation,
    /// Output: lines as they stood on the screen.
    Screen,
    /// A remark by the bastion.
    Note,
    /// A marker.
    Marker,
    /// What was typed, where policy had it recorded. For those only who may see input.
    Input,
}

impl TextKind {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Command, Self::Sql, Self::File, Self::Request, Self::Operation, Self::Screen, Self::Note, Self::Marker, Self::Input];

    /// Its name, as a command line takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Sql => "sql",
            Self::File => "file",
            Self::Request => "request",
            Self::Operation => "operation",
            Self::Screen => "screen",
            Self::Note => "note",
            Self::Marker => "marker",
            Self::Input => "input",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    fn of_action(action: &str) -> Self {
        match action.split('.').next() {
            Some("ssh" | "connect") => Self::Command,
            Some("pg" | "postgres" | "sql") => Self::Sql,
            Some("sftp" | "scp" | "rsync" | "file") => Self::File,
            Some("http" | "kubernetes") => Self::Request,
            _ => Self::Operation,
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// When it was first seen, in microseconds since the session began.
    pub at_us: u64,
    /// Where the frame begins that it was seen with.
    pub offset: u64,
    /// What it is the text of.
    pub kind: TextKind,
    /// The verdict, of an operation that has one.
    pub verdict: Option<String>,
    /// The text, at most about 4 KiB. May hold line feeds and whatever was recorded: print it with care.
    pub text: String,
}

/// How much is read for one recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of text, rows of all kinds together; operations beyond it are left out too.
    pub text: usize,
    /// Bytes of output drawn to see what stood on the screen.
    pub output: u64,
}

impl Default for TextLimits {
    /// 4 MiB of text, 256 MiB of output.
    fn default() -> Self {
        Self { text: 4 << 20, output: 256 << 20 }
    }
}

/// A row is closed when it holds this much.
const ROW: usize = 2048;
/// After this pause a screen has settled and is read.
const SETTLED_US: u64 = 500_000;
/// A screen that never settles is read so often.
const RESTLESS_US: u64 = 2_000_000;
/// Lines seen last that are not noted again.
const REMEMBERED: usize = 512;

/// Reads the rows of `recording` and gives them to `sink` in order of time. A line is noted when it first appears, and not
/// again while it is among the last 512 different ones. Returns true when `limits` left something out. `progress` is told
/// how many bytes of the channel file are behind.
///
/// # Errors
/// [`OpenError`] when it cannot be read, and while it is locked. A torn end is none.
pub fn text_rows(
    recording: &Recording,
    limits: TextLimits,
    sink: &mut dyn FnMut(TextRow),
    progress: &mut dyn FnMut(u64),
) -> Result<bool, OpenError> {
    let mut reader = Reader::new(recording, limits, sink);
    let mut events = recording.all_events()?;
    loop {
        match events.peek_us() {
            Ok(Some(_)) => {}
            Ok(None) | Err(ReadError::Frame(FrameError::Torn { .. })) => break,
            Err(error) => return Err(error.into()),
        }
        let offset = events.frame_offset();
        if let Some(Timed { at_us, event }) = events.next_event()? {
            reader.event((at_us, offset), &event);
        }
        progress(events.offset());
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    limits: TextLimits,
    sink: &'a mut dyn FnMut(TextRow),
    renderer: Renderer,
    /// `None` without a terminal.
    lines: Option<Lines>,
    /// Time of the last event, and where its frame begins.
    at: (u64, u64),
    /// Lines noted and not yet given on, and when the first of them was seen.
    page: String,
    page_at: (u64, u64),
    /// Output that is no whole line yet, without a terminal.
    partial: String,
    typed: String,
    seen: Seen,
    screen_changed: bool,
    read_us: u64,
    text: String,
    cut: bool,
}

#[derive(Deserialize, Default)]
struct Operation {
    #[serde(default)]
    action: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    verdict: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(recording: &Recording, limits: TextLimits, sink: &'a mut dyn FnMut(TextRow)) -> Self {
        let terminal = recording.head().terminal.as_ref();
        let lines = terminal.and_then(|terminal| Lines::new((terminal.cols, terminal.rows)));
        let style = if lines.is_some() { Style::Drawn } else { Style::Plain };
        let renderer = Renderer::new(style, lines.is_some()).without_operations();
        Self {
            limits,
            sink,
            renderer,
            lines,
            at: (0, 0),
            page: String::new(),
            page_at: (0, 0),
            partial: String::new(),
            typed: String::new(),
            seen: Seen::default(),
            screen_changed: false,
            read_us: 0,
            text: String::new(),
            cut: false,
        }
    }

    fn event(&mut self, at: (u64, u64), event: &Event<'_>) {
        let at_us = at.0;
        if self.screen_changed && (at_us.saturating_sub(self.at.0) >= SETTLED_US || at_us.saturating_sub(self.read_us) >= RESTLESS_US) {
            self.read_screen(false);
        }
        self.at = at;
        self.text.clear();
        self.renderer.push(event, &mut self.text);
        match event {
            Event::Output(bytes) | Event::Stderr(bytes) => self.output(bytes.len() as u64),
            Event::Resize { cols, rows } => {
                let gone = self.lines.as_mut().map(|lines| lines.resize(*cols, *rows)).unwrap_or_default();
                self.note_all(gone);
            }
            Event::Operation(json) => {
                let Operation { action, text, verdict } = serde_json::from_str(json).unwrap_or_default();
                self.put_apart(TextKind::of_action(&action), verdict, &text);
            }
            Event::Marker(text) => self.put_apart(TextKind::Marker, None, text),
            Event::Note(text) => self.put_apart(TextKind::Note, None, text),
            Event::Input(bytes) => self.input(bytes),
            Event::Environment { .. } | Event::Exit(_) | Event::Other { .. } => {}
        }
    }

    fn output(&mut self, len: u64) {
        let Some(left) = self.limits.output.checked_sub(len) else {
            self.cut = true;
            return;
        };
        self.limits.output = left;
        let text = std::mem::take(&mut self.text);
        match &mut self.lines {
            Some(lines) => {
                let gone = lines.feed(&text, self.renderer.take_cost());
                self.screen_changed = true;
                self.note_all(gone);
            }
            None => {
                self.partial.push_str(&text);
                self.whole_lines();
            }
        }
        self.text = text;
    }

    fn whole_lines(&mut self) {
        while let Some(end) = self.partial.find('\n').or_else(|| (self.partial.len() > ROW).then(|| floor(&self.partial, ROW))) {
            let rest = self.partial.split_off(end);
            let line = std::mem::replace(&mut self.partial, rest.strip_prefix('\n').map(str::to_owned).unwrap_or(rest));
            self.note(&line);
        }
    }

    /// What was typed reads as lines; the keys that are not text say nothing here.
    fn input(&mut self, bytes: &[u8]) {
        for next in String::from_utf8_lossy(bytes).chars() {
            if next == '\r' || next == '\n' || self.typed.len() >= ROW {
                let line = std::mem::take(&mut self.typed);
                self.put_apart(TextKind::Input, None, &line);
            } else if !next.is_control() {
                self.typed.push(next);
            }
        }
    }

    fn read_screen(&mut self, with_last: bool) {
        let lines = self.lines.as_ref().map(|lines| lines.visible(with_last)).unwrap_or_default();
        self.note_all(lines);
        self.put_page();
        self.screen_changed = false;
        self.read_us = self.at.0;
    }

    fn note_all(&mut self, lines: Vec<String>) {
        for line in lines {
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || !self.seen.is_new(line) {
            return;
        }
        if self.page.is_empty() {
            self.page_at = self.at;
        }
        for part in parts(line) {
            self.page.push_str(part);
            self.page.push('\n');
            if self.page.len() >= ROW {
                self.put_page();
                self.page_at = self.at;
            }
        }
    }

    fn put_page(&mut self) {
        let text = std::mem::take(&mut self.page);
        let at = self.page_at;
        self.put(at, TextKind::Screen, None, text);
    }

    /// A row of its own, behind what was seen before it.
    fn put_apart(&mut self, kind: TextKind, verdict: Option<String>, text: &str) {
        self.put_page();
        let text = text.get(..floor(text, 2 * ROW)).unwrap_or_default().to_owned();
        self.put(self.at, kind, verdict, text);
    }

    fn put(&mut self, (at_us, offset): (u64, u64), kind: TextKind, verdict: Option<String>, text: String) {
        if text.trim().is_empty() {
            return;
        }
        match self.limits.text.checked_sub(text.len()) {
            Some(left) => {
                self.limits.text = left;
                (self.sink)(TextRow { at_us, offset, kind, verdict, text });
            }
            None => self.cut = true,
        }
    }

    fn finish(mut self) -> bool {
        let partial = std::mem::take(&mut self.partial);
        self.note(&partial);
        self.read_screen(true);
        let typed = std::mem::take(&mut self.typed);
        self.put(self.at, TextKind::Input, None, typed);
        self.cut
    }
}

/// The largest place up to `limit` where `text` may be cut.
fn floor(text: &str, limit: usize) -> usize {
    text.floor_char_boundary(limit)
}

/// `line` in parts of at most [`ROW`] bytes.
fn parts(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (part, later) = rest.split_at(floor(rest, ROW));
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

/// The lines noted last, by their hashes.
#[derive(Default)]
struct Seen {
    hashes: HashSet<u64>,
    order: VecDeque<u64>,
    state: RandomState,
}

impl Seen {
    fn is_new(&mut self, line: &str) -> bool {
        let hash = self.state.hash_one(line);
        if !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
