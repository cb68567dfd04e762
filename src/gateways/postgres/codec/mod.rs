//! PostgreSQL's wire protocol, versions 3.0 and 3.2, as far as the gateway looks into it: bytes in, messages out. Touches no
//! socket; every length is checked before anything is kept.

mod back;
mod fields;
mod front;
mod splitter;
mod startup;
mod write;

pub(super) use back::{Column, Fault, columns, command_tag, copy_out, each_value, fault, parameter, row, status};
pub(super) use front::{Front, Kind, front};
pub(super) use splitter::{Frame, Side, Splitter, frames, length};
pub(super) use startup::{First, Opening, first};
pub(super) use write::{
    Severity, append_row, authentication_ok, backend_key, bind_plain, close, copy_data, describe_portal, error, execute, flush, negotiate,
    parameter_status, parse, put_value, query, ready, sync, terminate,
};

/// Why bytes are no message that can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// A length that no message of this kind has.
    #[error("a message of kind {0:?} says that it has {1} bytes")]
    Length(char, u32),
    /// A message that is not made as its kind is.
    #[error("a malformed message of kind {0:?}")]
    Malformed(char),
    /// TLS without asking first.
    #[error("the client began TLS at once")]
    DirectTls,
    /// Bytes behind a request that has to be answered first (CVE-2021-23214).
    #[error("bytes came behind a request for encryption before it was answered")]
    Early,
    /// Another protocol.
    #[error("this is not PostgreSQL's protocol, version 3")]
    Foreign,
}

#[cfg(test)]
mod tests;
