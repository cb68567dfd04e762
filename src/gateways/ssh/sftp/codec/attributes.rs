//! File attributes (draft-ietf-secsh-filexfer-02 section 5). Unknown flags are refused: what cannot be read cannot be checked.

use bytes::{BufMut, BytesMut};

use super::fields::{Fields, Malformed, put_string};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// The bits of `permissions` that tell the kind of file, as POSIX has them.
const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// What is told of a file; each part may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes<'a> {
    /// Bytes.
    pub(crate) size: Option<u64>,
    /// Numbers of user and group.
    pub(crate) owner: Option<(u32, u32)>,
    /// Mode, with the kind of file.
    pub(crate) permissions: Option<u32>,
    /// Seconds since 1970 of the last access and the last change.
    pub(crate) times: Option<(u32, u32)>,
    /// Names and values of a server's own.
    pub(crate) extended: Vec<(&'a [u8], &'a [u8])>,
}

/// What is found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

impl<'a> Attributes<'a> {
    pub(super) fn read(fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        let flags = fields.u32()?;
        if flags & !(SIZE | OWNER | PERMISSIONS | TIMES | EXTENDED) != 0 {
            return Err(Malformed::Flags);
        }
        let mut attributes = Self::default();
        if flags & SIZE != 0 {
            attributes.size = Some(fields.u64()?);
        }
        if flags & OWNER != 0 {
            attributes.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & PERMISSIONS != 0 {
            attributes.permissions = Some(fields.u32()?);
        }
        if flags & TIMES != 0 {
            attributes.times = Some((fields.u32()?, fields.u32()?));
        }
        if flags & EXTENDED != 0 {
            // Each pair takes at least eight bytes of the packet, so that the count cannot lie far.
            for _ in 0..fields.u32()? {
                attributes.extended.push((fields.string()?, fields.string()?));
            }
        }
        Ok(attributes)
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let flag = |bit: u32, there: bool| if there { bit } else { 0 };
        out.put_u32(
            flag(SIZE, self.size.is_some())
                | flag(OWNER, self.owner.is_some())
                | flag(PERMISSIONS, self.permissions.is_some())
                | flag(TIMES, self.times.is_some())
                | flag(EXTENDED, !self.extended.is_empty()),
        );
        if let Some(size) = self.size {
            out.put_u64(size);
        }
        for number in self.owner.iter().flat_map(|(user, group)| [user, group]) {
            out.put_u32(*number);
        }
        if let Some(permissions) = self.permissions {
            out.put_u32(permissions);
        }
        for time in self.times.iter().flat_map(|(accessed, changed)| [accessed, changed]) {
            out.put_u32(*time);
        }
        if !self.extended.is_empty() {
            out.put_u32(u32::try_from(self.extended.len()).unwrap_or(u32::MAX));
            for (name, value) in &self.extended {
                put_string(out, name);
                put_string(out, value);
            }
        }
    }

    /// The kind of file, where the server told the mode.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        self.permissions.map(|mode| match mode & KIND {
            DIRECTORY => FileKind::Directory,
            LINK => FileKind::Link,
            _ => FileKind::Other,
        })
    }
}
