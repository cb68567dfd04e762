//! Why there is no secret: its place, and what went wrong there.

use crate::config::SecretSource;

/// Why a secret could not be had. Never holds the secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{source_name}: {why}")]
pub struct SecretError {
    source_name: String,
    kind: &'static str,
    why: String,
}

impl SecretError {
    pub(super) fn new(source: &SecretSource, why: String) -> Self {
        Self { source_name: source.to_string(), kind: source.place.kind(), why }
    }

    /// The secret's place, as in `vault secret/data/orders`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.source_name
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self.kind {
            "env" => "set it where the bastion is started, or name another place",
            "exec" => "run it as Bartizan's user: it must print the secret and end with status 0 in time",
            "vault" => "see [vault]: is the server up and unsealed, may the bastion log in and read this path?",
            "sealed" => "write it with `bartizan secret set NAME`",
            _ => "make it readable for Bartizan's user, or name another place",
        }
    }
}
