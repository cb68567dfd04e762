//! Reads the fields of one message's body. Every read is checked; what is left over is an error where nothing may be.

use super::CodecError;

/// The body of a message of one kind.
pub(super) struct Fields<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(kind: u8, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    pub(super) fn malformed(&self) -> CodecError {
        CodecError::Malformed(char::from(self.kind))
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, CodecError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.malformed())
    }

    /// Bytes up to a zero byte, which is taken too.
    pub(super) fn bytes_z(&mut self) -> Result<&'a [u8], CodecError> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.malformed())?;
        let taken = self.take(end)?;
        self.take(1)?;
        Ok(taken)
    }

    /// The same as text.
    pub(super) fn text_z(&mut self) -> Result<&'a str, CodecError> {
        let bytes = self.bytes_z()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed())
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn end(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}
