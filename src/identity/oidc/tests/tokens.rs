//! Tokens that services present, good and forged.

use openidconnect::PrivateSigningKey;
use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};

use super::fake::*;
use crate::identity::oidc::{LoginError, Providers, TokenFault, Verified};
use crate::model::PrincipalKind;

async fn service() -> (Fake, Providers) {
    let fake = Fake::start().await;
    let (providers, _) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    (fake, providers)
}

async fn fault(providers: &Providers, token: &str) -> TokenFault {
    match providers.verify_token(&secret(token)).await {
        Err(LoginError::Token { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn groups(verified: &Verified) -> Vec<&str> {
    verified.principal.groups.iter().map(|g| g.as_str()).collect()
}

#[tokio::test]
async fn a_good_token_names_its_service_and_groups_after_the_issuer() {
    let (fake, providers) = service().await;
    let verified = providers.verify_token(&secret(&fake.token(json!({})))).await.unwrap();
    assert_eq!(verified.principal.id.as_str(), "ci/alice");
    assert_eq!(verified.principal.kind, PrincipalKind::Service);
    assert_eq!(groups(&verified), ["ci/admins", "ci/dba"]);
    assert_eq!(verified.expires_at.as_second(), NOW + 300);
    assert_eq!(verified.authenticated_at.as_second(), NOW - 5);
    let unknown = providers.verify_token(&secret(&fake.token(json!({"auth_time": 0})))).await.unwrap();
    assert_eq!(unknown.authenticated_at.as_second(), NOW - 5);
}

#[tokio::test]
async fn access_tokens_and_kubernetes_tokens_are_taken_and_other_kinds_are_not() {
    let (fake, providers) = service().await;
    let (kid, key) = fake.world().keys[0].clone();
    let typed = |typ: &str| sign(&json!({"alg": "EdDSA", "kid": kid, "typ": typ}), &fake.claims(), &key);
    for typ in ["JWT", "at+jwt", "application/at+jwt"] {
        providers.verify_token(&secret(&typed(typ))).await.unwrap_or_else(|e| panic!("{typ}: {}", e.detail()));
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt"] {
        assert_eq!(fault(&providers, &typed(typ)).await, TokenFault::Kind, "{typ}");
    }
    let projected = json!({"aud": ["https://kubernetes.default.svc", CLIENT], "sub": "system:serviceaccount:shop:web",
        "nbf": NOW - 5, "kubernetes.io": {"namespace": "shop"}, "groups": null});
    let verified = providers.verify_token(&secret(&fake.token(projected))).await.unwrap();
    assert_eq!(verified.principal.id.as_str(), "ci/system:serviceaccount:shop:web");
    let critical = sign(&json!({"alg": "EdDSA", "kid": kid, "crit": ["exp"]}), &fake.claims(), &key);
    assert_eq!(fault(&providers, &critical).await, TokenFault::Kind);
}

#[tokio::test]
async fn rsa_signatures_are_taken_but_not_of_weak_keys() {
    let (fake, providers) = service().await;
    let (strong, weak) = (rsa(2048), rsa(1024));
    fake.world().keys = vec![("strong".into(), strong), ("weak".into(), weak.clone())];
    providers.verify_token(&secret(&fake.token(json!({})))).await.unwrap();
    let token = sign(&json!({"alg": "RS512", "kid": "weak"}), &fake.claims(), &weak);
    assert_eq!(fault(&providers, &token).await, TokenFault::UnknownKey);
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let (fake, providers) = service().await;
    let part = |value: &Value| b64(value.to_string());
    for alg in ["none", "None", "NONE"] {
        let token = format!("{}.{}.", part(&json!({"alg": alg})), part(&fake.claims()));
        let fault = fault(&providers, &token).await;
        assert!(matches!(fault, TokenFault::Algorithm | TokenFault::Malformed), "{alg}: {fault:?}");
    }
    let good = fake.token(json!({}));
    let (input, _) = good.rsplit_once('.').unwrap();
    assert_eq!(fault(&providers, &format!("{input}.")).await, TokenFault::Signature);
    assert_eq!(fault(&providers, &format!("{input}.{}", b64([0; 64]))).await, TokenFault::Signature);
}

#[tokio::test]
async fn a_public_key_does_not_serve_as_a_shared_secret() {
    let (fake, providers) = service().await;
    let (kid, key) = fake.world().keys[0].clone();
    let public = jwk(&kid, &key);
    // Even a provider that lists a shared secret among its keys does not make it one.
    fake.world().odd_keys = vec![json!({"kty": "oct", "kid": "shared", "alg": "HS256", "k": public["x"]})];
    let secrets = [public["x"].as_str().unwrap().as_bytes().to_vec(), public.to_string().into_bytes(), Vec::new()];
    for (secret, kid) in secrets.iter().flat_map(|s| [(s, kid.as_str()), (s, "shared")]) {
        let input = format!("{}.{}", b64(json!({"alg": "HS256", "kid": kid}).to_string()), b64(fake.claims().to_string()));
        let mac = CoreHmacKey::new(secret.clone()).sign(&CoreJwsSigningAlgorithm::HmacSha256, input.as_bytes()).unwrap();
        assert_eq!(fault(&providers, &format!("{input}.{}", b64(mac))).await, TokenFault::Algorithm);
    }
}

#[tokio::test]
async fn a_changed_claim_breaks_the_signature() {
    let (fake, providers) = service().await;
    let good = fake.token(json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let claims = merged(fake.claims(), json!({"sub": "root"}));
    let token = format!("{}.{}.{}", parts[0], b64(claims.to_string()), parts[2]);
    assert_eq!(fault(&providers, &token).await, TokenFault::Signature);
}

#[tokio::test]
async fn times_are_held_to_within_the_stated_skew() {
    let (fake, providers) = service().await;
    let cases = [
        (json!({"exp": NOW - 61}), Some(TokenFault::Expired)),
        (json!({"exp": NOW - 59}), None),
        (json!({"iat": NOW + 61}), Some(TokenFault::NotYet)),
        (json!({"iat": NOW + 59}), None),
        (json!({"nbf": NOW + 61}), Some(TokenFault::NotYet)),
        (json!({"nbf": NOW + 59}), None),
        (json!({"nbf": "soon"}), Some(TokenFault::Malformed)),
        (json!({"exp": null}), Some(TokenFault::Malformed)),
        (json!({"iat": null}), Some(TokenFault::Malformed)),
        (json!({"exp": i64::MAX}), Some(TokenFault::Malformed)),
    ];
    for (changes, expected) in cases {
        let found = providers.verify_token(&secret(&fake.token(changes.clone()))).await;
        match (found, expected) {
            (Ok(_), None) => {}
            (Err(LoginError::Token { fault, .. }), Some(expected)) if fault == expected => {}
            (found, expected) => panic!("{changes}: {found:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let (fake, providers) = service().await;
    for audience in [json!("other"), json!(["other"]), json!([]), json!("bastion2"), json!("BASTION"), Value::Null] {
        assert_eq!(fault(&providers, &fake.token(json!({"aud": audience}))).await, TokenFault::Audience, "{audience}");
    }
    assert_eq!(fault(&providers, &fake.token(json!({"iss": "https://evil.example"}))).await, TokenFault::Issuer);
    assert_eq!(fault(&providers, &fake.token(json!({"iss": format!("{}/", fake.url)}))).await, TokenFault::Issuer);
}

#[tokio::test]
async fn a_pinned_client_is_the_only_one_taken() {
    let fake = Fake::start().await;
    let mut issuer = fake.issuer("ci", PrincipalKind::Service);
    issuer.client_id = "deployer".into();
    let (providers, _) = providers(&[issuer]);
    for other in [json!({"azp": "other"}), json!({"client_id": "other"}), json!({"azp": "deployer", "client_id": "other"})] {
        assert_eq!(fault(&providers, &fake.token(other.clone())).await, TokenFault::AuthorizedParty, "{other}");
    }
    assert!(providers.verify_token(&secret(&fake.token(json!({"azp": "deployer"})))).await.is_ok());
}

#[tokio::test]
async fn a_token_of_one_issuer_does_not_pass_as_anothers() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    let (providers, _) = providers(&[one.issuer("one", PrincipalKind::Service), two.issuer("two", PrincipalKind::Service)]);
    let (kid, key) = one.world().keys[0].clone();
    two.world().keys[0].0 = kid.clone();
    let forged = sign(&json!({"alg": "EdDSA", "kid": kid}), &two.claims(), &key);
    assert_eq!(fault(&providers, &forged).await, TokenFault::Signature);
    let verified = providers.verify_token(&secret(&one.token(json!({})))).await.unwrap();
    assert_eq!(verified.issuer, named("one"));
}

#[tokio::test]
async fn equal_names_of_two_issuers_stay_apart() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    let (providers, _) = providers(&[one.issuer("one", PrincipalKind::Service), two.issuer("two", PrincipalKind::Service)]);
    let first = providers.verify_token(&secret(&one.token(json!({})))).await.unwrap();
    let second = providers.verify_token(&secret(&two.token(json!({})))).await.unwrap();
    assert_ne!(first.principal.id, second.principal.id);
    assert!(first.principal.groups.iter().all(|g| !second.principal.groups.contains(g)));
    let climbing = one.token(json!({"sub": "../two/alice"}));
    assert_eq!(fault(&providers, &climbing).await, TokenFault::Name);
}

#[tokio::test]
async fn two_audiences_at_one_issuer_are_two_issuers() {
    let fake = Fake::start().await;
    let (first, mut second) = (fake.issuer("first", PrincipalKind::Service), fake.issuer("second", PrincipalKind::Service));
    second.audience = "elsewhere".into();
    let (providers, _) = providers(&[first, second]);
    let verified = providers.verify_token(&secret(&fake.token(json!({"aud": "elsewhere"})))).await.unwrap();
    assert_eq!(verified.issuer, named("second"));
    assert_eq!(fault(&providers, &fake.token(json!({"aud": ["elsewhere", CLIENT]}))).await, TokenFault::Audience);
}

#[tokio::test]
async fn a_persons_token_is_refused_in_a_clear_sentence() {
    let fake = Fake::start().await;
    let (providers, _) = providers(&[fake.issuer("corp", PrincipalKind::User)]);
    let error = providers.verify_token(&secret(&fake.token(json!({})))).await.unwrap_err();
    assert!(error.to_string().contains("for people, who log in interactively"), "{error}");
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_anything_is_fetched() {
    let (fake, providers) = service().await;
    let long = fake.token(json!({"filler": "x".repeat(16 * 1024)}));
    assert_eq!(fault(&providers, &long).await, TokenFault::TooLarge);
    for text in ["", ".", "a.b.c", "....", "not a token", &b64("{}"), &format!("{0}.{0}.{0}", b64("[]"))] {
        assert_eq!(fault(&providers, text).await, TokenFault::Malformed, "{text:?}");
    }
    assert_eq!(fake.world().key_fetches, 0);
    assert_eq!(fault(&providers, &fake.token(json!({"sub": ""}))).await, TokenFault::Malformed);
    assert_eq!(fault(&providers, &fake.token(json!({"sub": "x".repeat(256)}))).await, TokenFault::Malformed);
}

#[tokio::test]
async fn neither_sentence_nor_detail_shows_a_token() {
    let (fake, providers) = service().await;
    let good = fake.token(json!({"iss": "https://evil\u{1b}[2J.example"}));
    let error = providers.verify_token(&secret(&good)).await.unwrap_err();
    let shown = format!("{error} {} {error:?}", error.detail());
    assert!(!shown.contains(&good[good.len() - 20..]) && !shown.contains('\u{1b}'), "{shown}");
}
