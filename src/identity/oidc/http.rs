//! The bounded HTTP client towards identity providers: [`https`], with a size limit on each answer. Never follows a provider to another place, never reads without end.

use std::pin::Pin;

use openidconnect::url::Url;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use serde::de::DeserializeOwned;

use super::error::SetupError;
use crate::config::Issuer;
use crate::wire::https::{self, BodyError, HttpsError, words};

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
        https::client(issuer.ca.as_deref(), is_loopback(url)).map(Self).map_err(|error| match error {
            HttpsError::Anchors(path, why) => SetupError::Anchors(issuer.name.clone(), path.into(), why),
            HttpsError::Tls(why) => SetupError::Tls(issuer.name.clone(), why),
        })
    }

    /// Sends `request`. Answers of status 5xx and 429 are errors, so that pollers back off.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(|e| HttpError::Failed(words(e)))?;
        let mut answer = self.0.execute(request).await.map_err(|e| HttpError::Failed(words(e)))?;
        if answer.status().is_server_error() || answer.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::Status(answer.status().as_u16()));
        }
        let mut body = https::body(&mut answer, SIZE_LIMIT).await.map_err(|error| match error {
            BodyError::Lost(why) => HttpError::Failed(why),
            BodyError::TooLong => HttpError::TooLarge,
        })?;
        let mut response = http::Response::new(std::mem::take(&mut *body));
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
