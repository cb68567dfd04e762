//! Which leaves an entry of the audit log has: its own, and for some one about a session. Pure: the same entry has the same
//! leaves at any time.

use bartizan_recorder::tlog::{Hash, Leaf};
use serde_json::Value;

use crate::audit::{Entry, Line};

/// The leaves of `line`, in order.
pub(super) fn leaves_of(line: &Line) -> Vec<Leaf> {
    let mut leaves = vec![Leaf::Audit { seq: line.seq, hash: line.hash }];
    // An entry of a version to come has at least its own leaf.
    if let Some(entry) = line.fields.get("entry").filter(|entry| is_about_a_session(entry))
        && let Ok(entry) = serde_json::from_value(entry.clone())
    {
        leaves.extend(of_session(&entry));
    }
    leaves
}

fn is_about_a_session(entry: &Value) -> bool {
    let kind = entry.get("kind").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.starts_with("session.") || kind.starts_with("recording."))
}

fn of_session(entry: &Entry) -> Vec<Leaf> {
    match entry {
        Entry::SessionOpened { number, head, .. } => hash(head).map(|head| Leaf::Opened { number: *number, head }).into_iter().collect(),
        // It has no recording that could be missed.
        Entry::SessionUnrecorded { number: Some(number), .. } => vec![Leaf::Void { number: *number }],
        Entry::SessionVoid { number, seal, .. } => {
            let closed = hash(seal).map(|seal| Leaf::Closed { number: *number, seal });
            std::iter::once(Leaf::Void { number: *number }).chain(closed).collect()
        }
        Entry::SessionClosed { number, seal, .. } | Entry::RecordingRecovered { number, seal, .. } => {
            let closed = number.zip(hash(seal)).map(|(number, seal)| Leaf::Closed { number, seal });
            closed.into_iter().collect()
        }
        Entry::RecordingDeleted { number, .. } => vec![Leaf::Deleted { number: *number }],
        _ => Vec::new(),
    }
}

fn hash(digits: &Option<String>) -> Option<Hash> {
    hex::decode(digits.as_ref()?).ok()?.try_into().ok()
}
