//! Tokens that are asked for over HTTPS: by a client's own credentials (RFC 6749 section 4.4), or of the platform that runs a CI job. Bounded
//! in time and size; no redirect is followed, and no answer is shown but an error's name.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openidconnect::url::{Url, form_urlencoded};
use serde_json::Value;
use zeroize::Zeroizing;

use super::TokenError;
use crate::config::{SecretPlace, is_https_or_loopback};
use crate::model::{Printable, Secret};
use crate::wire::https;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// A client of a token endpoint.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub url: String,
    /// Who asks.
    pub client_id: String,
    /// The proof of it.
    pub client_secret: SecretPlace,
    /// What is asked for.
    pub scope: Option<String>,
    /// Whom it is for, where the provider takes that.
    pub audience: Option<String>,
    /// Further trust anchors for the endpoint's certificate, PEM.
    pub ca: Option<PathBuf>,
}

/// The variables in which GitHub Actions says where its jobs get tokens.
const JOB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const JOB_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

impl ClientCredentials {
    /// Asks for a token.
    pub(super) async fn fetch(&self) -> Result<Secret, TokenError> {
        let secret = super::token::read(&self.client_secret).await?;
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // RFC 6749 section 2.3.1: each is form-encoded first.
        let pair = Zeroizing::new(format!("{}:{}", encoded(&self.client_id), encoded(secret.reveal())));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            form.extend_pairs(value.iter().map(|value| (name, value)));
        }
        let request = client(&self.url, self.ca.as_deref()).await?.post(&self.url);
        let request = request.header("authorization", basic.as_str()).header("accept", "application/json");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.finish());
        token_in(request, "access_token").await
    }
}

/// Asks GitHub Actions for a token of the job that this runs in, for `audience`.
pub(super) async fn of_job(audience: &str) -> Result<Secret, TokenError> {
    let variable = |name: &str| SecretPlace::Env(name.to_owned());
    let (place, bearer) = (super::token::read(&variable(JOB_URL)).await?, super::token::read(&variable(JOB_TOKEN)).await?);
    let mut url = Url::parse(place.reveal()).map_err(|error| TokenError::Server(format!("{JOB_URL}: {error}")))?;
    url.query_pairs_mut().append_pair("audience", audience);
    let bearer = Zeroizing::new(format!("Bearer {}", bearer.reveal()));
    let request = client(url.as_str(), None).await?.get(url.as_str()).header("authorization", bearer.as_str());
    token_in(request, "value").await
}

async fn client(url: &str, ca: Option<&Path>) -> Result<reqwest::Client, TokenError> {
    if !is_https_or_loopback(url) {
        return Err(TokenError::Server(format!("{} is not an https URL", Printable(url))));
    }
    let (ca, loopback) = (ca.map(Path::to_owned), url.starts_with("http://"));
    let made = tokio::task::spawn_blocking(move || https::client(ca.as_deref(), loopback)).await;
    made.map_err(|e| TokenError::Task(e.to_string()))?.map_err(|e| TokenError::Server(e.to_string()))
}

/// The token in a member of the answer.
async fn token_in(request: reqwest::RequestBuilder, member: &str) -> Result<Secret, TokenError> {
    let mut answer = request.send().await.map_err(|error| TokenError::Server(https::words(error)))?;
    let status = answer.status();
    let body = https::body(&mut answer, LONGEST).await.map_err(|error| TokenError::Server(error.to_string()))?;
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let word = |name: &str| told.get(name).and_then(Value::as_str);
    match (status.is_success(), word(member)) {
        (true, Some(token)) if !token.is_empty() => Ok(Secret::new(token.to_owned())),
        (true, _) => Err(TokenError::Server(format!("an answer without {member}"))),
        (false, _) => {
            let error = word("error").map(|error| format!(": {}", Printable(error))).unwrap_or_default();
            Err(TokenError::Server(format!("status {}{error}", status.as_u16())))
        }
    }
}
