//! From claims to principals.

use serde_json::{Value, json};

use super::fake::*;
use crate::identity::oidc::claims::MOST_GROUPS;
use crate::identity::oidc::{LoginError, TokenFault, Verified};
use crate::model::PrincipalKind;

async fn read(user_claim: &str, groups_claim: &str, claims: Value) -> Result<Verified, LoginError> {
    let fake = Fake::start().await;
    let mut issuer = fake.issuer("corp", PrincipalKind::Service);
    issuer.user_claim = user_claim.into();
    issuer.groups_claim = groups_claim.into();
    let (providers, _) = providers(&[issuer]);
    providers.verify_token(&secret(&fake.token(claims))).await
}

async fn groups(claim: &str, claims: Value) -> Vec<String> {
    read("sub", claim, claims).await.unwrap().principal.groups.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_email_counts_only_when_it_is_verified() {
    for unverified in [json!({}), json!({"email_verified": false}), json!({"email_verified": "false"})] {
        let error = read("email", "groups", merged(json!({"email": "alice@example.com"}), unverified.clone())).await.unwrap_err();
        assert!(matches!(error, LoginError::Token { fault: TokenFault::UnverifiedEmail, .. }), "{unverified}: {error:?}");
    }
    for verified in [json!({"email_verified": true}), json!({"email_verified": "true"})] {
        let found = read("email", "groups", merged(json!({"email": "alice@example.com"}), verified)).await.unwrap();
        assert_eq!(found.principal.id.as_str(), "corp/alice@example.com");
    }
}

#[tokio::test]
async fn a_name_that_is_missing_or_unsafe_names_nobody() {
    for claims in
        [json!({}), json!({"login": 7}), json!({"login": ""}), json!({"login": "-rf"}), json!({"login": "a\nb"}), json!({"login": ["a"]})]
    {
        let error = read("login", "groups", claims.clone()).await.unwrap_err();
        assert!(matches!(error, LoginError::Token { fault: TokenFault::Name, .. }), "{claims}: {error:?}");
    }
}

#[tokio::test]
async fn groups_are_a_list_or_one_string_and_invalid_names_are_passed_over() {
    assert_eq!(groups("groups", json!({"groups": "one two"})).await, ["corp/one two"]);
    assert_eq!(groups("groups", json!({"groups": null})).await, Vec::<String>::new());
    let mixed = json!({"groups": ["b", "a", "b", "", "../up", "x\u{1b}y", 7, {"c": 1}]});
    assert_eq!(groups("groups", mixed).await, ["corp/a", "corp/b"]);
    let error = read("sub", "groups", json!({"groups": {"a": 1}})).await.unwrap_err();
    assert!(matches!(error, LoginError::Token { fault: TokenFault::Groups, .. }), "{error:?}");
}

#[tokio::test]
async fn claims_are_found_by_their_own_name_or_by_steps() {
    assert_eq!(groups("realm_access.roles", json!({"realm_access": {"roles": ["r"]}})).await, ["corp/r"]);
    assert_eq!(groups("https://example.com/groups", json!({"https://example.com/groups": ["g"]})).await, ["corp/g"]);
    assert_eq!(groups("kubernetes.io.namespace", json!({"kubernetes.io": {"namespace": "shop"}})).await, ["corp/shop"]);
    assert_eq!(groups("a.b.c", json!({"a": {"b": 1}})).await, Vec::<String>::new());
}

#[tokio::test]
async fn too_many_groups_are_refused_rather_than_cut() {
    let many = |n: usize| json!({"groups": (0..n).map(|i| format!("g{i}")).collect::<Vec<_>>()});
    assert_eq!(groups("groups", many(MOST_GROUPS)).await.len(), MOST_GROUPS);
    let error = read("sub", "groups", many(MOST_GROUPS + 1)).await.unwrap_err();
    assert!(matches!(error, LoginError::Token { fault: TokenFault::Groups, .. }), "{error:?}");
}
