//! Keeps what was analysed, by the exact bytes of the text, the catalog and the state of the session: never by a fingerprint, and never
//! what policy said of it. Bounded; what was not asked for lately goes first.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::script::Script;
use super::state::State;

/// Longest text that is kept, in bytes.
const LONGEST: usize = 64 << 10;

type ByText<T> = HashMap<Box<[u8]>, Arc<T>>;

/// One generation: texts by the number of a catalog and the key of a state.
#[derive(Debug)]
struct Generation<T> {
    catalogs: HashMap<u64, HashMap<Box<str>, ByText<T>>>,
    size: usize,
}

impl<T> Default for Generation<T> {
    fn default() -> Self {
        Generation { catalogs: HashMap::new(), size: 0 }
    }
}

impl<T: AsRef<Script>> Generation<T> {
    fn get(&self, catalog: u64, state: &str, text: &[u8]) -> Option<&Arc<T>> {
        self.catalogs.get(&catalog)?.get(state)?.get(text)
    }

    fn put(&mut self, catalog: u64, state: &str, text: &[u8], read: Arc<T>) {
        self.size = self.size.saturating_add(weight(text, (*read).as_ref()));
        self.catalogs.entry(catalog).or_default().entry(state.into()).or_default().insert(text.into(), read);
    }
}

/// About how much memory an entry takes, in bytes.
fn weight(text: &[u8], script: &Script) -> usize {
    let parts: usize = script.statements.iter().map(|one| one.operations.len() + one.hazards.len() + one.effects.len() + 4).sum();
    text.len().saturating_add(parts.saturating_mul(160))
}

/// Analyses of statements. `T` is a script, with whatever its keeper knows of it.
#[derive(Debug)]
pub struct Cache<T = Script> {
    young: Generation<T>,
    old: Generation<T>,
    limit: usize,
}

impl<T: AsRef<Script>> Cache<T> {
    /// A cache of about `bytes` bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Cache { young: Generation::default(), old: Generation::default(), limit: bytes / 2 }
    }

    /// What this text was analysed to, in the same catalog and a state of the same key.
    pub fn get(&mut self, text: &[u8], catalog: &Catalog, state: &State) -> Option<Arc<T>> {
        let number = catalog.number();
        if let Some(read) = self.young.get(number, state.key(), text) {
            return Some(Arc::clone(read));
        }
        let read = Arc::clone(self.old.get(number, state.key(), text)?);
        self.keep(text, number, state, &read);
        Some(read)
    }

    /// Keeps what was analysed, unless what it means depends on the names of prepared statements or cursors, or it is long.
    pub fn put(&mut self, text: &[u8], catalog: &Catalog, state: &State, read: &Arc<T>) {
        if !(**read).as_ref().by_name && text.len() <= LONGEST {
            self.keep(text, catalog.number(), state, read);
        }
    }

    fn keep(&mut self, text: &[u8], catalog: u64, state: &State, read: &Arc<T>) {
        if self.young.size > self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(catalog, state.key(), text, Arc::clone(read));
    }
}
