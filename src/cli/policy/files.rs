//! Which files a `policy` command is about, and their text. Reads no more than it says; writes nothing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use bartizan_policies::{Known, PolicySet};

use super::point;
use crate::cli::{CONFIG, Common, Exit};
use crate::config::Config;
use crate::enforce;
use crate::model::Printable;

/// The largest file that is read.
pub(super) const LARGEST: u64 = 16 << 20;
/// The most that is read of all files together.
const MOST: u64 = 128 << 20;

/// Name and text of each file.
pub(super) type Texts = Vec<(String, String)>;

/// The paths a command is about, and the configuration, if there is one.
pub(super) struct Chosen {
    /// Files and folders.
    pub(super) paths: Vec<PathBuf>,
    /// Without it nothing is known of issuers, targets and tags.
    pub(super) config: Option<Config>,
}

impl Chosen {
    /// `given`, or else the configured folder. With `given` a missing configuration is no error, unless one was named.
    pub(super) fn new(common: &Common, given: &[PathBuf]) -> Result<Self, Exit> {
        if given.is_empty() {
            let config = config(common)?;
            return Ok(Self { paths: vec![config.policies.dir.clone()], config: Some(config) });
        }
        let absent = common.config == Path::new(CONFIG) && File::open(CONFIG).is_err();
        Ok(Self { paths: given.to_vec(), config: if absent { None } else { Some(config(common)?) } })
    }

    /// What the configuration knows.
    pub(super) fn known(&self) -> Known {
        self.config.as_ref().map_or_else(Known::default, enforce::known)
    }
}

/// The configuration. What is wrong with it keeps these commands from telling anything: exit code 3.
pub(super) fn config(common: &Common) -> Result<Config, Exit> {
    Config::load(&common.config).map_err(|problems| Exit::incomplete(problems.to_string()))
}

/// Every file that `paths` name: a file itself, of a folder those whose names end with `ending`, by name.
pub(super) fn find(paths: &[PathBuf], ending: &str) -> Result<Vec<PathBuf>, Exit> {
    let mut found = Vec::new();
    for path in paths {
        let failed = |error: std::io::Error| Exit::incomplete(format!("{} cannot be read: {error}", shown(path)));
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if named(&entry, ending) {
                inside.push(entry);
            }
        }
        inside.sort();
        found.extend(inside);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// Whether a file's name ends so.
pub(super) fn named(path: &Path, ending: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending))
}

/// The text of each file.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Texts, Exit> {
    let mut total = 0_u64;
    let mut texts = Vec::new();
    for path in paths {
        let text = read(path)?;
        total = total.saturating_add(text.len() as u64);
        if total > MOST {
            return Err(Exit::incomplete(format!("these files hold more than {} MiB together; name fewer", MOST >> 20)));
        }
        // `./policies/x` is only how a folder beside the configuration is named.
        let name = path.strip_prefix(".").unwrap_or(path);
        texts.push((name.display().to_string(), text));
    }
    Ok(texts)
}

/// The text of one file.
pub(super) fn read(path: &Path) -> Result<String, Exit> {
    let file = File::open(path).map_err(|error| Exit::incomplete(format!("{} cannot be read: {error}", shown(path))))?;
    text_of(file, &shown(path))
}

/// All that `source` holds.
pub(super) fn text_of(source: impl Read, name: &str) -> Result<String, Exit> {
    let mut bytes = Vec::new();
    let read = source.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Exit::incomplete(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Exit::incomplete(format!("{name} is larger than {} MiB; split it", LARGEST >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        Exit::incomplete(format!("{name}:{line}: this is not UTF-8 text; save the file as UTF-8"))
    })
}

/// The policies that `paths` name; none is an error.
pub(super) fn policies(paths: &[PathBuf]) -> Result<Texts, Exit> {
    let files = find(paths, ".cedar")?;
    if files.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| shown(path)).collect();
        return Err(Exit::incomplete(format!("there is no *.cedar file in {}", places.join(", "))));
    }
    read_all(&files)
}

/// The set that these texts make; mistakes in them are told, and keep a command from doing its work.
pub(super) fn load(texts: Texts, known: &Known) -> Result<PolicySet, Exit> {
    PolicySet::load(texts, known).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(|problem| point::at(problem, None)).collect();
        Exit::incomplete(format!("the policies have mistakes; mend these first\n{}", told.join("\n")))
    })
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> String {
    Printable(&path.display().to_string()).to_string()
}
