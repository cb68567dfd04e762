//! An identity provider in miniature: HTTP/1.1 on loopback, one answer per connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use openidconnect::url::form_urlencoded;
use russh::keys::signature::Signer;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, PrivateKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Issuer;
use crate::identity::oidc::Providers;
use crate::model::{Clock, FixedClock, IssuerName, PrincipalKind, Secret};
use crate::secrets::Secrets;

/// The moment at which all tests happen.
pub(super) const NOW: i64 = 1_800_000_000;
/// The bastion's client id and audience.
pub(super) const CLIENT: &str = "bastion";

/// How the issuer behaves.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Well,
    Status(u16),
    Silent,
}

/// What the issuer holds and what it was asked.
pub(super) struct World {
    pub(super) mood: Mood,
    pub(super) keys: Vec<(String, PrivateKey)>,
    /// Further entries of the key set.
    pub(super) odd_keys: Vec<Value>,
    pub(super) key_fetches: u32,
    pub(super) device: (u16, Value),
    pub(super) tokens: VecDeque<(u16, Value)>,
    pub(super) forms: Vec<BTreeMap<String, String>>,
    pub(super) discovery: Value,
}

/// The issuer.
pub(super) struct Fake {
    pub(super) url: String,
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = World {
            mood: Mood::Well,
            keys: vec![("first".into(), ed25519())],
            odd_keys: Vec::new(),
            key_fetches: 0,
            device: (
                200,
                json!({"device_code": "dc", "user_code": "ABCD-EFGH", "verification_uri": format!("{url}/device"),
                "verification_uri_complete": format!("{url}/device?user_code=ABCD-EFGH"), "expires_in": 600, "interval": 5}),
            ),
            tokens: VecDeque::new(),
            forms: Vec::new(),
            discovery: json!({"issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/auth"),
                "token_endpoint": format!("{url}/token"), "device_authorization_endpoint": format!("{url}/device/auth"),
                "scopes_supported": ["openid", "email", "groups"]}),
        };
        let world = Arc::new(Mutex::new(world));
        let shared = Arc::clone(&world);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, world }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// This issuer as it stands in the configuration.
    pub(super) fn issuer(&self, name: &str, kind: PrincipalKind) -> Issuer {
        Issuer {
            name: name.parse().unwrap(),
            url: self.url.clone(),
            client_id: if kind == PrincipalKind::User { CLIENT.into() } else { String::new() },
            client_secret: None,
            kind,
            audience: CLIENT.into(),
            user_claim: "sub".into(),
            groups_claim: "groups".into(),
            certificate_ttl: Duration::from_secs(900),
            ca: None,
        }
    }

    /// Claims of a good token.
    pub(super) fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": CLIENT, "sub": "alice", "iat": NOW - 5, "exp": NOW + 300, "groups": ["admins", "dba"]})
    }

    /// A good token, with `changes` made to its claims; `null` takes a claim away.
    pub(super) fn token(&self, changes: Value) -> String {
        let (kid, key) = self.world().keys[0].clone();
        sign(&json!({"alg": algorithm(&key), "kid": kid}), &merged(self.claims(), changes), &key)
    }
}

/// `claims` with `changes` made; `null` takes one away.
pub(super) fn merged(mut claims: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(super) fn ed25519() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

pub(super) fn rsa(bits: usize) -> PrivateKey {
    PrivateKey::new(KeypairData::Rsa(RsaKeypair::random(&mut rand::rng(), bits).unwrap()), "").unwrap()
}

fn algorithm(key: &PrivateKey) -> &'static str {
    if key.key_data().is_ed25519() { "EdDSA" } else { "RS512" }
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signed JSON Web Token (RFC 7515 section 7.1).
pub(super) fn sign(header: &Value, claims: &Value, key: &PrivateKey) -> String {
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = key.try_sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64(signature.as_bytes()))
}

/// The public half as a JSON Web Key (RFC 7517, RFC 8037).
pub(super) fn jwk(kid: &str, key: &PrivateKey) -> Value {
    match key.key_data() {
        KeypairData::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": b64(pair.public.0)}),
        KeypairData::Rsa(pair) => {
            let (n, e) = (pair.public().n().as_positive_bytes().unwrap(), pair.public().e().as_positive_bytes().unwrap());
            json!({"kty": "RSA", "kid": kid, "use": "sig", "n": b64(n), "e": b64(e)})
        }
        _ => panic!("a key of another kind"),
    }
}

/// Providers of `issuers` and the clock they go by.
pub(super) fn providers(issuers: &[Issuer]) -> (Providers, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
    let told: Arc<dyn Clock> = clock.clone();
    (Providers::new(issuers, &Secrets::new(None, None), &told).unwrap(), clock)
}

pub(super) fn secret(token: &str) -> Secret {
    Secret::new(token.to_owned())
}

pub(super) fn named(name: &str) -> IssuerName {
    name.parse().unwrap()
}

async fn serve(mut stream: TcpStream, world: Arc<Mutex<World>>) {
    let Some((path, body)) = read(&mut stream).await else { return };
    let mood = world.lock().unwrap().mood;
    let (status, answer) = match mood {
        Mood::Silent => return tokio::time::sleep(Duration::from_secs(3600)).await,
        Mood::Status(status) => (status, json!("injected")),
        Mood::Well => answer(&mut world.lock().unwrap(), &path, &body),
    };
    let text = answer.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    let _gone = stream.write_all(format!("{head}{text}").as_bytes()).await;
}

fn answer(world: &mut World, path: &str, body: &[u8]) -> (u16, Value) {
    match path {
        "/.well-known/openid-configuration" => (200, world.discovery.clone()),
        "/jwks" => {
            world.key_fetches += 1;
            let keys = world.keys.iter().map(|(kid, key)| jwk(kid, key)).chain(world.odd_keys.clone());
            (200, json!({"keys": keys.collect::<Vec<_>>()}))
        }
        "/device/auth" => {
            world.forms.push(form_urlencoded::parse(body).into_owned().collect());
            world.device.clone()
        }
        "/token" => {
            world.forms.push(form_urlencoded::parse(body).into_owned().collect());
            world.tokens.pop_front().unwrap_or((400, json!({"error": "authorization_pending"})))
        }
        _ => (404, json!({})),
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let got = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..got]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length:")).map_or(0, |l| l.trim().parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Some((head.split(' ').nth(1)?.to_owned(), bytes[end + 4..].to_vec()));
        }
    }
}
