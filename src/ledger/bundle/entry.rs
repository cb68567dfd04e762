//! Proves of one entry of the audit log that the transparency log has it.

use bartizan_recorder::tlog::{Leaf, LogFiles, verify_cosignature};

use super::BundleError;
use super::make::{Log, best};

/// A proof, and who cosigned the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EntryProof {
    /// As one text file, the leaf in it (C2SP tlog-proof).
    pub proof: String,
    /// The names of the witnesses.
    pub witnesses: Vec<String>,
}

/// Proves that `log` has entry `seq`; `None` while it has not. Reads the log from its end: blocks.
///
/// # Errors
/// [`BundleError`] when the log cannot be read.
pub fn prove_entry(log: Log<'_>, seq: u64) -> Result<Option<EntryProof>, BundleError> {
    let (dir, key, witnesses) = log;
    let bad = |error: &dyn std::fmt::Display| BundleError::Log(error.to_string());
    let Some((note, checkpoint)) = LogFiles::checkpoint(dir, key).map_err(|e| bad(&e))? else { return Ok(None) };
    let files = LogFiles::new(dir, checkpoint.size);
    let Some((index, leaf)) = find(&files, seq).map_err(|e| bad(&e))? else { return Ok(None) };
    let (note, checkpoint) = best(log, index, note, checkpoint)?;
    let proof = LogFiles::new(dir, checkpoint.size).proof(index, &leaf, checkpoint.size, &note).map_err(|e| bad(&e))?;
    let witnesses = witnesses.iter().filter(|key| verify_cosignature(&note, key).is_ok()).map(|key| key.name().to_owned());
    Ok(Some(EntryProof { proof, witnesses: witnesses.collect() }))
}

/// Where the leaf of entry `seq` stands.
fn find(files: &LogFiles, seq: u64) -> Result<Option<(u64, Vec<u8>)>, bartizan_recorder::tlog::LogError> {
    for number in (0..files.bundles()).rev() {
        for (place, leaf) in (0..).zip(files.leaves(number)?).collect::<Vec<(u64, Vec<u8>)>>().into_iter().rev() {
            match Leaf::read(&leaf) {
                Ok(Leaf::Audit { seq: found, .. }) if found == seq => return Ok(Some((number * LogFiles::BUNDLE + place, leaf))),
                // Entries stand in their order.
                Ok(Leaf::Audit { seq: found, .. }) if found < seq => return Ok(None),
                _ => {}
            }
        }
    }
    Ok(None)
}
