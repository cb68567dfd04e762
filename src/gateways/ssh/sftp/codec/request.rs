//! What a client asks (draft-ietf-secsh-filexfer-02 section 6): every request of version 3 and OpenSSH's extensions that are in
//! use. Reads and writes packets; decides nothing.

use bytes::{BufMut, Bytes, BytesMut};

use super::attributes::Attributes;
use super::extension::{self, Extension};
use super::fields::{Fields, Malformed, packet, put_string};

/// `pflags` of OPEN (section 6.3).
pub(crate) const READ: u32 = 1;
/// Open for writing.
pub(crate) const WRITE: u32 = 2;
/// Every write goes to the end.
pub(crate) const APPEND: u32 = 4;
/// Make it if it is not there.
pub(crate) const CREATE: u32 = 8;
/// Empty it.
pub(crate) const TRUNCATE: u32 = 16;
/// Fail if it is there.
pub(crate) const EXCLUSIVE: u32 = 32;

/// One request, but for its number; fields by the draft's names. Borrows from its packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Open {
        path: &'a [u8],
        flags: u32,
        attributes: Attributes<'a>,
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        offset: u64,
        length: u32,
    },
    Write {
        handle: &'a [u8],
        offset: u64,
        data: &'a [u8],
    },
    Lstat {
        path: &'a [u8],
    },
    Fstat {
        handle: &'a [u8],
    },
    Setstat {
        path: &'a [u8],
        attributes: Attributes<'a>,
    },
    Fsetstat {
        handle: &'a [u8],
        attributes: Attributes<'a>,
    },
    Opendir {
        path: &'a [u8],
    },
    Readdir {
        handle: &'a [u8],
    },
    Remove {
        path: &'a [u8],
    },
    Mkdir {
        path: &'a [u8],
        attributes: Attributes<'a>,
    },
    Rmdir {
        path: &'a [u8],
    },
    Realpath {
        path: &'a [u8],
    },
    Stat {
        path: &'a [u8],
    },
    Rename {
        path: &'a [u8],
        to: &'a [u8],
    },
    Readlink {
        path: &'a [u8],
    },
    /// In the order that OpenSSH sends, which is not the draft's: first what the link says, then its name.
    Symlink {
        says: &'a [u8],
        link: &'a [u8],
    },
    Extended(Extension<'a>),
}

/// A request's number and what it asks; `body` is the packet without its length field.
pub(crate) fn read(body: &[u8]) -> Result<(u32, Request<'_>), Malformed> {
    let mut fields = Fields(body);
    let kind = fields.u8()?;
    if !(OPEN..=SYMLINK).contains(&kind) && kind != EXTENDED {
        return Err(Malformed::Kind(kind));
    }
    let id = fields.u32()?;
    let request = of_kind(kind, &mut fields)?;
    fields.end()?;
    Ok((id, request))
}

const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ_DATA: u8 = 5;
const WRITE_DATA: u8 = 6;
const LSTAT: u8 = 7;
const FSTAT: u8 = 8;
const SETSTAT: u8 = 9;
const FSETSTAT: u8 = 10;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const RMDIR: u8 = 15;
const REALPATH: u8 = 16;
const STAT: u8 = 17;
const RENAME: u8 = 18;
const READLINK: u8 = 19;
const SYMLINK: u8 = 20;
const EXTENDED: u8 = 200;

fn of_kind<'a>(kind: u8, f: &mut Fields<'a>) -> Result<Request<'a>, Malformed> {
    Ok(match kind {
        OPEN => Request::Open { path: f.string()?, flags: f.u32()?, attributes: Attributes::read(f)? },
        CLOSE => Request::Close { handle: f.string()? },
        READ_DATA => Request::Read { handle: f.string()?, offset: f.u64()?, length: f.u32()? },
        WRITE_DATA => Request::Write { handle: f.string()?, offset: f.u64()?, data: f.string()? },
        LSTAT => Request::Lstat { path: f.string()? },
        FSTAT => Request::Fstat { handle: f.string()? },
        SETSTAT => Request::Setstat { path: f.string()?, attributes: Attributes::read(f)? },
        FSETSTAT => Request::Fsetstat { handle: f.string()?, attributes: Attributes::read(f)? },
        OPENDIR => Request::Opendir { path: f.string()? },
        READDIR => Request::Readdir { handle: f.string()? },
        REMOVE => Request::Remove { path: f.string()? },
        MKDIR => Request::Mkdir { path: f.string()?, attributes: Attributes::read(f)? },
        RMDIR => Request::Rmdir { path: f.string()? },
        REALPATH => Request::Realpath { path: f.string()? },
        STAT => Request::Stat { path: f.string()? },
        RENAME => Request::Rename { path: f.string()?, to: f.string()? },
        READLINK => Request::Readlink { path: f.string()? },
        SYMLINK => Request::Symlink { says: f.string()?, link: f.string()? },
        EXTENDED => Request::Extended(extension::read(f)?),
        other => return Err(Malformed::Kind(other)),
    })
}

impl Request<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Open { .. } => OPEN,
            Self::Close { .. } => CLOSE,
            Self::Read { .. } => READ_DATA,
            Self::Write { .. } => WRITE_DATA,
            Self::Lstat { .. } => LSTAT,
            Self::Fstat { .. } => FSTAT,
            Self::Setstat { .. } => SETSTAT,
            Self::Fsetstat { .. } => FSETSTAT,
            Self::Opendir { .. } => OPENDIR,
            Self::Readdir { .. } => READDIR,
            Self::Remove { .. } => REMOVE,
            Self::Mkdir { .. } => MKDIR,
            Self::Rmdir { .. } => RMDIR,
            Self::Realpath { .. } => REALPATH,
            Self::Stat { .. } => STAT,
            Self::Rename { .. } => RENAME,
            Self::Readlink { .. } => READLINK,
            Self::Symlink { .. } => SYMLINK,
            Self::Extended(_) => EXTENDED,
        }
    }

    /// The whole packet, under number `id`.
    pub(crate) fn packet(&self, id: u32) -> Bytes {
        packet(self.kind(), |out| {
            out.put_u32(id);
            self.put(out);
        })
    }

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Open { path, flags, attributes } => {
                put_string(out, path);
                out.put_u32(*flags);
                attributes.put(out);
            }
            Self::Read { handle, offset, length } => {
                put_string(out, handle);
                out.put_u64(*offset);
                out.put_u32(*length);
            }
            Self::Write { handle, offset, data } => {
                put_string(out, handle);
                out.put_u64(*offset);
                put_string(out, data);
            }
            Self::Setstat { path: name, attributes }
            | Self::Mkdir { path: name, attributes }
            | Self::Fsetstat { handle: name, attributes } => {
                put_string(out, name);
                attributes.put(out);
            }
            Self::Rename { path: first, to: second } | Self::Symlink { says: first, link: second } => {
                put_string(out, first);
                put_string(out, second);
            }
            Self::Extended(extension) => extension.put(out),
            Self::Close { handle: name }
            | Self::Fstat { handle: name }
            | Self::Readdir { handle: name }
            | Self::Lstat { path: name }
            | Self::Opendir { path: name }
            | Self::Remove { path: name }
            | Self::Rmdir { path: name }
            | Self::Realpath { path: name }
            | Self::Stat { path: name }
            | Self::Readlink { path: name } => put_string(out, name),
        }
    }
}
