//! What a server says that the gateway looks into.

use super::CodecError;
use super::fields::Fields;

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Column {
    /// The table it comes from, 0 where it comes from none.
    pub(in super::super) table: u32,
    /// The attribute's number in that table, 0 where it comes from none.
    pub(in super::super) attribute: u16,
    /// Its type.
    pub(in super::super) type_oid: u32,
    /// Whether its values come in binary form.
    pub(in super::super) binary: bool,
}

/// The columns of a result, as a `RowDescription` tells them.
pub(in super::super) type Described = Vec<Column>;

fn body(frame: &[u8]) -> &[u8] {
    frame.get(5..).unwrap_or_default()
}

/// Reads a `RowDescription`.
pub(in super::super) fn columns(frame: &[u8]) -> Result<Described, CodecError> {
    let mut fields = Fields::new(b'T', body(frame));
    let count = fields.u16()?;
    let mut columns = Vec::with_capacity(usize::from(count).min(1_664));
    for _ in 0..count {
        fields.bytes_z()?;
        let (table, attribute, type_oid) = (fields.u32()?, fields.u16()?, fields.u32()?);
        fields.take(6)?;
        let binary = fields.u16()? == 1;
        columns.push(Column { table, attribute, type_oid, binary });
    }
    fields.end()?;
    Ok(columns)
}

/// An error or a notice: each field's letter with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Fault(pub(in super::super) Vec<(u8, String)>);

impl Fault {
    /// The field with this letter.
    pub(in super::super) fn get(&self, letter: u8) -> &str {
        self.0.iter().find(|(known, _)| *known == letter).map_or("", |(_, text)| text.as_str())
    }
}

/// Reads an `ErrorResponse` or a `NoticeResponse`.
pub(in super::super) fn fault(frame: &[u8]) -> Result<Fault, CodecError> {
    let mut fields = Fields::new(b'E', body(frame));
    let mut found = Vec::new();
    loop {
        match fields.u8()? {
            0 => {
                fields.end()?;
                return Ok(Fault(found));
            }
            letter => found.push((letter, String::from_utf8_lossy(fields.bytes_z()?).into_owned())),
        }
    }
}

/// Reads the tag of a `CommandComplete`.
pub(in super::super) fn command_tag(frame: &[u8]) -> Result<&str, CodecError> {
    let mut fields = Fields::new(b'C', body(frame));
    let tag = fields.text_z()?;
    fields.end()?;
    Ok(tag)
}

/// Reads a `CopyOutResponse`: whether the data is binary, and how many columns it has.
pub(in super::super) fn copy_out(frame: &[u8]) -> Result<(bool, u16), CodecError> {
    let mut fields = Fields::new(b'H', body(frame));
    let (format, count) = (fields.u8()?, fields.u16()?);
    fields.take(usize::from(count) * 2)?;
    fields.end()?;
    Ok((format != 0, count))
}

/// Reads the state of a `ReadyForQuery`: idle, in a transaction, or in a failed one.
pub(in super::super) fn status(frame: &[u8]) -> Result<u8, CodecError> {
    let mut fields = Fields::new(b'Z', body(frame));
    let state = fields.u8()?;
    if !matches!(state, b'I' | b'T' | b'E') {
        return Err(fields.malformed());
    }
    fields.end()?;
    Ok(state)
}

/// Reads a `ParameterStatus`.
pub(in super::super) fn parameter(frame: &[u8]) -> Result<(&str, &str), CodecError> {
    let mut fields = Fields::new(b'S', body(frame));
    let pair = (fields.text_z()?, fields.text_z()?);
    fields.end()?;
    Ok(pair)
}

/// Reads a `DataRow`: each value's place in the message, or none for NULL.
pub(in super::super) fn row(frame: &[u8]) -> Result<Vec<Option<&[u8]>>, CodecError> {
    let mut values = Vec::new();
    each_value(frame, |value| values.push(value))?;
    Ok(values)
}

/// Hands on the values of a `DataRow`, and says how many there were.
pub(in super::super) fn each_value<'a>(frame: &'a [u8], mut take: impl FnMut(Option<&'a [u8]>)) -> Result<u16, CodecError> {
    let mut fields = Fields::new(b'D', body(frame));
    let count = fields.u16()?;
    for _ in 0..count {
        // Every negative length is NULL.
        take(match usize::try_from(fields.i32()?) {
            Ok(length) => Some(fields.take(length)?),
            Err(_) => None,
        });
    }
    fields.end()?;
    Ok(count)
}
