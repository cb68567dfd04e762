//! Is the log what its checkpoint, its witnesses and the audit log say? One line per check. Needs public keys only; changes
//! nothing; keeps in memory what the log says of sessions and no more.

use std::path::Path;

use bartizan_recorder::tlog::{
    BadLog, Checkpoint, Hash, Leaf, LogError, LogFiles, LoggedSessions, NoteKey, verify_cosignature, verify_note,
};
use bartizan_recorder::{ON_ITS_WAY_US, Outcome, Report};
use jiff::Timestamp;

use super::read_cosigned;
use crate::audit::{Line, Lines};
use crate::model::Printable;

/// What is examined, and by what.
#[derive(Debug, Clone)]
pub struct Examiner<'a> {
    /// The folder of the log.
    pub dir: &'a Path,
    /// The log's key.
    pub key: &'a NoteKey,
    /// The keys of its witnesses.
    pub witnesses: &'a [NoteKey],
    /// Checkpoints of this log that come from elsewhere: from a witness, or kept from another day.
    pub known: &'a [String],
    /// The present moment.
    pub now: Timestamp,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// The checks.
    pub report: Report,
    /// What the log says of sessions.
    pub sessions: LoggedSessions,
}

impl Examiner<'_> {
    /// Examines the log; with `audit`, compares it with all entries of the audit log. `progress` is told how many leaves of how
    /// many are behind.
    #[must_use]
    pub fn examine(&self, audit: Option<Lines>, progress: &mut dyn FnMut(u64, u64)) -> Examined {
        let mut found = Examined::default();
        let Some(checkpoint) = self.checkpoint(&mut found.report) else { return found };
        let files = LogFiles::new(self.dir, checkpoint.size);
        let mut entries = Entries::new(audit);
        let mut strange = None;
        let read = files.scan(&checkpoint.root, &mut |index, bytes| {
            match Leaf::read(bytes) {
                Ok(leaf) => {
                    found.sessions.take(index, &leaf);
                    if let Leaf::Audit { seq, hash } = leaf {
                        entries.take(seq, &hash);
                    }
                }
                Err(_) => strange = strange.or(Some(index)),
            }
            if (index + 1).is_multiple_of(256) || index + 1 == checkpoint.size {
                progress(index + 1, checkpoint.size);
            }
        });
        leaves(&mut found.report, &checkpoint, read.as_ref().err(), strange);
        if read.is_ok() {
            entries.conclude(&mut found.report, self.now);
            sessions(&mut found.report, &found.sessions);
        }
        self.witnessed(&mut found.report, &files);
        found
    }

    fn checkpoint(&self, report: &mut Report) -> Option<Checkpoint> {
        match LogFiles::checkpoint(self.dir, self.key) {
            Ok(Some((_, checkpoint))) => {
                let detail = format!("{} leaves, signed by {}", checkpoint.size, Printable(self.key.name()));
                report.add("checkpoint", Outcome::Good, detail);
                Some(checkpoint)
            }
            Ok(None) => {
                report.add("checkpoint", Outcome::Tampered, "the transparency log is gone; its key is there");
                None
            }
            Err(error) => {
                let outcome = if matches!(error, LogError::Io(_)) { Outcome::Incomplete } else { Outcome::Tampered };
                report.add("checkpoint", outcome, error.to_string());
                None
            }
        }
    }

    /// Every checkpoint that somebody else knows must be one that this log had.
    fn witnessed(&self, report: &mut Report, files: &LogFiles) {
        if self.witnesses.is_empty() && self.known.is_empty() {
            let detail = "none is known: a rewrite of the whole log by somebody with its key would not be seen";
            report.add("witness", Outcome::Good, detail);
        }
        for witness in self.witnesses {
            let name = Printable(witness.name()).to_string();
            match read_cosigned(self.dir, witness) {
                Ok(Some(note)) => self.compare(report, files, &note, Some(witness)),
                Ok(None) => {
                    report.add("witness", Outcome::Incomplete, format!("{name} has cosigned nothing yet, or what it cosigned was removed"))
                }
                Err(error) => report.add("witness", Outcome::Incomplete, format!("{name}: {error}")),
            }
        }
        for note in self.known {
            let signers: Vec<_> = self.witnesses.iter().filter(|witness| verify_cosignature(note, witness).is_ok()).collect();
            if signers.is_empty() {
                self.compare(report, files, note, None);
            }
            for signer in signers {
                self.compare(report, files, note, Some(signer));
            }
        }
    }

    fn compare(&self, report: &mut Report, files: &LogFiles, note: &str, witness: Option<&NoteKey>) {
        let who = witness.map_or_else(|| "a checkpoint of this log".to_owned(), |witness| Printable(witness.name()).to_string());
        let checkpoint = match verify_note(note, self.key) {
            Ok(checkpoint) => checkpoint,
            Err(bad) => return report.add("witness", Outcome::Tampered, format!("{who}: the cosigned checkpoint does not hold: {bad}")),
        };
        let at = match witness.map(|witness| verify_cosignature(note, witness)).transpose() {
            Ok(at) => at.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok()),
            Err(bad) => return report.add("witness", Outcome::Tampered, format!("{who}: the cosignature does not hold: {bad}")),
        };
        let size = checkpoint.size;
        let when = at.map_or_else(|| "was known".to_owned(), |at| format!("cosigned at {at}"));
        let (outcome, detail) = match files.root(size) {
            Ok(root) if root == checkpoint.root => (Outcome::Good, format!("{who}: {size} leaves {when}; the log goes on from there")),
            Ok(_) => {
                (Outcome::Tampered, format!("{who}: {size} leaves {when}, and they are not those of this log: it was forked or rewritten"))
            }
            Err(LogError::Range) => {
                (Outcome::Tampered, format!("{who}: {size} leaves {when}, and this log has only {}: it was set back", files.size()))
            }
            Err(error) => (Outcome::Incomplete, format!("{who}: {error}")),
        };
        report.add("witness", outcome, detail);
    }
}

fn leaves(report: &mut Report, checkpoint: &Checkpoint, bad: Option<&BadLog>, strange: Option<u64>) {
    match (bad, strange) {
        (Some(bad), _) => report.add("leaves", Outcome::Tampered, bad.to_string()),
        (None, Some(index)) => {
            report.add("leaves", Outcome::Incomplete, format!("leaf {index} is of a kind that this version does not know"))
        }
        (None, None) => report.add("leaves", Outcome::Good, format!("all {} are in the tiles and under the checkpoint", checkpoint.size)),
    }
}

fn sessions(report: &mut Report, sessions: &LoggedSessions) {
    let faults = sessions.faults();
    for fault in &faults {
        report.add("sessions", Outcome::Tampered, fault.clone());
    }
    if faults.is_empty() {
        let detail = match (sessions.first(), sessions.last()) {
            (Some(first), Some(last)) => format!("numbers {first} to {last}, none is missing"),
            _ => "none yet".to_owned(),
        };
        report.add("sessions", Outcome::Good, detail);
    }
}

/// The entries of the audit log beside the leaves that stand for them.
struct Entries {
    lines: Option<Lines>,
    /// The number of the next entry that has no leaf yet.
    next: u64,
    fault: Option<String>,
}

impl Entries {
    fn new(lines: Option<Lines>) -> Self {
        Self { lines, next: 1, fault: None }
    }

    fn take(&mut self, seq: u64, hash: &Hash) {
        let (Some(lines), None) = (&mut self.lines, &self.fault) else { return };
        if seq != self.next {
            self.fault = Some(format!("after the leaf of entry {} comes that of entry {seq}", self.next - 1));
            return;
        }
        self.next += 1;
        self.fault = match lines.next() {
            Some(line) if line.hash == *hash => None,
            Some(_) => Some(format!("entry {seq} is not the one that the log has: it or one before it was rewritten")),
            None => Some(format!(
                "the log has entry {seq}, and the audit log does not hold that far: it was cut short or put back to an earlier state"
            )),
        };
    }

    /// Adds the check.
    fn conclude(self, report: &mut Report, now: Timestamp) {
        let Some(lines) = self.lines else { return };
        if let Some(fault) = self.fault {
            report.add("entries", Outcome::Tampered, fault);
            return;
        }
        let logged = self.next - 1;
        let waiting: Vec<Option<i64>> = lines.map(|line: Line| line.wall_us()).collect();
        let old = waiting.iter().flatten().any(|at| now.as_microsecond().saturating_sub(*at) >= ON_ITS_WAY_US);
        let (outcome, more) = match (waiting.len(), old) {
            (0, _) => (Outcome::Good, String::new()),
            (count, false) => (Outcome::Good, format!("; {count} more are on their way into it")),
            (count, true) => (Outcome::Incomplete, format!("; {count} more are not in it: the next start of the bastion puts them there")),
        };
        report.add("entries", outcome, format!("{logged} entries of the audit log are in the log as they are{more}"));
    }
}
