//! `[recordings]`. Where they go to an object store, `bucket.rs` reads how that is reached.

use std::path::{Path, PathBuf};

use bartizan_recorder::{BadRecipients, Recipients};

use super::bucket::{self, Bucket};
use super::defaults;
use super::reader::{Placed, Reported, Section};
use crate::model::Printable;

/// What happens to a session that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingMode {
    /// It does not run.
    Strict,
    /// It goes on, its gap is marked, and an alert is raised.
    BestEffort,
}

/// Where recordings go.
#[derive(Debug, Clone)]
pub struct Recordings {
    /// The folder that they are written to, whether or not they go elsewhere then.
    pub dir: PathBuf,
    /// Where they go while they are written, and stay.
    pub bucket: Option<Bucket>,
    /// What to do when writing fails.
    pub mode: RecordingMode,
    /// Free space in MiB below which no new session starts.
    pub low_water_mib: u32,
    /// How much the recording of one session may fill, in MiB; without it, any amount.
    pub session_mib: Option<u32>,
    /// Who alone can read what is recorded; `None`: whoever can read the files.
    pub encrypt_to: Option<Recipients>,
}

pub(super) fn read(root: &Section<'_>, home: &Path, state_dir: &Path) -> Option<Recordings> {
    let default_dir = state_dir.join(defaults::RECORDINGS_URL.trim_start_matches("file:"));
    let Some(section) = root.section("recordings") else {
        let (mode, low_water_mib) = (RecordingMode::Strict, defaults::LOW_WATER_MIB);
        return Some(Recordings { dir: default_dir, bucket: None, mode, low_water_mib, session_mib: None, encrypt_to: None });
    };
    let url = section.string("url");
    let dir = dir(&section, url.as_ref(), state_dir, default_dir);
    let bucket = bucket::read(&section, url.as_ref(), home);
    let words = [("strict", RecordingMode::Strict), ("best-effort", RecordingMode::BestEffort)];
    let mode = section.choice("mode", &words, RecordingMode::Strict);
    let encrypt_to = encrypt_to(&section);
    let low_water_mib = section.count("low_water_mib", 1..=1_000_000, defaults::LOW_WATER_MIB);
    let session_mib = section.has("session_mib").then(|| section.count("session_mib", 1..=1_000_000, 1_000_000));
    section.finish();
    Some(Recordings {
        dir: dir?,
        bucket: bucket.ok()?,
        mode: mode?,
        low_water_mib: low_water_mib?,
        session_mib: session_mib.map_or(Some(None), |read| read.map(Some))?,
        encrypt_to: encrypt_to.ok()?,
    })
}

/// The folder that recordings are written to. What goes to an object store lies in the usual one until it has gone.
fn dir(section: &Section<'_>, url: Option<&Placed<String>>, state_dir: &Path, default_dir: PathBuf) -> Option<PathBuf> {
    let Some(placed) = url else { return Some(default_dir) };
    if placed.value.starts_with("s3://") {
        return Some(default_dir);
    }
    let path = placed.value.strip_prefix("file:").filter(|path| !path.is_empty());
    if path.is_none() {
        let mend = "write \"file:recordings\", a path relative to state_dir, or \"s3://BUCKET/PREFIX\"";
        section.problem(placed, "is not a place for recordings", mend);
    }
    path.map(|path| state_dir.join(path.strip_prefix("//").unwrap_or(path)))
}

/// Silence would be worse than an error: who sets one of these keys counts on it.
fn encrypt_to(section: &Section<'_>) -> Result<Option<Recipients>, Reported> {
    let keys = section.strings("encrypt_to");
    let one_is_enough = section.flag("encrypt_to_one", defaults::ENCRYPT_TO_ONE).ok_or(Reported)?;
    let keys = keys.ok_or(Reported)?;
    let Some(whole) = section.place("encrypt_to") else {
        return if one_is_enough { Err(nothing_to_encrypt_to(section)) } else { Ok(None) };
    };
    each_is_good(section, &keys)?;
    let mend = match &keys[..] {
        [] => "name the public keys of two auditors, or remove encrypt_to to record in the clear",
        _ => "add a second public key; or write encrypt_to_one = true, if you would rather lose recordings than that",
    };
    let read = Recipients::parse(keys.iter().map(|key| &key.value)).and_then(|all| all.check(one_is_enough).map(|()| all));
    read.map(Some).map_err(|bad| {
        section.problem(&whole, Printable(&bad.to_string()).to_string(), mend);
        Reported
    })
}

fn nothing_to_encrypt_to(section: &Section<'_>) -> Reported {
    if let Some(placed) = section.place("encrypt_to_one") {
        section.problem(&placed, "is set, but there is no encrypt_to", "write encrypt_to = [\"age1…\"], or remove encrypt_to_one");
    }
    Reported
}

/// Tells of every bad key at its own place.
fn each_is_good(section: &Section<'_>, keys: &[Placed<String>]) -> Result<(), Reported> {
    let mut good: Vec<&str> = Vec::new();
    let mut all_good = Ok(());
    for key in keys {
        good.push(&key.value);
        if let Err(bad) = Recipients::parse(&good) {
            good.pop();
            let mend = match bad {
                BadRecipients::Twice(_) | BadRecipients::TooMany => "remove it",
                _ => "write a public key: age1… as age-keygen(1) prints it, or ssh-ed25519 …",
            };
            section.problem(key, Printable(&bad.to_string()).to_string(), mend);
            all_good = Err(Reported);
        }
    }
    all_good
}
