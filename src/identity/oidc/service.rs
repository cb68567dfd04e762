//! Tokens that services present. Which issuer could have made one is read from its unverified `iss` and `aud`; that issuer's
//! keys alone then verify it. Tokens of issuers for people are refused: people log in.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Verified;
use super::error::{LoginError, TokenFault};
use super::provider::Provider;
use super::verify::{Accept, LONGEST_TOKEN, payload};
use crate::model::{PrincipalKind, Secret};

pub(super) async fn verify(providers: &[Arc<Provider>], jwt: &Secret) -> Result<Verified, LoginError> {
    let jwt = jwt.reveal();
    if jwt.len() > LONGEST_TOKEN {
        return Err(LoginError::token(TokenFault::TooLarge, format!("{} bytes", jwt.len())));
    }
    let provider = choose(providers, &payload(jwt)?)?;
    provider.verify(jwt, Accept::ServiceToken).await
}

fn choose<'a>(providers: &'a [Arc<Provider>], claims: &Map<String, Value>) -> Result<&'a Arc<Provider>, LoginError> {
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let named: Vec<_> = providers.iter().filter(|p| p.issuer.url == issuer).collect();
    if named.is_empty() {
        return Err(LoginError::token(TokenFault::Issuer, format!("iss is `{issuer}`")));
    }
    let fitting: Vec<_> = named.iter().filter(|p| names_audience(claims, &p.issuer.audience)).collect();
    let services: Vec<_> = fitting.iter().filter(|p| p.issuer.kind == PrincipalKind::Service).collect();
    match services.as_slice() {
        [provider] => Ok(provider),
        [] if named.iter().all(|p| p.issuer.kind == PrincipalKind::User) || !fitting.is_empty() => {
            Err(LoginError::token(TokenFault::UserIssuer, format!("iss is `{issuer}`")))
        }
        [] => Err(LoginError::token(TokenFault::Audience, format!("no issuer of `{issuer}` has the token's audience"))),
        _ => Err(LoginError::token(TokenFault::Audience, "it names the audiences of several configured issuers")),
    }
}

fn names_audience(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}
