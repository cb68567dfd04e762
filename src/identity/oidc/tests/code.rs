//! Logins by browser.

use std::collections::BTreeMap;

use base64::Engine;
use openidconnect::url::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fake::*;
use crate::identity::oidc::{CodeLogin, LoginError, Providers, TokenFault, Verified, query_answers};
use crate::model::PrincipalKind;

const REDIRECT: &str = "http://127.0.0.1:4321/callback";

async fn scene() -> (Fake, Providers) {
    let fake = Fake::start().await;
    let (providers, _) = providers(&[fake.issuer("corp", PrincipalKind::User)]);
    (fake, providers)
}

async fn begin(providers: &Providers) -> CodeLogin {
    providers.begin_code(&named("corp"), REDIRECT).await.unwrap()
}

fn query(login: &CodeLogin) -> BTreeMap<String, String> {
    Url::parse(login.authorization_url()).unwrap().query_pairs().into_owned().collect()
}

/// Finishes `login` with the right answer; the provider grants a token with `changes`.
async fn finish(fake: &Fake, login: CodeLogin, changes: Value) -> Result<Verified, LoginError> {
    let asked = query(&login);
    let token = fake.token(merged(json!({"nonce": asked["nonce"]}), changes));
    fake.world().tokens = [(200, json!({"access_token": "at", "token_type": "Bearer", "id_token": token}))].into();
    login.finish(&format!("code=c0de&state={}", asked["state"])).await
}

fn fault(error: LoginError) -> TokenFault {
    match error {
        LoginError::Token { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_finished_login_names_the_person_and_was_bound_by_pkce() {
    let (fake, providers) = scene().await;
    let login = begin(&providers).await;
    let asked = query(&login);
    assert_eq!((asked["code_challenge_method"].as_str(), asked["redirect_uri"].as_str()), ("S256", REDIRECT));
    let verified = finish(&fake, login, json!({})).await.unwrap();
    assert_eq!(verified.principal.id.as_str(), "corp/alice");
    let form = fake.world().forms.pop().unwrap();
    assert_eq!((form["code"].as_str(), form["redirect_uri"].as_str()), ("c0de", REDIRECT));
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!(challenge, asked["code_challenge"]);
}

#[tokio::test]
async fn a_token_of_another_login_is_refused() {
    let (fake, providers) = scene().await;
    for nonce in [json!("other"), json!(""), Value::Null] {
        let error = finish(&fake, begin(&providers).await, json!({"nonce": nonce})).await.unwrap_err();
        assert_eq!(fault(error), TokenFault::Nonce, "{nonce}");
    }
}

#[tokio::test]
async fn bob_cannot_finish_the_login_that_alice_began() {
    let (fake, providers) = scene().await;
    let (alices, bobs) = (begin(&providers).await, begin(&providers).await);
    let answer = format!("code=c0de&state={}", query(&bobs)["state"]);
    let error = alices.finish(&answer).await.unwrap_err();
    assert!(matches!(error, LoginError::BadAnswer { .. }), "{error:?}");
    assert!(fake.world().forms.is_empty(), "the code was exchanged");
}

#[tokio::test]
async fn an_answer_that_does_not_belong_to_the_login_is_refused_before_the_code_is_used() {
    let (fake, providers) = scene().await;
    let state = |login: &CodeLogin| query(login)["state"].clone();
    let answers: [fn(&str) -> String; 8] = [
        |_| String::new(),
        |_| "code=x".into(),
        |_| "code=x&state=".into(),
        |s| format!("state={s}"),
        |s| format!("code=x&state={s}x"),
        |s| format!("code=x&state={s}&state={s}"),
        |s| format!("code=x&state={s}&iss=https://evil.example"),
        |s| format!("code={}&state={s}", "x".repeat(9000)),
    ];
    for answer in answers {
        let login = begin(&providers).await;
        let text = answer(&state(&login));
        let error = login.finish(&text).await.unwrap_err();
        assert!(matches!(error, LoginError::BadAnswer { .. }), "{text}: {error:?}");
    }
    assert!(fake.world().forms.is_empty());
}

#[tokio::test]
async fn a_denial_at_the_provider_is_told_as_one() {
    let (_fake, providers) = scene().await;
    let login = begin(&providers).await;
    let answer = format!("error=access_denied&state={}", query(&login)["state"]);
    assert_eq!(login.finish(&answer).await.unwrap_err(), LoginError::Denied(named("corp")));
}

#[tokio::test]
async fn the_browser_ends_on_the_users_own_machine_or_nowhere() {
    let (_fake, providers) = scene().await;
    let bad = [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.2:80/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1:80/callback?x",
        "http://localhost:80/callback",
        "http://127.0.0.1:0080/callback",
        "https://127.0.0.1:80/callback",
        "http://[::]:80/callback",
        "http://127.0.0.1:80/other",
        "https://evil.example/callback",
    ];
    for uri in bad {
        assert_eq!(providers.begin_code(&named("corp"), uri).await.err(), Some(LoginError::BadRedirect), "{uri}");
    }
    assert!(providers.begin_code(&named("corp"), "http://[::1]:4321/callback").await.is_ok());
}

#[tokio::test]
async fn a_client_secret_is_sent_the_way_the_provider_takes_it() {
    let fake = Fake::start().await;
    fake.world().discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let mut issuer = fake.issuer("corp", PrincipalKind::User);
    issuer.client_secret = Some(crate::config::SecretSource::file(file.path()));
    let (providers, _) = providers(&[issuer]);
    finish(&fake, begin(&providers).await, json!({})).await.unwrap();
    assert_eq!(fake.world().forms[0]["client_secret"], "s3cret");
}

#[tokio::test]
async fn a_strangers_request_to_the_loopback_address_is_told_from_the_browsers() {
    let (_fake, providers) = scene().await;
    let login = begin(&providers).await;
    let state = &query(&login)["state"];
    assert!(query_answers(login.authorization_url(), &format!("code=x&state={state}")));
    for stranger in ["", "code=x", "code=x&state=y", "state="] {
        assert!(!query_answers(login.authorization_url(), stranger), "{stranger}");
    }
    assert!(!query_answers("https://idp.example/auth", "code=x"));
}
