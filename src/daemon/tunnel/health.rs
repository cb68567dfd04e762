//! How a tunnel is, over HTTP: `/healthz` (it runs), `/readyz` (new connections find a bastion) and `/metrics` (for Prometheus).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use metrics_exporter_prometheus::PrometheusHandle;

use super::super::http::{Clerk, TEXT, response};
use super::board::Board;

/// Who answers there.
pub(super) struct Desk {
    pub(super) board: Arc<Board>,
    pub(super) rendered: PrometheusHandle,
}

impl Clerk for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return response(405, TEXT, "use GET\n".to_owned());
        }
        match request.uri().path() {
            "/healthz" => response(200, TEXT, "ok\n".to_owned()),
            "/readyz" => {
                let (is_ready, sentence) = self.board.readiness();
                response(if is_ready { 200 } else { 503 }, TEXT, format!("{sentence}\n"))
            }
            "/metrics" => response(200, "text/plain; version=0.0.4; charset=utf-8", self.rendered.render()),
            _ => response(404, TEXT, "there is /healthz, /readyz and /metrics\n".to_owned()),
        }
    }
}
