//! Whether a recording is what the transparency log says of its session: the head it was opened with, how far it was when, the
//! seal it was closed with. Reads no log itself: it is given what the log has.

use std::io;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use crate::head::{Head, Reason, Seal};
use crate::place;
use crate::sha256::{Hash, digest};
use crate::tlog::{Logged, LoggedSessions};
use crate::verify::{Files, Outcome, Report, under_any};
use crate::walk::Walk;

/// How long a leaf may be on its way into the log, in microseconds: it takes a second, and longer on a busy machine.
pub const ON_ITS_WAY_US: i64 = 15_000_000;

/// What the log has, and when it was read.
#[derive(Debug, Clone, Copy)]
pub struct InLog<'a> {
    /// Its sessions.
    pub sessions: &'a LoggedSessions,
    /// The wall clock in microseconds since 1970-01-01 UTC.
    pub now_us: i64,
}

impl InLog<'_> {
    pub(crate) fn marks(&self, number: u64) -> Vec<(u64, Hash)> {
        let mut marks = self.sessions.get(number).map(|logged| logged.commits.clone()).unwrap_or_default();
        marks.sort_unstable();
        marks
    }

    fn is_young(&self, wall_us: i64) -> bool {
        self.now_us.saturating_sub(wall_us) < ON_ITS_WAY_US
    }
}

/// SHA-256 of the head and of the seal in `dir`, as the log has them; `None` for one that is not there.
///
/// # Errors
/// When one is there and cannot be read.
pub fn document_hashes(dir: &Path) -> io::Result<(Option<Hash>, Option<Hash>)> {
    Ok((hash_of(dir, place::HEAD)?, hash_of(dir, place::SEAL)?))
}

fn hash_of(dir: &Path, name: &str) -> io::Result<Option<Hash>> {
    match place::read_small(&dir.join(name)) {
        Ok(bytes) => Ok(Some(digest(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Compares one recording, whose head holds, with the log.
pub(crate) fn check_log(
    report: &mut Report,
    dir: &dyn Files,
    (head, hash, seal): (&Head, &Hash, Option<&Seal>),
    (marks, walk): (&[(u64, Hash)], &Walk),
    log: &InLog<'_>,
) {
    let number = head.number;
    let Some(logged) = log.sessions.get(number) else {
        let (outcome, detail) = unlogged(head, seal, log);
        return report.add("log", outcome, detail);
    };
    match logged.opened {
        Some((index, opened)) if opened != *hash => {
            let detail = format!("head.json is not the one that leaf {index} has: the recording was made anew, or is another session's");
            return report.add("log", Outcome::Tampered, detail);
        }
        None if !logged.void => {
            return report.add("log", Outcome::Tampered, format!("no leaf says that session {number} was opened"));
        }
        _ => {}
    }
    if let Some((bytes, _)) = marks.get(walk.met) {
        let end = walk.position.offset;
        let why = if *bytes > end { format!("it holds for {end} bytes only") } else { "it has another chain there".to_owned() };
        let detail = format!("the log had a commit of it that ends at byte {bytes}; {why}: it was cut short or rewritten");
        return report.add("log", Outcome::Tampered, detail);
    }
    let (outcome, detail) = end(dir, logged, seal, log);
    let opened = match logged.opened {
        Some((index, _)) => format!("opened as leaf {index}"),
        None => "never began".to_owned(),
    };
    report.add("log", outcome, format!("{opened}; {} commits are in it as they were; {detail}", marks.len()));
}

/// A recording whose head was never written whole has nothing but a seal that says so. The log knows by that whose it is.
pub(crate) fn check_headless(report: &mut Report, dir: &dyn Files, keys: &[VerifyingKey], log: &InLog<'_>) {
    let Ok(bytes) = dir.small(place::SEAL) else { return };
    let hash = digest(&bytes);
    let is_such = under_any::<Seal>(&bytes, keys).is_ok_and(|seal| seal.reason == Reason::HeadUnreadable);
    let closed = |logged: &Logged| logged.closed.filter(|(_, closed)| *closed == hash);
    let found = log.sessions.iter().find_map(|(number, logged)| Some((number, closed(logged)?.0)));
    if let Some((number, index)) = found.filter(|_| is_such) {
        report.number = Some(number);
        report.add("log", Outcome::Good, format!("session {number} ended before its head was written; sealed as such as leaf {index}"));
    }
}

fn unlogged(head: &Head, seal: Option<&Seal>, log: &InLog<'_>) -> (Outcome, String) {
    let number = head.number;
    match log.sessions.first() {
        Some(first) if number < first => (Outcome::Good, format!("session {number} is older than the log, which begins with {first}")),
        _ if log.is_young(head.started_us) => (Outcome::Good, format!("session {number} is on its way into the log")),
        _ if seal.is_some() => {
            (Outcome::Tampered, format!("the log has no session {number}: this recording was put here, or the log was set back"))
        }
        _ => (Outcome::Incomplete, format!("session {number} is not in the log; the next start of the bastion puts it there")),
    }
}

fn end(dir: &dyn Files, logged: &Logged, seal: Option<&Seal>, log: &InLog<'_>) -> (Outcome, String) {
    let still = match logged.deleted {
        Some(index) => format!("; leaf {index} says that it was to be deleted"),
        None => String::new(),
    };
    let found = dir.small(place::SEAL).ok().map(|seal| digest(&seal));
    match (logged.closed, found, seal) {
        (Some((index, closed)), Some(found), _) if found == closed => (Outcome::Good, format!("sealed as leaf {index}{still}")),
        (Some((index, _)), Some(_), _) => (Outcome::Tampered, format!("seal.json is not the one that leaf {index} has")),
        (Some((index, _)), None, _) => (Outcome::Tampered, format!("its seal, which leaf {index} has, is gone")),
        (None, _, Some(seal)) if log.is_young(seal.ended_us) => (Outcome::Good, format!("its end is on its way into the log{still}")),
        (None, _, Some(_)) => (Outcome::Incomplete, format!("its end is not in the log{still}")),
        (None, _, None) => (Outcome::Good, format!("not sealed yet{still}")),
    }
}

#[cfg(test)]
mod tests;
