//! OpenTelemetry's protocol for logs (OTLP 1, over HTTP): one record for each entry, whose body is the entry's line.

use std::path::PathBuf;
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use prost::Message;
use serde_json::Value;

use crate::audit::Line;
use crate::config::SecretSource;
use crate::secrets::Secrets;
use crate::wire::https;

use super::post::Client;

/// Severities (OpenTelemetry's data model of logs): INFO, and ERROR for what somebody should be woken for.
const INFO: i32 = 9;
const ERROR: i32 = 17;

pub(super) struct Otlp {
    url: String,
    headers: Vec<(HeaderName, SecretSource)>,
    server: String,
    secrets: Arc<Secrets>,
    client: Client,
}

impl Otlp {
    pub(super) fn new(
        url: String,
        headers: Vec<(HeaderName, SecretSource)>,
        ca: Option<PathBuf>,
        server: String,
        secrets: Arc<Secrets>,
    ) -> Self {
        let client = Client::to(&url, ca);
        Self { url, headers, server, secrets, client }
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let client = self.client.get().await?;
        let mut request = client.post(&self.url).header("content-type", "application/x-protobuf");
        for (name, source) in &self.headers {
            let secret = self.secrets.get(source).await.map_err(|error| error.to_string())?;
            let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| format!("the secret for {name} is not one line of text"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = request_of(&self.server, lines).encode_to_vec();
        let mut answer = request.body(body).send().await.map_err(https::words)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("HTTP status {}", status.as_u16()));
        }
        // What a collector takes in part it says in its answer; it is not to be sent again then, but somebody has to know.
        let said = answer.chunk().await.ok().flatten().unwrap_or_default();
        let rejected = ExportResponse::decode(said.as_ref()).ok().and_then(|said| said.partial_success).unwrap_or_default();
        if rejected.rejected > 0 {
            tracing::error!(alert = true, rejected = rejected.rejected, "a collector does not take entries of the audit log");
        }
        Ok(())
    }
}

fn request_of(server: &str, lines: &[Line]) -> ExportRequest {
    let resource = Resource { attributes: vec![text("service.name", "bartizan"), text("service.instance.id", server)] };
    let scope = Scope { name: "bartizan.audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_logs = ScopeLogs { scope: Some(scope), records: lines.iter().map(record).collect() };
    ExportRequest { resource_logs: vec![ResourceLogs { resource: Some(resource), scope_logs: vec![scope_logs] }] }
}

fn record(line: &Line) -> Record {
    let nanoseconds = line.wall_us().and_then(|us| u64::try_from(us).ok()).unwrap_or(0).saturating_mul(1_000);
    let is_alert = line.fields.get("alert").and_then(Value::as_bool).unwrap_or(false);
    let mut attributes = vec![
        KeyValue {
            key: "bartizan.seq".to_owned(),
            value: Some(AnyValue { value: Some(Any::Int(i64::try_from(line.seq).unwrap_or(i64::MAX))) }),
        },
        text("bartizan.hash", &hex::encode(line.hash)),
    ];
    let entry = line.fields.get("entry").and_then(Value::as_object);
    let kind = entry.and_then(|entry| entry.get("kind")).and_then(Value::as_str).unwrap_or_default();
    for (key, value) in entry.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            attributes.push(text(&format!("bartizan.{key}"), value));
        }
    }
    Record {
        time: nanoseconds,
        observed: nanoseconds,
        severity: if is_alert { ERROR } else { INFO },
        severity_text: if is_alert { "ERROR" } else { "INFO" }.to_owned(),
        body: Some(AnyValue { value: Some(Any::Text(String::from_utf8_lossy(&line.text).into_owned())) }),
        attributes,
        event_name: format!("bartizan.{kind}"),
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Any::Text(value.to_owned())) }) }
}

// What of opentelemetry-proto 1.7 (collector/logs/v1, logs/v1, common/v1, resource/v1) is used here.

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 3")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Int(i64),
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    why: String,
}
