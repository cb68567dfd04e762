//! What one side of `exec` or `attach` says, whatever it is framed in.

use bytes::Bytes;

/// Which side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// One of the streams that share the connection; the number is that of the channel protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    /// How the command ended.
    Error = 3,
    /// The sizes of the client's terminal.
    Resize = 4,
}

impl Channel {
    pub(super) const ALL: [Self; 5] = [Self::Stdin, Self::Stdout, Self::Stderr, Self::Error, Self::Resize];

    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| *channel as u8 == number)
    }

    /// The name that SPDY's `streamType` has for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Error => "error",
            Self::Resize => "resize",
        }
    }

    /// The side whose bytes it carries.
    pub(super) fn speaker(self) -> Side {
        match self {
            Self::Stdin | Self::Resize => Side::Client,
            Self::Stdout | Self::Stderr | Self::Error => Side::Server,
        }
    }
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Bytes of a stream; there may be more of the same message.
    Data(Channel, Bytes),
    /// A message ended.
    Message,
    /// A stream ended.
    End(Channel),
}

/// Why what was said is not understood: then nothing of it is handed on, and the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

impl Broken {
    pub(super) fn because<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self(why.into()))
    }
}
