//! The bounded HTTP client towards identity providers: TLS by rustls with aws-lc-rs, no redirects, a time limit on each
//! request, a size limit on each answer. Never follows a provider to another place, never reads without end.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::url::Url;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::de::DeserializeOwned;

use super::error::SetupError;
use crate::config::Issuer;

/// For one request, connecting and reading included.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// For connecting alone.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// For one answer's body, in bytes.
const SIZE_LIMIT: usize = 1024 * 1024;

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// Not sent, or not answered.
    #[error("{0}")]
    Failed(String),
    /// A status of the provider's own trouble, or one that is no answer to the question.
    #[error("HTTP status {0}")]
    Status(u16),
    /// More than [`SIZE_LIMIT`].
    #[error("an answer of more than {SIZE_LIMIT} bytes")]
    TooLarge,
    /// Not the JSON that was asked for.
    #[error("an answer that is not the expected JSON: {0}")]
    NotJson(serde_json::Error),
}

/// The client of one provider.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

impl Http {
    /// A client that trusts the system's anchors and those of `issuer.ca`. Reads files.
    pub(super) fn new(issuer: &Issuer, url: &Url) -> Result<Self, SetupError> {
        let tls = |error: String| SetupError::Tls(issuer.name.clone(), error);
        let roots = anchors(issuer)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| tls(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME_LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .pool_max_idle_per_host(4)
            .user_agent(concat!("bartizan/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment never stands before this machine's own loopback.
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        builder.build().map(Self).map_err(|e| tls(words(e)))
    }

    /// Sends `request`. Answers of status 5xx and 429 are errors, so that pollers back off.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(|e| HttpError::Failed(words(e)))?;
        let mut answer = self.0.execute(request).await.map_err(|e| HttpError::Failed(words(e)))?;
        if answer.status().is_server_error() || answer.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| HttpError::Failed(words(e)))? {
            if body.len().saturating_add(chunk.len()) > SIZE_LIMIT {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    /// Gets the JSON document at `url`.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &Url) -> Result<T, HttpError> {
        let mut request = http::Request::get(url.as_str());
        if let Some(headers) = request.headers_mut() {
            headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
        }
        let request = request.body(Vec::new()).map_err(|e| HttpError::Failed(e.to_string()))?;
        let response = self.send(request).await?;
        if response.status() != http::StatusCode::OK {
            return Err(HttpError::Status(response.status().as_u16()));
        }
        serde_json::from_slice(response.body()).map_err(HttpError::NotJson)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Whether `url` names this machine. Config lets plain http through for these only.
pub(super) fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// An endpoint may be spoken to over https, or over http on loopback if the issuer itself is there.
pub(super) fn is_safe_endpoint(endpoint: &Url, issuer: &Url) -> bool {
    endpoint.scheme() == "https" || (endpoint.scheme() == "http" && is_loopback(endpoint) && is_loopback(issuer))
}

fn anchors(issuer: &Issuer) -> Result<rustls::RootCertStore, SetupError> {
    let mut roots = rustls::RootCertStore::empty();
    // Anchors of the system that cannot be read are passed over: a machine without any still reaches loopback and `ca`.
    let (_taken, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &issuer.ca {
        let fail = |why: String| SetupError::Anchors(issuer.name.clone(), path.clone(), why);
        for certificate in read_pem(path).map_err(fail)? {
            roots.add(certificate).map_err(|e| fail(e.to_string()))?;
        }
    }
    Ok(roots)
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM form".into()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// The error with its causes, without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
