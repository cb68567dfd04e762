//! `[recordings]`.

use std::path::{Path, PathBuf};

use super::defaults;
use super::reader::Section;

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
    /// The folder.
    pub dir: PathBuf,
    /// What to do when writing fails.
    pub mode: RecordingMode,
    /// Free space in MiB below which no new session starts.
    pub low_water_mib: u32,
}

pub(super) fn read(root: &Section<'_>, state_dir: &Path) -> Option<Recordings> {
    let default_dir = state_dir.join(defaults::RECORDINGS_URL.trim_start_matches("file:"));
    let Some(section) = root.section("recordings") else {
        return Some(Recordings { dir: default_dir, mode: RecordingMode::Strict, low_water_mib: defaults::LOW_WATER_MIB });
    };
    let dir = match section.string("url") {
        None => Some(default_dir),
        Some(placed) => match placed.value.strip_prefix("file:").filter(|p| !p.is_empty()) {
            Some(path) => Some(state_dir.join(path.strip_prefix("//").unwrap_or(path))),
            None => {
                let what =
                    if placed.value.starts_with("s3:") { "object stores are not in this version" } else { "is not a place for recordings" };
                section.problem(&placed, what, "write \"file:recordings\"; the path is relative to state_dir");
                None
            }
        },
    };
    let words = [("strict", RecordingMode::Strict), ("best-effort", RecordingMode::BestEffort)];
    let mode = section.choice("mode", &words, RecordingMode::Strict);
    refuse_encryption(&section);
    let low_water_mib = section.count("low_water_mib", 1..=1_000_000, defaults::LOW_WATER_MIB);
    section.finish();
    Some(Recordings { dir: dir?, mode: mode?, low_water_mib: low_water_mib? })
}

/// Silence would be worse than an error: who sets `encrypt_to` counts on it.
fn refuse_encryption(section: &Section<'_>) {
    for placed in section.strings("encrypt_to").unwrap_or_default() {
        section.problem(&placed, "encryption to auditors is not in this version", "remove encrypt_to");
    }
}
