//! The signed form that head and seal are kept in. Signs and checks exact bytes, never a re-encoding; reads no files.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::head::{BadHead, ENVELOPE_LIMIT, Head, Seal, VERSION};

/// A document kept as `{"NAME":…,"key":"hex","signature":"hex"}` and a newline.
pub(crate) trait Document: Serialize + DeserializeOwned {
    const NAME: &'static str;
    fn version(&self) -> u32;
}

impl Document for Head {
    const NAME: &'static str = "head";
    fn version(&self) -> u32 {
        self.version
    }
}

impl Document for Seal {
    const NAME: &'static str = "seal";
    fn version(&self) -> u32 {
        self.version
    }
}

const BEFORE_SIGNATURE: &str = ",\"signature\":\"";
const AFTER_SIGNATURE: &str = "\"}\n";

/// The signed bytes of a document. What is signed: a label, then every byte before `,"signature"`.
pub(crate) fn sign<D: Document>(document: &D, key: &SigningKey) -> Result<Vec<u8>, BadHead> {
    let json = serde_json::to_string(document).map_err(|_| BadHead::Form)?;
    let public = hex::encode(key.verifying_key().as_bytes());
    let said = format!("{{\"{}\":{json},\"key\":\"{public}\"", D::NAME);
    let signature = hex::encode(key.sign(&message::<D>(&said)).to_bytes());
    let whole = format!("{said}{BEFORE_SIGNATURE}{signature}{AFTER_SIGNATURE}");
    if whole.len() > ENVELOPE_LIMIT { Err(BadHead::TooLong) } else { Ok(whole.into_bytes()) }
}

/// Reads a document without checking its signature.
pub(crate) fn read<D: Document>(bytes: &[u8]) -> Result<D, BadHead> {
    let (said, _) = split(bytes)?;
    let inner = said.strip_prefix("{\"").and_then(|rest| rest.strip_prefix(D::NAME)).and_then(|rest| rest.strip_prefix("\":"));
    // `,"key":"` and 64 hex digits and a quote close what is said.
    let json = inner.and_then(|rest| rest.get(..rest.len().checked_sub(8 + 64 + 1)?)).ok_or(BadHead::Form)?;
    let document: D = serde_json::from_str(json).map_err(|_| BadHead::Form)?;
    if document.version() == VERSION { Ok(document) } else { Err(BadHead::Version(document.version())) }
}

/// Reads a document and checks its signature.
pub(crate) fn verify<D: Document>(bytes: &[u8], key: &VerifyingKey) -> Result<D, BadHead> {
    let (said, signature) = split(bytes)?;
    key.verify_strict(&message::<D>(said), &signature).map_err(|_| BadHead::Signature)?;
    read(bytes)
}

fn split(bytes: &[u8]) -> Result<(&str, Signature), BadHead> {
    if bytes.len() > ENVELOPE_LIMIT {
        return Err(BadHead::TooLong);
    }
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix(AFTER_SIGNATURE)).ok_or(BadHead::Form)?;
    let (said, digits) = text.split_at_checked(text.len().saturating_sub(128)).ok_or(BadHead::Form)?;
    let said = said.strip_suffix(BEFORE_SIGNATURE).ok_or(BadHead::Form)?;
    let mut signature = [0; 64];
    hex::decode_to_slice(digits, &mut signature).map_err(|_| BadHead::Form)?;
    // One spelling only, or a byte of the file could change unseen.
    if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return Err(BadHead::Form);
    }
    Ok((said, Signature::from_bytes(&signature)))
}

fn message<D: Document>(said: &str) -> Vec<u8> {
    format!("bartizan recording {} 1\n{said}", D::NAME).into_bytes()
}
