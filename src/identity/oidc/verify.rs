//! Verifies one JSON Web Token against one issuer's rules and keys (OpenID Connect Core 1.0 section 3.1.3.7, RFC 9068).
//! The signature, `iss`, `aud`, `exp` and the nonce are the library's to check; `iat`, `nbf` and `azp`, which it leaves to
//! its caller, are checked here. Fetches nothing.

use std::str::FromStr;
use std::time::SystemTime;

use base64::Engine;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Algorithm};
use openidconnect::{
    ClaimsVerificationError, ClientId, JsonWebTokenType, Nonce, NonceVerifier, NormalizedJsonWebTokenType, SignatureVerificationError,
};
use serde_json::{Map, Value};

use super::Verified;
use super::claims::{self, integer};
use super::error::{LoginError, TokenFault};
use super::metadata::Metadata;
use crate::config::{Issuer, defaults};
use crate::model::PrincipalKind;

/// The algorithms that are taken: asymmetric ones only, so that no public key can serve as a shared secret.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];
/// The longest token that a service may present, in bytes.
pub(super) const LONGEST_TOKEN: usize = 16 * 1024;
/// The longest ID token that is taken from a provider, in bytes.
const LONGEST_ID_TOKEN: usize = 256 * 1024;

/// What sort of token is expected.
#[derive(Clone, Copy)]
pub(super) enum Accept<'a> {
    /// An ID token from the token endpoint; with this nonce, if the login sent one.
    IdToken(Option<&'a Nonce>),
    /// A service's token: an ID token, an access token of RFC 9068, a Kubernetes or CI token.
    ServiceToken,
}

/// Verifies `jwt` as of `now`.
pub(super) fn check(issuer: &Issuer, known: &Metadata, jwt: &str, accept: Accept<'_>, now: Timestamp) -> Result<Verified, LoginError> {
    let limit = if matches!(accept, Accept::ServiceToken) { LONGEST_TOKEN } else { LONGEST_ID_TOKEN };
    if jwt.len() > limit {
        return Err(LoginError::token(TokenFault::TooLarge, format!("{} bytes", jwt.len())));
    }
    let token = CoreIdToken::from_str(jwt).map_err(|e| malformed(&e))?;
    let verifier = verifier(issuer, known, accept, now);
    let standard = token.claims(&verifier, |seen: Option<&Nonce>| check_nonce(accept, seen)).map_err(blame)?;
    let all = payload(jwt)?;
    check_times(standard, &all, now)?;
    check_party(issuer, standard, &all)?;
    claims::read(issuer, standard, &all)
}

fn verifier<'a>(issuer: &Issuer, known: &Metadata, accept: Accept<'_>, now: Timestamp) -> CoreIdTokenVerifier<'a> {
    let types: &[&str] = match accept {
        Accept::IdToken(_) => &["JWT", "JOSE"],
        Accept::ServiceToken => &["JWT", "JOSE", "at+jwt"],
    };
    // The library compares `now >= exp`; the skew is taken off the clock.
    let earlier = SystemTime::from(now.saturating_sub(skew()).unwrap_or(now));
    // As for a public client: without a secret, no token can be verified by one.
    CoreIdTokenVerifier::new_public_client(ClientId::new(issuer.audience.clone()), known.issuer.clone(), known.keys.clone())
        .set_allowed_algs(ALGORITHMS)
        .set_allowed_jose_types(types.iter().filter_map(|t| normal(t)))
        // Other audiences beside ours are ruled on by `check_party`.
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(move || earlier.into())
}

fn normal(name: &str) -> Option<NormalizedJsonWebTokenType> {
    JsonWebTokenType::new(name.to_owned()).normalize().ok()
}

fn check_nonce(accept: Accept<'_>, seen: Option<&Nonce>) -> Result<(), String> {
    match accept {
        Accept::IdToken(Some(sent)) => sent.verify(seen),
        Accept::IdToken(None) | Accept::ServiceToken => Ok(()),
    }
}

fn check_times(standard: &CoreIdTokenClaims, all: &Map<String, Value>, now: Timestamp) -> Result<(), LoginError> {
    let latest = now.saturating_add(skew()).unwrap_or(now);
    let issued = moment(standard.issue_time())?;
    if issued > latest {
        return Err(LoginError::token(TokenFault::NotYet, format!("iat is {issued}, it is {now}")));
    }
    match all.get("nbf") {
        None => Ok(()),
        Some(value) => match integer(value).map(Timestamp::from_second) {
            Some(Ok(from)) if from <= latest => Ok(()),
            Some(Ok(from)) => Err(LoginError::token(TokenFault::NotYet, format!("nbf is {from}, it is {now}"))),
            _ => Err(LoginError::token(TokenFault::Malformed, "nbf is not a time")),
        },
    }
}

/// A token given to another client must not log anybody in here. For people `azp` must be ours wherever it stands, and
/// must stand where the audience is not exactly ours; for services it is pinned if the operator configured a `client_id`.
fn check_party(issuer: &Issuer, standard: &CoreIdTokenClaims, all: &Map<String, Value>) -> Result<(), LoginError> {
    let fail = |detail: String| Err(LoginError::token(TokenFault::AuthorizedParty, detail));
    let party = standard.authorized_party().map(|p| p.as_str());
    match issuer.kind {
        PrincipalKind::User => match party {
            Some(party) if party == issuer.client_id => Ok(()),
            Some(party) => fail(format!("azp is `{party}`, not `{}`", issuer.client_id)),
            None if standard.audiences().len() == 1 && issuer.audience == issuer.client_id => Ok(()),
            None => fail("azp is missing, and the audience is not our client alone".to_owned()),
        },
        PrincipalKind::Service if issuer.client_id.is_empty() => Ok(()),
        PrincipalKind::Service => {
            let client = all.get("client_id").and_then(Value::as_str);
            match party.into_iter().chain(client).find(|found| *found != issuer.client_id) {
                Some(other) => fail(format!("the token's client is `{other}`, not `{}`", issuer.client_id)),
                None => Ok(()),
            }
        }
    }
}

/// The claims, whole; of a token that was verified, or to find out who could verify it.
pub(super) fn payload(jwt: &str) -> Result<Map<String, Value>, LoginError> {
    let bad = |detail: &str| LoginError::token(TokenFault::Malformed, detail);
    let part = jwt.split('.').nth(1).ok_or_else(|| bad("it has no parts"))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
    let bytes = bytes.map_err(|_| bad("its claims are not base64"))?;
    serde_json::from_slice(&bytes).map_err(|_| bad("its claims are not a JSON object"))
}

/// The token's time as ours.
pub(super) fn moment(time: impl Into<SystemTime>) -> Result<Timestamp, LoginError> {
    Timestamp::try_from(time.into()).map_err(|_| LoginError::token(TokenFault::Malformed, "a time is out of range"))
}

fn skew() -> SignedDuration {
    SignedDuration::try_from(defaults::CLOCK_SKEW).unwrap_or_default()
}

fn malformed(error: &serde_json::Error) -> LoginError {
    LoginError::token(TokenFault::Malformed, error.to_string())
}

fn blame(error: ClaimsVerificationError) -> LoginError {
    use SignatureVerificationError as Signature;
    let fault = match &error {
        ClaimsVerificationError::Expired(_) => TokenFault::Expired,
        ClaimsVerificationError::InvalidAudience(_) => TokenFault::Audience,
        ClaimsVerificationError::InvalidIssuer(_) => TokenFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => TokenFault::Nonce,
        ClaimsVerificationError::Unsupported(_) => TokenFault::Kind,
        ClaimsVerificationError::SignatureVerification(Signature::NoMatchingKey) => TokenFault::UnknownKey,
        ClaimsVerificationError::SignatureVerification(
            Signature::NoSignature | Signature::DisallowedAlg(_) | Signature::UnsupportedAlg(_),
        ) => TokenFault::Algorithm,
        ClaimsVerificationError::SignatureVerification(_) => TokenFault::Signature,
        _ => TokenFault::Malformed,
    };
    let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
    LoginError::token(fault, format!("{error}{cause}"))
}
