//! What the recording says of requests: each as it was decided, before it is forwarded, and what came of it. Bodies are counted, not
//! kept; of one that was decided there is a digest.

use std::time::Instant;

use bartizan_policies::HttpRequest;
use bartizan_recorder::Event;
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::enforce::Allowed;
use crate::frontdoor::Cause;
use crate::frontdoor::Refusal;
use crate::model::Printable;
use crate::record::Piece;

use super::upgrade::Outcome;

fn piece(event: &Value) -> Piece {
    Piece::Event(Event::operation(event.to_string()).into_owned())
}

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

fn asked(asked: &Asked<'_>, verdict: &str, policies: &[String]) -> Value {
    let Asked { number, request, told } = asked;
    let mut event = json!({
        "action": "http.request",
        "text": format!("> {}", line(request)),
        "request": number,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "content_type": request.content_type,
        "size": request.size,
        "verdict": verdict,
        "policies": policies,
    });
    if let Value::Object(fields) = &mut event {
        fields.extend(told.clone());
    }
    event
}

/// A request that goes on.
pub(super) fn allowed(request: &Asked<'_>, allowed: &Allowed, body: Option<&str>) -> Piece {
    let mut event = asked(request, "allow", allowed.policies());
    if let (Value::Object(fields), Some(body)) = (&mut event, body) {
        fields.insert("body_sha256".to_owned(), hex::encode(Sha256::digest(body)).into());
    }
    if let (Value::Object(fields), Some(grant)) = (&mut event, allowed.grant()) {
        fields.insert("approval".to_owned(), grant.approval().to_string().into());
        fields.insert("approved_by".to_owned(), grant.by().to_vec().into());
    }
    piece(&event)
}

/// A request that does not.
pub(super) fn refused(request: &Asked<'_>, refusal: &Refusal, status: StatusCode) -> Piece {
    let verdict = if refusal.cause == Cause::Held { "hold" } else { "deny" };
    let mut event = asked(request, verdict, &refusal.policies);
    if let Value::Object(fields) = &mut event {
        let first = refusal.sentence.lines().next().unwrap_or_default();
        fields.insert("result".to_owned(), format!("< {} {}", status.as_u16(), Printable(first)).into());
        fields.insert("status".to_owned(), status.as_u16().into());
    }
    piece(&event)
}

/// A request that is not read.
pub(super) fn unread(number: u64, method: &str, target: &str, why: &str, status: StatusCode) -> Piece {
    let shown: String = format!("{method} {target}").chars().take(1_000).collect();
    piece(&json!({
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
    piece(&json!({
        "action": "http.response",
        "text": format!("< {} {} bytes ({ms} ms{masked}{cut})", about.status.as_u16(), about.bytes),
        "request": about.number,
        "status": about.status.as_u16(),
        "bytes": about.bytes,
        "duration_ms": ms,
        "masked": about.masked,
        "cut": about.cut,
    }))
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
    piece(&json!({
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
