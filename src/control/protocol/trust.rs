//! Requests that take trust away from certificates and keys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{AuthorityKind, PrincipalId};
use crate::store::Revoked;

/// `trust.revoke`: one of the three, as the options of `bartizan ca revoke` name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeTrust {
    /// The user certificate of this serial.
    pub serial: Option<u64>,
    /// The key of this fingerprint.
    pub key: Option<String>,
    /// Whatever this principal was issued until now.
    pub principal: Option<PrincipalId>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `authority.rotate`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateAuthority {
    /// Which.
    pub authority: AuthorityKind,
    /// How long what the old key signed is still believed.
    pub overlap_seconds: u64,
}

impl RevokeTrust {
    /// What is no longer trusted from `now` on, and how that is told.
    ///
    /// # Errors
    /// A sentence, when it is not exactly one thing.
    pub fn what(&self, now: Timestamp) -> Result<(Revoked, String), String> {
        match (self.serial, &self.key, &self.principal) {
            (Some(serial), None, None) => {
                Ok((Revoked::Certificate { authority: AuthorityKind::User, serial }, format!("certificate {serial}")))
            }
            (None, Some(key), None) => {
                let key = fingerprint(key)?;
                Ok((Revoked::Key(key.clone()), format!("key {key}")))
            }
            (None, None, Some(id)) => {
                Ok((Revoked::IssuedBefore { principal: id.clone(), before: now }, format!("all issued to {id} before {now}")))
            }
            _ => Err("What is revoked is one of serial, key and principal.".to_owned()),
        }
    }
}

/// A key's fingerprint.
///
/// # Errors
/// A sentence, when it is none.
pub fn fingerprint(text: &str) -> Result<String, String> {
    let fits = text
        .strip_prefix("SHA256:")
        .is_some_and(|rest| rest.len() == 43 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)));
    if fits { Ok(text.to_owned()) } else { Err("write it as `ssh-keygen -l` does: SHA256: and 43 characters".to_owned()) }
}
