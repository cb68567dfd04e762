//! Logins by device code.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::*;
use crate::identity::oidc::{DeviceLogin, LoginError, Providers, TokenFault, Verified};
use crate::model::{FixedClock, PrincipalKind};

struct Scene {
    fake: Fake,
    providers: Providers,
    clock: Arc<FixedClock>,
    pauses: Arc<Mutex<Vec<u64>>>,
}

impl Scene {
    async fn set() -> Self {
        let fake = Fake::start().await;
        let (providers, clock) = providers(&[fake.issuer("corp", PrincipalKind::User), fake.issuer("ci", PrincipalKind::Service)]);
        Self { fake, providers, clock, pauses: Arc::default() }
    }

    async fn begin(&self) -> Result<DeviceLogin, LoginError> {
        self.providers.begin_device(&named("corp")).await
    }

    /// Waits as the bastion does, but the clock jumps over each pause.
    async fn wait(&self, answers: Vec<(u16, Value)>) -> Result<Verified, LoginError> {
        let login = self.begin().await.unwrap();
        self.fake.world().tokens = answers.into();
        let (clock, pauses) = (self.clock.clone(), self.pauses.clone());
        let sleep = move |pause: Duration| {
            pauses.lock().unwrap().push(pause.as_secs());
            clock.advance(i64::try_from(pause.as_secs()).unwrap());
            std::future::ready(())
        };
        login.wait_with(sleep).await
    }

    fn granted(&self, changes: Value) -> (u16, Value) {
        (200, json!({"access_token": "at", "token_type": "Bearer", "id_token": self.fake.token(changes)}))
    }

    fn pauses(&self) -> Vec<u64> {
        self.pauses.lock().unwrap().clone()
    }
}

fn error(code: &str) -> (u16, Value) {
    (400, json!({"error": code}))
}

#[tokio::test]
async fn a_finished_login_names_the_person() {
    let scene = Scene::set().await;
    let login = scene.begin().await.unwrap();
    assert_eq!((login.user_code.as_str(), login.expires_in.as_secs()), ("ABCD-EFGH", 600));
    assert_eq!(login.verification_uri, format!("{}/device", scene.fake.url));
    assert!(login.verification_uri_complete.unwrap().ends_with("/device?user_code=ABCD-EFGH"));
    let verified = scene.wait(vec![error("authorization_pending"), scene.granted(json!({"auth_time": NOW - 1}))]).await.unwrap();
    assert_eq!(verified.principal.id.as_str(), "corp/alice");
    assert_eq!(verified.principal.kind, PrincipalKind::User);
    assert_eq!(verified.authenticated_at.as_second(), NOW - 1);
    let form = &scene.fake.world().forms[0];
    assert_eq!(form["scope"], "openid email groups");
    assert_eq!(form["client_id"], CLIENT);
}

#[tokio::test]
async fn the_provider_is_asked_no_more_often_than_it_allows() {
    let scene = Scene::set().await;
    let pending = || error("authorization_pending");
    scene.wait(vec![pending(), error("slow_down"), pending(), scene.granted(json!({}))]).await.unwrap();
    assert_eq!(scene.pauses(), [5, 5, 10, 10]);
}

#[tokio::test]
async fn an_interval_of_nothing_does_not_flood_the_provider() {
    let scene = Scene::set().await;
    scene.fake.world().device.1["interval"] = json!(0);
    scene.wait(vec![error("authorization_pending"), scene.granted(json!({}))]).await.unwrap();
    assert_eq!(scene.pauses(), [1, 1]);
}

#[tokio::test]
async fn denial_expiry_and_slowing_down_each_have_their_sentence() {
    let scene = Scene::set().await;
    let denied = scene.wait(vec![error("access_denied")]).await.unwrap_err();
    assert_eq!(denied.to_string(), "the login was refused at identity provider `corp`");
    let expired = scene.wait(vec![error("expired_token")]).await.unwrap_err();
    assert_eq!(expired.to_string(), "the login at identity provider `corp` was not finished in time; begin again");
    let unfinished = scene.wait(Vec::new()).await.unwrap_err();
    assert_eq!(unfinished, LoginError::Expired(named("corp")));
    let slow = scene.wait(std::iter::repeat_with(|| error("slow_down")).take(200).collect()).await.unwrap_err();
    assert_eq!(slow.to_string(), "identity provider `corp` is asked too often just now; wait a minute and begin again");
}

#[tokio::test]
async fn an_outage_in_the_middle_is_waited_out_and_told_when_it_lasts() {
    let scene = Scene::set().await;
    let out = || (503, json!("out"));
    scene.wait(vec![out(), out(), scene.granted(json!({}))]).await.unwrap();
    let error = scene.wait(std::iter::repeat_with(out).take(1000).collect()).await.unwrap_err();
    assert!(matches!(error, LoginError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_forged_id_token_of_the_token_endpoint_is_refused() {
    let scene = Scene::set().await;
    let cases = [
        (json!({"aud": "other"}), TokenFault::Audience),
        (json!({"aud": [CLIENT, "other"]}), TokenFault::AuthorizedParty),
        (json!({"azp": "other"}), TokenFault::AuthorizedParty),
        (json!({"iss": "https://evil.example"}), TokenFault::Issuer),
        (json!({"exp": NOW - 3600}), TokenFault::Expired),
        (json!({"iat": NOW + 3600}), TokenFault::NotYet),
    ];
    for (changes, expected) in cases {
        match scene.wait(vec![scene.granted(changes.clone())]).await {
            Err(LoginError::Token { fault, .. }) => assert_eq!(fault, expected, "{changes}"),
            other => panic!("{changes}: {other:?}"),
        }
    }
    scene.wait(vec![scene.granted(json!({"aud": [CLIENT, "other"], "azp": CLIENT}))]).await.unwrap();
    let (kid, key) = scene.fake.world().keys[0].clone();
    let access = sign(&json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}), &scene.fake.claims(), &key);
    let error = scene.wait(vec![(200, json!({"access_token": "at", "token_type": "Bearer", "id_token": access}))]).await.unwrap_err();
    assert!(matches!(error, LoginError::Token { fault: TokenFault::Kind, .. }), "{error:?}");
    let error = scene.wait(vec![(200, json!({"access_token": "at", "token_type": "Bearer"}))]).await.unwrap_err();
    assert!(matches!(error, LoginError::BadReply { .. }), "{error:?}");
}

#[tokio::test]
async fn what_the_provider_would_show_is_safe_to_show() {
    let changes = [
        json!({"user_code": "A\u{1b}[2J"}),
        json!({"user_code": ""}),
        json!({"user_code": "x".repeat(65)}),
        json!({"verification_uri": "http://evil.example/device"}),
        json!({"verification_uri": "javascript:alert(1)"}),
        json!({"verification_uri_complete": "http://evil.example/device"}),
        json!({"interval": 100_000}),
    ];
    for change in changes {
        let scene = Scene::set().await;
        let body = merged(scene.fake.world().device.1.clone(), change.clone());
        scene.fake.world().device.1 = body;
        assert!(matches!(scene.begin().await, Err(LoginError::BadReply { .. })), "{change}");
    }
}

#[tokio::test]
async fn a_login_that_cannot_begin_says_why() {
    let scene = Scene::set().await;
    let begin = async |name: &str| scene.providers.begin_device(&named(name)).await.err().unwrap();
    assert!(begin("ci").await.to_string().contains("is for services"));
    assert_eq!(begin("nobody").await.to_string(), "there is no identity provider named `nobody` here");
    scene.fake.world().device = (400, json!({"error": "invalid_client", "error_description": "who?"}));
    let error = begin("corp").await;
    assert!(!error.to_string().contains("invalid_client") && error.detail().contains("invalid_client"), "{error:?}");
    scene.fake.world().device = (429, json!({}));
    assert_eq!(begin("corp").await, LoginError::SlowDown(named("corp")));
    scene.fake.world().device = (500, json!({}));
    assert!(matches!(begin("corp").await, LoginError::Unreachable { .. }));
}

#[tokio::test]
async fn the_only_provider_for_people_is_chosen_and_of_several_one_must_be_named() {
    let scene = Scene::set().await;
    assert_eq!(scene.providers.choose(None).unwrap(), &named("corp"));
    let two = [scene.fake.issuer("one", PrincipalKind::User), scene.fake.issuer("two", PrincipalKind::User)];
    let (providers, _) = providers(&two);
    assert_eq!(providers.choose(None).unwrap_err(), LoginError::WhichIssuer("one, two".into()));
    assert_eq!(providers.choose(Some(&named("two"))).unwrap(), &named("two"));
}
