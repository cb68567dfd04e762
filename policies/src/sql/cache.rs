//! Keeps what was analysed, by the exact bytes of the text, the catalog and the state of the session: never by a fingerprint, and never
//! what policy said of it. Bounded; what was not asked for lately goes first.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::script::Script;
use super::state::State;

/// Longest text that is kept, in bytes.
const LONGEST: usize = 64 << 10;

type ByText = HashMap<Box<[u8]>, Arc<Script>>;

/// One generation: texts by the key of a state.
#[derive(Debug, Default)]
struct Generation {
    states: HashMap<Box<str>, ByText>,
    size: usize,
}

impl Generation {
    fn get(&self, state: &str, text: &[u8]) -> Option<&Arc<Script>> {
        self.states.get(state)?.get(text)
    }

    fn put(&mut self, state: &str, text: &[u8], script: Arc<Script>) {
        self.size = self.size.saturating_add(weight(text, &script));
        self.states.entry(state.into()).or_default().insert(text.into(), script);
    }
}

/// About how much memory an entry takes, in bytes.
fn weight(text: &[u8], script: &Script) -> usize {
    let parts: usize = script.statements.iter().map(|one| one.operations.len() + one.hazards.len() + one.effects.len() + 4).sum();
    text.len().saturating_add(parts.saturating_mul(160))
}

/// Analyses of one target's statements.
#[derive(Debug)]
pub struct Cache {
    catalog: u64,
    young: Generation,
    old: Generation,
    limit: usize,
}

impl Cache {
    /// A cache of about `bytes` bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Cache { catalog: 0, young: Generation::default(), old: Generation::default(), limit: bytes / 2 }
    }

    /// What this text was analysed to, in the same catalog and a state of the same key.
    pub fn get(&mut self, text: &[u8], catalog: &Catalog, state: &State) -> Option<Arc<Script>> {
        if self.catalog != catalog.number() {
            return None;
        }
        if let Some(script) = self.young.get(state.key(), text) {
            return Some(Arc::clone(script));
        }
        let script = Arc::clone(self.old.get(state.key(), text)?);
        self.keep(text, state, &script);
        Some(script)
    }

    /// Keeps a script, unless what it means depends on the names of prepared statements or cursors, or it is long.
    pub fn put(&mut self, text: &[u8], catalog: &Catalog, state: &State, script: &Arc<Script>) {
        if script.by_name || text.len() > LONGEST {
            return;
        }
        if self.catalog != catalog.number() {
            (self.young, self.old, self.catalog) = (Generation::default(), Generation::default(), catalog.number());
        }
        self.keep(text, state, script);
    }

    fn keep(&mut self, text: &[u8], state: &State, script: &Arc<Script>) {
        if self.young.size > self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(state.key(), text, Arc::clone(script));
    }
}
