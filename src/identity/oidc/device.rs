//! Login by device code (RFC 8628): the visitor opens a page elsewhere while the bastion asks the provider, no more often
//! than it allows, whether that is done. Spawns nothing; dropping the waiting future ends the asking.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use openidconnect::core::{CoreDeviceAuthorizationResponse, CoreTokenResponse};
use openidconnect::{AsyncHttpClient, DeviceCodeErrorResponse, HttpRequest, HttpResponse, RequestTokenError, TokenResponse, TokenUrl};
use serde_json::Value;

use super::Verified;
use super::error::LoginError;
use super::http::{Http, HttpError};
use super::metadata::Metadata;
use super::provider::Provider;
use super::verify::Accept;

/// Device codes live no longer than this here, whatever the provider says.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// The longest pause between two questions that a provider may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The shortest.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest code that a visitor is asked to compare, in bytes.
const LONGEST_CODE: usize = 64;

/// A login that has begun; show its parts to the visitor, then [`wait`](DeviceLogin::wait).
pub struct DeviceLogin {
    /// The page to open.
    pub verification_uri: String,
    /// The same with the code filled in, if the provider has one.
    pub verification_uri_complete: Option<String>,
    /// The code to enter or compare: printable ASCII.
    pub user_code: String,
    /// How long the visitor has.
    pub expires_in: Duration,
    provider: Arc<Provider>,
    known: Arc<Metadata>,
    token: TokenUrl,
    reply: CoreDeviceAuthorizationResponse,
}

pub(super) async fn begin(provider: Arc<Provider>) -> Result<DeviceLogin, LoginError> {
    let known = provider.known().await?;
    let name = &provider.issuer.name;
    let (Some(device), Some(token)) = (known.device.clone(), known.token.clone()) else {
        return Err(LoginError::NotOffered { issuer: name.clone(), what: "logins by device code; log in with `bartizan login`" });
    };
    let client = provider.client(&known).await?.set_device_authorization_url(device);
    let request = client.exchange_device_code().add_scopes(Provider::scopes(&known));
    let reply: CoreDeviceAuthorizationResponse = request.request_async(&provider.http).await.map_err(|e| provider.blame(e))?;
    if reply.interval() > LONGEST_PAUSE {
        return Err(LoginError::bad_reply(name, format!("an interval of {} s", reply.interval().as_secs())));
    }
    let user_code = reply.user_code().secret().clone();
    if user_code.is_empty() || user_code.len() > LONGEST_CODE || !user_code.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Err(LoginError::bad_reply(name, "a user code that cannot be shown"));
    }
    let complete = reply.verification_uri_complete().and_then(|uri| openidconnect::url::Url::parse(uri.secret()).ok());
    Ok(DeviceLogin {
        verification_uri: provider.shown_url(reply.verification_uri().url())?,
        verification_uri_complete: complete.map(|url| provider.shown_url(&url)).transpose()?,
        user_code,
        expires_in: reply.expires_in().min(LONGEST_WAIT),
        provider,
        known,
        token,
        reply,
    })
}

impl DeviceLogin {
    /// Waits until the visitor is done, or time is up. Dropping it stops the asking.
    ///
    /// # Errors
    /// [`LoginError::Denied`], [`LoginError::Expired`], [`LoginError::SlowDown`] and [`LoginError::Unreachable`] (if time ran
    /// out and that was the provider's last word), [`LoginError::BadReply`], [`LoginError::Token`].
    pub fn wait(self) -> impl Future<Output = Result<Verified, LoginError>> + Send + 'static {
        self.wait_with(tokio::time::sleep)
    }

    /// [`wait`](DeviceLogin::wait), pausing by `sleep`.
    pub(super) async fn wait_with<S, F>(self, sleep: S) -> Result<Verified, LoginError>
    where
        S: Fn(Duration) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        sleep(self.pause(self.reply.interval())).await;
        let poll = Poll { http: self.provider.http.clone(), last: AtomicU8::new(PENDING) };
        let answer = self.ask(&poll, &sleep).await.map_err(|e| self.blame(e, &poll))?;
        let token = answer.id_token().map(ToString::to_string);
        let token = token.ok_or_else(|| LoginError::bad_reply(&self.provider.issuer.name, "no ID token"))?;
        self.provider.verify(&token, Accept::IdToken(None)).await
    }

    async fn ask<S, F>(&self, poll: &Poll, sleep: &S) -> Result<CoreTokenResponse, RequestTokenError<HttpError, DeviceCodeErrorResponse>>
    where
        S: Fn(Duration) -> F + Send + Sync,
        F: Future<Output = ()> + Send,
    {
        let clock = Arc::clone(&self.provider.clock);
        let client = self.provider.client(&self.known).await.map_err(|error| RequestTokenError::Other(error.to_string()))?;
        let client = client.set_token_uri(self.token.clone());
        let request = client.exchange_device_access_token(&self.reply).set_time_fn(move || SystemTime::from(clock.now()).into());
        request.request_async(poll, |pause| sleep(self.pause(pause)), Some(self.expires_in)).await
    }

    fn pause(&self, asked: Duration) -> Duration {
        asked.clamp(SHORTEST_PAUSE, LONGEST_PAUSE.max(self.reply.interval()))
    }

    /// When time ran out, the provider's last word says why.
    fn blame(&self, error: RequestTokenError<HttpError, DeviceCodeErrorResponse>, poll: &Poll) -> LoginError {
        let name = &self.provider.issuer.name;
        match (self.provider.blame(error), poll.last.load(Ordering::SeqCst)) {
            (LoginError::Expired(_), SLOW_DOWN) => LoginError::SlowDown(name.clone()),
            (LoginError::Expired(_), OUT) => LoginError::unreachable(name, "it stopped answering during a device login"),
            (other, _) => other,
        }
    }
}

const PENDING: u8 = 0;
const SLOW_DOWN: u8 = 1;
const OUT: u8 = 2;

/// The HTTP client of one wait; remembers how the last question was answered.
struct Poll {
    http: Http,
    last: AtomicU8,
}

impl Poll {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.http.send(request).await;
        let word = match &answer {
            Err(HttpError::Status(429)) => SLOW_DOWN,
            Err(_) => OUT,
            Ok(response) if says_slow_down(response) => SLOW_DOWN,
            Ok(_) => PENDING,
        };
        self.last.store(word, Ordering::SeqCst);
        answer
    }
}

fn says_slow_down(response: &HttpResponse) -> bool {
    let body: Option<Value> = (!response.status().is_success()).then(|| serde_json::from_slice(response.body()).ok()).flatten();
    body.as_ref().and_then(|b| b.get("error")).and_then(Value::as_str) == Some("slow_down")
}

impl<'c> AsyncHttpClient<'c> for Poll {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
