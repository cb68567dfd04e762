//! What a session has prepared by the protocol: statements and portals, by name. A name is trusted only as long as nothing that was
//! skipped or failed could have changed what the server has under it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::enforce::Ruling;

use super::analyst::Reading;
use super::masking::Shape;

/// A statement as it was prepared.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Its text.
    pub(super) text: Arc<str>,
    /// What was understood of it.
    pub(super) reading: Arc<Reading>,
    /// What it was read with: the catalog's number and the state's key. With others it has to be read again.
    pub(super) read_with: (u64, Arc<str>),
}

/// A prepared statement with its values.
#[derive(Debug, Clone)]
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    /// The permission to run it with its values.
    pub(super) ruling: Arc<Ruling>,
    /// What is done to its rows.
    pub(super) shape: Shape,
    /// Bytes of the message that bound it.
    pub(super) sent: u64,
}

/// How many names of each kind are kept; a client that prepares more is refused more.
pub(super) const MOST: usize = 10_000;

/// Statements and portals by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
}

impl Names {
    /// Takes a statement in. One that has its name already stays, as the server keeps it too, except under the empty name.
    pub(super) fn prepare(&mut self, name: &str, prepared: Arc<Prepared>) -> bool {
        if name.is_empty() || !self.statements.contains_key(name) {
            self.statements.insert(name.to_owned(), prepared);
            return true;
        }
        false
    }

    /// Forgets everything that SQL says is gone: one name, or all.
    pub(super) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.statements.remove(name)),
            None => self.statements.clear(),
        }
    }
}
