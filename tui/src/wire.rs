//! Reads the lines of the control protocol. What cannot be read is a sentence, never a panic.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::{Approval, Hello, Session, Watched};
use crate::safe::Text;

/// What kind of line it is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Head {
    #[serde(default)]
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) hello: Option<Hello>,
    #[serde(default)]
    pub(crate) error: Option<Refused>,
    #[serde(default)]
    pub(crate) event: Option<Text>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refused {
    #[serde(default)]
    pub(crate) code: u32,
    #[serde(default)]
    pub(crate) message: Text,
}

#[derive(Deserialize)]
struct Good<T> {
    ok: T,
}

/// An event that is known.
pub(crate) enum Told {
    Approval(Box<Approval>),
    Session(Box<Session>),
    Watch(Box<Watched>),
}

#[derive(Deserialize)]
struct ApprovalEvent {
    approval: Box<Approval>,
}

#[derive(Deserialize)]
struct SessionEvent {
    session: Box<Session>,
}

/// What kind of line this is.
pub(crate) fn head(line: &str) -> Result<Head, String> {
    read(line)
}

/// The answer in a line that has one.
pub(crate) fn good<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    read::<Good<T>>(line).map(|good| good.ok)
}

/// The event `kind` in a line; none when it is of a kind that this version does not know.
pub(crate) fn told(kind: &str, line: &str) -> Result<Option<Told>, String> {
    Ok(Some(match kind {
        "approval" => Told::Approval(read::<ApprovalEvent>(line)?.approval),
        "session" => Told::Session(read::<SessionEvent>(line)?.session),
        "watch" => Told::Watch(read(line)?),
        _ => return Ok(None),
    }))
}

fn read<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("The bastion said something that cannot be read: {error}"))
}
