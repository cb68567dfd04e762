//! `[policies]`.

use std::path::{Path, PathBuf};

use super::defaults;
use super::reader::Section;

/// Where the policies are.
#[derive(Debug, Clone)]
pub struct Policies {
    /// The folder of `*.cedar` files.
    pub dir: PathBuf,
}

pub(super) fn read(root: &Section<'_>, home: &Path) -> Policies {
    let default = home.join(defaults::POLICIES_DIR);
    let Some(section) = root.section("policies") else {
        return Policies { dir: default };
    };
    let dir = section.path("dir", home);
    section.finish();
    Policies { dir: dir.unwrap_or(default) }
}
