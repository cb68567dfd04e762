//! OpenSSH's extensions of version 3 (its file PROTOCOL, section 4) that are in use. Any other is known by its name only.

use bytes::{BufMut, BytesMut};

use super::attributes::Attributes;
use super::fields::{Fields, Malformed, put_string};

/// One extended request; fields by OpenSSH's names. Borrows from its packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extension<'a> {
    PosixRename { path: &'a [u8], to: &'a [u8] },
    Statvfs { path: &'a [u8] },
    Fstatvfs { handle: &'a [u8] },
    Hardlink { path: &'a [u8], link: &'a [u8] },
    Fsync { handle: &'a [u8] },
    Lsetstat { path: &'a [u8], attributes: Attributes<'a> },
    Limits,
    ExpandPath { path: &'a [u8] },
    CopyData { from: &'a [u8], offset: u64, length: u64, to: &'a [u8], to_offset: u64 },
    HomeDirectory { user: &'a [u8] },
    UsersGroupsById { users: &'a [u8], groups: &'a [u8] },
    Unknown { name: &'a [u8], data: &'a [u8] },
}

const POSIX_RENAME: &[u8] = b"posix-rename@openssh.com";
const STATVFS: &[u8] = b"statvfs@openssh.com";
const FSTATVFS: &[u8] = b"fstatvfs@openssh.com";
const HARDLINK: &[u8] = b"hardlink@openssh.com";
const FSYNC: &[u8] = b"fsync@openssh.com";
const LSETSTAT: &[u8] = b"lsetstat@openssh.com";
const LIMITS: &[u8] = b"limits@openssh.com";
const EXPAND_PATH: &[u8] = b"expand-path@openssh.com";
const COPY_DATA: &[u8] = b"copy-data";
const HOME_DIRECTORY: &[u8] = b"home-directory";
const USERS_GROUPS: &[u8] = b"users-groups-by-id@openssh.com";

/// The extensions that pass, each with the version that this code reads. Everything else is taken out of VERSION.
pub(crate) const KNOWN: [(&[u8], &[u8]); 11] = [
    (POSIX_RENAME, b"1"),
    (STATVFS, b"2"),
    (FSTATVFS, b"2"),
    (HARDLINK, b"1"),
    (FSYNC, b"1"),
    (LSETSTAT, b"1"),
    (LIMITS, b"1"),
    (EXPAND_PATH, b"1"),
    (COPY_DATA, b"1"),
    (HOME_DIRECTORY, b"1"),
    (USERS_GROUPS, b"1"),
];

pub(super) fn read<'a>(f: &mut Fields<'a>) -> Result<Extension<'a>, Malformed> {
    Ok(match f.string()? {
        POSIX_RENAME => Extension::PosixRename { path: f.string()?, to: f.string()? },
        STATVFS => Extension::Statvfs { path: f.string()? },
        FSTATVFS => Extension::Fstatvfs { handle: f.string()? },
        HARDLINK => Extension::Hardlink { path: f.string()?, link: f.string()? },
        FSYNC => Extension::Fsync { handle: f.string()? },
        LSETSTAT => Extension::Lsetstat { path: f.string()?, attributes: Attributes::read(f)? },
        LIMITS => Extension::Limits,
        EXPAND_PATH => Extension::ExpandPath { path: f.string()? },
        COPY_DATA => Extension::CopyData { from: f.string()?, offset: f.u64()?, length: f.u64()?, to: f.string()?, to_offset: f.u64()? },
        HOME_DIRECTORY => Extension::HomeDirectory { user: f.string()? },
        USERS_GROUPS => Extension::UsersGroupsById { users: f.string()?, groups: f.string()? },
        name => Extension::Unknown { name, data: f.rest() },
    })
}

impl Extension<'_> {
    /// The name it goes by.
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Self::PosixRename { .. } => POSIX_RENAME,
            Self::Statvfs { .. } => STATVFS,
            Self::Fstatvfs { .. } => FSTATVFS,
            Self::Hardlink { .. } => HARDLINK,
            Self::Fsync { .. } => FSYNC,
            Self::Lsetstat { .. } => LSETSTAT,
            Self::Limits => LIMITS,
            Self::ExpandPath { .. } => EXPAND_PATH,
            Self::CopyData { .. } => COPY_DATA,
            Self::HomeDirectory { .. } => HOME_DIRECTORY,
            Self::UsersGroupsById { .. } => USERS_GROUPS,
            Self::Unknown { name, .. } => name,
        }
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        put_string(out, self.name());
        match self {
            Self::PosixRename { path: first, to: second }
            | Self::Hardlink { path: first, link: second }
            | Self::UsersGroupsById { users: first, groups: second } => {
                put_string(out, first);
                put_string(out, second);
            }
            Self::Statvfs { path: one }
            | Self::ExpandPath { path: one }
            | Self::Fstatvfs { handle: one }
            | Self::Fsync { handle: one }
            | Self::HomeDirectory { user: one } => put_string(out, one),
            Self::Lsetstat { path, attributes } => {
                put_string(out, path);
                attributes.put(out);
            }
            Self::Limits => {}
            Self::CopyData { from, offset, length, to, to_offset } => {
                put_string(out, from);
                out.put_u64(*offset);
                out.put_u64(*length);
                put_string(out, to);
                out.put_u64(*to_offset);
            }
            Self::Unknown { data, .. } => out.put_slice(data),
        }
    }
}
