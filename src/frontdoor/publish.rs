//! A target that a visitor publishes through their connection: `ssh -R TARGET:0:HOST:PORT` (RFC 4254, section 7.1). The name stands
//! where an address to listen on would; nothing listens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::server;

use crate::model::{TargetKind, TargetName};

use super::Guard;

/// A target to be published.
pub struct Publish {
    /// Which.
    pub target: TargetName,
    /// As the visitor's client knows it: the address and the port that it asked for, or was given.
    pub asked: (String, u32),
    /// The connection.
    pub line: Line,
}

/// A connection, for what is done on it beside its own requests.
#[derive(Clone)]
pub struct Line {
    /// Opens channels on it, and can end it.
    pub handle: server::Handle,
    /// Tells whether anything is heard on it, and ends it where it does not listen.
    pub guard: Arc<Guard>,
    in_use: Arc<AtomicBool>,
}

impl Line {
    /// Whether anything that was asked for on it was granted: a channel, or a target that it publishes.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::SeqCst)
    }
}

/// What is published, until it is dropped.
pub trait Held: Send + Sync {
    /// Its publisher takes it back.
    fn withdraw(&self);
}

/// What one connection publishes.
#[derive(Default)]
pub(super) struct Publications {
    held: HashMap<(String, u32), Box<dyn Held>>,
    /// How often it asked for anything to be published.
    asked: u32,
    in_use: Arc<AtomicBool>,
}

impl Publications {
    /// The connection, for whoever needs it beside the door.
    pub(super) fn line(&self, handle: server::Handle, guard: &Arc<Guard>) -> Line {
        Line { handle, guard: Arc::clone(guard), in_use: Arc::clone(&self.in_use) }
    }

    /// Something was granted.
    pub(super) fn uses(&self) {
        self.in_use.store(true, Ordering::SeqCst);
    }

    /// Counts a wish to publish; false when there were more than `most`.
    pub(super) fn counts(&mut self, most: u32) -> bool {
        self.asked = self.asked.saturating_add(1);
        self.asked <= most
    }

    /// The port by which the client is to know one more target of `kind` at `address`: the one it named, or else the one that is usual
    /// for what is there. None where it has `most` already, or that one.
    pub(super) fn port(&self, address: &str, port: u32, kind: TargetKind, most: u32) -> Option<u32> {
        if self.held.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return None;
        }
        let is_free = |port: &u32| !self.held.contains_key(&(address.to_owned(), *port));
        if port != 0 { Some(port).filter(is_free) } else { (usual(kind)..).find(is_free) }
    }

    pub(super) fn keep(&mut self, asked: (String, u32), held: Box<dyn Held>) {
        self.uses();
        self.held.insert(asked, held);
    }

    /// Takes one back; false where there is none.
    pub(super) fn withdraw(&mut self, address: &str, port: u32) -> bool {
        let held = self.held.remove(&(address.to_owned(), port));
        held.as_ref().inspect(|held| held.withdraw()).is_some()
    }
}

fn usual(kind: TargetKind) -> u32 {
    match kind {
        TargetKind::Ssh => 22,
        TargetKind::Postgres => 5432,
        TargetKind::Kubernetes => 443,
        TargetKind::Http => 80,
    }
}
