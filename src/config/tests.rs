use std::path::Path;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn sample() -> String {
    format!(
        r#"
[server]
name = "bastion.example.com"
listen = ["127.0.0.1:2222"]
state_dir = "state"

[[issuer]]
name = "corp"
url = "https://idp.example.com"
client_id = "bartizan"

[[target]]
name = "web-1"
kind = "ssh"
address = "10.0.0.5:22"
logins = ["deploy", "root"]
host_key = "{KEY}"
credential = "certificate"
tags = {{ env = "prod" }}
"#
    )
}

fn problems(text: &str) -> Vec<Problem> {
    Config::parse(Path::new("b.toml"), text).expect_err("the file was taken").0
}

#[test]
fn a_plain_file_is_taken_with_its_defaults() {
    let config = Config::parse(Path::new("etc/b.toml"), &sample()).unwrap();
    assert_eq!(config.server.state_dir, Path::new("etc/state"));
    assert_eq!(config.store, Path::new("etc/state/state.db"));
    assert_eq!(config.recordings.dir, Path::new("etc/state/recordings"));
    assert_eq!(config.policies.dir, Path::new("etc/policies"));
    assert_eq!(config.issuers[0].audience, "bartizan");
    assert_eq!(config.issuers[0].certificate_ttl, defaults::CERTIFICATE_TTL);
}

#[test]
fn all_problems_are_told_at_once_with_their_place_and_mend() {
    let text = sample()
        .replace("client_id = \"bartizan\"", "client_idd = \"bartizan\"")
        .replace("10.0.0.5:22", "10.0.0.5")
        .replace("credential = \"certificate\"", "credential = \"sesame\"");
    let found = problems(&text);
    let keys: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str())).collect();
    assert_eq!(
        keys,
        [(7, "issuer[0].client_id"), (10, "issuer[0].client_idd"), (15, "target[0].address"), (18, "target[0].credential")],
        "{found:#?}"
    );
    assert!(found[1].mend.contains("did you mean `client_id`"), "{}", found[1]);
    assert!(found.iter().all(|p| !p.mend.is_empty()));
}

#[test]
fn a_secret_that_is_not_there_is_a_problem_and_is_never_written_plain() {
    let text = sample().replace("credential = \"certificate\"", "credential = { password = { env = \"BARTIZAN_NO_SUCH_VARIABLE\" } }");
    assert!(problems(&text)[0].what.contains("BARTIZAN_NO_SUCH_VARIABLE"));
    let plain = sample().replace("credential = \"certificate\"", "credential = { password = \"hunter2\" }");
    let shown = problems(&plain).iter().map(ToString::to_string).collect::<String>();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_issuer_over_plain_http_is_taken_from_loopback_only() {
    for bad in ["http://idp.example.com", "http://127.0.0.1.evil.example", "http://localhost.evil.example/x", "ftp://x", "https://"] {
        assert!(Config::parse(Path::new("b.toml"), &sample().replace("https://idp.example.com", bad)).is_err(), "{bad}");
    }
    for good in ["http://127.0.0.1:9400", "http://localhost/oidc", "https://idp/x"] {
        assert!(Config::parse(Path::new("b.toml"), &sample().replace("https://idp.example.com", good)).is_ok(), "{good}");
    }
}

#[test]
fn what_this_version_cannot_do_is_refused_by_name() {
    let found =
        problems(&format!("{}\n[recordings]\nencrypt_to = [\"age1x\"]\nurl = \"s3://b\"\n[store]\nurl = \"postgres://x\"\n", sample()));
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn broken_toml_names_its_line() {
    let found = problems("[server]\nname = \n");
    assert_eq!(found[0].line, 2, "{found:#?}");
}
