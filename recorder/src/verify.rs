//! Says whether a recording is what was recorded, from public keys alone: one line per check. Needs no decryption key,
//! never panics on any input, never changes anything.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use crate::channel::Channel;
use crate::envelope;
use crate::head::{BadHead, ChannelSeal, Head, Seal, SessionId};
use crate::logged::{InLog, check_headless, check_log};
use crate::place::{self, INPUT};
use crate::sha256::digest;
use crate::walk::{End, Roots, Trouble, Walk, goes_on_behind, walk};

/// What a check found. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It holds.
    Good,
    /// Nothing is wrong with what is there, but the end of the session is not in evidence.
    Incomplete,
    /// It is not what was recorded.
    Tampered,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "ok",
            Self::Incomplete => "incomplete",
            Self::Tampered => "TAMPERED",
        })
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// What was found.
    pub outcome: Outcome,
    /// In words. Holds nothing from the recording that a terminal could obey.
    pub detail: String,
}

/// All checks of one recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order they were made.
    pub checks: Vec<Check>,
    /// The session's number, where the head holds.
    pub number: Option<u64>,
}

impl Report {
    /// The worst outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Incomplete)
    }

    /// Exit code of `recordings verify`: 0 ok, 1 tampered, 3 incomplete.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.outcome() {
            Outcome::Good => 0,
            Outcome::Tampered => 1,
            Outcome::Incomplete => 3,
        }
    }

    /// Adds a check.
    pub fn add(&mut self, name: &'static str, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check { name, outcome, detail: detail.into() });
    }
}

/// The files of one recording, wherever they lie.
pub trait Files {
    /// The whole of a small file; of a longer one, at least one byte more than a head may hold.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn small(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The channel file of that number.
    ///
    /// # Errors
    /// What the system says.
    fn channel(&self, number: u32) -> io::Result<Channel>;

    /// The names of all files, as far as they can be told.
    fn names(&self) -> Vec<String>;

    /// The session that the place of the files is named after.
    fn session(&self) -> Option<SessionId>;
}

/// Files in a directory.
struct Directory<'a>(&'a Path);

impl Files for Directory<'_> {
    fn small(&self, name: &str) -> io::Result<Vec<u8>> {
        place::read_small(&self.0.join(name))
    }

    fn channel(&self, number: u32) -> io::Result<Channel> {
        File::open(self.0.join(place::channel_file(number))).map(Channel::new)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn session(&self) -> Option<SessionId> {
        self.0.file_name()?.to_str()?.parse().ok()
    }
}

/// Verifies the recording in `dir` with the deployment's public recording keys, today's and earlier ones. `progress` is
/// told how many bytes of the channel file are behind.
#[must_use]
pub fn verify(dir: &Path, keys: &[VerifyingKey], progress: &mut dyn FnMut(u64)) -> Report {
    check(&Directory(dir), keys, None, true, progress)
}

/// The same of a copy without what was typed, as they have it who may not see that: all else is verified.
#[must_use]
pub fn verify_without_input(dir: &Path, keys: &[VerifyingKey], log: Option<&InLog<'_>>, progress: &mut dyn FnMut(u64)) -> Report {
    check(&Directory(dir), keys, log, false, progress)
}

/// The same, and whether it is what the deployment's transparency log says of this session.
#[must_use]
pub fn verify_logged(dir: &Path, keys: &[VerifyingKey], log: Option<&InLog<'_>>, progress: &mut dyn FnMut(u64)) -> Report {
    check(&Directory(dir), keys, log, true, progress)
}

/// The same for files that lie elsewhere.
#[must_use]
pub fn verify_files(dir: &dyn Files, keys: &[VerifyingKey], log: Option<&InLog<'_>>, progress: &mut dyn FnMut(u64)) -> Report {
    check(dir, keys, log, true, progress)
}

fn check(dir: &dyn Files, keys: &[VerifyingKey], log: Option<&InLog<'_>>, has_input: bool, progress: &mut dyn FnMut(u64)) -> Report {
    let mut report = Report::default();
    let Some((head, hash)) = check_head(&mut report, dir, keys) else {
        if let Some(log) = log {
            check_headless(&mut report, dir, keys, log);
        }
        return report;
    };
    report.number = Some(head.number);
    check_files(&mut report, dir, !head.input_key.is_empty());
    let seal = read_seal(&mut report, dir, keys);
    let marks = log.map(|log| log.marks(head.number)).unwrap_or_default();
    let Some(roots) = roots(&head.first_key, hash, keys, (0, &marks)) else {
        report.add("frames", Outcome::Tampered, "the head names no usable first key");
        return report;
    };
    let file = match dir.channel(0) {
        Ok(file) => file,
        Err(error) => {
            let outcome = if seal.is_some() { Outcome::Tampered } else { Outcome::Incomplete };
            report.add("frames", outcome, format!("c0.brec cannot be read: {error}"));
            return report;
        }
    };
    let walk = walk(&file, &roots, progress);
    check_frames(&mut report, FRAMES, &file, &walk, seal.is_some());
    check_keys(&mut report, dir, &head, &walk);
    check_commits(&mut report, &walk);
    check_recoveries(&mut report, &walk);
    check_end(&mut report, &walk);
    let input = match (head.input_key.is_empty(), has_input) {
        (true, _) => Input::None,
        (false, true) => check_input(&mut report, dir, &head, (hash, keys), seal.is_some()),
        (false, false) => {
            report.add("input", Outcome::Good, "what was typed is recorded apart and not in this copy");
            Input::Elsewhere
        }
    };
    if let Some(seal) = &seal {
        check_seal(&mut report, seal, &head, &hex::encode(hash), (&walk, &input));
    }
    if let Some(log) = log {
        check_log(&mut report, dir, (&head, &hash, seal.as_ref()), (&marks, &walk), log);
    }
    report
}

fn roots<'a>(key: &str, hash: [u8; 32], keys: &'a [VerifyingKey], (channel, marks): (u32, &'a [(u64, [u8; 32])])) -> Option<Roots<'a>> {
    let mut first_key = [0; 32];
    hex::decode_to_slice(key, &mut first_key).ok()?;
    Some(Roots { head: hash, first_key, keys, channel, marks })
}

/// What was found of the channel of what was typed.
enum Input {
    /// The head names none.
    None,
    /// It is not in this copy.
    Elsewhere,
    /// It is missing or cannot be read; that is reported.
    Lost,
    Here(Box<Walk>),
}

/// What was typed is chained and signed as all else is.
fn check_input(report: &mut Report, dir: &dyn Files, head: &Head, (hash, keys): ([u8; 32], &[VerifyingKey]), sealed: bool) -> Input {
    let Some(roots) = roots(&head.input_key, hash, keys, (INPUT, &[])) else {
        report.add("input", Outcome::Tampered, "the head names no usable first key for what was typed");
        return Input::Lost;
    };
    let file = match dir.channel(INPUT) {
        Ok(file) => file,
        Err(error) => {
            let outcome = if sealed { Outcome::Tampered } else { Outcome::Incomplete };
            report.add("input", outcome, format!("c1.brec cannot be read: {error}"));
            return Input::Lost;
        }
    };
    let walk = walk(&file, &roots, &mut |_| ());
    check_frames(report, ("input", "c1.brec"), &file, &walk, sealed);
    let encrypts = !head.recipients.is_empty();
    if (encrypts && walk.clear > 0) || (!encrypts && walk.encrypted > 0) {
        report.add("input", Outcome::Tampered, "what was typed is not encrypted as the head says");
    }
    if walk.trouble.is_none() && walk.end.is_none() {
        report.add("input", Outcome::Incomplete, "there is no end frame");
    }
    Input::Here(Box::new(walk))
}

/// The first channel file, as its check is called.
const FRAMES: (&str, &str) = ("frames", "c0.brec");

/// The document under the first of `keys` that fits.
pub(crate) fn under_any<D: envelope::Document>(bytes: &[u8], keys: &[VerifyingKey]) -> Result<D, BadHead> {
    let mut worst = BadHead::Signature;
    for key in keys {
        match envelope::verify(bytes, key) {
            Ok(document) => return Ok(document),
            Err(BadHead::Signature) => {}
            Err(bad) => worst = bad,
        }
    }
    Err(worst)
}

fn check_head(report: &mut Report, dir: &dyn Files, keys: &[VerifyingKey]) -> Option<(Head, [u8; 32])> {
    let bytes = match dir.small(place::HEAD) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.add("head", Outcome::Incomplete, format!("head.json cannot be read: {error}"));
            return None;
        }
    };
    let head: Head = match under_any(&bytes, keys) {
        Ok(head) => head,
        Err(bad) => {
            report.add("head", Outcome::Tampered, format!("head.json does not hold: {bad}"));
            return None;
        }
    };
    if dir.session().is_some_and(|named| named != head.session) {
        report.add("head", Outcome::Tampered, format!("this is session {}, not the one the directory is named after", head.session));
    } else {
        report.add("head", Outcome::Good, format!("session {}, number {}, signed", head.session, head.number));
    }
    Some((head, digest(&bytes)))
}

/// A channel file that nothing names does not belong here.
fn check_files(report: &mut Report, dir: &dyn Files, has_input: bool) {
    let named = |name: &String| *name == place::channel_file(0) || (has_input && *name == place::channel_file(INPUT));
    let extra = dir.names().into_iter().find(|name| name.ends_with(".brec") && !named(name));
    if extra.is_some() {
        report.add("files", Outcome::Tampered, "there is a channel file that the recording does not name");
    }
}

fn read_seal(report: &mut Report, dir: &dyn Files, keys: &[VerifyingKey]) -> Option<Seal> {
    let outcome = match dir.small(place::SEAL) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Outcome::Incomplete, "there is none: the session still runs, or its end is lost".to_owned())
        }
        Err(error) => (Outcome::Incomplete, format!("seal.json cannot be read: {error}")),
        Ok(bytes) if bytes.is_empty() => (Outcome::Incomplete, "seal.json is empty".to_owned()),
        Ok(bytes) => match under_any(&bytes, keys) {
            Ok(seal) => return Some(seal),
            Err(bad) => (Outcome::Tampered, format!("seal.json does not hold: {bad}")),
        },
    };
    report.add("seal", outcome.0, outcome.1);
    None
}

fn check_frames(report: &mut Report, (check, name): (&'static str, &str), file: &Channel, walk: &Walk, sealed: bool) {
    let good = format!("{} frames, {} bytes, chain unbroken", walk.position.seq, walk.position.offset);
    let Some(trouble) = &walk.trouble else {
        report.add(check, Outcome::Good, good);
        return;
    };
    let (damage, detail) = match trouble {
        Trouble::Magic => (true, format!("{name} is not a recording")),
        Trouble::Torn { offset } => (true, format!("the file ends inside the frame at byte {offset}")),
        Trouble::Bad { offset, bad } => (true, format!("the frame at byte {offset} is bad: {bad}")),
        Trouble::Statement { offset, why } => (false, format!("the signed frame at byte {offset} does not hold: {why}")),
        Trouble::AfterEnd { offset } => (false, format!("something follows the end, at byte {offset}")),
        Trouble::Io(error) => {
            report.add(check, Outcome::Incomplete, format!("{name} cannot be read: {error}"));
            return;
        }
    };
    // Before the seal a crash may have torn the last write; but then nothing good can follow it.
    let torn = damage && !sealed && walk.end.is_none() && !goes_on_behind(&file, walk).unwrap_or(true);
    let outcome = if torn { Outcome::Incomplete } else { Outcome::Tampered };
    report.add(check, outcome, format!("{detail}; {good} up to there"));
}

/// An encrypted recording begins with its wrapped key, has it once more in a file, and holds nothing in the clear; one
/// that names no recipients holds nothing else.
fn check_keys(report: &mut Report, dir: &dyn Files, head: &Head, walk: &Walk) {
    let file = dir.small(place::KEYS).ok().map(|keys| digest(&keys));
    let (outcome, detail) = match (head.recipients.len(), walk.keys, file) {
        (0, None, None) if walk.encrypted == 0 => return,
        (0, ..) => (Outcome::Tampered, "there are keys or encrypted frames, but the head names no recipients".to_owned()),
        (_, None, _) if walk.clear + walk.encrypted == 0 => (Outcome::Good, "nothing was recorded yet".to_owned()),
        (_, None, _) => (Outcome::Tampered, "the wrapped key is missing from c0.brec".to_owned()),
        _ if walk.clear > 0 => (Outcome::Tampered, format!("{} frames are in the clear", walk.clear)),
        (_, Some(_), None) => (Outcome::Tampered, "keys.age is missing; the wrapped key is in c0.brec as well".to_owned()),
        (_, Some(first), Some(file)) if first != file => {
            (Outcome::Tampered, "keys.age was changed; the wrapped key is in c0.brec as well".to_owned())
        }
        (count, ..) => (Outcome::Good, format!("encrypted to {count} recipients; every frame with content is encrypted")),
    };
    report.add("keys", outcome, detail);
}

fn check_commits(report: &mut Report, walk: &Walk) {
    let unsigned = walk.position.offset.saturating_sub(walk.signed_to);
    let signed = format!("{} commits, each signed by its own epoch's key", walk.commits);
    if unsigned == 0 || walk.trouble.is_some() {
        report.add("commits", Outcome::Good, signed);
    } else {
        report.add("commits", Outcome::Incomplete, format!("{signed}; the last {unsigned} bytes are not signed yet"));
    }
}

/// A crash is no fault of the recording: all that was handed on is there, and the bastion's key says what was cut.
fn check_recoveries(report: &mut Report, walk: &Walk) {
    for recovery in &walk.recoveries {
        let at = recovery.wall_us / 1_000_000;
        let detail = format!(
            "recovered after a crash, by the bastion at Unix time {at}: {} bytes of a torn last write were cut off; the {} bytes before that are vouched for by the recording key only",
            recovery.cut_bytes, recovery.unsigned_bytes
        );
        report.add("recovery", Outcome::Good, detail);
    }
}

fn check_end(report: &mut Report, walk: &Walk) {
    match &walk.end {
        Some(End { text: Some(text), .. }) => report.add("end", Outcome::Good, format!("signed: {:?}", text.reason)),
        Some(_) => report.add("end", Outcome::Tampered, "its text is not what this version writes"),
        None => report.add("end", Outcome::Incomplete, "there is no end frame"),
    }
}

fn check_seal(report: &mut Report, seal: &Seal, head: &Head, hash: &str, (walk, input): (&Walk, &Input)) {
    let found = seal_of(0, walk);
    let typed = |sealed: &ChannelSeal, walk: &Walk| seal_of(INPUT, walk).is_some_and(|found| found == *sealed);
    let wrong = if seal.session != head.session || seal.number != head.number || seal.head != hash {
        Some("it is another recording's seal")
    } else if walk.end.is_none() {
        Some("the recording has no end, yet it is sealed")
    } else {
        match (seal.channels.as_slice(), &found, input) {
            ([channel], Some(found), Input::None) if channel == found => None,
            ([channel, typed], Some(found), Input::Elsewhere) if channel == found && typed.channel == INPUT => None,
            ([channel, sealed], Some(found), Input::Here(walk)) if channel == found && typed(sealed, walk) => None,
            _ => Some("counts or final hash are not those of the frames"),
        }
    };
    match wrong {
        Some(why) => report.add("seal", Outcome::Tampered, why),
        None => report.add("seal", Outcome::Good, "signed; counts and final hash fit"),
    }
}

/// The channel's seal as the frames say it must be.
fn seal_of(channel: u32, walk: &Walk) -> Option<ChannelSeal> {
    let text = walk.end.as_ref()?.text.as_ref()?;
    let counted = text.commits == walk.commits && text.index == walk.index;
    counted.then(|| crate::seal::channel_seal(channel, &walk.position, text))
}

#[cfg(test)]
mod tests;
