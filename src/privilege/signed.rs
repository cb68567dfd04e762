//! A report as a document that a third party verifies with public keys alone: signed with the audit log's key, with a proof that the
//! transparency log has the last entry that it counts, and so every entry before it. Whoever changes a number breaks the signature.
//!
//! Signed are these lines, each with its line feed: `bartizan-least-privilege/1`, the report as canonical JSON (`audit::canonical`).

use bartizan_recorder::tlog::{Leaf, NoteKey, read_proof, verify_cosignature};
use bartizan_recorder::{Outcome, Report as Findings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Report;
use super::report::FORMAT;
use crate::audit::canonical;
use crate::ledger::EntryProof;
use crate::model::Printable;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedReport {
    /// The report, as JSON; what this version does not know of it is kept.
    pub report: Value,
    /// The signature, in base64.
    pub signature: String,
    /// The public key of the audit log, as PEM.
    pub key: String,
    /// That the transparency log has the last entry that is counted (C2SP tlog-proof).
    pub proof: String,
    /// The public key of the transparency log.
    pub log_key: String,
    /// The public keys of the witnesses that cosigned.
    pub witnesses: Vec<String>,
}

/// Signs `report`, the last entry of which `proof` proves.
#[must_use]
pub fn sign(report: &Report, key: &SigningKey, proof: EntryProof, log_key: &NoteKey, witnesses: &[NoteKey]) -> Option<SignedReport> {
    let report = serde_json::to_value(report).ok()?;
    let signature = BASE64_STANDARD.encode(key.sign(statement(&report).as_bytes()).to_bytes());
    let named = |witness: &&NoteKey| proof.witnesses.iter().any(|name| name == witness.name());
    let witnesses = witnesses.iter().filter(named).map(ToString::to_string).collect();
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF).ok()?;
    Some(SignedReport { report, signature, key: public, proof: proof.proof, log_key: log_key.to_string(), witnesses })
}

fn statement(report: &Value) -> String {
    format!("{FORMAT}\n{}\n", canonical(report))
}

/// What of a document holds. Keys that are not given are taken from it, and that is said.
#[must_use]
pub fn verify(document: &SignedReport, key: Option<VerifyingKey>, log_key: Option<NoteKey>, witnesses: &[NoteKey]) -> Findings {
    let mut found = Findings::default();
    let Some(key) = key.or_else(|| own_key(document, &mut found)) else { return found };
    let (outcome, detail) = signature(document, &key);
    found.add("signature", outcome, detail);
    match log_key.map_or_else(|| NoteKey::parse(&document.log_key).map_err(|bad| bad.to_string()), Ok) {
        Ok(log_key) => log(document, &log_key, witnesses, &mut found),
        Err(why) => found.add("log", Outcome::Tampered, format!("its key of the transparency log is none: {why}")),
    }
    found
}

fn own_key(document: &SignedReport, found: &mut Findings) -> Option<VerifyingKey> {
    match VerifyingKey::from_public_key_pem(&document.key) {
        Ok(key) => {
            let detail = format!("taken from the document itself, compare it with what is published: {}", hex::encode(key.as_bytes()));
            found.add("key", Outcome::Good, detail);
            Some(key)
        }
        Err(_) => {
            found.add("key", Outcome::Tampered, "the document has no key; give one with --key");
            None
        }
    }
}

fn signature(document: &SignedReport, key: &VerifyingKey) -> (Outcome, String) {
    let bytes = BASE64_STANDARD.decode(&document.signature).ok();
    let signature = bytes.and_then(|bytes| Signature::from_slice(&bytes).ok());
    match signature.map(|signature| key.verify_strict(statement(&document.report).as_bytes(), &signature)) {
        Some(Ok(())) => (Outcome::Good, format!("the report is as {} signed it", bastion(document))),
        _ => (Outcome::Tampered, "the report is not the one that was signed with this key: something in it was changed".to_owned()),
    }
}

fn bastion(document: &SignedReport) -> String {
    Printable(document.report.get("bastion").and_then(Value::as_str).unwrap_or("the bastion")).to_string()
}

/// Whether the log has the entry that the report says is the last.
fn log(document: &SignedReport, key: &NoteKey, witnesses: &[NoteKey], found: &mut Findings) {
    let scope = document.report.get("scope");
    let said = scope.and_then(|scope| Some((scope.get("entries")?.as_u64()?, scope.get("head")?.as_str()?.to_owned())));
    let Some((entries, head)) = said else {
        return found.add("log", Outcome::Tampered, "the report does not say what it counts");
    };
    let proven = match read_proof(&document.proof, key) {
        Ok(proven) => proven,
        Err(why) => return found.add("log", Outcome::Tampered, Printable(&why.to_string()).to_string()),
    };
    match Leaf::read(&proven.leaf) {
        Ok(Leaf::Audit { seq, hash }) if seq == entries && hex::encode(hash) == head => {
            let detail = format!("entry {entries}, the last that is counted, is leaf {} of {}", proven.index, proven.checkpoint.size);
            found.add("log", Outcome::Good, detail);
        }
        _ => found.add("log", Outcome::Tampered, "what is proved is not the last entry that the report counts"),
    }
    let own: Vec<NoteKey> = document.witnesses.iter().filter_map(|key| NoteKey::parse(key).ok()).collect();
    let all = if witnesses.is_empty() { own.as_slice() } else { witnesses };
    for witness in all {
        let name = Printable(witness.name()).to_string();
        match verify_cosignature(&proven.note, witness) {
            Ok(_) => found.add("witness", Outcome::Good, format!("{name} cosigned the log as it was then")),
            Err(_) => found.add("witness", Outcome::Incomplete, format!("{name} has not cosigned the log as it was then")),
        }
    }
    if all.is_empty() {
        found.add("witness", Outcome::Good, "none is known: only the bastion vouches for its log");
    }
}
