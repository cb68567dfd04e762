//! Reads what one side says, in whichever framing was agreed on.

use super::channels::Channels;
use super::said::{Broken, Channel, Said, Side};
use super::spdy::{self, Opened, Spdy};
use super::websocket;

/// How several streams share the connection, with the protocol that the server has agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// SPDY/3.1.
    Spdy(String),
    /// WebSocket (RFC 6455).
    WebSocket(String),
}

/// Reads one side.
pub(super) enum Codec {
    WebSocket(Channels),
    Spdy(Spdy, Opened),
}

impl Codec {
    /// Readers of the client and the server; `None` if `framing` is not spoken here.
    pub(super) fn pair(framing: &Framing) -> Option<(Self, Self)> {
        match framing {
            Framing::WebSocket(protocol) => {
                let side = |side| Channels::of(side, protocol).map(Self::WebSocket);
                Some((side(Side::Client)?, side(Side::Server)?))
            }
            Framing::Spdy(protocol) => {
                let opened = Opened::default();
                let side = |side| Self::Spdy(Spdy::of(side, opened.clone()), opened.clone());
                spdy::SPOKEN.contains(&protocol.as_str()).then(|| (side(Side::Client), side(Side::Server)))
            }
        }
    }

    /// Reads `bytes`, which follow what was read before. Gives how many of them are understood; what is left is to be given again
    /// with what follows.
    pub(super) fn read(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Result<usize, Broken> {
        match self {
            Self::WebSocket(channels) => channels.read(bytes, said),
            Self::Spdy(spdy, _) => spdy.read(bytes, said),
        }
    }

    /// Whether a frame of one's own could be put after what was read.
    pub(super) fn rests(&self) -> bool {
        match self {
            Self::WebSocket(channels) => channels.rests(),
            Self::Spdy(spdy, _) => spdy.rests(),
        }
    }

    /// What tells the client `status` as the command's end, and that the connection ends; `None` where there is no stream for it.
    pub(super) fn last_words(&self, status: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::WebSocket(_) => websocket::last_words(&[&[Channel::Error as u8], status].concat()),
            Self::Spdy(_, opened) => spdy::last_words(opened.stream(Channel::Error)?, status),
        }
    }
}
