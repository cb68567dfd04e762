//! Tells people that an operation waits for them, and what became of it. A notice carries what they need to decide where to look,
//! never a link that decides; it may come late or not at all, and nothing waits for it.

mod send;
mod texts;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config;
use crate::secrets::Secrets;
use crate::store::Approval;

pub use send::{Sender, SetupError};

/// Notices that may wait to be sent to one place; a place that takes no more for so long loses the newest.
const QUEUE: usize = 256;

/// One thing that happened to an approval.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// `approval.asked`, or `approval.` and the state it is in now.
    kind: String,
    /// When.
    at: Timestamp,
    approval: Approval,
}

/// Hands notices to every place that is told.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    places: Arc<Vec<(String, mpsc::Sender<Arc<Notice>>)>>,
}

impl Notifier {
    /// A notifier for `places`, and what sends for each; the caller runs these. `server` is the bastion's name. Reads
    /// files.
    ///
    /// # Errors
    /// When a file of trust anchors cannot be used.
    pub fn new(places: &[config::Notify], server: &str, secrets: &Arc<Secrets>) -> Result<(Self, Vec<Sender>), SetupError> {
        let (mut outlets, mut senders) = (Vec::new(), Vec::new());
        for place in places {
            let (outlet, inbox) = mpsc::channel(QUEUE);
            senders.push(Sender::new(place, server, secrets, inbox)?);
            outlets.push((place.name.clone(), outlet));
        }
        Ok((Self { places: Arc::new(outlets) }, senders))
    }

    /// Tells of `approval` as it is now. Never waits.
    pub(super) fn tell(&self, approval: &Approval, asked: bool, at: Timestamp) {
        if self.places.is_empty() {
            return;
        }
        let kind = if asked { "approval.asked".to_owned() } else { format!("approval.{}", approval.state) };
        let notice = Arc::new(Notice { kind, at, approval: approval.clone() });
        for (name, outlet) in self.places.iter() {
            if outlet.try_send(Arc::clone(&notice)).is_err() {
                send::count(name, "dropped");
                tracing::error!(alert = true, notify = name, approval = %notice.approval.asked.id, "too many notices wait; one was dropped");
            }
        }
    }
}

#[cfg(test)]
mod tests;
