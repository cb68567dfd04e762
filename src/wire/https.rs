//! A bounded HTTPS client: TLS by rustls with aws-lc-rs, no redirects, a time limit on each request. What it may be asked to
//! reach is for its callers to say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::tls;

/// For one request, connecting and reading included.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// For connecting alone.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The file of trust anchors cannot be used.
    #[error("the trust anchors in {0} cannot be used: {1}")]
    Anchors(String, String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A client that trusts the system's anchors and those of `ca` (PEM). To this machine's own loopback no proxy of the environment
/// is used. Reads files.
///
/// # Errors
/// When `ca` or the TLS settings cannot be used.
pub fn client(ca: Option<&Path>, loopback: bool) -> Result<reqwest::Client, HttpsError> {
    client_within(ca, loopback, TIME_LIMIT)
}

/// The same for requests that carry much, each within `limit`.
///
/// # Errors
/// As [`client`].
pub fn client_within(ca: Option<&Path>, loopback: bool, limit: Duration) -> Result<reqwest::Client, HttpsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| HttpsError::Tls(e.to_string()))?
        .with_root_certificates(anchors(ca)?)
        .with_no_client_auth();
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit)
        .connect_timeout(CONNECT_LIMIT)
        .pool_max_idle_per_host(4)
        .user_agent(concat!("bartizan/", env!("CARGO_PKG_VERSION")));
    let builder = if loopback { builder.no_proxy() } else { builder };
    builder.build().map_err(|e| HttpsError::Tls(words(e)))
}

fn anchors(ca: Option<&Path>) -> Result<rustls::RootCertStore, HttpsError> {
    let mut roots = rustls::RootCertStore::empty();
    // Anchors of the system that cannot be read are passed over: a machine without any still reaches loopback and `ca`.
    let (_taken, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let fail = |why: String| HttpsError::Anchors(path.display().to_string(), why);
        for certificate in tls::certificates(path).map_err(|error| fail(error.why()))? {
            roots.add(certificate).map_err(|e| fail(e.to_string()))?;
        }
    }
    Ok(roots)
}

/// Why an answer's body is not there.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It did not come whole.
    #[error("{0}")]
    Lost(String),
    /// It is longer than may be.
    #[error("an answer that is too long")]
    TooLong,
}

/// The body of `answer`, of at most `most` bytes; wiped when dropped, and never moved while it grows, since it may hold a secret.
///
/// # Errors
/// [`BodyError`].
pub async fn body(answer: &mut reqwest::Response, most: usize) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let said = answer.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Zeroizing::new(Vec::with_capacity(said.map_or(most, |said| said.min(most))));
    while let Some(piece) = answer.chunk().await.map_err(|error| BodyError::Lost(words(error)))? {
        if body.len().saturating_add(piece.len()) > most {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The error with its causes, without the URL.
#[must_use]
pub fn words(error: reqwest::Error) -> String {
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
