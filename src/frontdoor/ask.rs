//! What a visitor asks for, as the SSH protocol carried it, checked for shape and nothing else.

use std::net::SocketAddr;

use russh::keys::PublicKey;
use russh::{Channel, Pty, server};

use crate::model::{Login, Printable, TargetName, Wish};

use super::sentences;

/// One connection's outer facts.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Where the TCP connection comes from.
    pub peer: SocketAddr,
    /// The SSH user name they gave; not an identity, only a wish (`LOGIN@TARGET`) or a hint.
    pub user: String,
    /// The last key whose possession they proved, although a bare key opens nothing here.
    pub key: Option<PublicKey>,
}

/// Where the SSH user name points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The bastion itself.
    Bastion,
    /// An account on a target: `LOGIN@TARGET` or `LOGIN%TARGET`.
    Target(Login, TargetName),
    /// It names a target but cannot be one; the sentence says why.
    Nowhere(String),
}

impl Destination {
    /// Reads an SSH user name.
    #[must_use]
    pub fn read(user: &str) -> Self {
        let Some((login, target)) = user.rsplit_once(['@', '%']) else {
            return Self::Bastion;
        };
        match (login.parse(), target.parse()) {
            (Ok(login), Ok(target)) => Self::Target(login, target),
            (Err(error), _) | (_, Err(error)) => Self::Nowhere(sentences::bad_destination(&error.to_string())),
        }
    }
}

/// Which way in was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `ssh LOGIN@TARGET@bastion`
    Direct,
    /// `ssh -J bastion LOGIN@TARGET`
    Jump,
    /// A stream to the target's name: `-L`, `-W`, `-D`, a forwarded socket, or a subsystem.
    Forward,
}

/// A terminal, as `pty-req` describes it (RFC 4254 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The value of `TERM`.
    pub term: String,
    /// Columns and rows, in characters.
    pub size: (u32, u32),
    /// Width and height, in pixels; 0 when unknown.
    pub pixels: (u32, u32),
    /// Terminal modes (RFC 4254 section 8).
    pub modes: Vec<(Pty, u32)>,
}

/// Environment variables that were asked for and are on the allow-list.
pub type Environment = Vec<(String, String)>;

/// A session asked for: who is in the [`Visitor`]'s connection is not in it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// From where.
    pub visitor: Visitor,
    /// Which way in.
    pub way: Way,
    /// To which target.
    pub target: TargetName,
    /// As which account, where the kind of target has accounts.
    pub login: Option<Login>,
    /// To do what.
    pub wish: Wish,
    /// On which terminal, if any.
    pub terminal: Option<Terminal>,
    /// With which variables.
    pub environment: Environment,
    /// Why, if they say so: what the variable `BARTIZAN_REASON` holds (`ssh -o SetEnv=BARTIZAN_REASON=…`).
    pub reason: Option<String>,
}

/// A session channel that was just opened, before its requests.
pub struct Arrival {
    /// From where.
    pub visitor: Visitor,
    /// Which way in.
    pub way: Way,
    /// To where.
    pub destination: Destination,
    /// The channel.
    pub channel: Channel<server::Msg>,
    /// For the replies that come late.
    pub handle: server::Handle,
    /// Notices about what was refused by name on this connection, to be shown once.
    pub notices: super::Notices,
    /// Tells when the visitor will not wait any longer.
    pub leaving: super::Leaving,
}

impl Ask {
    /// The account as policy is told it: empty where there is none.
    #[must_use]
    pub fn account(&self) -> &str {
        self.login.as_ref().map_or("", Login::as_str)
    }
}

/// A stream that a forward leads to a target by name: its gateway speaks the target's own protocol on it.
pub struct Forwarded {
    /// From where.
    pub visitor: Visitor,
    /// To which target.
    pub target: TargetName,
    /// The stream.
    pub channel: Channel<server::Msg>,
    /// For what has to be said beside it.
    pub handle: server::Handle,
    /// Tells when the visitor will not wait any longer.
    pub leaving: super::Leaving,
}

/// The variable in which a visitor says why; it goes to policy and approvers, not to the target.
pub const REASON_VARIABLE: &str = "BARTIZAN_REASON";

/// Whether `value` can be a reason: one line of text, not too long to be read.
#[must_use]
pub(super) fn is_reason(name: &str, value: &str) -> bool {
    name == REASON_VARIABLE && !value.trim().is_empty() && value.len() <= 1_000 && Printable(value).to_string() == value
}

/// Which variables a visitor may set on a target: locale and display, nothing that changes what a program does.
#[must_use]
pub(super) fn allows_variable(name: &str, value: &str) -> bool {
    let named = matches!(name, "LANG" | "LANGUAGE" | "COLORTERM" | "NO_COLOR" | "TZ")
        || name.strip_prefix("LC_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    named && value.len() <= 256 && Printable(value).to_string() == value
}
