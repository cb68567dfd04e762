//! What is kept of a provider, and what its outages do.

use serde_json::json;

use super::fake::*;
use crate::identity::oidc::{LoginError, Providers, TokenFault};
use crate::model::PrincipalKind;

async fn works(providers: &Providers, token: &str) -> bool {
    providers.verify_token(&secret(token)).await.is_ok()
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_no_error_and_later_works() {
    let fake = Fake::start().await;
    fake.world().mood = Mood::Status(500);
    let (providers, clock) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let token = fake.token(json!({}));
    let error = providers.verify_token(&secret(&token)).await.unwrap_err();
    assert!(matches!(error, LoginError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "identity provider `ci` cannot be reached just now; try again in a minute");
    assert!(error.detail().contains("500"), "{}", error.detail());
    fake.world().mood = Mood::Well;
    assert!(!works(&providers, &token).await, "the provider was asked again at once");
    clock.advance(10);
    assert!(works(&providers, &token).await);
}

#[tokio::test]
async fn rotated_keys_are_fetched_once_an_unknown_one_is_seen_and_not_more_often_than_every_ten_seconds() {
    let fake = Fake::start().await;
    let (providers, clock) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let old = fake.token(json!({}));
    assert!(works(&providers, &old).await);
    fake.world().keys = vec![("second".into(), ed25519())];
    let new = fake.token(json!({}));
    assert!(!works(&providers, &new).await, "keys were fetched twice within ten seconds");
    clock.advance(10);
    assert!(works(&providers, &new).await);
    assert!(!works(&providers, &old).await, "a withdrawn key still verifies");
    for n in 0..20 {
        let forged = sign(&json!({"alg": "EdDSA", "kid": format!("k{n}")}), &fake.claims(), &ed25519());
        assert!(!works(&providers, &forged).await);
    }
    assert_eq!(fake.world().key_fetches, 2);
}

#[tokio::test]
async fn an_outage_is_survived_for_a_day() {
    let fake = Fake::start().await;
    let (providers, clock) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let token = |fake: &Fake| fake.token(json!({"exp": NOW + 1_000_000}));
    assert!(works(&providers, &token(&fake)).await);
    fake.world().mood = Mood::Status(503);
    clock.advance(24 * 3600 - 1);
    assert!(works(&providers, &token(&fake)).await);
    clock.advance(11);
    let error = providers.verify_token(&secret(&token(&fake))).await.unwrap_err();
    assert!(matches!(error, LoginError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn withdrawn_keys_are_noticed_without_an_unknown_one() {
    let fake = Fake::start().await;
    let (providers, clock) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let token = fake.token(json!({"exp": NOW + 10_000}));
    assert!(works(&providers, &token).await);
    fake.world().keys = vec![("second".into(), ed25519())];
    clock.advance(601);
    assert!(!works(&providers, &token).await);
}

#[tokio::test]
async fn many_visitors_at_once_cause_one_fetch() {
    let fake = Fake::start().await;
    let (providers, _) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let token = fake.token(json!({}));
    let all = futures_util::future::join_all((0..50).map(|_| works(&providers, &token))).await;
    assert!(all.into_iter().all(|ok| ok));
    assert_eq!(fake.world().key_fetches, 1);
}

#[tokio::test]
async fn a_silent_provider_is_given_up_on() {
    let fake = Fake::start().await;
    fake.world().mood = Mood::Silent;
    let (providers, _) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    let error = providers.verify_token(&secret(&fake.token(json!({})))).await.unwrap_err();
    assert!(matches!(error, LoginError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_or_without_tls_is_not_used() {
    let changes = [
        json!({"issuer": "https://evil.example"}),
        json!({"jwks_uri": "http://idp.example/jwks"}),
        json!({"token_endpoint": "http://10.0.0.1/token"}),
        json!({"authorization_endpoint": "ftp://127.0.0.1/"}),
        json!({"jwks_uri": null}),
    ];
    for change in changes {
        let fake = Fake::start().await;
        let document = merged(fake.world().discovery.clone(), change.clone());
        fake.world().discovery = document;
        let (providers, _) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
        let error = providers.verify_token(&secret(&fake.token(json!({})))).await.unwrap_err();
        assert!(matches!(error, LoginError::Unreachable { .. }), "{change}: {error:?}");
        assert_eq!(fake.world().key_fetches, 0, "{change}");
    }
}

#[tokio::test]
async fn a_key_is_not_taken_for_its_name_alone() {
    let fake = Fake::start().await;
    let (providers, _) = providers(&[fake.issuer("ci", PrincipalKind::Service)]);
    fake.world().odd_keys =
        vec![json!({"kty": "OKP", "crv": "Ed25519", "kid": "enc", "use": "enc", "x": b64([1; 32])}), json!({"kty": "??"})];
    let token = sign(&json!({"alg": "EdDSA", "kid": "enc"}), &fake.claims(), &ed25519());
    let error = providers.verify_token(&secret(&token)).await.unwrap_err();
    assert!(matches!(error, LoginError::Token { fault: TokenFault::UnknownKey, .. }), "{error:?}");
    assert!(works(&providers, &fake.token(json!({}))).await, "an odd key spoils the others");
}
