//! What a server answers (draft-ietf-secsh-filexfer-02 section 7). Reads and writes packets; judges nothing.

use bytes::{BufMut, Bytes};

use super::attributes::Attributes;
use super::fields::{Fields, Malformed, packet, put_string};

/// Codes of STATUS (section 7).
pub(crate) mod code {
    pub(crate) const OK: u32 = 0;
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    pub(crate) const FAILURE: u32 = 4;
    pub(crate) const BAD_MESSAGE: u32 = 5;
    pub(crate) const OP_UNSUPPORTED: u32 = 8;
}

/// One answer, but for its number; fields by the draft's names. Borrows from its packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    Status { code: u32, message: &'a [u8] },
    Handle(&'a [u8]),
    Data(&'a [u8]),
    Names(Vec<Name<'a>>),
    Attributes(Attributes<'a>),
    Extended(&'a [u8]),
}

/// A file as NAME lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// Its name in the directory, or a whole path.
    pub(crate) name: &'a [u8],
    /// A line as `ls -l` shows it.
    pub(crate) line: &'a [u8],
    /// What is told of it.
    pub(crate) attributes: Attributes<'a>,
}

const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// Handles are at most this long (section 6.3).
const LONGEST_HANDLE: usize = 256;

/// A reply's number and what it says; `body` is the packet without its length field.
pub(crate) fn read(body: &[u8]) -> Result<(u32, Reply<'_>), Malformed> {
    let mut f = Fields(body);
    let kind = f.u8()?;
    if !(STATUS..=ATTRS).contains(&kind) && kind != EXTENDED_REPLY {
        return Err(Malformed::Kind(kind));
    }
    let id = f.u32()?;
    let reply = match kind {
        STATUS => status(&mut f)?,
        HANDLE => Reply::Handle(Some(f.string()?).filter(|handle| handle.len() <= LONGEST_HANDLE).ok_or(Malformed::Long)?),
        DATA => Reply::Data(f.string()?),
        NAME => names(&mut f)?,
        ATTRS => Reply::Attributes(Attributes::read(&mut f)?),
        _ => Reply::Extended(f.rest()),
    };
    f.end()?;
    Ok((id, reply))
}

/// Old servers leave out message and language.
fn status<'a>(f: &mut Fields<'a>) -> Result<Reply<'a>, Malformed> {
    let code = f.u32()?;
    if f.is_empty() {
        return Ok(Reply::Status { code, message: b"" });
    }
    let message = f.string()?;
    if !f.is_empty() {
        f.string()?;
    }
    Ok(Reply::Status { code, message })
}

fn names<'a>(f: &mut Fields<'a>) -> Result<Reply<'a>, Malformed> {
    let count = f.u32()?;
    let mut all = Vec::new();
    // Each takes at least twelve bytes of the packet, so that the count cannot lie far.
    for _ in 0..count {
        all.push(Name { name: f.string()?, line: f.string()?, attributes: Attributes::read(f)? });
    }
    Ok(Reply::Names(all))
}

impl Reply<'_> {
    /// The whole packet, under number `id`.
    pub(crate) fn packet(&self, id: u32) -> Bytes {
        let kind = match self {
            Self::Status { .. } => STATUS,
            Self::Handle(_) => HANDLE,
            Self::Data(_) => DATA,
            Self::Names(_) => NAME,
            Self::Attributes(_) => ATTRS,
            Self::Extended(_) => EXTENDED_REPLY,
        };
        packet(kind, |out| {
            out.put_u32(id);
            match self {
                Self::Status { code, message } => {
                    out.put_u32(*code);
                    put_string(out, message);
                    put_string(out, b"");
                }
                Self::Handle(bytes) | Self::Data(bytes) => put_string(out, bytes),
                Self::Names(names) => {
                    out.put_u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                    for name in names {
                        put_string(out, name.name);
                        put_string(out, name.line);
                        name.attributes.put(out);
                    }
                }
                Self::Attributes(attributes) => attributes.put(out),
                Self::Extended(data) => out.put_slice(data),
            }
        })
    }
}

/// A STATUS packet.
pub(crate) fn status_packet(id: u32, code: u32, message: &str) -> Bytes {
    Reply::Status { code, message: message.as_bytes() }.packet(id)
}
