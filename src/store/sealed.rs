//! Secrets that the bastion keeps itself, encrypted before they come here: the store never sees one open.

use jiff::Timestamp;

/// A secret under lock and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its name.
    pub name: String,
    /// Which key opens it, as that key's own name.
    pub key: String,
    /// The secret, encrypted and bound to its name.
    pub bytes: Vec<u8>,
    /// Who put it there.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
