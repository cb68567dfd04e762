//! SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions: packets from bytes and bytes from packets. Takes
//! slices, returns errors, holds no state; it never reads a socket and never trusts a length.

mod attributes;
mod extension;
mod fields;
mod limits;
mod reply;
mod request;

#[cfg(test)]
pub(crate) use attributes::Attributes;
pub(crate) use attributes::FileKind;
pub(crate) use extension::{Extension, KNOWN};
pub use fields::Malformed;
pub(crate) use limits::{Limits, lesser};
#[cfg(test)]
pub(crate) use reply::Name;
pub(crate) use reply::{Reply, code, read as read_reply, status_packet};
pub(crate) use request::{APPEND, CREATE, EXCLUSIVE, READ, Request, TRUNCATE, WRITE, read as read_request};

use bytes::{BufMut, Bytes};
use fields::{Fields, packet, put_string};

/// The version that is spoken.
pub(crate) const VERSION: u32 = 3;

/// The greatest length field that is taken, as OpenSSH's `SFTP_MAX_MSG_LENGTH`.
pub(crate) const LONGEST: u32 = 256 << 10;

/// Where the number of a request or reply stands in its packet.
pub(crate) const ID: std::ops::Range<usize> = 5..9;

const INIT_PACKET: u8 = 1;
const VERSION_PACKET: u8 = 2;

/// How many bytes the packet at the start of `bytes` has, its length field included; `None` until the length field is there.
///
/// # Errors
/// When it is longer than [`LONGEST`] or has not even a type.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(field) = bytes.first_chunk::<4>() else { return Ok(None) };
    match u32::from_be_bytes(*field) {
        0 => Err(Malformed::Short),
        length if length > LONGEST => Err(Malformed::TooLong(length)),
        length => Ok(usize::try_from(length).ok().map(|length| length + 4)),
    }
}

/// The number of a packet, however wrong the rest of it is; `body` is the packet without its length field.
pub(crate) fn number(body: &[u8]) -> Option<u32> {
    body.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// INIT or VERSION: the version and the extensions with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting<'a> {
    /// What is spoken or offered.
    pub(crate) version: u32,
    /// Names and values.
    pub(crate) extensions: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Greeting<'a> {
    fn read(body: &'a [u8], wanted: u8) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let kind = fields.u8()?;
        if kind != wanted {
            return Err(Malformed::Kind(kind));
        }
        let version = fields.u32()?;
        let mut extensions = Vec::new();
        while !fields.is_empty() {
            extensions.push((fields.string()?, fields.string()?));
        }
        Ok(Self { version, extensions })
    }

    /// INIT; `body` is the packet without its length field.
    pub(crate) fn init(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(body, INIT_PACKET)
    }

    /// VERSION; `body` is the packet without its length field.
    pub(crate) fn version(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(body, VERSION_PACKET)
    }

    fn packet(&self, kind: u8) -> Bytes {
        packet(kind, |out| {
            out.put_u32(self.version);
            for (name, value) in &self.extensions {
                put_string(out, name);
                put_string(out, value);
            }
        })
    }

    /// As an INIT packet.
    pub(crate) fn init_packet(&self) -> Bytes {
        self.packet(INIT_PACKET)
    }

    /// As a VERSION packet.
    pub(crate) fn version_packet(&self) -> Bytes {
        self.packet(VERSION_PACKET)
    }
}

#[cfg(test)]
mod tests;
