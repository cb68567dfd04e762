//! Verifies a bundle: every proof, every recording against the leaves, every entry against its leaf, the cosignatures.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bartizan_recorder::tlog::{Checkpoint, Hash, Leaf, LoggedSessions, NoteKey, read_proof, verify_cosignature};
use bartizan_recorder::{InLog, Outcome, Report, VerifyingKey, verify_without_input};
use jiff::Timestamp;

use super::{BundleError, ENTRIES, LOG_KEY, PROOFS, RECORDING_KEY, RECORDINGS, WITNESS_KEYS, at};
use crate::audit;
use crate::ledger::read_public_key;
use crate::model::Printable;

/// Keys that the verifier has from elsewhere; what is not given is taken from the bundle.
#[derive(Debug, Default)]
pub struct GivenKeys {
    /// Of recordings.
    pub recordings: Vec<VerifyingKey>,
    /// Of the log.
    pub log: Option<NoteKey>,
    /// Of witnesses.
    pub witnesses: Vec<NoteKey>,
}

/// Whether the folder is a bundle.
#[must_use]
pub fn is_bundle(dir: &Path) -> bool {
    dir.join(LOG_KEY).is_file() && dir.join(PROOFS).is_dir()
}

/// Verifies the bundle in `dir`: a report for each recording, by its session, and one for all else, by the name `bundle`.
/// `progress` is told how many bytes of a channel file are behind.
///
/// # Errors
/// [`BundleError`], when it cannot be read.
pub fn verify_bundle(dir: &Path, given: &GivenKeys, progress: &mut dyn FnMut(u64)) -> Result<Vec<(String, Report)>, BundleError> {
    let mut report = Report::default();
    let keys = keys(dir, given, &mut report)?;
    let proofs = Proofs::read(dir, &keys.log, &mut report)?;
    witnesses(&mut report, &proofs, &keys.witnesses);
    let mut all = Vec::new();
    let log = InLog { sessions: &proofs.sessions, now_us: i64::MAX };
    for path in folders(&dir.join(RECORDINGS))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What was typed is not put into bundles.
        all.push((name, verify_without_input(&path, &keys.recordings, Some(&log), progress)));
    }
    removed(&mut report, &proofs, &all);
    entries(dir, &proofs, &mut report)?;
    all.push(("bundle".to_owned(), report));
    Ok(all)
}

struct Keys {
    recordings: Vec<VerifyingKey>,
    log: NoteKey,
    witnesses: Vec<NoteKey>,
}

fn keys(dir: &Path, given: &GivenKeys, report: &mut Report) -> Result<Keys, BundleError> {
    let mut own = Vec::new();
    let recordings = match given.recordings.as_slice() {
        [] if !dir.join(RECORDING_KEY).is_file() => Vec::new(),
        [] => {
            let key = audit::read_public_key(&dir.join(RECORDING_KEY))?;
            own.push(format!("recordings {}", hex::encode(key.as_bytes())));
            vec![key]
        }
        keys => keys.to_vec(),
    };
    let log = match &given.log {
        Some(key) => key.clone(),
        None => {
            let key = read_public_key(&dir.join(LOG_KEY))?;
            own.push(format!("log {}", Printable(&key.to_string())));
            key
        }
    };
    let witnesses = if given.witnesses.is_empty() { witness_keys(dir)? } else { given.witnesses.clone() };
    if given.witnesses.is_empty() {
        own.extend(witnesses.iter().map(|key| format!("witness {}", Printable(&key.to_string()))));
    }
    let detail = match own.as_slice() {
        [] => "all given".to_owned(),
        own => format!("taken from the bundle itself, compare them with what is published: {}", own.join(", ")),
    };
    report.add("keys", Outcome::Good, detail);
    Ok(Keys { recordings, log, witnesses })
}

fn witness_keys(dir: &Path) -> Result<Vec<NoteKey>, BundleError> {
    let path = dir.join(WITNESS_KEYS);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(at(&path))?,
    };
    let bad = |_| at(&path)(std::io::Error::other("it is not a list of public keys of witnesses"));
    text.lines().map(|line| NoteKey::parse(line).map_err(bad)).collect()
}

/// What the proofs prove.
#[derive(Default)]
struct Proofs {
    sessions: LoggedSessions,
    entries: BTreeMap<u64, Hash>,
    /// The checkpoint of all of them.
    checkpoint: Option<(Checkpoint, String)>,
}

impl Proofs {
    fn read(dir: &Path, key: &NoteKey, report: &mut Report) -> Result<Self, BundleError> {
        let mut proofs = Self::default();
        let mut leaves = BTreeMap::new();
        let mut sound = true;
        for path in files(&dir.join(PROOFS))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = fs::read(&path).map_err(at(&path))?;
            if let Err(why) = proofs.take(&String::from_utf8_lossy(&bytes), key, &mut leaves) {
                report.add("proofs", Outcome::Tampered, format!("{}: {why}", Printable(&name)));
                sound = false;
            }
        }
        for (index, leaf) in &leaves {
            proofs.sessions.take(*index, leaf);
            if let Leaf::Audit { seq, hash } = leaf {
                proofs.entries.insert(*seq, *hash);
            }
        }
        if sound {
            let detail = match &proofs.checkpoint {
                Some((checkpoint, _)) => {
                    format!("{} leaves are in the log of {}, which has {} leaves", leaves.len(), Printable(key.name()), checkpoint.size)
                }
                None => "there are none".to_owned(),
            };
            report.add("proofs", if proofs.checkpoint.is_some() { Outcome::Good } else { Outcome::Incomplete }, detail);
        }
        Ok(proofs)
    }

    fn take(&mut self, text: &str, key: &NoteKey, leaves: &mut BTreeMap<u64, Leaf>) -> Result<(), String> {
        let proven = read_proof(text, key).map_err(|bad| bad.to_string())?;
        let leaf = Leaf::read(&proven.leaf).map_err(|bad| bad.to_string())?;
        match &self.checkpoint {
            Some((_, known)) if *known != proven.note => return Err("it has another checkpoint than the others".to_owned()),
            Some(_) => {}
            None => self.checkpoint = Some((proven.checkpoint, proven.note)),
        }
        leaves.insert(proven.index, leaf);
        Ok(())
    }
}

fn witnesses(report: &mut Report, proofs: &Proofs, keys: &[NoteKey]) {
    let Some((checkpoint, note)) = &proofs.checkpoint else { return };
    if keys.is_empty() {
        report.add("witness", Outcome::Good, "none is known: only the bastion vouches for its log");
    }
    for key in keys {
        let name = Printable(key.name()).to_string();
        match verify_cosignature(note, key) {
            Ok(at) => {
                let at = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
                let at = at.map_or_else(|| "some time".to_owned(), |at| at.to_string());
                report.add("witness", Outcome::Good, format!("{name} cosigned the {} leaves at {at}", checkpoint.size));
            }
            Err(_) => report.add("witness", Outcome::Incomplete, format!("{name} has not cosigned this checkpoint; export it again later")),
        }
    }
}

/// Whoever passes a bundle on must not leave a recording out unseen.
fn removed(report: &mut Report, proofs: &Proofs, recordings: &[(String, Report)]) {
    for (number, logged) in proofs.sessions.iter() {
        let recorded = logged.opened.or(logged.closed).is_some() && logged.deleted.is_none();
        if recorded && !recordings.iter().any(|(_, report)| report.number == Some(number)) {
            report.add("recordings", Outcome::Tampered, format!("session {number} is proved, and its recording is not here as it was"));
        }
    }
}

fn entries(dir: &Path, proofs: &Proofs, report: &mut Report) -> Result<(), BundleError> {
    let path = dir.join(ENTRIES);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        bytes => bytes.map_err(at(&path))?,
    };
    let (mut proved, mut unproved) = (0, 0);
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
        let Some((seq, hash)) = audit::hash_of(line) else {
            report.add("entries", Outcome::Tampered, format!("line {number} of audit.ndjson is no entry"));
            return Ok(());
        };
        match proofs.entries.get(&seq) {
            Some(logged) if *logged == hash => proved += 1,
            Some(_) => {
                report.add("entries", Outcome::Tampered, format!("entry {seq} is not the one that the log has"));
                return Ok(());
            }
            None => unproved += 1,
        }
    }
    let missing = proofs.entries.len().saturating_sub(proved);
    let (outcome, more) = match (unproved, missing) {
        (0, 0) => (Outcome::Good, String::new()),
        (0, missing) => (Outcome::Tampered, format!("; {missing} more are proved, and were removed")),
        (unproved, _) => (Outcome::Incomplete, format!("; {unproved} have no proof")),
    };
    report.add("entries", outcome, format!("{proved} entries of the audit log are as the log has them{more}"));
    Ok(())
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, BundleError> {
    Ok(below(dir)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, BundleError> {
    Ok(below(dir)?.into_iter().filter(|path| path.is_file()).collect())
}

fn below(dir: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let found = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(at(dir))?,
    };
    let mut paths = found.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(at(dir))?;
    paths.sort();
    Ok(paths)
}
