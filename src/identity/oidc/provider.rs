//! One provider and what is cached of it. Its documents are fetched by one visitor at a time, at most once in
//! [`LEAST_INTERVAL`]; an outage is survived for [`FRESH_LIMIT`]. Never fetches because of time alone: only a visitor's
//! need leads to a request.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use openidconnect::core::CoreClient;
use openidconnect::url::Url;
use openidconnect::{AuthType, ClientId, ClientSecret, EndpointNotSet, IssuerUrl, RequestTokenError, Scope};
use tokio::sync::{Mutex, MutexGuard};

use super::Verified;
use super::error::{LoginError, SetupError, TokenFault};
use super::http::{Http, HttpError};
use super::metadata::{self, Metadata, MetadataError};
use super::verify::{Accept, check};
use crate::config::Issuer;
use crate::model::Clock;
use crate::secrets::{SecretError, Secrets};

/// Documents older than this are fetched again when they are needed.
pub(super) const REFRESH_AFTER: Duration = Duration::from_secs(10 * 60);
/// While the provider is out, documents up to this age are used.
pub(super) const FRESH_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches from one provider, whatever the reason.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_secs(10);
/// For both documents of one fetch together.
const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// Scopes that are asked for where the provider lists them.
const SCOPES: [&str; 3] = ["email", "profile", "groups"];

/// The last fetch that was tried, and why it failed.
type LastFetch = Option<(Timestamp, Option<String>)>;

/// A client of the library with no endpoint set.
pub(super) type BareClient = CoreClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet>;

/// One configured provider.
pub(super) struct Provider {
    pub(super) issuer: Issuer,
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
    url: IssuerUrl,
    secrets: Arc<Secrets>,
    known: ArcSwapOption<Metadata>,
    last: Mutex<LastFetch>,
}

impl Provider {
    pub(super) fn new(issuer: Issuer, secrets: Arc<Secrets>, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let url = IssuerUrl::new(issuer.url.clone()).map_err(|e| SetupError::Url(issuer.name.clone(), e.to_string()))?;
        let http = Http::new(&issuer, url.url())?;
        Ok(Self { issuer, http, clock, url, secrets, known: ArcSwapOption::empty(), last: Mutex::new(None) })
    }

    /// What is known of the provider, fetched if need be.
    pub(super) async fn known(&self) -> Result<Arc<Metadata>, LoginError> {
        let now = self.clock.now();
        if let Some(known) = self.younger_than(REFRESH_AFTER, now) {
            return Ok(known);
        }
        let usable = self.younger_than(FRESH_LIMIT, now);
        let mut last = match (self.last.try_lock(), &usable) {
            (Ok(last), _) => last,
            (Err(_), Some(usable)) => return Ok(Arc::clone(usable)),
            (Err(_), None) => self.last.lock().await,
        };
        // Whoever held the lock may have fetched meanwhile.
        if let Some(known) = self.younger_than(REFRESH_AFTER, now) {
            return Ok(known);
        }
        match (self.fetch(&mut last, now).await, usable) {
            (Ok(known), _) => Ok(known),
            (Err(why), Some(usable)) => {
                tracing::warn!(issuer = %self.issuer.name, why, "the identity provider is out; going on with the keys it had");
                Ok(usable)
            }
            (Err(why), None) => Err(LoginError::unreachable(&self.issuer.name, why)),
        }
    }

    /// Verifies `jwt`; when its key is unknown, fetches the keys again and looks once more.
    pub(super) async fn verify(&self, jwt: &str, accept: Accept<'_>) -> Result<Verified, LoginError> {
        let known = self.known().await?;
        let first = check(&self.issuer, &known, jwt, accept, self.clock.now());
        if !matches!(&first, Err(LoginError::Token { fault: TokenFault::UnknownKey, .. })) {
            return first;
        }
        match self.newer_than(&known).await {
            Ok(newer) => check(&self.issuer, &newer, jwt, accept, self.clock.now()),
            Err(why) => Err(LoginError::token(TokenFault::UnknownKey, format!("keys were not fetched again: {why}"))),
        }
    }

    async fn newer_than(&self, seen: &Arc<Metadata>) -> Result<Arc<Metadata>, String> {
        let mut last = self.last.lock().await;
        match self.known.load_full() {
            Some(known) if !Arc::ptr_eq(&known, seen) => Ok(known),
            _ => self.fetch(&mut last, self.clock.now()).await,
        }
    }

    fn younger_than(&self, age: Duration, now: Timestamp) -> Option<Arc<Metadata>> {
        self.known.load_full().filter(|known| between(known.at, now) < age)
    }

    /// Fetches, unless that was tried a moment ago. The lock's holder is the only one who does.
    async fn fetch(&self, last: &mut MutexGuard<'_, LastFetch>, now: Timestamp) -> Result<Arc<Metadata>, String> {
        if let Some((_, why)) = last.as_ref().filter(|(at, _)| between(*at, now) < LEAST_INTERVAL) {
            return Err(why.clone().unwrap_or_else(|| "they were fetched a moment ago".to_owned()));
        }
        // Set before the wait: a visitor who leaves in the middle has used up the turn.
        **last = Some((now, Some("the last attempt was broken off".to_owned())));
        let fetched = tokio::time::timeout(FETCH_LIMIT, metadata::fetch(&self.http, &self.url, now)).await;
        let fetched = fetched.unwrap_or(Err(MetadataError::Late)).map(Arc::new).map_err(|e| e.to_string());
        **last = Some((now, fetched.as_ref().err().cloned()));
        let known = fetched?;
        self.known.store(Some(Arc::clone(&known)));
        Ok(known)
    }

    /// The library's client for this provider, without endpoints.
    ///
    /// # Errors
    /// When the client secret cannot be had.
    pub(super) async fn client(&self, known: &Metadata) -> Result<BareClient, LoginError> {
        let secret = match &self.issuer.client_secret {
            Some(source) => {
                let unset = |error: SecretError| LoginError::unreachable(&self.issuer.name, format!("client_secret: {error}"));
                Some(self.secrets.get(source).await.map_err(unset)?)
            }
            None => None,
        };
        let client = CoreClient::new(ClientId::new(self.issuer.client_id.clone()), known.issuer.clone(), known.keys.clone());
        let client = match &secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.reveal().to_owned())),
            None => client,
        };
        Ok(client.set_auth_type(if known.secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth }))
    }

    /// The scopes to ask for beside `openid`.
    pub(super) fn scopes(known: &Metadata) -> Vec<Scope> {
        let listed = |scope: &&str| known.scopes.iter().any(|s| s == scope);
        let unlisted = known.scopes.is_empty();
        SCOPES.iter().filter(|s| listed(s) || (unlisted && **s != "groups")).map(|s| Scope::new((*s).to_owned())).collect()
    }

    /// A URL that a visitor will be shown: https, or on this machine.
    pub(super) fn shown_url(&self, url: &Url) -> Result<String, LoginError> {
        if super::http::is_safe_endpoint(url, self.url.url()) && url.as_str().len() <= 4096 {
            return Ok(url.as_str().to_owned());
        }
        Err(LoginError::bad_reply(&self.issuer.name, format!("a page that is not an https URL: {url}")))
    }

    /// Sorts the library's errors by who is to blame.
    pub(super) fn blame<E>(&self, error: RequestTokenError<HttpError, E>) -> LoginError
    where
        E: openidconnect::ErrorResponse,
    {
        let name = &self.issuer.name;
        match error {
            RequestTokenError::Request(HttpError::Status(429)) => LoginError::SlowDown(name.clone()),
            RequestTokenError::Request(error) => LoginError::unreachable(name, error.to_string()),
            RequestTokenError::ServerResponse(response) => self.blame_oauth(&response),
            // The body stays out: on success it holds tokens.
            RequestTokenError::Parse(error, _) => {
                LoginError::bad_reply(name, format!("at {}: {:?}", error.path(), error.inner().classify()))
            }
            RequestTokenError::Other(why) => LoginError::bad_reply(name, why),
        }
    }

    fn blame_oauth<E: openidconnect::ErrorResponse>(&self, response: &E) -> LoginError {
        let words = serde_json::to_value(response).unwrap_or_default();
        let word = |key: &str| words.get(key).and_then(|w| w.as_str()).unwrap_or_default().to_owned();
        let name = self.issuer.name.clone();
        match word("error").as_str() {
            "access_denied" => LoginError::Denied(name),
            "expired_token" => LoginError::Expired(name),
            "slow_down" => LoginError::SlowDown(name),
            code => LoginError::bad_reply(&name, format!("error `{code}`: {}", word("error_description"))),
        }
    }
}

/// The time between two moments, whichever came first: after a step of the clock nothing looks fresh for ever.
fn between(one: Timestamp, other: Timestamp) -> Duration {
    other.duration_since(one).unsigned_abs()
}
