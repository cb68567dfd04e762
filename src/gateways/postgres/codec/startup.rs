//! What a client says before its first message: it asks for encryption, asks to cancel a query, or opens a session.

use bytes::{Buf, Bytes, BytesMut};

use super::CodecError;
use super::fields::Fields;

/// The longest first packet, as the server has it.
const LONGEST: u32 = 10_000;

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// The first byte of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum First {
    /// It asks for TLS or for GSSAPI encryption.
    Encryption,
    /// It asks that the query of another connection be cancelled.
    Cancel(u32, Bytes),
    /// It opens a session.
    Startup(Opening),
}

/// How a session is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Opening {
    /// The minor version of protocol 3 that is asked for.
    pub(in super::super) minor: u16,
    /// The parameters, in their order.
    pub(in super::super) parameters: Vec<(String, String)>,
}

impl Opening {
    /// The last value of a parameter.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Takes the first packet from `buffer`, once it is whole.
pub(in super::super) fn first(buffer: &mut BytesMut) -> Result<Option<First>, CodecError> {
    if buffer.first() == Some(&TLS_HANDSHAKE) {
        return Err(CodecError::DirectTls);
    }
    let Some(length) = buffer.get(..4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(u32::from_be_bytes) else {
        return Ok(None);
    };
    if !(8..=LONGEST).contains(&length) {
        return Err(if length > 1 << 24 { CodecError::Foreign } else { CodecError::Length('\0', length) });
    }
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    if buffer.len() < whole {
        return Ok(None);
    }
    let mut packet = buffer.split_to(whole).freeze();
    packet.advance(4);
    let code = packet.get_u32();
    let found = match code {
        SSL | GSS if !packet.is_empty() => Err(CodecError::Length('\0', length)),
        // Whoever waits for the answer has nothing more to say yet.
        SSL | GSS if !buffer.is_empty() => Err(CodecError::Early),
        SSL | GSS => Ok(First::Encryption),
        CANCEL => cancel(packet),
        _ if code >> 16 == 3 => opening(u16::try_from(code & 0xffff).unwrap_or(u16::MAX), &packet).map(First::Startup),
        _ => Err(CodecError::Foreign),
    };
    found.map(Some)
}

fn cancel(mut packet: Bytes) -> Result<First, CodecError> {
    // The process, and a key of 4 bytes, or up to 256 in protocol 3.2.
    if !(8..=260).contains(&packet.len()) {
        return Err(CodecError::Malformed('\0'));
    }
    let process = packet.get_u32();
    Ok(First::Cancel(process, packet))
}

fn opening(minor: u16, packet: &[u8]) -> Result<Opening, CodecError> {
    let mut fields = Fields::new(0, packet);
    let mut parameters = Vec::new();
    loop {
        let name = fields.text_z()?;
        if name.is_empty() {
            fields.end()?;
            return Ok(Opening { minor, parameters });
        }
        parameters.push((name.to_owned(), fields.text_z()?.to_owned()));
    }
}
