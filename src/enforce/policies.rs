//! The policies in force: loaded from a folder, swapped whole or not at all.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bartizan_policies::{Known, PolicySet};

use crate::config::Config;
use crate::identity::LOCAL;

/// A policy set and how often it was swapped.
pub struct PoliciesInForce {
    set: ArcSwap<PolicySet>,
    epoch: AtomicU64,
}

impl PoliciesInForce {
    /// Puts `set` in force.
    #[must_use]
    pub fn new(set: PolicySet) -> Self {
        Self { set: ArcSwap::from_pointee(set), epoch: AtomicU64::new(1) }
    }

    /// The set in force.
    #[must_use]
    pub fn current(&self) -> Arc<PolicySet> {
        self.set.load_full()
    }

    /// Counts swaps; live sessions are decided again when it changes.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Swaps the set, if it differs.
    pub fn swap(&self, set: PolicySet) -> bool {
        if set.digest() == self.current().digest() {
            return false;
        }
        self.set.store(Arc::new(set));
        self.epoch.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// Reads and checks every `*.cedar` file of the configuration's folder. Blocks.
///
/// # Errors
/// Every problem, one per line, each with its place and mend.
pub fn load_dir(config: &Config) -> Result<PolicySet, Vec<String>> {
    let dir = &config.policies.dir;
    let files = read_files(dir).map_err(|e| vec![format!("{}: the policies cannot be read: {e}", dir.display())])?;
    if files.is_empty() {
        return Err(vec![format!("{}: there is no *.cedar file; without policies nobody may do anything", dir.display())]);
    }
    PolicySet::load(files, &known(config)).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn read_files(dir: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "cedar") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.display().to_string(), std::fs::read_to_string(&path)?))).collect()
}

/// What `config` knows, for finding names in policies that it does not.
#[must_use]
pub fn known(config: &Config) -> Known {
    let tags = config.targets.iter().flat_map(|t| t.tags.iter().map(|(key, value)| format!("{key}={value}")));
    Known {
        issuers: Some(config.issuers.iter().map(|i| i.name.to_string()).chain([LOCAL.to_owned()]).collect()),
        groups: None,
        targets: Some(config.targets.iter().map(|t| t.name.to_string()).collect()),
        kinds: Some(config.targets.iter().map(|t| (t.name.to_string(), t.kind().to_string())).collect()),
        tags: Some(tags.collect::<BTreeSet<_>>()),
    }
}
