//! What a client of an API server reads instead of an answer: a `Status`, which kubectl shows as it shows the server's own.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::gateways::http::{Body, Problem};

/// The problem as a `Status`. It never says `Retry-After`: clients would ask again by themselves.
pub(super) fn answer(problem: &Problem) -> Response<Body> {
    let causes: Vec<Value> = problem.policies.iter().map(|policy| json!({ "reason": "Policy", "message": policy })).collect();
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("bartizan: {}", problem.sentence),
        "reason": reason(problem.status),
        "details": { "causes": causes },
        "code": problem.status.as_u16(),
    });
    problem.answer_in(&status, "application/json", "no-cache, private")
}

/// The word of the API for it (`metav1.StatusReason`).
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaType",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        _ => "InternalError",
    }
}
