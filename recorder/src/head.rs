//! `head.json` and `seal.json`: what they say. Signing and checking them is `envelope`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Exit;

/// The format version in head and seal.
pub(crate) const VERSION: u32 = 1;
/// Most bytes of a head or seal.
pub(crate) const ENVELOPE_LIMIT: usize = 256 * 1024;

/// A ULID in its one canonical spelling: 26 characters of Crockford's alphabet, so it is safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// The 26 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was made, in microseconds since 1970-01-01 UTC: its first ten characters are milliseconds.
    #[must_use]
    pub fn made_us(&self) -> i64 {
        const DIGITS: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let value = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).unwrap_or(0) as u64;
        let ms = self.0.bytes().take(10).fold(0u64, |ms, byte| ms << 5 | value(byte));
        i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000)
    }
}

impl FromStr for SessionId {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        let crockford = |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte));
        let good = text.len() == 26 && text.bytes().all(crockford) && text.starts_with(|first| first <= '7');
        if good { Ok(Self(text.to_owned())) } else { Err(BadHead::SessionId) }
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadHead;

    fn try_from(text: String) -> Result<Self, BadHead> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The terminal the session began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// The value of `TERM`.
    pub term: String,
}

/// Who, where, when and under which rules: everything known when the session begins. Members stand in the order of
/// their names, which is the order they are written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The client's software, as it named itself.
    #[serde(default)]
    pub client: String,
    /// The requested command; `None` for a shell.
    #[serde(default)]
    pub command: Option<String>,
    /// Hex public key of the first epoch. Filled in by `create`.
    #[serde(default)]
    pub first_key: String,
    /// Groups of the principal, qualified by issuer.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Hex public key of the first epoch of channel 1, which holds what was typed; empty where that is not recorded. Filled in
    /// by `create`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input_key: String,
    /// `ssh`, `postgres`, `kubernetes` or `http`, optionally with what it was used for: `ssh.shell`, `ssh.sftp`.
    pub kind: String,
    /// The account on the target.
    #[serde(default)]
    pub login: Option<String>,
    /// Dense number of the session in this deployment: a missing one shows.
    pub number: u64,
    /// Digest of the policy set that permitted the session.
    #[serde(default)]
    pub policy_digest: String,
    /// The principal, qualified by issuer.
    pub principal: String,
    /// Recipients the recording is encrypted to; empty means it is in the clear.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Name of the deployment.
    pub server: String,
    /// The session.
    pub session: SessionId,
    /// Address the principal came from.
    pub source_address: String,
    /// Wall clock at the beginning, in microseconds since 1970-01-01 UTC.
    pub started_us: i64,
    /// Tags of the target.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Name of the target.
    pub target: String,
    /// The terminal; `None` when there is none.
    #[serde(default)]
    pub terminal: Option<Terminal>,
    /// Format version. Filled in by `create`.
    #[serde(default)]
    pub version: u32,
}

impl Head {
    /// Checks what the format needs: names that are there, sizes that make sense.
    ///
    /// # Errors
    /// [`BadHead::Empty`], [`BadHead::Terminal`], [`BadHead::Time`].
    pub fn check(&self) -> Result<(), BadHead> {
        let needed = [
            ("kind", &self.kind),
            ("principal", &self.principal),
            ("server", &self.server),
            ("source_address", &self.source_address),
            ("target", &self.target),
        ];
        if let Some((name, _)) = needed.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(BadHead::Empty(name));
        }
        if self.terminal.as_ref().is_some_and(|terminal| terminal.cols == 0 || terminal.rows == 0) {
            return Err(BadHead::Terminal);
        }
        // 1970 to 9999: what fits the directory names.
        if !(0..253_402_300_800_000_000).contains(&self.started_us) {
            return Err(BadHead::Time);
        }
        Ok(())
    }
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The session ended by itself.
    Closed,
    /// The client's connection was lost.
    Disconnected,
    /// The bastion ended it: lock, revocation, policy, an operator.
    Ended,
    /// A limit or an error ended it.
    Failed,
    /// The bastion shut down.
    Drained,
    /// It was found open at a start and closed then.
    Recovered,
    /// Its head could not be read at a start.
    HeadUnreadable,
}

/// The end of one channel file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSeal {
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Number of the channel.
    pub channel: u32,
    /// Frames of kind commit.
    pub commits: u64,
    /// Events recorded.
    pub events: u64,
    /// Frames of every kind.
    pub frames: u64,
    /// Hex chain after the last frame.
    pub hash: String,
    /// Where the last index frame begins; 0 for none.
    pub index: u64,
    /// Time of the last frame in microseconds since the beginning.
    pub last_us: u64,
    /// Bytes of output and extended data recorded.
    pub output_bytes: u64,
}

/// What `seal.json` says: how a recording ended and what it must consist of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The channel files.
    pub channels: Vec<ChannelSeal>,
    /// Wall clock at the end, in microseconds since 1970-01-01 UTC.
    pub ended_us: i64,
    /// How the remote side ended, if it said.
    #[serde(default)]
    pub exit: Option<Exit>,
    /// Hex SHA-256 of the whole head.json.
    pub head: String,
    /// Number of the session; 0 when the head could not be read.
    pub number: u64,
    /// Why it ended.
    pub reason: Reason,
    /// The session.
    pub session: SessionId,
    /// Format version.
    pub version: u32,
}

/// What is wrong with a head or seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// Not a ULID.
    #[error("a session id must be 26 characters of Crockford's base 32")]
    SessionId,
    /// A member that must be there is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A terminal without cells.
    #[error("the terminal has no columns or no rows")]
    Terminal,
    /// The wall clock is outside the years 1970 to 9999.
    #[error("the wall clock is outside the years 1970 to 9999")]
    Time,
    /// Over [`ENVELOPE_LIMIT`].
    #[error("it is longer than 256 KiB")]
    TooLong,
    /// Not the signed form described in bartizan-recording(5).
    #[error("it is not in the signed form")]
    Form,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// A version this program does not know.
    #[error("version {0} is not known")]
    Version(u32),
}

#[cfg(test)]
pub(crate) mod tests;
