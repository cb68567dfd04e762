//! The body of a request: read before the request is decided where a policy asks for it, and otherwise handed on as it comes. The bytes
//! that were decided are the bytes that are forwarded.

use std::time::Duration;

use bartizan_policies::HttpRequest;
use bartizan_policies::http::{BODY_LIMIT, Body as Seen, NotShown};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};

use crate::enforce::Decider;

use super::body::{Body, BodyError};
use super::fields::Media;
use super::problem::Problem;

/// How long a body may take that has to be read before the request is decided.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request's body on its way to the server.
pub(super) enum Upload {
    /// As it comes.
    Streamed(Incoming),
    /// As it was decided.
    Whole(Bytes),
}

impl Upload {
    /// A request taken apart, nothing of its body read.
    pub(super) fn of(request: Request<Incoming>) -> (Parts, Self) {
        let (head, body) = request.into_parts();
        (head, Self::Streamed(body))
    }

    /// What is forwarded.
    pub(super) fn into_body(self) -> Body {
        match self {
            Self::Streamed(body) => body.map_err(BodyError::from).boxed_unsync(),
            Self::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        }
    }

    /// The same once more, if nothing of it is lost by being sent.
    pub(super) fn again(&self) -> Option<Body> {
        match self {
            Self::Streamed(body) => body.is_end_stream().then(|| Self::Whole(Bytes::new()).into_body()),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone()).into_body()),
        }
    }

    /// The text that was decided.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Streamed(_) => None,
            Self::Whole(bytes) => std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()),
        }
    }
}

/// Looks at the body of a request as far as policy asks for it, and puts into `facts` what it is.
pub(super) async fn look(
    decider: &Decider,
    facts: &mut HttpRequest,
    headers: &HeaderMap,
    body: Upload,
    upgrades: bool,
) -> Result<Upload, Problem> {
    let mut body = match body {
        Upload::Streamed(body) if !body.is_end_stream() => body,
        whole => return Ok(whole),
    };
    facts.body = Seen::Unread;
    if !decider.asks_for_body(facts, upgrades) {
        facts.body = Seen::Absent;
        return Ok(Upload::Streamed(body));
    }
    let refused = |status: StatusCode, why: &str| Problem::new(status, format!("Policy asks for the body of this request, and {why}."));
    let unsupported = |why: &str| refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    if !Media::of(headers).is_ok_and(|media| media == Media::Json) {
        return Err(unsupported("it is not said to be JSON in UTF-8 (Content-Type: application/json)"));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(unsupported("it is packed: send it without Content-Encoding"));
    }
    let too_long = || refused(StatusCode::PAYLOAD_TOO_LARGE, &NotShown::TooLong.to_string());
    if facts.size.is_some_and(|size| size > BODY_LIMIT as u64) {
        return Err(too_long());
    }
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| refused(StatusCode::BAD_REQUEST, "it broke off"))?;
            // Trailers say nothing about JSON, and policy would not see them: they are left out.
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > BODY_LIMIT {
                return Err(too_long());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    let late = || refused(StatusCode::REQUEST_TIMEOUT, "it did not come in time");
    let whole = tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(late()))?;
    facts.body = Seen::read(&whole).map_err(|why| refused(StatusCode::BAD_REQUEST, &why.to_string()))?;
    Ok(Upload::Whole(whole))
}
