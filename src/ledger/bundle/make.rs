//! Makes a bundle: copies, proofs, keys, and how to verify it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bartizan_recorder::SessionId;
use bartizan_recorder::tlog::{Checkpoint, Leaf, LogFiles, NoteKey, verify_cosignature, verify_note};

use super::{BundleError, ENTRIES, LOG_KEY, PROOFS, RECORDING_KEY, RECORDINGS, WITNESS_KEYS, at};
use crate::audit::{Line, Lines};
use crate::ledger::read_cosigned;

/// The verifier that shares no code with this program.
const VERIFIER: &str = include_str!("../../../contrib/verify-recording.py");

const README: &str = include_str!("README.txt");

/// The files of a recording.
const FILES: [&str; 4] = ["head.json", "seal.json", "keys.age", "c0.brec"];

/// The folder of the transparency log, its key and those of its witnesses.
pub(in crate::ledger) type Log<'a> = (&'a Path, &'a NoteKey, &'a [NoteKey]);

/// What bundles are made from.
#[derive(Debug)]
pub struct Bundler<'a> {
    /// The folder of the transparency log, its key and those of its witnesses.
    pub log: Log<'a>,
    /// The folder of the audit log.
    pub audit: &'a Path,
    /// The file with the public recording key.
    pub recording_key: &'a Path,
}

/// What is in a bundle that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    /// Leaves that are proved.
    pub leaves: usize,
    /// Entries of the audit log.
    pub entries: usize,
    /// Those of them that are not in the log yet.
    pub unproved: usize,
    /// Leaves under the checkpoint.
    pub checkpoint: u64,
    /// The witnesses that cosigned it.
    pub witnesses: Vec<String>,
}

impl Bundler<'_> {
    /// Makes a bundle in `into`, which must not be there yet: of `recordings`, each with its number, and of the entries of the
    /// audit log that `wanted` picks. `progress` is told how many leaves of how many were read.
    ///
    /// # Errors
    /// [`BundleError`]; what was written is left.
    pub fn make(
        &self,
        into: &Path,
        recordings: &[(PathBuf, SessionId, u64)],
        wanted: &mut dyn FnMut(&Line) -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Made, BundleError> {
        folder(into)?;
        for (dir, session, _) in recordings {
            let to = into.join(RECORDINGS).join(session.as_str());
            folder(&to)?;
            FILES.iter().try_for_each(|name| copy(&dir.join(name), &to.join(name)))?;
        }
        let entries: BTreeMap<u64, Vec<u8>> = match Lines::open(self.audit)? {
            Some(lines) => lines.filter(|line| wanted(line)).map(|line| (line.seq, line.text)).collect(),
            None => BTreeMap::new(),
        };
        let numbers: BTreeSet<u64> = recordings.iter().map(|(_, _, number)| *number).collect();
        let (note, checkpoint, leaves) = self.leaves(&numbers, &entries, progress)?;
        let proved: BTreeSet<u64> =
            leaves.values().filter_map(|leaf| if let Leaf::Audit { seq, .. } = leaf { Some(*seq) } else { None }).collect();
        let (note, checkpoint) = best(self.log, leaves.last_key_value().map_or(0, |(index, _)| *index), note, checkpoint)?;
        self.write_proofs(into, &leaves, &note, &checkpoint)?;
        let text: Vec<u8> = entries.values().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        write(&into.join(ENTRIES), &text)?;
        self.write_keys(into)?;
        write(&into.join("README"), README.as_bytes())?;
        write(&into.join("verify-recording.py"), VERIFIER.as_bytes())?;
        let (_, _, witnesses) = self.log;
        Ok(Made {
            leaves: leaves.len(),
            entries: entries.len(),
            unproved: entries.keys().filter(|seq| !proved.contains(seq)).count(),
            checkpoint: checkpoint.size,
            witnesses: witnesses.iter().filter(|key| verify_cosignature(&note, key).is_ok()).map(|key| key.name().to_owned()).collect(),
        })
    }

    /// The log's checkpoint of now, and the leaves of these sessions and entries.
    fn leaves(
        &self,
        numbers: &BTreeSet<u64>,
        entries: &BTreeMap<u64, Vec<u8>>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(String, Checkpoint, BTreeMap<u64, Leaf>), BundleError> {
        let (dir, key, _) = self.log;
        let bad = |error: &dyn std::fmt::Display| BundleError::Log(error.to_string());
        let found = LogFiles::checkpoint(dir, key).map_err(|e| bad(&e))?;
        let (note, checkpoint) = found.ok_or_else(|| bad(&"there is none"))?;
        let mut leaves = BTreeMap::new();
        let read = LogFiles::new(dir, checkpoint.size).scan(&checkpoint.root, &mut |index, bytes| {
            progress(index + 1, checkpoint.size);
            let Ok(leaf) = Leaf::read(bytes) else { return };
            let belongs = match leaf {
                Leaf::Audit { seq, .. } => entries.contains_key(&seq),
                Leaf::Commit { number, .. }
                | Leaf::Opened { number, .. }
                | Leaf::Closed { number, .. }
                | Leaf::Void { number }
                | Leaf::Deleted { number } => numbers.contains(&number),
                Leaf::Begin { .. } => false,
            };
            if belongs {
                leaves.insert(index, leaf);
            }
        });
        read.map_err(|e| bad(&e))?;
        Ok((note, checkpoint, leaves))
    }

    fn write_proofs(&self, into: &Path, leaves: &BTreeMap<u64, Leaf>, note: &str, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        let (dir, ..) = self.log;
        let files = LogFiles::new(dir, checkpoint.size);
        folder(&into.join(PROOFS))?;
        for (index, leaf) in leaves.iter().filter(|(index, _)| **index < checkpoint.size) {
            let proof = files.proof(*index, leaf.to_string().as_bytes(), checkpoint.size, note);
            let proof = proof.map_err(|error| BundleError::Log(error.to_string()))?;
            write(&into.join(PROOFS).join(format!("{index:012}.tlog-proof")), proof.as_bytes())?;
        }
        Ok(())
    }

    fn write_keys(&self, into: &Path) -> Result<(), BundleError> {
        let (_, key, witnesses) = self.log;
        folder(&into.join("keys"))?;
        copy(self.recording_key, &into.join(RECORDING_KEY))?;
        write(&into.join(LOG_KEY), format!("{key}\n").as_bytes())?;
        let witnesses: String = witnesses.iter().map(|key| format!("{key}\n")).collect();
        write(&into.join(WITNESS_KEYS), witnesses.as_bytes())
    }
}

fn folder(path: &Path) -> Result<(), BundleError> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    if let Some(parent) = path.parent().filter(|parent| parent.ends_with(RECORDINGS)) {
        builder.recursive(true).create(parent).map_err(at(parent))?;
    }
    builder.recursive(false).create(path).map_err(at(path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(at(path))
}

/// Copies a file that may be missing: a recording that still runs has no seal, one in the clear no wrapped key.
fn copy(from: &Path, to: &Path) -> Result<(), BundleError> {
    let mut source = match fs::File::open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(from)(error)),
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    file.and_then(|mut file| std::io::copy(&mut source, &mut file)).map(drop).map_err(at(to))
}

/// The checkpoint that most witnesses cosigned among those that cover leaf `last`; without any, the one of now.
pub(super) fn best(
    (dir, key, witnesses): Log<'_>,
    last: u64,
    note: String,
    checkpoint: Checkpoint,
) -> Result<(String, Checkpoint), BundleError> {
    let mut notes: Vec<(String, Checkpoint)> = Vec::new();
    for witness in witnesses {
        let Some(cosigned) = read_cosigned(dir, witness)? else { continue };
        let Ok(stated) = verify_note(&cosigned, key) else { continue };
        if stated.size <= last || stated.size > checkpoint.size || verify_cosignature(&cosigned, witness).is_err() {
            continue;
        }
        match notes.iter_mut().find(|(_, known)| *known == stated) {
            Some((note, _)) => {
                let line = cosigned.lines().find(|line| line.starts_with(&format!("\u{2014} {} ", witness.name())));
                note.extend(line.into_iter().flat_map(|line| [line, "\n"]));
            }
            None => notes.push((cosigned, stated)),
        }
    }
    let count = |note: &String| witnesses.iter().filter(|key| verify_cosignature(note, key).is_ok()).count();
    notes.sort_by_key(|(note, stated)| (count(note), stated.size));
    Ok(notes.pop().unwrap_or((note, checkpoint)))
}
