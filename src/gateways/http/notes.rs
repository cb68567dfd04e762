//! What the recording says of requests: each as it was decided, before it is forwarded, and what came of it. Bodies are counted, not
//! kept; of one that was decided there is a digest.

use std::time::Instant;

use bartizan_policies::HttpRequest;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::enforce::Allowed;
use crate::frontdoor::Cause;
use crate::frontdoor::Refusal;
use crate::model::Printable;
use crate::record::Piece;

use super::upgrade::Outcome;

fn line(request: &HttpRequest) -> String {
    Printable(&format!("{} {}", request.method, request.target())).to_string()
}

/// A request.
pub(super) struct Asked<'a> {
    pub(super) number: u64,
    pub(super) request: &'a HttpRequest,
    /// What it means to the server, beside its line.
    pub(super) told: Map<String, Value>,
}

#[derive(Serialize)]
struct Decided<'a> {
    action: &'static str,
    text: String,
    request: u64,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    content_type: Option<&'a str>,
    size: Option<u64>,
    verdict: &'static str,
    policies: &'a [String],
    #[serde(flatten)]
    told: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_by: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl<'a> Decided<'a> {
    fn new(asked: &'a Asked<'_>, verdict: &'static str, policies: &'a [String]) -> Self {
        let Asked { number, request, told } = asked;
        Self {
            action: "http.request",
            text: format!("> {}", line(request)),
            request: *number,
            method: &request.method,
            path: &request.path,
            query: &request.query,
            content_type: request.content_type.as_deref(),
            size: request.size,
            verdict,
            policies,
            told,
            body_sha256: None,
            approval: None,
            approved_by: None,
            result: None,
            status: None,
        }
    }
}

/// A request that goes on.
pub(super) fn allowed(request: &Asked<'_>, allowed: &Allowed, body: Option<&str>) -> Piece {
    let grant = allowed.grant();
    Piece::operation(&Decided {
        body_sha256: body.map(|body| hex::encode(Sha256::digest(body))),
        approval: grant.map(|grant| grant.approval().to_string()),
        approved_by: grant.map(|grant| grant.by()),
        ..Decided::new(request, "allow", allowed.policies())
    })
}

/// A request that does not.
pub(super) fn refused(request: &Asked<'_>, refusal: &Refusal, status: StatusCode) -> Piece {
    let verdict = if refusal.cause == Cause::Held { "hold" } else { "deny" };
    let first = refusal.sentence.lines().next().unwrap_or_default();
    Piece::operation(&Decided {
        result: Some(format!("< {} {}", status.as_u16(), Printable(first))),
        status: Some(status.as_u16()),
        ..Decided::new(request, verdict, &refusal.policies)
    })
}

/// A request that is not read.
pub(super) fn unread(number: u64, method: &str, target: &str, why: &str, status: StatusCode) -> Piece {
    let shown: String = format!("{method} {target}").chars().take(1_000).collect();
    Piece::operation(&json!({
        "action": "http.request",
        "text": format!("> {}", Printable(&shown)),
        "request": number,
        "verdict": "deny",
        "policies": [],
        "status": status.as_u16(),
        "result": format!("< {} {}", status.as_u16(), Printable(why)),
    }))
}

/// How an answer went.
pub(super) struct Answered<'a> {
    pub(super) number: u64,
    pub(super) status: StatusCode,
    pub(super) begun: Instant,
    /// Bytes of the body, as the server sent them.
    pub(super) bytes: u64,
    /// The places that were hidden.
    pub(super) masked: &'a [String],
    /// Why it was cut short.
    pub(super) cut: Option<&'a str>,
}

/// An answer that is over.
pub(super) fn answered(about: &Answered<'_>) -> Piece {
    let ms = u64::try_from(about.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let masked = if about.masked.is_empty() { String::new() } else { format!(", masked: {}", Printable(&about.masked.join(" "))) };
    let cut = about.cut.map(|why| format!(", cut short: {}", Printable(why))).unwrap_or_default();
    Piece::operation(&Over {
        action: "http.response",
        text: format!("< {} {} bytes ({ms} ms{masked}{cut})", about.status.as_u16(), about.bytes),
        request: about.number,
        status: about.status.as_u16(),
        bytes: about.bytes,
        duration_ms: ms,
        masked: about.masked,
        cut: about.cut,
    })
}

#[derive(Serialize)]
struct Over<'a> {
    action: &'static str,
    text: String,
    request: u64,
    status: u16,
    bytes: u64,
    duration_ms: u64,
    masked: &'a [String],
    cut: Option<&'a str>,
}

/// A connection of another protocol that is over.
pub(super) fn upgraded(number: u64, protocol: &str, outcome: &Outcome, begun: Instant) -> Piece {
    let Outcome { up: sent, down: received, exit, cut } = outcome;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let exited = exit.map(|code| format!(", exit code {code}")).unwrap_or_default();
    let broken = cut.as_ref().map(|why| format!(", cut short: {}", Printable(why))).unwrap_or_default();
    let text = format!(
        "< end of {}: {} messages and {} bytes to the server, {} messages and {} bytes from it ({ms} ms{exited}{broken})",
        Printable(protocol),
        sent.0,
        sent.1,
        received.0,
        received.1
    );
    Piece::operation(&json!({
        "action": "http.upgraded",
        "text": text,
        "request": number,
        "protocol": protocol,
        "messages_up": sent.0,
        "bytes_up": sent.1,
        "messages_down": received.0,
        "bytes_down": received.1,
        "duration_ms": ms,
        "exit": exit,
        "cut": cut,
    }))
}
