//! The search index: `search.db` in the state folder over what lies there in the clear, and an auditor's own over what they can
//! decrypt, in their own data folder. Derived: one that cannot be read is made anew.

use std::path::{Path, PathBuf};

use bartizan_recorder::{Hit, Query, Recording, Refreshed, SearchError, SearchIndex};

use crate::cli::progress::counter;
use crate::cli::{Exit, print};
use crate::config::Config;
use crate::model::Printable;

/// Gives an encrypted recording back unlocked, where it can.
pub(super) type Unlock<'a> = &'a mut dyn FnMut(Recording) -> Option<Recording>;

/// The index in the state folder.
pub(super) fn of_state(config: &Config) -> PathBuf {
    config.server.state_dir.join("search.db")
}

/// An auditor's own index, as the XDG base directory specification has it; `name` tells bastions apart. Its folder is made `0700`.
pub(super) fn of_auditor(name: &str) -> Result<PathBuf, Exit> {
    use std::os::unix::fs::DirBuilderExt;
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    let dir = data.ok_or_else(|| Exit::usage("HOME is not set: say with --index FILE where your own search index is"))?.join("bartizan");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|error| Exit::incomplete(format!("{}: {error}", dir.display())))?;
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    Ok(dir.join(format!("search-{plain}.db")))
}

/// Brings the index at `path` up to the recordings below `root`, and asks it.
pub(super) fn look(path: &Path, root: &Path, query: &Query, unlock: Unlock<'_>) -> Result<(Vec<Hit>, Refreshed), Exit> {
    let mut index = open(path)?;
    let bar = counter("indexing");
    let refreshed = index.refresh(root, None, unlock, &mut |behind, all| {
        bar.set_length(all);
        bar.set_position(behind);
    });
    bar.finish_and_clear();
    let (mut index, refreshed) = match refreshed {
        Err(error) if error.is_spoilt() => {
            let mut index = renew(path, &error)?;
            let refreshed = index.refresh(root, None, unlock, &mut |_, _| ()).map_err(failed)?;
            (index, refreshed)
        }
        other => (index, other.map_err(failed)?),
    };
    let hits = match index.search(query) {
        Err(error) if error.is_spoilt() => {
            index = renew(path, &error)?;
            index.refresh(root, None, unlock, &mut |_, _| ()).map_err(failed)?;
            index.search(query)
        }
        other => other,
    };
    Ok((hits.map_err(failed)?, refreshed))
}

/// Opens the index at `path`.
pub(super) fn open(path: &Path) -> Result<SearchIndex, Exit> {
    match SearchIndex::open(path) {
        Err(error) if error.is_spoilt() => renew(path, &error),
        other => other.map_err(failed),
    }
}

fn renew(path: &Path, why: &SearchError) -> Result<SearchIndex, Exit> {
    print::note(&format!("{} is made anew: {}", path.display(), Printable(&why.to_string())));
    SearchIndex::renew(path).map_err(failed)
}

pub(super) fn failed(error: impl std::fmt::Display) -> Exit {
    Exit::incomplete(Printable(&error.to_string()).to_string())
}
