//! What a provider says about itself: its discovery document (OpenID Connect Discovery 1.0) and its key set (RFC 7517).
//! Checked here once: the issuer is the configured one, endpoints are safe to speak to, keys are fit to verify with.
//!
//! The document is read with our own type, since the library's demands an authorization endpoint, which Kubernetes and the
//! token services of CI systems do not have.

use jiff::Timestamp;
use openidconnect::core::CoreJsonWebKeySet;
use openidconnect::url::Url;
use openidconnect::{AuthUrl, DeviceAuthorizationUrl, IssuerUrl, TokenUrl};
use serde::Deserialize;
use serde_json::Value;

use super::http::{Http, HttpError, is_safe_endpoint};

/// Keys taken from one set.
const MOST_KEYS: usize = 100;
/// RSA keys below this are not trusted, in bits (RFC 7518 section 3.3).
const LEAST_RSA_BITS: usize = 2048;

/// Why what a provider says about itself is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    /// It could not be had.
    #[error("{0}: {1}")]
    Http(Url, HttpError),
    /// It is of another issuer.
    #[error("the discovery document is of issuer `{0}`, not of the configured `{1}`")]
    Issuer(String, String),
    /// An endpoint without TLS.
    #[error("the {0} `{1}` is not an https URL")]
    Endpoint(&'static str, Url),
    /// There is no URL to ask at.
    #[error("{0}")]
    Url(#[from] openidconnect::url::ParseError),
    /// The key set has no form.
    #[error("the key set cannot be read: {0}")]
    Keys(serde_json::Error),
    /// It took too long.
    #[error("no answer in time")]
    Late,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    scopes_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What is known of a provider.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) issuer: IssuerUrl,
    pub(super) authorization: Option<AuthUrl>,
    pub(super) token: Option<TokenUrl>,
    pub(super) device: Option<DeviceAuthorizationUrl>,
    /// The scopes it lists; none if it lists none.
    pub(super) scopes: Vec<String>,
    /// Whether our secret goes into the body, since the provider takes no basic authentication.
    pub(super) secret_in_body: bool,
    pub(super) keys: CoreJsonWebKeySet,
    /// When it was fetched.
    pub(super) at: Timestamp,
}

/// Fetches both documents of `issuer`.
pub(super) async fn fetch(http: &Http, issuer: &IssuerUrl, at: Timestamp) -> Result<Metadata, MetadataError> {
    let url = issuer.join(".well-known/openid-configuration")?;
    let document: Document = http.json(&url).await.map_err(|e| MetadataError::Http(url, e))?;
    if document.issuer != issuer.as_str() {
        return Err(MetadataError::Issuer(document.issuer, issuer.as_str().to_owned()));
    }
    check_endpoints(&document, issuer.url())?;
    let set: Value = http.json(&document.jwks_uri).await.map_err(|e| MetadataError::Http(document.jwks_uri.clone(), e))?;
    let keys = fit_keys(set).map_err(MetadataError::Keys)?;
    Ok(assemble(issuer.clone(), document, keys, at))
}

fn assemble(issuer: IssuerUrl, document: Document, keys: CoreJsonWebKeySet, at: Timestamp) -> Metadata {
    let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
    let takes = |method: &str| methods.iter().any(|m| m == method);
    Metadata {
        issuer,
        authorization: document.authorization_endpoint.map(AuthUrl::from_url),
        token: document.token_endpoint.map(TokenUrl::from_url),
        device: document.device_authorization_endpoint.map(DeviceAuthorizationUrl::from_url),
        scopes: document.scopes_supported.unwrap_or_default(),
        secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
        keys,
        at,
    }
}

fn check_endpoints(document: &Document, issuer: &Url) -> Result<(), MetadataError> {
    let named = [
        ("key set", Some(&document.jwks_uri)),
        ("authorization endpoint", document.authorization_endpoint.as_ref()),
        ("token endpoint", document.token_endpoint.as_ref()),
        ("device authorization endpoint", document.device_authorization_endpoint.as_ref()),
    ];
    for (what, url) in named {
        if let Some(url) = url.filter(|url| !is_safe_endpoint(url, issuer)) {
            return Err(MetadataError::Endpoint(what, url.clone()));
        }
    }
    Ok(())
}

/// Drops what must never verify anything: shared secrets, weak RSA keys, keys beyond the limit.
fn fit_keys(mut set: Value) -> Result<CoreJsonWebKeySet, serde_json::Error> {
    if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
        keys.retain(is_fit);
        keys.truncate(MOST_KEYS);
    }
    serde_json::from_value(set)
}

fn is_fit(key: &Value) -> bool {
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => key.get("n").and_then(Value::as_str).is_some_and(|n| modulus_bits(n) >= LEAST_RSA_BITS),
        Some("EC" | "OKP") => true,
        _ => false,
    }
}

/// The size of a base64url number, leading zeros not counted.
fn modulus_bits(text: &str) -> usize {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
    let mut significant = bytes.iter().skip_while(|b| **b == 0);
    let Some(first) = significant.next() else { return 0 };
    significant.count().saturating_mul(8).saturating_add(8usize.saturating_sub(first.leading_zeros() as usize))
}
