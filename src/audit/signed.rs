//! Answers to approvals that are signed with the approver's own SSH key: what is signed, and whether a signature is right. The form
//! is `ssh-keygen -Y sign`'s (PROTOCOL.sshsig), so that anybody can make and check one without us.

use jiff::Timestamp;
use russh::keys::ssh_key::SshSig;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::canonical;
use crate::model::{ApprovalId, PrincipalId};

/// What an answer's signature is for: no signature for anything else passes for one.
pub const NAMESPACE: &str = "bartizan-approval";

/// The longest signature that is looked at: an RSA key of 16,384 bits makes one of 8 KiB.
const LONGEST: usize = 16 << 10;

/// Set by a security key when somebody touched it (PROTOCOL.u2f).
const TOUCHED: u8 = 1;

/// What somebody says to an approval.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// To which.
    pub approval: ApprovalId,
    /// What the approval is bound to.
    pub digest: &'a str,
    /// Yes or no.
    pub approve: bool,
    /// For how long at most, in seconds.
    pub for_seconds: Option<u64>,
    /// Why.
    pub reason: &'a str,
    /// Who says it.
    pub approver: &'a PrincipalId,
    /// When, as they say themselves.
    pub at: Timestamp,
}

impl Said<'_> {
    /// The text that is signed: canonical JSON, without a newline.
    #[must_use]
    pub fn challenge(&self) -> String {
        canonical(&json!({
            "answer": if self.approve { "approve" } else { "deny" },
            "approval": self.approval,
            "approver": self.approver,
            "at": self.at,
            "digest": self.digest,
            "for_seconds": self.for_seconds,
            "reason": self.reason,
        }))
    }

    /// Checks `signature`, armoured as ssh-keygen makes it, by the key with the fingerprint `key`.
    ///
    /// # Errors
    /// Why it is not right.
    pub fn check(&self, signature: &str, key: &str) -> Result<(), String> {
        if signature.len() > LONGEST {
            return Err("the signature is too long".to_owned());
        }
        let signature = SshSig::from_pem(signature.trim()).map_err(|error| format!("it is no SSH signature ({error})"))?;
        let by = PublicKey::from(signature.public_key().clone());
        if by.fingerprint(HashAlg::Sha256).to_string() != key {
            return Err(format!("it is not by the key that you logged in with ({key})"));
        }
        let security_key = matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
        if security_key && !was_touched(signature.signature_bytes()) {
            return Err("the security key was not touched for it".to_owned());
        }
        by.verify(NAMESPACE, self.challenge().as_bytes(), &signature).map_err(|_| "it does not fit what is said".to_owned())
    }
}

/// What an entry of the log says of a signed answer.
#[derive(Deserialize)]
struct Answered {
    approval: ApprovalId,
    by: PrincipalId,
    approve: bool,
    reason: String,
    valid_seconds: Option<u64>,
    digest: String,
    signature: String,
    signed_by: String,
    signed_at: Timestamp,
}

/// Checks the signature of an answer in `entry`, which is a line's; an entry that has none is right.
pub(super) fn check_entry(entry: &Value) -> Result<(), String> {
    if entry.get("kind").and_then(Value::as_str) != Some("approval.reviewed") || entry.get("signature").is_none() {
        return Ok(());
    }
    let Answered { approval, by, approve, reason, valid_seconds, digest, signature, signed_by, signed_at } =
        Answered::deserialize(entry).map_err(|error| format!("a signed answer cannot be read: {error}"))?;
    let said = Said { approval, digest: &digest, approve, for_seconds: valid_seconds, reason: &reason, approver: &by, at: signed_at };
    said.check(&signature, &signed_by).map_err(|why| format!("the signature of {by} on their answer to {approval} is not right: {why}"))
}

/// A security key's signature ends with a byte of flags and a counter of four bytes.
fn was_touched(bytes: &[u8]) -> bool {
    bytes.len().checked_sub(5).and_then(|at| bytes.get(at)).is_some_and(|flags| flags & TOUCHED != 0)
}

#[cfg(test)]
mod tests;
