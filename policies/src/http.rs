//! Reads the target of an HTTP request (RFC 9112, section 3.2) into the one form in which it is decided and forwarded, so that
//! bastion and server cannot read it differently; lays out its JSON body for policy; and hides fields of JSON answers. It decides nothing.

mod body;
mod json;
mod known;
mod masks;
mod path;

pub use body::{BODY_LIMIT, Body, NotShown, Places};
pub use json::{Masker, Unreadable};
pub use path::{Odd, Target, read};

/// Headers that frame a message or belong to one connection (RFC 9110, section 7.6.1): nobody sets them, and none is handed on.
pub const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests;
