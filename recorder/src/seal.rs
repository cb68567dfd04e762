//! What recovery and end frames state, and how an end frame and a seal are made from what was written. Never reads.

use std::path::Path;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::envelope;
use crate::event::Exit;
use crate::head::{ChannelSeal, Reason, Seal, SessionId, VERSION};
use crate::log::Position;
use crate::place;
use crate::writer::WriteError;

/// What an end frame states, from which a seal can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndText {
    pub(crate) commits: u64,
    pub(crate) events: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<Exit>,
    pub(crate) index: u64,
    pub(crate) output_bytes: u64,
    pub(crate) reason: Reason,
}

/// What a commit of an encrypted recording counts, for a recovery that cannot read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitText {
    pub(crate) events: u64,
    pub(crate) output_bytes: u64,
}

/// What a recovery frame states of the bytes that were cut off before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecoveryText {
    pub(crate) cut_bytes: u64,
    /// Hex.
    pub(crate) cut_sha256: String,
}

/// Who the recording is of, as its seal repeats it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) number: u64,
    /// SHA-256 of head.json.
    pub(crate) head: [u8; 32],
}

/// What a seal says of the channel file that ends at `position` with `text`.
pub(crate) fn channel_seal(channel: u32, position: &Position, text: &EndText) -> ChannelSeal {
    ChannelSeal {
        bytes: position.offset,
        channel,
        commits: text.commits,
        events: text.events,
        frames: position.seq,
        hash: hex::encode(position.chain.0),
        index: text.index,
        last_us: position.at_us,
        output_bytes: text.output_bytes,
    }
}

/// `channels` in order; `text` is the end of the first.
pub(crate) fn make_seal(identity: &Identity, channels: Vec<ChannelSeal>, text: EndText, ended_us: i64) -> Seal {
    Seal {
        channels,
        ended_us,
        exit: text.exit,
        head: hex::encode(identity.head),
        number: identity.number,
        reason: text.reason,
        session: identity.session.clone(),
        version: VERSION,
    }
}

pub(crate) fn save_seal(key: &SigningKey, dir: &Path, seal: &Seal) -> Result<(), WriteError> {
    let bytes = envelope::sign(seal, key)?;
    place::write_whole(dir, place::SEAL, &bytes).map_err(WriteError::io("write the seal of", dir))
}
