//! Bundles on the command line: made as a folder or a tar file, verified from either.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bartizan_recorder::{Outcome, SessionId};

use super::checks::{self, Log};
use super::local::wait_for_leaf;
use super::print::Page;
use super::{Common, Exit, print};
use crate::audit::{self, Line};
use crate::ledger::{BundleError, Bundler, GivenKeys, Made, is_bundle, verify_bundle};
use crate::model::Printable;

/// Whether `path` means a tar file.
fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "tar")
}

/// Whether `text` names a bundle that is there.
pub(super) fn found(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    (is_bundle(&path) || (is_tar(&path) && path.is_file())).then_some(path)
}

/// Makes a bundle of `recordings` and of the entries of the audit log that `wanted` picks.
pub(super) fn make(
    common: &Common,
    into: &Path,
    recordings: &[(PathBuf, SessionId, u64)],
    wanted: &mut dyn FnMut(&Line) -> bool,
) -> Result<Made, Exit> {
    let config = common.load()?;
    let state_dir = &config.server.state_dir;
    let log = Log::of(&config)?;
    let parts = log.as_ref().and_then(Log::parts);
    let (dir, key, witnesses) =
        parts.ok_or_else(|| Exit::incomplete("there is no transparency log yet; it begins with the bastion's first start"))?;
    let (audit, recording_key) = (audit::folder(state_dir), state_dir.join("keys/recordings.pub"));
    // What happened just now takes up to a second to reach the log.
    wait_for_leaf(state_dir, audit::last(&audit, 1)?.0.last().map_or(0, |record| record.seq))?;
    let bundler = Bundler { log: (dir, key, witnesses), audit: &audit, recording_key: &recording_key };
    let bar = super::progress::counter("reading the transparency log");
    let progress = &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let made = if is_tar(into) {
        let beside = into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix(".bartizan-").tempdir_in(beside).map_err(|e| unwritten(into, &e))?;
        let name = into.file_stem().map_or_else(|| PathBuf::from("bundle"), PathBuf::from);
        let made = bundler.make(&folder.path().join("bundle"), recordings, wanted, progress)?;
        pack(&folder.path().join("bundle"), &name, into).map_err(|e| unwritten(into, &e))?;
        made
    } else {
        bundler.make(into, recordings, wanted, progress)?
    };
    bar.finish_and_clear();
    Ok(made)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Exit {
    Exit::incomplete(format!("{} cannot be written: {error}; name a file that is not there yet", path.display()))
}

/// Never over a file that is there, and for its owner alone.
fn pack(folder: &Path, name: &Path, into: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(into)?;
    let mut archive = tar::Builder::new(file);
    archive.mode(tar::HeaderMode::Deterministic);
    archive.append_dir_all(name, folder)?;
    archive.into_inner()?.sync_all()
}

/// Says what a bundle holds.
pub(super) fn tell(into: &Path, made: &Made) {
    let witnesses = if made.witnesses.is_empty() { "no witness".to_owned() } else { made.witnesses.join(", ") };
    print::note(&format!(
        "{}: {} leaves and {} audit entries, under a checkpoint of {} leaves cosigned by {}",
        into.display(),
        made.leaves,
        made.entries,
        made.checkpoint,
        Printable(&witnesses)
    ));
    if made.unproved > 0 {
        print::note(&format!("{} of the entries are not in the transparency log yet; export again in a moment", made.unproved));
    }
}

/// Verifies the bundle at `path` and prints what was found. The worst outcome.
pub(super) fn verify(path: &Path, given: &GivenKeys, as_json: bool) -> Result<Outcome, Exit> {
    let unpacked = if is_tar(path) { Some(unpack(path)?) } else { None };
    let dir = match &unpacked {
        Some(folder) => inner(folder.path())?,
        None => path.to_owned(),
    };
    let bar = super::progress::bar(size(&dir), "verifying");
    let reports = verify_bundle(&dir, given, &mut |at| bar.set_position(at))?;
    bar.finish_and_clear();
    let mut page = Page::stdout();
    if as_json {
        page.json(&reports.iter().map(|(title, report)| checks::json(title, report)).collect::<Vec<_>>())?;
    } else {
        reports.iter().try_for_each(|(title, report)| checks::print(&mut page, title, report))?;
    }
    page.flush()?;
    Ok(reports.iter().map(|(_, report)| report.outcome()).max().unwrap_or(Outcome::Incomplete))
}

/// What is in it comes from a stranger: nothing leaves the folder.
fn unpack(path: &Path) -> Result<tempfile::TempDir, Exit> {
    let fail = |error: std::io::Error| Exit::incomplete(format!("{} cannot be unpacked: {error}", path.display()));
    let folder = tempfile::Builder::new().prefix("bartizan-").tempdir().map_err(fail)?;
    let mut archive = tar::Archive::new(File::open(path).map_err(fail)?);
    archive.set_preserve_permissions(false);
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        // Links could lead out of the folder, and a bundle has none.
        if entry.header().entry_type().is_file() || entry.header().entry_type().is_dir() {
            entry.unpack_in(folder.path()).map_err(fail)?;
        }
    }
    Ok(folder)
}

/// The bundle in the folder that a tar file was unpacked to: it may be in a folder of its own.
fn inner(folder: &Path) -> Result<PathBuf, Exit> {
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let found = std::iter::once(folder.to_owned()).chain(below).find(|dir| is_bundle(dir));
    found.ok_or_else(|| Exit::incomplete("there is no bundle in this file"))
}

fn size(dir: &Path) -> u64 {
    let below = std::fs::read_dir(dir.join("recording")).into_iter().flatten().flatten();
    below.filter_map(|entry| std::fs::metadata(entry.path().join("c0.brec")).ok()).map(|found| found.len()).sum()
}

impl From<BundleError> for Exit {
    fn from(error: BundleError) -> Self {
        let shown = Printable(&error.to_string()).to_string();
        match error {
            BundleError::Log(_) => Self::refused(shown),
            BundleError::Audit(error) => error.into(),
            BundleError::Ledger(error) => error.into(),
            BundleError::Io { .. } => Self::incomplete(shown),
        }
    }
}
