//! A password in the KV store of a real vault, with each way of logging in there, and the vault closed, hanging and gone.

use std::fs;

use serde_json::json;

use super::{NEXT, alter, are_nowhere, is_let_in, refusal};
use crate::harness::{Guarded, PASSWORD, ROOT, Run, Vault, fixture, wait_for_line, wait_until};
use crate::postgres::site::Site;

const READS: &str = "path \"secret/data/orders\" { capabilities = [\"read\"] }";

/// A vault that holds the password, and a site whose bastion logs in there by `auth`.
fn site(vault: &Vault, auth: &str, more: &str) -> Site {
    vault.put("secret/orders", &[&format!("password={PASSWORD}")]);
    Site::with_password(|_| format!("{{ vault = \"secret/data/orders\"{more} }}"), &vault.section(auth))
}

fn started() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::start(folder.path());
    (folder, vault)
}

#[test]
fn a_password_that_was_replaced_is_fetched_when_the_target_refuses_the_old_one_and_a_token_is_renewed() {
    let (folder, vault) = started();
    let token = vault.token(READS, &["-ttl=15s", "-period=15s"]);
    fs::write(folder.path().join("token"), &token).unwrap();
    let site = site(&vault, &format!("{{ token = {{ file = \"{}\" }} }}", folder.path().join("token").display()), "");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    // Long past the end of the token's first time.
    std::thread::sleep(std::time::Duration::from_secs(25));
    alter(&site.server, NEXT);
    vault.put("secret/orders", &[&format!("password={NEXT}")]);
    is_let_in(&tunnel, &alice);
    are_nowhere(&site, &[PASSWORD, NEXT, &token]);
}

#[test]
fn a_vault_that_is_closed_hangs_or_is_gone_is_a_refusal_and_an_old_password_only_where_its_age_is_allowed() {
    let (_folder, mut vault) = started();
    let site = site(&vault, &format!("{{ token = {{ exec = [\"echo\", \"{ROOT}\"] }} }}"), ", keep = \"0s\"");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    let logged = |what: &str| assert!(site.world.bastion.log().contains(what), "{what}: {}", site.world.bastion.log());
    let is_refused = || {
        let why = refusal(&tunnel, &alice);
        assert!(why.contains("cannot be read from vault secret/data/orders"), "{why}");
    };
    vault.freeze();
    is_refused();
    vault.thaw();
    wait_until("the vault is asked again", || tunnel.ask(&alice, "SELECT 'in'").status.success());
    vault.ok(&["kv", "delete", "secret/orders"]);
    is_refused();
    logged("there is nothing at this path");
    vault.put("secret/orders", &["password=", "other=x"]);
    is_refused();
    logged("name the field");
    vault.put("secret/orders", &[&format!("password={PASSWORD}")]);
    is_let_in(&tunnel, &alice);
    vault.ok(&["operator", "seal"]);
    is_refused();
    logged("sealed");
    vault.die();
    is_refused();
    logged("cannot be reached");
    are_nowhere(&site, &[PASSWORD, ROOT]);
}

#[test]
fn an_old_password_is_used_for_as_long_as_is_allowed_while_the_vault_is_gone() {
    let (_folder, mut vault) = started();
    let site = site(&vault, &format!("{{ token = {{ exec = [\"echo\", \"{ROOT}\"] }} }}"), ", keep = \"0s\", stale = \"20s\"");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    vault.die();
    is_let_in(&tunnel, &alice);
    assert!(site.world.bastion.log().contains("the last one is used"), "{}", site.world.bastion.log());
    std::thread::sleep(std::time::Duration::from_secs(21));
    refusal(&tunnel, &alice);
}

#[test]
fn the_bastion_logs_in_by_role_and_gives_its_token_back_when_it_stops() {
    let (folder, vault) = started();
    vault.policy("bastion", READS);
    vault.ok(&["auth", "enable", "approle"]);
    vault.ok(&["write", "auth/approle/role/bastion", "token_policies=bastion", "token_ttl=4s", "token_max_ttl=8s", "secret_id_num_uses=0"]);
    let role = vault.ok(&["read", "-field=role_id", "auth/approle/role/bastion/role-id"]);
    let secret = vault.ok(&["write", "-f", "-field=secret_id", "auth/approle/role/bastion/secret-id"]);
    fs::write(folder.path().join("secret-id"), &secret).unwrap();
    let auth =
        format!("{{ approle = {{ role_id = \"{role}\", secret_id = {{ file = \"{}\" }} }} }}", folder.path().join("secret-id").display());
    let mut site = site(&vault, &auth, ", keep = \"0s\"");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    // No renewal goes beyond the token's longest time: by then there is another one.
    std::thread::sleep(std::time::Duration::from_secs(10));
    is_let_in(&tunnel, &alice);
    let tokens = || vault.ok(&["list", "-format=json", "auth/token/accessors"]).matches('"').count() / 2;
    // Those of the root and of the bastion; what `check` had at the start was given back.
    assert_eq!(tokens(), 2);
    drop(tunnel);
    site.world.bastion.ask_to_end();
    assert_eq!(site.world.bastion.ended(), 0);
    assert_eq!(tokens(), 1);
    are_nowhere(&site, &[PASSWORD, &secret]);
}

#[test]
fn the_bastion_logs_in_with_a_token_of_its_identity_provider_and_with_its_pods() {
    let (folder, vault) = started();
    vault.policy("bastion", READS);
    vault.put("secret/orders", &[&format!("password={PASSWORD}")]);
    let provider = crate::harness::Provider::shared(folder.path());
    let jwt = provider.service_token();
    vault.ok(&["auth", "enable", "jwt"]);
    vault.ok(&["write", "auth/jwt/config", &format!("jwks_url={}/jwks", provider.issuer), &format!("bound_issuer={}", provider.issuer)]);
    vault.ok(&[
        "write",
        "auth/jwt/role/bastion",
        "role_type=jwt",
        "user_claim=sub",
        "bound_audiences=bartizan-services",
        "token_policies=bastion",
    ]);
    // A cluster that says whose a pod's token is.
    let mut python = std::process::Command::new("python3");
    python.arg(fixture("kubernetes/reviewer.py"));
    let log = folder.path().join("reviewer.log");
    let mut reviewer = Guarded::logged(python, &log);
    let port = wait_for_line(&log, "READY ", &mut reviewer);
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=cluster"]);
    openssl.arg("-keyout").arg(folder.path().join("ca.key")).arg("-out").arg(folder.path().join("ca.crt"));
    Run::new(openssl).ok();
    let ca = format!("kubernetes_ca_cert=@{}", folder.path().join("ca.crt").display());
    vault.ok(&["auth", "enable", "-path=cluster", "kubernetes"]);
    vault.ok(&[
        "write",
        "auth/cluster/config",
        &format!("kubernetes_host=http://127.0.0.1:{port}"),
        "token_reviewer_jwt=reviewer",
        "disable_local_ca_jwt=true",
        &ca,
    ]);
    let bound = ["bound_service_account_names=bastion", "bound_service_account_namespaces=access", "token_policies=bastion"];
    vault.ok(&[["write", "auth/cluster/role/bastion"].as_slice(), bound.as_slice()].concat());
    let pod = pod_token();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        format!("{{ file = \"{}\" }}", folder.path().join(name).display())
    };
    let ways = [
        format!("{{ jwt = {{ role = \"bastion\", jwt = {} }} }}", file("jwt", &jwt)),
        format!("{{ kubernetes = {{ role = \"bastion\", mount = \"cluster\", jwt = {} }} }}", file("pod", &pod)),
    ];
    for auth in ways {
        let site = site(&vault, &auth, "");
        let alice = site.world.visitor("alice");
        let tunnel = site.tunnel(&alice);
        is_let_in(&tunnel, &alice);
        are_nowhere(&site, &[PASSWORD, &jwt, &pod]);
    }
    wait_until("the pod's token was shown", || fs::read_to_string(&log).unwrap().contains("REVIEWED"));
}

/// What the kubelet would put into a pod; nobody here checks its signature.
fn pod_token() -> String {
    use base64::Engine;
    let part = |value: serde_json::Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let account = json!({ "name": "bastion", "uid": "1b2c" });
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:access:bastion", "aud": ["vault"],
        "iat": 1_760_000_000_u64, "nbf": 1_760_000_000_u64, "exp": 4_102_444_800_u64, "kubernetes.io": { "namespace": "access", "serviceaccount": account },
    });
    format!("{}.{}.{}", part(json!({ "alg": "RS256", "kid": "a" })), part(claims), "c2lnbmF0dXJl")
}
