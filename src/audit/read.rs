//! Reading the log for people: the last entries, new ones as they come, all that fit. Does not compare hashes (`verify` does)
//! and never writes. Whoever shows a field must show it through `model::Printable`; a whole line is safe as it is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::chain::LONGEST;
use super::{AuditError, canonical, log_file};

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// On which node.
    pub node: String,
    /// Whether somebody should be woken.
    pub alert: bool,
    /// What happened, such as `login.failed`.
    pub kind: String,
    /// The fields of the entry, `kind` included.
    pub entry: Value,
    /// The line itself, without its newline.
    pub line: String,
}

/// Which entries to show.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// This kind, or all kinds that begin with it and a dot: `login` takes `login.failed`.
    pub kind: Option<String>,
    /// Only of this principal, as the one who acted or the one acted for.
    pub principal: Option<String>,
}

impl RecordFilter {
    /// Whether `record` is to be shown.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        let kind = |wanted: &String| record.kind.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let field = |name: &str| record.entry.get(name).and_then(Value::as_str);
        let who = |wanted: &String| field("principal") == Some(wanted) || field("by") == Some(wanted);
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && self.kind.as_ref().is_none_or(kind)
            && self.principal.as_ref().is_none_or(who)
    }
}

fn parse(path: &Path, line: &[u8]) -> Result<Record, AuditError> {
    let read = || {
        let line = str::from_utf8(line).ok()?.to_owned();
        let fields: Value = serde_json::from_str(&line).ok()?;
        // What is not as we write it might act on a terminal.
        (canonical(&fields) == line).then_some(())?;
        let entry = fields.get("entry")?.clone();
        Some(Record {
            seq: fields.get("seq")?.as_u64()?,
            time: fields.get("time")?.as_str()?.parse().ok()?,
            node: fields.get("node")?.as_str()?.to_owned(),
            alert: fields.get("alert").and_then(Value::as_bool).unwrap_or(false),
            kind: entry.get("kind")?.as_str()?.to_owned(),
            entry,
            line,
        })
    };
    read().ok_or_else(|| AuditError::Tampered { path: path.to_owned(), what: "a line is not an audit entry".into() })
}

/// A line as a record, if it is one.
#[must_use]
pub fn record(line: &[u8]) -> Option<Record> {
    parse(Path::new(""), line).ok()
}

/// All whole lines from some place of the file on; a torn last line is not among them.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Records {
    /// The whole log in `folder`, from the first line.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub fn open(folder: &Path) -> Result<Self, AuditError> {
        let path = log_file(folder);
        let file = File::open(&path).map_err(|error| AuditError::file(&path, "opened", &error))?;
        Ok(Self { path, reader: BufReader::with_capacity(1 << 18, file), line: Vec::new() })
    }

    /// How long the log is now, in bytes.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub fn size(&self) -> Result<u64, AuditError> {
        let found = self.reader.get_ref().metadata().map_err(|error| AuditError::file(&self.path, "read", &error))?;
        Ok(found.len())
    }

    fn read(&mut self) -> Result<Option<Record>, AuditError> {
        let room = (LONGEST as u64 + 1).saturating_sub(self.line.len() as u64);
        let read = (&mut self.reader).take(room).read_until(b'\n', &mut self.line);
        read.map_err(|error| AuditError::file(&self.path, "read", &error))?;
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            if self.line.len() as u64 > LONGEST as u64 {
                return Err(AuditError::Tampered { path: self.path.clone(), what: "a line is too long".into() });
            }
            return Ok(None);
        }
        let record = parse(&self.path, &self.line);
        self.line.clear();
        record.map(Some)
    }
}

impl Iterator for Records {
    type Item = Result<Record, AuditError>;

    /// The next whole line; none at the end, where it may be asked again after more was written.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The last `n` entries of the log in `folder`, oldest first, and the way to those that come after them.
///
/// # Errors
/// [`AuditError::File`], or [`AuditError::Tampered`] when a line cannot be read.
pub fn last(folder: &Path, n: usize) -> Result<(Vec<Record>, Follow), AuditError> {
    let mut records = Records::open(folder)?;
    let start = start_of_last(records.reader.get_mut(), n).map_err(|error| AuditError::file(&records.path, "read", &error))?;
    records.reader.seek(SeekFrom::Start(start)).map_err(|error| AuditError::file(&records.path, "read", &error))?;
    let shown = records.by_ref().collect::<Result<_, _>>()?;
    Ok((shown, Follow(records)))
}

/// Where the last `n` whole lines begin. Reads backwards, so that a long log costs no more than a short one.
pub(super) fn start_of_last(file: &mut File, n: usize) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            newlines += 1;
            if newlines > n {
                return Ok(start + at as u64 + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

/// Entries as they come. Asking costs one read; the caller chooses how often.
#[derive(Debug)]
pub struct Follow(Records);

impl Follow {
    /// What came since the last time, in order, at most some hundreds at once.
    ///
    /// # Errors
    /// As [`last`].
    pub fn more(&mut self) -> Result<Vec<Record>, AuditError> {
        self.0.by_ref().take(256).collect()
    }
}
