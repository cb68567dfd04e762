//! What is recorded: the events of asciicast v3 and a few of our own, each kept with its exact bytes.
//! Encodes and decodes the records inside an events frame; never interprets terminal bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::wire::{Bytes, put_varint};

/// One thing that happened. Bytes are exactly as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Output as the user saw it (`o`).
    Output(Cow<'a, [u8]>),
    /// What came as extended data, kept apart (`E`).
    Stderr(Cow<'a, [u8]>),
    /// Input, where policy asks for it (`i`).
    Input(Cow<'a, [u8]>),
    /// The terminal's new size (`r`).
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// An operation with its verdict, as a JSON object (`P`). Members `text` and `result`, where they are strings, are
    /// how the operation reads in a rendered export.
    Operation(Cow<'a, str>),
    /// A named place to jump to (`m`).
    Marker(Cow<'a, str>),
    /// An environment variable that was asked for (`V`).
    Environment {
        /// Its name.
        name: Cow<'a, str>,
        /// Its value.
        value: Cow<'a, str>,
    },
    /// How the remote side ended (`X`).
    Exit(Exit),
    /// A remark by the bastion: a gap, a drain, a lock (`N`).
    Note(Cow<'a, str>),
    /// An event of a later version.
    Other {
        /// Its code.
        code: u8,
        /// Its data.
        data: Cow<'a, [u8]>,
    },
}

/// How the remote side ended (RFC 4254 section 6.10).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exit {
    /// True when the remote side said it left a core dump.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub core_dumped: bool,
    /// The remote side's message with a signal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Name of the signal, without `SIG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
}

impl Exit {
    /// Ended with `status`.
    #[must_use]
    pub fn status(status: u32) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Ended by `signal`, named without `SIG`.
    #[must_use]
    pub fn signal(signal: impl Into<String>) -> Self {
        Self { signal: Some(signal.into()), ..Self::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct Variable<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

impl<'a> Event<'a> {
    /// Output.
    pub fn output(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Output(bytes.into())
    }

    /// Extended data.
    pub fn stderr(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Stderr(bytes.into())
    }

    /// Input.
    pub fn input(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Input(bytes.into())
    }

    /// An operation; `json` is a JSON object.
    pub fn operation(json: impl Into<Cow<'a, str>>) -> Self {
        Self::Operation(json.into())
    }

    /// A named place.
    pub fn marker(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Marker(text.into())
    }

    /// A remark.
    pub fn note(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Note(text.into())
    }

    /// A requested environment variable.
    pub fn environment(name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        Self::Environment { name: name.into(), value: value.into() }
    }

    /// The letter that stands for this kind in a record and in a cast.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Output(_) => b'o',
            Self::Stderr(_) => b'E',
            Self::Input(_) => b'i',
            Self::Resize { .. } => b'r',
            Self::Operation(_) => b'P',
            Self::Marker(_) => b'm',
            Self::Environment { .. } => b'V',
            Self::Exit(_) => b'X',
            Self::Note(_) => b'N',
            Self::Other { code, .. } => *code,
        }
    }

    /// The data of the record: exact bytes, or text.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Output(data) | Self::Stderr(data) | Self::Input(data) | Self::Other { data, .. } => data.as_ref().into(),
            Self::Resize { cols, rows } => format!("{cols}x{rows}").into_bytes().into(),
            Self::Operation(text) | Self::Marker(text) | Self::Note(text) => text.as_bytes().into(),
            Self::Environment { name, value } => json(&Variable { name: name.as_ref().into(), value: value.as_ref().into() }),
            Self::Exit(exit) => json(exit),
        }
    }

    /// The bytes that may be cut over several records, for the kinds where that changes nothing.
    pub(crate) fn stream(&self) -> Option<&[u8]> {
        match self {
            Self::Output(data) | Self::Stderr(data) | Self::Input(data) => Some(data),
            _ => None,
        }
    }

    /// The same event without data of its own.
    #[must_use]
    pub fn borrowed(&self) -> Event<'_> {
        match self {
            Self::Output(data) => Event::Output(data.as_ref().into()),
            Self::Stderr(data) => Event::Stderr(data.as_ref().into()),
            Self::Input(data) => Event::Input(data.as_ref().into()),
            Self::Resize { cols, rows } => Event::Resize { cols: *cols, rows: *rows },
            Self::Operation(text) => Event::Operation(text.as_ref().into()),
            Self::Marker(text) => Event::Marker(text.as_ref().into()),
            Self::Environment { name, value } => Event::environment(name.as_ref(), value.as_ref()),
            Self::Exit(exit) => Event::Exit(exit.clone()),
            Self::Note(text) => Event::Note(text.as_ref().into()),
            Self::Other { code, data } => Event::Other { code: *code, data: data.as_ref().into() },
        }
    }

    /// The same event owning its data.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            text.into_owned().into()
        }
        fn own_bytes(bytes: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
            bytes.into_owned().into()
        }
        match self {
            Self::Output(data) => Event::Output(own_bytes(data)),
            Self::Stderr(data) => Event::Stderr(own_bytes(data)),
            Self::Input(data) => Event::Input(own_bytes(data)),
            Self::Resize { cols, rows } => Event::Resize { cols, rows },
            Self::Operation(text) => Event::Operation(own(text)),
            Self::Marker(text) => Event::Marker(own(text)),
            Self::Environment { name, value } => Event::Environment { name: own(name), value: own(value) },
            Self::Exit(exit) => Event::Exit(exit),
            Self::Note(text) => Event::Note(own(text)),
            Self::Other { code, data } => Event::Other { code, data: own_bytes(data) },
        }
    }

    /// What a record with this code and data says; what does not parse is kept as [`Event::Other`].
    fn from_record(code: u8, data: &'a [u8]) -> Self {
        Self::known(code, data).unwrap_or(Self::Other { code, data: data.into() })
    }

    fn known(code: u8, data: &'a [u8]) -> Option<Self> {
        let text = || std::str::from_utf8(data).ok().map(Cow::from);
        Some(match code {
            b'o' => Self::Output(data.into()),
            b'E' => Self::Stderr(data.into()),
            b'i' => Self::Input(data.into()),
            b'r' => resize(data)?,
            b'P' => Self::Operation(text()?),
            b'm' => Self::Marker(text()?),
            b'N' => Self::Note(text()?),
            b'X' => Self::Exit(serde_json::from_slice(data).ok()?),
            b'V' => {
                let Variable { name, value } = serde_json::from_slice(data).ok()?;
                Self::Environment { name, value }
            }
            _ => return None,
        })
    }
}

fn resize(data: &[u8]) -> Option<Event<'static>> {
    let (cols, rows) = std::str::from_utf8(data).ok()?.split_once('x')?;
    Some(Event::Resize { cols: cols.parse().ok()?, rows: rows.parse().ok()? })
}

/// JSON of a struct of strings and numbers, which cannot fail; nothing if it ever did.
fn json<T: Serialize>(value: &T) -> Cow<'static, [u8]> {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Appends one record: code, microseconds since the record before, length, data.
pub(crate) fn put_record(out: &mut Vec<u8>, interval_us: u64, code: u8, data: &[u8]) {
    out.push(code);
    put_varint(out, interval_us);
    put_varint(out, data.len() as u64);
    out.extend_from_slice(data);
}

/// Most bytes a record takes beside its data.
pub(crate) const RECORD_OVERHEAD: usize = 1 + 10 + 5;

/// The next record of a decoded body: microseconds since the one before, and the event. `None` when malformed.
pub(crate) fn take_record<'a>(bytes: &mut Bytes<'a>) -> Option<(u64, Event<'a>)> {
    let code = bytes.u8()?;
    let interval = bytes.varint()?;
    let len = usize::try_from(bytes.varint()?).ok()?;
    Some((interval, Event::from_record(code, bytes.take(len)?)))
}

#[cfg(test)]
pub(crate) mod tests;
