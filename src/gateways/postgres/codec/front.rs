//! What a client says in a session.

use super::CodecError;
use super::fields::Fields;

/// What a name in `Describe` and `Close` is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Kind {
    Statement,
    Portal,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Front<'a> {
    /// Statements as text, run at once.
    Query(&'a str),
    /// A statement to be prepared under a name.
    Parse(&'a str, &'a str),
    /// A prepared statement with values, as a portal: the portal, the statement, and what follows.
    Bind(&'a str, &'a str, &'a [u8]),
    /// Asks what a statement or portal gives.
    Describe(Kind, &'a str),
    /// Runs a portal, up to a number of rows (0: all).
    Execute(&'a str, u32),
    /// Forgets a statement or portal.
    Close(Kind, &'a str),
    /// Asks for what is ready.
    Flush,
    /// Ends a group of messages.
    Sync,
    /// Data to be copied.
    CopyData,
    /// The end of it.
    CopyDone,
    /// The copying cannot go on.
    CopyFail,
    /// Calls a function by its number, which is not decided here and so not served.
    FunctionCall,
    /// Goodbye.
    Terminate,
    /// Not of this moment.
    Other,
}

/// Reads the message of `kind` that begins with the bytes `frame`, header included.
pub(in super::super) fn front(kind: u8, frame: &[u8]) -> Result<Front<'_>, CodecError> {
    let mut fields = Fields::new(kind, frame.get(5..).unwrap_or_default());
    Ok(match kind {
        b'Q' => {
            let text = fields.text_z()?;
            fields.end()?;
            Front::Query(text)
        }
        b'P' => {
            let (name, text) = (fields.text_z()?, fields.text_z()?);
            let types = usize::from(fields.u16()?);
            fields.take(types * 4)?;
            fields.end()?;
            Front::Parse(name, text)
        }
        b'B' => Front::Bind(fields.text_z()?, fields.text_z()?, fields.rest()),
        b'D' | b'C' => {
            let of = match fields.u8()? {
                b'S' => Kind::Statement,
                b'P' => Kind::Portal,
                _ => return Err(fields.malformed()),
            };
            let name = fields.text_z()?;
            fields.end()?;
            if kind == b'D' { Front::Describe(of, name) } else { Front::Close(of, name) }
        }
        b'E' => {
            let (name, most) = (fields.text_z()?, fields.u32()?);
            fields.end()?;
            Front::Execute(name, most)
        }
        b'H' => Front::Flush,
        b'S' => Front::Sync,
        b'd' => Front::CopyData,
        b'c' => Front::CopyDone,
        b'f' => Front::CopyFail,
        b'F' => Front::FunctionCall,
        b'X' => Front::Terminate,
        _ => Front::Other,
    })
}
