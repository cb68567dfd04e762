//! A server that wants it is told in a signed token who the caller is.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Done, Run, fixture};

use super::{Site, ask, at, unmasked};

fn verified(jwks: &std::path::Path, token: &str, issuer: &str, audience: &str) -> Done {
    let mut node = Command::new("node");
    node.arg(fixture("http/token.mjs")).arg(jwks).args([token, issuer, audience]);
    Run::new(node).finish()
}

fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a str> {
    let all: Vec<&str> = seen["headers"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    all.chunks(2).find(|pair| pair[0].eq_ignore_ascii_case(name)).map(|pair| pair[1])
}

#[test]
fn a_server_verifies_who_the_caller_is_by_a_token_that_only_the_bastion_can_make() {
    let site = Site::set_up(unmasked(), "identity_jwt = true\n", "http1");
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &["-H", "X-Bartizan-Identity: forged", "-H", "X_Bartizan_Identity: forged", &at(port, "/echo")]).0, "200");
    let jwks = site.world.dir().join("jwks.json");
    let printed = site.world.bastion.run(["ca", "jwks"]).ok().text();
    std::fs::write(&jwks, &printed).unwrap();
    assert!(!printed.contains("\"d\""), "the private half stays here");
    let asked = site.asked();
    assert!(!asked[0]["headers"].to_string().contains("forged"), "{asked:?}");
    assert_eq!(header(&asked[0], "x-bartizan-user"), Some("corp/bob@example.test"));
    let token = header(&asked[0], "x-bartizan-identity").unwrap();
    let claims = verified(&jwks, token, "bastion", "billing").ok().json();
    assert_eq!(claims["sub"], "corp/bob@example.test");
    assert_eq!(claims["groups"], serde_json::json!(["corp/developers"]));
    assert_eq!(claims["sid"].as_str(), header(&asked[0], "x-bartizan-session"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["header"]["alg"], "EdDSA");
    // What another signs, what is changed and what is for another is none.
    let other = verified(&jwks, token, "bastion", "orders");
    assert!(other.code() == 1 && other.err.contains("aud"), "{other}");
    let (head, rest) = token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let changed = format!("{head}.{}A.{signature}", &body[..body.len() - 1]);
    assert_eq!(verified(&jwks, &changed, "bastion", "billing").code(), 1);
    for secret in [site.recorded(), site.audited(), site.world.bastion.log()] {
        assert!(!secret.contains(signature), "a token is nobody else's");
    }
    // Who does not want it is not told.
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
    assert_eq!(header(&site.asked()[0], "x-bartizan-identity"), None);
}
