//! The user's own settings and keys: a small TOML file.

use std::path::{Path, PathBuf};

use bartizan_tui::Settings;

use crate::cli::Exit;
use crate::model::Printable;

/// Below the user's configuration folder.
const FILE: &str = "bartizan/tui.toml";

/// No settings file is longer.
const LONGEST: u64 = 64 << 10;

/// Reads `wanted`, or the usual file if it is there.
pub(super) fn read(wanted: Option<&Path>) -> Result<Settings, Exit> {
    let path = match (wanted, usual()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(path)) if path.exists() => path,
        (None, _) => return Ok(Settings::default()),
    };
    let shown = Printable(&path.display().to_string()).to_string();
    let bad = |error: &dyn std::fmt::Display| Exit::usage(format!("{shown}: {}", Printable(&error.to_string())));
    if std::fs::metadata(&path).map_err(|error| bad(&error))?.len() > LONGEST {
        return Err(bad(&"it is longer than any settings are"));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| bad(&error))?;
    toml::from_str(&text).map_err(|error| bad(&error))
}

fn usual() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(dir.join(FILE))
}
