//! The control connection as the core sees it: whether it is there, what was asked and not answered yet. Sends nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::effect::Effect;
use crate::safe::Text;

/// Requests that may wait for their answers at once.
const MOST: usize = 64;

/// How the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Not there yet.
    Starting,
    /// There, and the bastion has said hello.
    Up,
    /// It broke; the host tries again.
    Lost { why: Text, retry_at: Option<Timestamp> },
    /// It is over.
    Gone { why: Text },
}

/// What was asked, and so what to do with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Whoami,
    Subscribe,
    Approvals,
    Sessions,
    Targets,
    /// An answer to an approval; `done` is said when it was taken. `watch`: this session is watched then.
    Answer {
        approval: Text,
        done: String,
        watch: Option<Text>,
    },
    Kill {
        session: Text,
    },
    Watch {
        session: Text,
    },
    Unwatch,
    Recordings,
    Search,
    /// The proof of an audit entry.
    Proof {
        seq: u64,
    },
    /// Audit entries; true for those before the ones at hand.
    Audit {
        more: bool,
    },
    Privilege,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    asked: BTreeMap<u64, Asked>,
    next: u64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self { state: LinkState::Starting, asked: BTreeMap::new(), next: 1 }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }

    /// The request `what` with `fields`; none when it cannot be sent now.
    pub(crate) fn ask(&mut self, asked: Asked, what: &str, fields: Value) -> Option<Effect> {
        if !self.is_up() || self.asked.len() >= MOST {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let mut body = fields;
        let object = body.as_object_mut()?;
        object.insert("id".to_owned(), json!(id));
        object.insert("do".to_owned(), json!(what));
        self.asked.insert(id, asked);
        Some(Effect::Send(body.to_string()))
    }

    /// What the answer `id` is to.
    pub(crate) fn answered(&mut self, id: u64) -> Option<Asked> {
        self.asked.remove(&id)
    }

    /// Whether something of this kind is under way.
    pub(crate) fn waits_for(&self, kind: impl Fn(&Asked) -> bool) -> bool {
        self.asked.values().any(kind)
    }

    /// The connection broke: what was asked of it will not be answered.
    pub(crate) fn lost(&mut self, why: String, retry_in: Option<Duration>, now: Timestamp) -> Vec<Asked> {
        let retry_at = retry_in.and_then(|span| now.checked_add(span).ok());
        self.state = LinkState::Lost { why: why.into(), retry_at };
        std::mem::take(&mut self.asked).into_values().collect()
    }

    pub(crate) fn gone(&mut self, why: String) -> Vec<Asked> {
        self.state = LinkState::Gone { why: why.into() };
        std::mem::take(&mut self.asked).into_values().collect()
    }
}
