//! Masks data that COPY sends out, as text, CSV or binary, a row at a time. A row that is not made as its form says, or that has another
//! number of columns, is handed on to nobody.

use std::borrow::Cow;

use bartizan_policies::Mask;
use bartizan_policies::sql::mask::{Format, masked};
use bartizan_policies::sql::{Answer, Catalog, CopyForm, CopyFormat, Judged, Output, Statement};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::codec::{self, CodecError};

/// The longest row that is masked.
const LONGEST: usize = 64 << 20;

/// What binary data begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// What is done to the data of one COPY.
#[derive(Debug)]
pub(super) struct Copying {
    form: CopyForm,
    /// The mask of each column, and its type.
    columns: Vec<(Option<Mask>, u32)>,
    /// The beginning of a row that is not whole yet.
    held: BytesMut,
    /// The names of the columns, or the head of binary data, are past.
    begun: bool,
    /// Binary data said that it is over.
    over: bool,
}

/// Part of a row: where it is, and what it holds; `None` is NULL.
type Field<'a> = Option<Cow<'a, [u8]>>;

impl Copying {
    /// What is done to the data that the server announces with the message `frame`; `Ok(None)` where nothing is masked.
    pub(super) fn of(statement: &Statement, judged: &Judged, catalog: &Catalog, frame: &[u8]) -> Result<Option<Self>, CodecError> {
        let differs = || CodecError::Malformed('H');
        let Answer::CopyOut(outputs, form) = &statement.answer else { return Err(differs()) };
        let (binary, count) = codec::copy_out(frame)?;
        if outputs.len() != judged.masks.len() {
            return Err(differs());
        }
        if judged.masks.iter().all(Option::is_none) {
            return Ok(None);
        }
        // Of a table with generated columns fewer are copied than it has, unless they are named.
        if usize::from(count) != outputs.len() {
            return Err(differs());
        }
        let form = form.clone().filter(|form| binary == (form.format == CopyFormat::Binary)).ok_or_else(differs)?;
        let columns = judged.masks.iter().copied().zip(outputs.iter().map(|output| type_of(output, catalog))).collect();
        let begun = !form.header && form.format != CopyFormat::Binary;
        Ok(Some(Self { form, columns, held: BytesMut::new(), begun, over: false }))
    }

    /// Takes the data of one message and gives what the client may have of it, as one message; nothing if no row has ended.
    pub(super) fn shown(&mut self, data: &[u8], key: &[u8]) -> Result<Option<Bytes>, CodecError> {
        self.held.extend_from_slice(data);
        let mut out = BytesMut::new();
        while self.step(&mut out, key)? {}
        if self.held.len() > LONGEST {
            return Err(CodecError::Length('d', u32::try_from(self.held.len()).unwrap_or(u32::MAX)));
        }
        Ok((!out.is_empty()).then(|| codec::copy_data(&out)))
    }

    /// The end of the data: nothing may be left over.
    pub(super) fn ended(&self) -> Result<(), CodecError> {
        if self.held.is_empty() { Ok(()) } else { Err(CodecError::Malformed('c')) }
    }

    /// One row; false if it is not whole.
    fn step(&mut self, out: &mut BytesMut, key: &[u8]) -> Result<bool, CodecError> {
        match self.form.format {
            CopyFormat::Binary if !self.begun => self.head(out),
            CopyFormat::Binary => self.binary(out, key),
            CopyFormat::Text | CopyFormat::Csv => self.line(out, key),
        }
    }

    fn head(&mut self, out: &mut BytesMut) -> Result<bool, CodecError> {
        const HEAD: usize = SIGNATURE.len() + 8;
        let Some(head) = self.held.get(..HEAD) else { return Ok(false) };
        // No flags and no extension: what they would mean is not known.
        if !head.starts_with(SIGNATURE) || head.get(SIGNATURE.len()..) != Some(&[0; 8]) {
            return Err(CodecError::Malformed('d'));
        }
        out.extend_from_slice(&self.held.split_to(HEAD));
        self.begun = true;
        Ok(true)
    }

    fn binary(&mut self, out: &mut BytesMut, key: &[u8]) -> Result<bool, CodecError> {
        let mut rest: &[u8] = &self.held;
        if rest.len() < 2 || self.over {
            return if self.over && !rest.is_empty() { Err(CodecError::Malformed('d')) } else { Ok(false) };
        }
        let count = rest.get_i16();
        if count == -1 {
            out.put_i16(-1);
            self.held.advance(2);
            self.over = true;
            return Ok(true);
        }
        if usize::try_from(count) != Ok(self.columns.len()) {
            return Err(CodecError::Malformed('d'));
        }
        let before = out.len();
        out.put_i16(count);
        for (mask, type_oid) in &self.columns {
            if rest.len() < 4 {
                out.truncate(before);
                return Ok(false);
            }
            let length = rest.get_i32();
            let Ok(length) = usize::try_from(length) else {
                out.put_i32(-1);
                continue;
            };
            let Some((value, after)) = rest.split_at_checked(length) else {
                out.truncate(before);
                return Ok(false);
            };
            rest = after;
            let shown = match mask {
                Some(mask) => masked(*mask, *type_oid, Format::Binary, Some(value), key),
                None => Some(Cow::Borrowed(value)),
            };
            match shown {
                Some(value) => {
                    out.put_i32(i32::try_from(value.len()).unwrap_or(0));
                    out.extend_from_slice(&value);
                }
                None => out.put_i32(-1),
            }
        }
        let taken = self.held.len() - rest.len();
        self.held.advance(taken);
        Ok(true)
    }

    fn line(&mut self, out: &mut BytesMut, key: &[u8]) -> Result<bool, CodecError> {
        let Some((fields, end)) = self.fields() else { return Ok(false) };
        if fields.len() != self.columns.len() {
            return Err(CodecError::Malformed('d'));
        }
        if !self.begun {
            out.extend_from_slice(&self.held.split_to(end));
            self.begun = true;
            return Ok(true);
        }
        for (n, ((from, to), (mask, type_oid))) in fields.into_iter().zip(&self.columns).enumerate() {
            if n > 0 {
                out.put_u8(self.form.delimiter);
            }
            let raw = self.held.get(from..to).unwrap_or_default();
            match mask {
                None => out.extend_from_slice(raw),
                Some(mask) => {
                    let value = self.value(raw);
                    self.write(masked(*mask, *type_oid, Format::Text, value.as_deref(), key), out);
                }
            }
        }
        out.put_u8(b'\n');
        self.held.advance(end);
        Ok(true)
    }

    /// Where the fields of the next line are, and where the line after it begins.
    fn fields(&self) -> Option<(Vec<(usize, usize)>, usize)> {
        let csv = self.form.format == CopyFormat::Csv;
        let (mut fields, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
        for (at, byte) in self.held.iter().copied().enumerate() {
            if escaped {
                escaped = false;
            } else if csv && quoted && byte == self.form.escape && self.form.escape != self.form.quote || !csv && byte == b'\\' {
                escaped = true;
            } else if csv && byte == self.form.quote {
                // A doubled one ends the quotes and begins them again.
                quoted = !quoted;
            } else if !quoted && byte == self.form.delimiter {
                fields.push((from, at));
                from = at + 1;
            } else if !quoted && byte == b'\n' {
                fields.push((from, at));
                return Some((fields, at + 1));
            }
        }
        None
    }

    /// What a field of a line holds.
    fn value<'r>(&self, raw: &'r [u8]) -> Field<'r> {
        if raw == self.form.null.as_bytes() {
            return None;
        }
        if self.form.format == CopyFormat::Text {
            return Some(plain(raw));
        }
        let Some(inner) = raw.strip_prefix(&[self.form.quote]).and_then(|rest| rest.strip_suffix(&[self.form.quote])) else {
            return Some(Cow::Borrowed(raw));
        };
        let (mut value, mut bytes) = (Vec::with_capacity(inner.len()), inner.iter().copied().peekable());
        while let Some(byte) = bytes.next() {
            let next = (byte == self.form.escape).then(|| bytes.next_if(|next| *next == self.form.quote || *next == self.form.escape));
            value.push(next.flatten().unwrap_or(byte));
        }
        Some(Cow::Owned(value))
    }

    fn write(&self, value: Field<'_>, out: &mut BytesMut) {
        let Some(value) = value else { return out.extend_from_slice(self.form.null.as_bytes()) };
        if self.form.format == CopyFormat::Text {
            for byte in value.iter().copied() {
                match byte {
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    byte => {
                        if byte == b'\\' || byte == self.form.delimiter {
                            out.put_u8(b'\\');
                        }
                        out.put_u8(byte);
                    }
                }
            }
            return;
        }
        // In quotes it is never taken for NULL.
        out.put_u8(self.form.quote);
        for byte in value.iter().copied() {
            if byte == self.form.quote || byte == self.form.escape {
                out.put_u8(self.form.escape);
            }
            out.put_u8(byte);
        }
        out.put_u8(self.form.quote);
    }
}

/// A field of text without its backslashes.
fn plain(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let (mut value, mut bytes) = (Vec::with_capacity(raw.len()), raw.iter().copied());
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'\\' { bytes.next().map_or(byte, meant) } else { byte };
        value.push(byte);
    }
    Cow::Owned(value)
}

/// What a letter behind a backslash means.
fn meant(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => other,
    }
}

/// The type of the columns that are handed on in an output, if they have one.
fn type_of(output: &Output, catalog: &Catalog) -> u32 {
    let mut types = output.flows.iter().map(|id| {
        let column = catalog.numbered(id.relation).and_then(|relation| relation.numbered(id.number));
        column.map_or(0, |column| column.type_oid)
    });
    let first = types.next().unwrap_or(0);
    if types.all(|other| other == first) { first } else { 0 }
}

#[cfg(test)]
mod tests;
