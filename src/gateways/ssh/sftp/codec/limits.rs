//! The answer to limits@openssh.com (OpenSSH's PROTOCOL, section 4.8): four numbers, of which zero means that the server has no
//! limit. What the bastion takes itself bounds them.

use bytes::{BufMut, Bytes, BytesMut};

use super::fields::{Fields, Malformed};

/// Bytes in a packet, bytes in one READ, bytes in one WRITE, open handles.
pub(crate) type Limits = [u64; 4];

/// The lesser of each of what `data` says and `ours`.
pub(crate) fn lesser(data: &[u8], ours: Limits) -> Result<Bytes, Malformed> {
    let mut fields = Fields(data);
    let mut out = BytesMut::with_capacity(32);
    for our in ours {
        let theirs = fields.u64()?;
        out.put_u64(if theirs == 0 { our } else { theirs.min(our) });
    }
    fields.end()?;
    Ok(out.freeze())
}
