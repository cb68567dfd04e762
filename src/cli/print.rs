//! Standard output for lists: aligned tables, one JSON value, lines. Text from outside is escaped here. Colour only on a
//! terminal and only without `NO_COLOR` (no-color.org). A reader that goes away (`| head`) is no error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::Exit;
use crate::audit::canonical;
use crate::model::Printable;

/// Where a command's answer goes.
pub(super) struct Page {
    out: io::BufWriter<io::Stdout>,
    colour: bool,
    /// Whether the reader has gone: nothing more need be written.
    pub(super) gone: bool,
}

impl Page {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: io::BufWriter::new(io::stdout()), colour, gone: false }
    }

    /// One line. `text` is ours, or escaped.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Exit> {
        let written = writeln!(self.out, "{text}");
        self.judge(written)
    }

    /// `value` as one line of JSON in which nothing can act on a terminal.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Exit> {
        let value = serde_json::to_value(value).map_err(|error| Exit::incomplete(error.to_string()))?;
        self.line(&canonical(&value))
    }

    /// `text`, bright where there is colour.
    pub(super) fn strong(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text`, red where there is colour.
    pub(super) fn alarming(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1;31m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text`, green where there is colour.
    pub(super) fn pleasing(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[32m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text`, yellow where there is colour.
    pub(super) fn warning(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1;33m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Rows below `heads`, each column as wide as its widest cell. Cells are escaped.
    pub(super) fn table<const N: usize>(&mut self, heads: [&str; N], rows: &[[String; N]]) -> Result<(), Exit> {
        self.table_of_hits(heads, rows, "")
    }

    /// The same, and in the last column `wanted`, in whatever case, is bright where there is colour.
    pub(super) fn table_of_hits<const N: usize>(&mut self, heads: [&str; N], rows: &[[String; N]], wanted: &str) -> Result<(), Exit> {
        let wanted = Printable(wanted).to_string();
        let shown: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| Printable(cell).to_string())).collect();
        let mut widths = heads.map(|head| head.chars().count());
        for row in &shown {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let head = self.strong(&aligned(&heads.map(str::to_owned), &widths));
        self.line(&head)?;
        shown.iter().try_for_each(|row| {
            let line = aligned(row, &widths);
            let last = row.last().map(|cell| cell.trim_end()).unwrap_or_default();
            match line.strip_suffix(last) {
                Some(before) if self.colour => self.line(&format!("{before}{}", self.hit(last, &wanted))),
                _ => self.line(&line),
            }
        })
    }

    /// `text` with the first `wanted` in it bright.
    fn hit(&self, text: &str, wanted: &str) -> String {
        let lower = |text: &str| text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect::<Vec<char>>();
        let (all, wanted) = (text.chars().collect::<Vec<char>>(), lower(wanted));
        let found = if wanted.is_empty() { None } else { lower(text).windows(wanted.len()).position(|part| part == wanted) };
        let Some(at) = found else { return text.to_owned() };
        let part = |from, to| all.get(from..to).unwrap_or_default().iter().collect::<String>();
        let end = at + wanted.len();
        format!("{}{}{}", part(0, at), self.strong(&part(at, end)), part(end, all.len()))
    }

    /// Hands over what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), Exit> {
        let flushed = self.out.flush();
        self.judge(flushed)
    }

    fn judge(&mut self, written: io::Result<()>) -> Result<(), Exit> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.gone = true,
            Err(error) => return Err(Exit::incomplete(format!("standard output cannot be written: {error}"))),
            Ok(()) => {}
        }
        Ok(())
    }
}

fn aligned<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

/// The first `most` characters of `text`, with `…` for what is left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A remark beside the answer, on standard error. `text` is ours, or escaped.
pub(super) fn note(text: &str) {
    // Who does not listen misses a remark and nothing else.
    let _gone = writeln!(io::stderr(), "bartizan: {text}");
}

/// Prints `text`, which is ours or escaped.
pub(super) fn out(text: &str) -> Result<(), Exit> {
    let mut page = Page::stdout();
    text.lines().try_for_each(|line| page.line(line))?;
    page.flush()
}

/// Prints one JSON value.
pub(super) fn json(value: &impl Serialize) -> Result<(), Exit> {
    let mut page = Page::stdout();
    page.json(value)?;
    page.flush()
}
