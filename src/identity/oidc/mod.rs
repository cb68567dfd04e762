//! OpenID Connect: people log in by device code or by browser, services present a token; each becomes a [`Verified`]
//! principal of one issuer. Providers may be down at the start and later: documents are fetched when they are needed, kept
//! for ten minutes, and used for up to a day while a provider is out. Never spawns a task, never decides what anyone may do.

mod claims;
mod code;
mod device;
mod error;
mod http;
mod metadata;
mod provider;
mod service;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Issuer;
use crate::model::{Clock, IssuerName, Principal, PrincipalKind, Secret};
use crate::secrets::Secrets;

pub use code::{CodeLogin, query_answers};
pub use device::DeviceLogin;
pub use error::{LoginError, SetupError, TokenFault};

use provider::Provider;

/// Somebody whom an identity provider vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who, in which groups; all qualified by the issuer.
    pub principal: Principal,
    /// The provider.
    pub issuer: IssuerName,
    /// `sub`: what the provider itself calls them. Foreign text.
    pub subject: String,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// When they authenticated (`auth_time`), or else when the token was issued.
    pub authenticated_at: Timestamp,
    /// How long a certificate of this issuer's principals lives.
    pub certificate_ttl: Duration,
}

/// All configured providers.
pub struct Providers(Vec<Arc<Provider>>);

impl Providers {
    /// Takes the configured issuers, whose client secrets are among `secrets`. Reads trust anchors; does not touch the network.
    ///
    /// # Errors
    /// When a file of trust anchors or a URL cannot be used.
    pub fn new(issuers: &[Issuer], secrets: &Arc<Secrets>, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let made = issuers.iter().map(|issuer| Provider::new(issuer.clone(), Arc::clone(secrets), Arc::clone(clock)).map(Arc::new));
        made.collect::<Result<_, _>>().map(Self)
    }

    /// The providers at which people log in, in the configuration's order.
    pub fn for_login(&self) -> impl Iterator<Item = &IssuerName> {
        self.0.iter().filter(|p| p.issuer.kind == PrincipalKind::User).map(|p| &p.issuer.name)
    }

    /// The provider at which a person logs in: the one they named, or the only one there is.
    ///
    /// # Errors
    /// [`LoginError::NoSuchIssuer`], [`LoginError::ServiceIssuer`], [`LoginError::WhichIssuer`], [`LoginError::NoIssuer`].
    pub fn choose(&self, wanted: Option<&IssuerName>) -> Result<&IssuerName, LoginError> {
        if let Some(name) = wanted {
            return self.for_people(name).map(|p| &p.issuer.name);
        }
        let people: Vec<_> = self.for_login().collect();
        match people.as_slice() {
            [] => Err(LoginError::NoIssuer),
            [only] => Ok(only),
            several => Err(LoginError::WhichIssuer(several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
        }
    }

    /// Begins a login by device code (RFC 8628).
    ///
    /// # Errors
    /// [`LoginError::NoSuchIssuer`], [`LoginError::ServiceIssuer`], [`LoginError::NotOffered`], [`LoginError::Unreachable`],
    /// [`LoginError::SlowDown`], [`LoginError::BadReply`].
    pub async fn begin_device(&self, issuer: &IssuerName) -> Result<DeviceLogin, LoginError> {
        device::begin(Arc::clone(self.for_people(issuer)?)).await
    }

    /// Begins a login by authorization code, whose browser ends at `redirect_uri`.
    ///
    /// # Errors
    /// As [`Providers::begin_device`], and [`LoginError::BadRedirect`] unless `redirect_uri` is
    /// `http://127.0.0.1:PORT/callback` or `http://[::1]:PORT/callback`.
    pub async fn begin_code(&self, issuer: &IssuerName, redirect_uri: &str) -> Result<CodeLogin, LoginError> {
        code::begin(Arc::clone(self.for_people(issuer)?), redirect_uri).await
    }

    /// Verifies a token that a service presents, of at most 16 KiB.
    ///
    /// # Errors
    /// [`LoginError::Token`], and [`LoginError::Unreachable`] when its issuer is out and has no fresh keys.
    pub async fn verify_token(&self, jwt: &Secret) -> Result<Verified, LoginError> {
        service::verify(&self.0, jwt).await
    }

    fn for_people(&self, name: &IssuerName) -> Result<&Arc<Provider>, LoginError> {
        let found = self.0.iter().find(|p| p.issuer.name == *name).ok_or_else(|| LoginError::NoSuchIssuer(name.clone()))?;
        match found.issuer.kind {
            PrincipalKind::User => Ok(found),
            PrincipalKind::Service => Err(LoginError::ServiceIssuer(name.clone())),
        }
    }
}
