//! Secrets in a Vault-compatible server: logs in, reads paths, renews its own token and what was lent, and gives it back at the end.
//! Asks for no more than it is asked for; never follows a redirect, and never writes anything there.

mod answer;
mod lease;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::config::{self, VaultAuth};
use crate::model::{Printable, Secret};
use crate::wire::https::{self, BodyError};

use super::{Credential, read_local};

use answer::Answer;
pub(super) use lease::Lease;

/// The longest answer.
const LONGEST: usize = 1 << 20;

/// Of what a server says is wrong, so many characters are told on.
const SAID: usize = 200;

/// For giving everything back at the end.
const FAREWELL: Duration = Duration::from_secs(5);

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// Why the server gave nothing. Never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot be reached, or not in time.
    #[error("the vault cannot be reached: {0}")]
    Down(String),
    /// It is there, and closed.
    #[error("the vault is sealed or not ready (HTTP status 503)")]
    Sealed,
    /// It says no.
    #[error("the vault refuses (HTTP status {0}{1})")]
    Refused(u16, String),
    /// What it says is no answer.
    #[error("the vault gave an answer that cannot be used: {0}")]
    Malformed(String),
    /// The bastion has nothing to log in with.
    #[error("{0}")]
    NoLogin(String),
    /// It answers, and the secret is not in what it says.
    #[error("{0}")]
    NotThere(String),
}

impl Fault {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(401 | 403, _))
    }
}

/// The bastion's own token.
struct Token {
    text: Secret,
    /// Whether it was made for us: then it is ours to revoke.
    is_lent: bool,
    term: Option<Term>,
}

/// How long something counts, and when it is renewed.
#[derive(Debug, Clone, Copy)]
struct Term {
    ends: Instant,
    renews: Instant,
    is_renewable: bool,
}

impl Term {
    /// Two thirds are used, the rest is for trying again.
    fn of(seconds: u64, is_renewable: bool) -> Self {
        let (now, whole) = (Instant::now(), Duration::from_secs(seconds));
        Self { ends: now + whole, renews: now + whole * 2 / 3, is_renewable }
    }
}

/// One server.
pub(super) struct Vault {
    settings: config::Vault,
    client: OnceCell<reqwest::Client>,
    token: tokio::sync::Mutex<Option<Token>>,
    leases: Mutex<Vec<Arc<Lease>>>,
}

impl Vault {
    pub(super) fn new(settings: config::Vault) -> Self {
        Self { settings, client: OnceCell::new(), token: tokio::sync::Mutex::default(), leases: Mutex::default() }
    }

    /// Reads `path`.
    pub(super) async fn fetch(&self, path: &str, field: Option<&str>, user: Option<&str>) -> Result<Credential, Fault> {
        let answer = self.ask_as_us(Method::GET, path, None).await?;
        let lent = answer.lease().map(|(id, seconds, is_renewable)| Arc::new(Lease::new(id, seconds, is_renewable)));
        if let Some(lease) = &lent {
            self.lock().push(Arc::clone(lease));
        }
        let fields = answer.fields().ok_or_else(|| Fault::NotThere("there is nothing at this path".to_owned()))?;
        let user = user.map(|user| fields.text(Some(user))).transpose().map_err(Fault::NotThere)?;
        let secret = fields.text(field).map_err(Fault::NotThere)?;
        Ok(Credential { user: user.map(|user| user.reveal().to_owned()), secret, lease: lent })
    }

    /// Logs in before anybody needs it: from then on the token is renewed.
    pub(super) async fn begin(&self) {
        if let Err(fault) = self.token(None).await {
            tracing::warn!(%fault, "the bastion cannot log in at the vault yet");
        }
    }

    /// Renews what is due, and gives back what nobody uses any more.
    pub(super) async fn tend(&self) {
        self.renew_token().await;
        let leases = self.lock().clone();
        for lease in leases {
            // One is in the list and one here.
            if Arc::strong_count(&lease) <= 2 || !lease.holds() {
                self.give_back(&lease).await;
            } else if lease.is_due() {
                self.renew(&lease).await;
            }
        }
        metrics::gauge!("bartizan_secret_leases").set(u32::try_from(self.lock().len()).map_or(f64::MAX, f64::from));
    }

    /// Gives everything back.
    pub(super) async fn end(&self) {
        let leaving = async {
            let is_lent = self.token.lock().await.as_ref().is_some_and(|token| token.is_lent);
            let leases = self.lock().clone();
            for lease in leases {
                self.give_back(&lease).await;
            }
            if is_lent && let Err(fault) = self.ask_as_us(Method::POST, "auth/token/revoke-self", None).await {
                tracing::warn!(%fault, "the bastion's token was not given back to the vault");
            }
            *self.token.lock().await = None;
        };
        if tokio::time::timeout(FAREWELL, leaving).await.is_err() {
            tracing::warn!("the vault does not answer; what it lent ends by itself");
        }
    }

    async fn renew(&self, lease: &Lease) {
        let body = serde_json::json!({ "lease_id": lease.id() }).to_string();
        match self.ask_as_us(Method::POST, "sys/leases/renew", Some(Zeroizing::new(body))).await {
            Ok(answer) => {
                metrics::counter!("bartizan_secret_renewals_total", "outcome" => "renewed").increment(1);
                lease.renewed(answer.lease_seconds());
            }
            Err(fault) => {
                metrics::counter!("bartizan_secret_renewals_total", "outcome" => "failed").increment(1);
                tracing::warn!(lease = lease.id(), %fault, "what the vault lent is not renewed");
                lease.not_renewed(matches!(fault, Fault::Refused(..) | Fault::NotThere(_)));
            }
        }
    }

    async fn give_back(&self, lease: &Arc<Lease>) {
        self.lock().retain(|known| !Arc::ptr_eq(known, lease));
        if !lease.holds() {
            return;
        }
        let body = serde_json::json!({ "lease_id": lease.id() }).to_string();
        if let Err(fault) = self.ask_as_us(Method::POST, "sys/leases/revoke", Some(Zeroizing::new(body))).await {
            tracing::warn!(lease = lease.id(), %fault, "what the vault lent was not given back; it ends by itself");
        }
    }

    async fn renew_token(&self) {
        let mut token = self.token.lock().await;
        let Some(held) = token.as_mut() else { return };
        let Some(term) = held.term.filter(|term| term.is_renewable && Instant::now() >= term.renews) else { return };
        match self.ask(Method::POST, "auth/token/renew-self", None, Some(&held.text)).await.map(|answer| answer.auth()) {
            Ok(Some(auth)) if auth.seconds > 0 => {
                held.term = Some(Term::of(auth.seconds, auth.is_renewable));
            }
            Ok(_) => held.term = Some(Term { is_renewable: false, ..term }),
            Err(fault) if matches!(fault, Fault::Refused(..)) => {
                tracing::warn!(%fault, "the vault does not renew the bastion's token; another is asked for");
                *token = None;
            }
            Err(fault) => tracing::warn!(%fault, "the bastion's token at the vault is not renewed"),
        }
    }

    /// Asks with our token. One that is not taken any more is replaced once.
    async fn ask_as_us(&self, method: Method, path: &str, body: Option<Zeroizing<String>>) -> Result<Answer, Fault> {
        let token = self.token(None).await?;
        match self.ask(method.clone(), path, body.clone(), Some(&token)).await {
            Err(fault) if fault.is_refusal() => {
                let newer = self.token(Some(&token)).await?;
                if newer == token { Err(fault) } else { self.ask(method, path, body, Some(&newer)).await }
            }
            answered => answered,
        }
    }

    /// Our token; another than `refused`, where there is one to be had.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret, Fault> {
        let mut token = self.token.lock().await;
        let counts = |held: &Token| held.term.is_none_or(|term| Instant::now() < term.ends) && refused != Some(&held.text);
        if let Some(held) = token.as_ref().filter(|held| counts(held)) {
            return Ok(held.text.clone());
        }
        // A path that policy keeps from us is refused as an old token is: what is refused so often is not logged in for each time.
        if let (Some(refused), Some(held)) = (refused, token.as_ref())
            && held.text == *refused
            && matches!(self.own_facts(refused).await, Ok(_) | Err(Fault::Down(_) | Fault::Sealed))
        {
            return Ok(refused.clone());
        }
        let before = token.take();
        let made = self.log_in().await?;
        let text = made.text.clone();
        if before.is_some_and(|before| before.text != text) {
            // What was lent to the old token goes with it.
            self.lock().iter().for_each(|lease| lease.retire());
        }
        *token = Some(made);
        Ok(text)
    }

    async fn own_facts(&self, token: &Secret) -> Result<Answer, Fault> {
        self.ask(Method::GET, "auth/token/lookup-self", None, Some(token)).await
    }

    async fn log_in(&self) -> Result<Token, Fault> {
        let local = async |source: &config::SecretSource| {
            read_local(source).await.map_err(|error| Fault::NoLogin(format!("the bastion cannot log in at the vault: {error}")))
        };
        let (mount, body) = match &self.settings.auth {
            VaultAuth::Token(source) => {
                let text = local(source).await?;
                // One that may not even look at itself may do for what it is asked.
                let facts = match self.own_facts(&text).await {
                    Err(fault) if fault.is_refusal() => Answer::default(),
                    facts => facts?,
                };
                let term =
                    facts.own_term().filter(|(seconds, _)| *seconds > 0).map(|(seconds, is_renewable)| Term::of(seconds, is_renewable));
                return Ok(Token { text, is_lent: false, term });
            }
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                (mount, [("role_id", Secret::new(role_id.clone())), ("secret_id", local(secret_id).await?)])
            }
            VaultAuth::Jwt { mount, role, jwt } => (mount, [("role", Secret::new(role.clone())), ("jwt", local(jwt).await?)]),
        };
        let pairs: std::collections::BTreeMap<&str, &str> = body.iter().map(|(key, value)| (*key, value.reveal())).collect();
        let body = Zeroizing::new(serde_json::to_string(&pairs).unwrap_or_default());
        let answer = self.ask(Method::POST, &format!("auth/{mount}/login"), Some(body), None).await?;
        let auth = answer.auth().ok_or_else(|| Fault::Malformed("there is no token in its answer to the login".to_owned()))?;
        let term = (auth.seconds > 0).then(|| Term::of(auth.seconds, auth.is_renewable));
        Ok(Token { text: auth.token, is_lent: true, term })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Zeroizing<String>>, token: Option<&Secret>) -> Result<Answer, Fault> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let mut request = client.request(method, format!("{}/v1/{path}", self.settings.address)).header(REQUEST, "true");
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.reveal())
                .map_err(|_| Fault::NoLogin("the bastion's token is not one line of text".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
        }
        if let Some(namespace) = &self.settings.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.as_bytes().to_vec());
        }
        let mut answer = request.send().await.map_err(|error| Fault::Down(https::words(error)))?;
        let status = answer.status();
        let bytes = https::body(&mut answer, LONGEST).await.map_err(|error| match error {
            BodyError::Lost(why) => Fault::Down(why),
            BodyError::TooLong => Fault::Malformed(format!("it is longer than {} KiB", LONGEST >> 10)),
        })?;
        match status {
            StatusCode::NO_CONTENT => Ok(Answer::default()),
            status if status.is_success() => Answer::read(&bytes).map_err(Fault::Malformed),
            StatusCode::SERVICE_UNAVAILABLE => Err(Fault::Sealed),
            StatusCode::NOT_FOUND => Err(Fault::NotThere("there is nothing at this path (HTTP status 404)".to_owned())),
            StatusCode::TOO_MANY_REQUESTS => Err(Fault::Down("it has too much to do (HTTP status 429)".to_owned())),
            status if status.is_server_error() => Err(Fault::Down(format!("HTTP status {}{}", status.as_u16(), said(&bytes)))),
            status => Err(Fault::Refused(status.as_u16(), said(&bytes))),
        }
    }

    async fn connect(&self) -> Result<reqwest::Client, Fault> {
        let (ca, limit) = (self.settings.ca.clone(), self.settings.timeout);
        let loopback = self.settings.address.starts_with("http://");
        let made = tokio::task::spawn_blocking(move || https::client_within(ca.as_deref(), loopback, limit)).await;
        made.map_err(|error| Fault::Down(error.to_string()))?.map_err(|error| Fault::Down(error.to_string()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Lease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server says is wrong, for a sentence of ours.
fn said(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(bytes) else { return String::new() };
    let said: String = errors.iter().flat_map(|error| error.split_whitespace()).collect::<Vec<_>>().join(" ").chars().take(SAID).collect();
    if said.is_empty() { said } else { format!(": {}", Printable(&said)) }
}

#[cfg(test)]
mod tests;
