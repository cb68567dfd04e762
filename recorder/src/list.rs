//! Finds recordings below a root: newest first, by filters. A directory that cannot be read is listed with its error
//! and stops nothing; nothing outside `YYYY/MM/DD/<session id>` is looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::head::SessionId;
use crate::place;
use crate::recording::{OpenError, Recording};

/// What to list. Everything, by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Part of the principal's name.
    pub user: Option<String>,
    /// The target's name; `*` stands for any characters.
    pub target: Option<String>,
    /// The kind, or its part before a dot: `ssh` finds `ssh.shell`.
    pub kind: Option<String>,
    /// Begun at this wall clock (µs since 1970-01-01 UTC) or later.
    pub since_us: Option<i64>,
    /// Begun before this wall clock (µs since 1970-01-01 UTC).
    pub until_us: Option<i64>,
}

/// A recording found, or why it cannot be read.
#[derive(Debug)]
pub struct Found {
    /// Where it lies.
    pub dir: PathBuf,
    /// The session its directory is named after.
    pub session: SessionId,
    /// The recording.
    pub recording: Result<Recording, OpenError>,
}

/// The recordings below `root` that pass `filter`, newest first. Those that cannot be read pass every filter but the
/// days. A missing root holds none.
///
/// # Errors
/// When `root` is there but cannot be read.
pub fn list(root: &Path, filter: &Filter) -> std::io::Result<Vec<Found>> {
    let mut found: Vec<Found> = directories(root, filter)?
        .into_iter()
        .map(|(dir, session)| Found { recording: Recording::open(&dir), dir, session })
        .filter(|found| found.recording.as_ref().map_or(true, |recording| filter.passes(recording)))
        .collect();
    found.sort_by(|one, other| key(other).cmp(&key(one)));
    Ok(found)
}

/// The directories of recordings on the days that `filter` lets through, newest first as far as their ids tell; none is
/// opened. For who needs the first few of very many.
///
/// # Errors
/// When `root` is there but cannot be read.
pub fn newest(root: &Path, filter: &Filter) -> std::io::Result<Vec<(PathBuf, SessionId)>> {
    let mut found = directories(root, filter)?;
    found.sort_by(|one, other| other.1.cmp(&one.1));
    Ok(found)
}

/// The recording of one session, found by its id alone: on the days around the moment that the id was made at, or else
/// anywhere, as the directory goes by the day the session began.
///
/// # Errors
/// When `root` is there but cannot be read.
pub fn find(root: &Path, session: &SessionId) -> std::io::Result<Option<PathBuf>> {
    const DAY_US: i64 = 86_400_000_000;
    let near = [0, DAY_US, -DAY_US].into_iter().filter_map(|off| place::directory(root, session.made_us().checked_add(off)?, session));
    if let Some(dir) = near.into_iter().find(|dir| dir.is_dir()) {
        return Ok(Some(dir));
    }
    let all = directories(root, &Filter::default())?;
    Ok(all.into_iter().find(|(_, id)| id == session).map(|(dir, _)| dir))
}

fn key(found: &Found) -> (i64, &SessionId) {
    let began = found.recording.as_ref().map_or(i64::MAX, |recording| recording.head().started_us);
    (began, &found.session)
}

impl Filter {
    /// True when `recording` is of those that are wanted.
    #[must_use]
    pub fn passes(&self, recording: &Recording) -> bool {
        let head = recording.head();
        let kind =
            |wanted: &String| head.kind == *wanted || head.kind.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('.'));
        self.user.as_ref().is_none_or(|user| head.principal.contains(user))
            && self.target.as_ref().is_none_or(|target| matches(target, &head.target))
            && self.kind.as_ref().is_none_or(kind)
            && self.since_us.is_none_or(|since| head.started_us >= since)
            && self.until_us.is_none_or(|until| head.started_us < until)
    }
}

/// True when `name` is `pattern`, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    true
}

/// The directories of all sessions on the days the filter lets through, in no order. Opens none of them.
///
/// # Errors
/// When `root` is there but cannot be read.
pub fn directories(root: &Path, filter: &Filter) -> std::io::Result<Vec<(PathBuf, SessionId)>> {
    let mut found = Vec::new();
    walk(root, filter, &mut |entry, id| found.push((entry.path(), id)))?;
    Ok(found)
}

/// The directories of all sessions that changed at `since` or later, in no order: something was made, renamed or removed in them. Holds
/// no more than those in memory.
pub(crate) fn changed(root: &Path, since: SystemTime) -> std::io::Result<Vec<(PathBuf, SessionId)>> {
    let mut found = Vec::new();
    walk(root, &Filter::default(), &mut |entry, id| {
        // One that does not tell may have changed.
        if entry.metadata().and_then(|data| data.modified()).map_or(true, |at| at >= since) {
            found.push((entry.path(), id));
        }
    })?;
    Ok(found)
}

fn walk(root: &Path, filter: &Filter, see: &mut dyn FnMut(&fs::DirEntry, SessionId)) -> std::io::Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let first = filter.since_us.and_then(place::day).map(|day| day.to_string());
    let last = filter.until_us.and_then(place::day).map(|day| day.to_string());
    fs::read_dir(root)?;
    for (year, year_name) in children(root, 4) {
        for (month, month_name) in children(&year, 2) {
            for (day, day_name) in children(&month, 2) {
                let date = format!("{year_name}-{month_name}-{day_name}");
                let early = first.as_ref().is_some_and(|first| date < *first);
                let late = last.as_ref().is_some_and(|last| date > *last);
                if !early && !late {
                    sessions(&day, see);
                }
            }
        }
    }
    Ok(())
}

fn sessions(day: &Path, see: &mut dyn FnMut(&fs::DirEntry, SessionId)) {
    for entry in fs::read_dir(day).into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (Some(id), true) = (id, entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            see(&entry, id);
        }
    }
}

/// Directories whose names are `digits` decimal digits.
fn children(dir: &Path, digits: usize) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_number = name.len() == digits && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push((entry.path(), name));
        }
    }
    found
}

#[cfg(test)]
mod tests;
