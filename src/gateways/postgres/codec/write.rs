//! Makes messages.

use bytes::{BufMut, Bytes, BytesMut};

use super::Kind;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Severity {
    /// The session ends.
    Fatal,
    /// The statement fails.
    Error,
    /// Nothing fails.
    Notice,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Notice => "NOTICE",
        }
    }
}

/// One message of `kind`, whose body `write` appends. A body that would not fit the length field is left out.
fn message(kind: u8, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut frame = BytesMut::with_capacity(128);
    append(&mut frame, kind, write);
    frame.freeze()
}

/// The same behind what `frames` has already.
fn append<T>(frames: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut) -> T) -> T {
    let begin = frames.len();
    frames.put_u8(kind);
    frames.put_i32(4);
    let written = write(frames);
    let length = i32::try_from(frames.len() - begin - 1);
    match (length, frames.get_mut(begin + 1..begin + 5)) {
        (Ok(length), Some(place)) => place.copy_from_slice(&length.to_be_bytes()),
        _ => frames.truncate(begin + 5),
    }
    written
}

/// Text cannot hold a zero byte on the wire.
fn put_text(to: &mut BytesMut, text: &str) {
    to.extend(text.bytes().filter(|byte| *byte != 0));
    to.put_u8(0);
}

/// An error or notice with a message, and with `more` fields by their letters.
pub(in super::super) fn error(severity: Severity, code: &str, text: &str, more: &[(u8, &str)]) -> Bytes {
    message(if severity == Severity::Notice { b'N' } else { b'E' }, |body| {
        for (letter, text) in [(b'S', severity.word()), (b'V', severity.word()), (b'C', code), (b'M', text)] {
            body.put_u8(letter);
            put_text(body, text);
        }
        for (letter, text) in more.iter().filter(|(_, text)| !text.is_empty()) {
            body.put_u8(*letter);
            put_text(body, text);
        }
        body.put_u8(0);
    })
}

/// The login is done.
pub(in super::super) fn authentication_ok() -> Bytes {
    message(b'R', |body| body.put_u32(0))
}

/// A setting's value.
pub(in super::super) fn parameter_status(name: &str, value: &str) -> Bytes {
    message(b'S', |body| {
        put_text(body, name);
        put_text(body, value);
    })
}

/// What a cancel request has to show.
pub(in super::super) fn backend_key(process: u32, key: &[u8]) -> Bytes {
    message(b'K', |body| {
        body.put_u32(process);
        body.extend_from_slice(key);
    })
}

/// The newest minor version that is spoken, and the options that are not known.
pub(in super::super) fn negotiate(minor: u16, unknown: &[&str]) -> Bytes {
    message(b'v', |body| {
        body.put_u32((3 << 16) | u32::from(minor));
        body.put_u32(u32::try_from(unknown.len()).unwrap_or(0));
        for name in unknown {
            put_text(body, name);
        }
    })
}

/// Ready for the next statement, in this state.
pub(in super::super) fn ready(state: u8) -> Bytes {
    message(b'Z', |body| body.put_u8(state))
}

/// Statements as text.
pub(in super::super) fn query(text: &str) -> Bytes {
    message(b'Q', |body| put_text(body, text))
}

/// A statement to be prepared.
pub(in super::super) fn parse(name: &str, text: &str) -> Bytes {
    message(b'P', |body| {
        put_text(body, name);
        put_text(body, text);
        body.put_u16(0);
    })
}

/// A prepared statement without values, as a portal; its results come as text.
pub(in super::super) fn bind_plain(portal: &str, statement: &str) -> Bytes {
    message(b'B', |body| {
        put_text(body, portal);
        put_text(body, statement);
        body.put_u16(0);
        body.put_u16(0);
        body.put_u16(0);
    })
}

/// Runs a portal to its end.
pub(in super::super) fn execute(portal: &str) -> Bytes {
    message(b'E', |body| {
        put_text(body, portal);
        body.put_u32(0);
    })
}

/// Forgets a statement or portal.
pub(in super::super) fn close(kind: Kind, name: &str) -> Bytes {
    message(b'C', |body| {
        body.put_u8(match kind {
            Kind::Statement => b'S',
            Kind::Portal => b'P',
        });
        put_text(body, name);
    })
}

/// Asks for what is ready.
pub(in super::super) fn flush() -> Bytes {
    message(b'H', |_| {})
}

/// Ends a group of messages.
pub(in super::super) fn sync() -> Bytes {
    message(b'S', |_| {})
}

/// Goodbye.
pub(in super::super) fn terminate() -> Bytes {
    message(b'X', |_| {})
}

/// Appends a row of `count` values, which `write` appends with [`put_value`].
pub(in super::super) fn append_row<T>(frames: &mut BytesMut, count: u16, write: impl FnOnce(&mut BytesMut) -> T) -> T {
    append(frames, b'D', |body| {
        body.put_u16(count);
        write(body)
    })
}

/// Appends a value of a row; none is NULL.
pub(in super::super) fn put_value(body: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        Some(bytes) => {
            body.put_i32(i32::try_from(bytes.len()).unwrap_or(0));
            body.extend_from_slice(bytes);
        }
        None => body.put_i32(-1),
    }
}

/// Copied data.
pub(in super::super) fn copy_data(data: &[u8]) -> Bytes {
    message(b'd', |body| body.extend_from_slice(data))
}

/// Asks what a portal gives.
pub(in super::super) fn describe_portal(name: &str) -> Bytes {
    message(b'D', |body| {
        body.put_u8(b'P');
        put_text(body, name);
    })
}
