//! Which leaves an entry of the audit log has: its own, and for some one about a session. Pure: the same entry has the same
//! leaves at any time.

use bartizan_recorder::tlog::{Hash, Leaf};
use serde::Deserialize;

use crate::audit::{Entry, Passed};

/// How an entry about a session says so, in the one form that lines have. What stands in a text has its quotes escaped.
const ABOUT_SESSIONS: [&[u8]; 2] = [b"\"kind\":\"session.", b"\"kind\":\"recording."];

/// What of a line is looked at.
#[derive(Deserialize)]
struct Holds {
    entry: Entry,
}

/// The leaves of `line`, in order.
pub(super) fn leaves_of(line: &Passed) -> Vec<Leaf> {
    let mut leaves = vec![Leaf::Audit { seq: line.seq, hash: line.hash }];
    let is_about_a_session = ABOUT_SESSIONS.iter().any(|word| line.text.windows(word.len()).any(|bytes| bytes == *word));
    // An entry of a version to come has at least its own leaf.
    if is_about_a_session && let Ok(Holds { entry }) = serde_json::from_slice(&line.text) {
        leaves.extend(of_session(&entry));
    }
    leaves
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
