//! Login by authorization code with PKCE (RFC 6749, RFC 7636), ending at a loopback address of the visitor's machine
//! (RFC 8252). State, nonce and verifier are made here, kept here and checked here; the visitor's side only carries the
//! browser's answer. One login belongs to one connection: another's answer does not fit it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use openidconnect::core::{CoreAuthenticationFlow, CoreTokenResponse};
use openidconnect::url::{Url, form_urlencoded};
use openidconnect::{AuthorizationCode, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, TokenResponse, TokenUrl};
use sha2::{Digest, Sha256};

use super::Verified;
use super::error::LoginError;
use super::metadata::Metadata;
use super::provider::Provider;
use super::verify::Accept;
use crate::model::code_login::LONGEST_ANSWER;

/// A login that has begun; send the visitor to its [`authorization_url`](CodeLogin::authorization_url).
pub struct CodeLogin {
    url: String,
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
    token: TokenUrl,
    provider: Arc<Provider>,
    known: Arc<Metadata>,
}

pub(super) async fn begin(provider: Arc<Provider>, redirect_uri: &str) -> Result<CodeLogin, LoginError> {
    let redirect = loopback(redirect_uri).ok_or(LoginError::BadRedirect)?;
    let known = provider.known().await?;
    let (Some(authorization), Some(token)) = (known.authorization.clone(), known.token.clone()) else {
        return Err(LoginError::NotOffered { issuer: provider.issuer.name.clone(), what: "logins by browser" });
    };
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let client = provider.client(&known).await?.set_auth_uri(authorization).set_redirect_uri(redirect.clone());
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(Provider::scopes(&known))
        .set_pkce_challenge(challenge)
        .url();
    let url = provider.shown_url(&url)?;
    Ok(CodeLogin { url, state, nonce, verifier, redirect, token, provider, known })
}

/// A redirect to a port of the visitor's own machine (RFC 8252 section 7.3), in its one spelling: the provider compares text.
fn loopback(uri: &str) -> Option<RedirectUrl> {
    let address: SocketAddr = uri.strip_prefix("http://")?.strip_suffix("/callback")?.parse().ok()?;
    let own = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.ip());
    let plain = address.port() != 0 && format!("http://{address}/callback") == uri;
    (own && plain).then(|| RedirectUrl::new(uri.to_owned()).ok())?
}

impl CodeLogin {
    /// The page to open in a browser.
    #[must_use]
    pub fn authorization_url(&self) -> &str {
        &self.url
    }

    /// Checks `answer`, the raw query of the redirect (`code=…&state=…`), and exchanges its code for an ID token.
    ///
    /// # Errors
    /// [`LoginError::BadAnswer`] when it is not this login's, [`LoginError::Denied`] when the person or the provider said no,
    /// [`LoginError::Unreachable`], [`LoginError::BadReply`], [`LoginError::Token`].
    pub fn finish(self, answer: &str) -> impl Future<Output = Result<Verified, LoginError>> + Send + 'static {
        let code = self.code_of(answer);
        async move {
            let code = code?;
            let client = self.provider.client(&self.known).await?.set_token_uri(self.token).set_redirect_uri(self.redirect);
            let request = client.exchange_code(code).set_pkce_verifier(self.verifier);
            let answer: CoreTokenResponse = request.request_async(&self.provider.http).await.map_err(|e| self.provider.blame(e))?;
            let token = answer.id_token().map(ToString::to_string);
            let token = token.ok_or_else(|| LoginError::bad_reply(&self.provider.issuer.name, "no ID token"))?;
            self.provider.verify(&token, Accept::IdToken(Some(&self.nonce))).await
        }
    }

    fn code_of(&self, answer: &str) -> Result<AuthorizationCode, LoginError> {
        let answer = Answer::read(answer)?;
        let same = answer.state.is_some_and(|state| Sha256::digest(state) == Sha256::digest(self.state.secret()));
        if !same {
            return Err(LoginError::BadAnswer { detail: "its state is not this login's" });
        }
        // RFC 9207: whoever names itself must be the provider that was asked.
        if answer.issuer.is_some_and(|issuer| issuer != self.known.issuer.as_str()) {
            return Err(LoginError::BadAnswer { detail: "its issuer is another provider" });
        }
        let name = &self.provider.issuer.name;
        match (answer.error.as_deref(), answer.code) {
            (Some("access_denied"), _) => Err(LoginError::Denied(name.clone())),
            (Some(error), _) => Err(LoginError::bad_reply(name, format!("error `{error}` at the redirect"))),
            (None, Some(code)) => Ok(AuthorizationCode::new(code)),
            (None, None) => Err(LoginError::BadAnswer { detail: "it holds no code" }),
        }
    }
}

/// The redirect's query, taken apart.
#[derive(Default)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Answer {
    fn read(text: &str) -> Result<Self, LoginError> {
        if text.len() > LONGEST_ANSWER {
            return Err(LoginError::BadAnswer { detail: "it is too long" });
        }
        let mut answer = Self::default();
        for (key, value) in form_urlencoded::parse(text.trim().as_bytes()) {
            let place = match key.as_ref() {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "error" => &mut answer.error,
                "iss" => &mut answer.issuer,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(LoginError::BadAnswer { detail: "a part of it stands there twice" });
            }
        }
        Ok(answer)
    }
}

/// Whether the authorization URL `url` and the redirect's `query` are of one login; for the visitor's side, so that a
/// stranger's request to the loopback address does not end the login.
#[must_use]
pub fn query_answers(url: &str, query: &str) -> bool {
    let state = |text: &str| form_urlencoded::parse(text.as_bytes()).find(|(key, _)| key == "state").map(|(_, value)| value.into_owned());
    let asked = Url::parse(url).ok().and_then(|url| url.query().and_then(state));
    asked.is_some() && asked == state(query)
}
