//! What a client reads instead of an answer: a problem as JSON (RFC 9457), with the policies that said so.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::frontdoor::{Cause, Refusal};

use super::body::Body;

/// How long a client should wait that nobody said yes to in time, in seconds.
const AGAIN: HeaderValue = HeaderValue::from_static("60");

/// Why a request is not answered by the server.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What a person should read.
    pub sentence: String,
    /// The policies that said so.
    pub policies: Vec<String>,
    /// Asking again later may help.
    pub again: bool,
}

impl Problem {
    /// Something that no policy said.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), policies: Vec::new(), again: false }
    }

    /// What policy or people do not let through, or could not be done.
    pub(super) fn of(refusal: &Refusal) -> Self {
        let status = match refusal.cause {
            Cause::Denied | Cause::Barred | Cause::Held => StatusCode::FORBIDDEN,
            Cause::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let again = matches!(refusal.cause, Cause::Held | Cause::Unavailable);
        Self { status, sentence: refusal.sentence.clone(), policies: refusal.policies.clone(), again }
    }

    /// As a problem in JSON.
    pub(super) fn answer(&self) -> Response<Body> {
        let text = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": format!("bartizan: {}", self.sentence),
            "policies": self.policies,
        });
        let mut answer = self.answer_in(&text, "application/problem+json", "no-store");
        if self.again {
            answer.headers_mut().insert(RETRY_AFTER, AGAIN);
        }
        answer
    }

    /// An answer with the problem's status, of some kind of JSON.
    pub(in crate::gateways) fn answer_in(&self, text: &Value, media: &'static str, caching: &'static str) -> Response<Body> {
        let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {}).boxed_unsync();
        let mut answer = Response::new(body);
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        answer
    }
}
