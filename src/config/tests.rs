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
fn a_secret_is_never_written_plain() {
    let plain = sample().replace("credential = \"certificate\"", "credential = { password = \"hunter2\" }");
    let shown = problems(&plain).iter().map(ToString::to_string).collect::<String>();
    assert!(!shown.contains("hunter2"), "{shown}");
}

fn password(source: &str) -> String {
    sample().replace("credential = \"certificate\"", &format!("credential = {{ password = {source} }}"))
}

#[test]
fn a_secret_has_one_place_and_only_the_keys_that_mean_something_there() {
    let vault = "[vault]\naddress = \"https://v\"\nauth = { token = { env = \"T\" } }\n";
    let parse = |source: &str| Config::parse(Path::new("b.toml"), &(password(source) + vault));
    let good = [
        "{ env = \"A\" }",
        "{ file = \"a\", stale = \"5m\" }",
        "{ exec = [\"a\"], timeout = \"1s\", keep = \"0s\" }",
        "{ vault = \"secret/data/a\", field = \"b\" }",
    ];
    for source in good {
        let config = parse(source).unwrap_or_else(|problems| panic!("{source}: {problems}"));
        assert_eq!(config.secrets.len(), 2, "{source}");
        assert_eq!(config.secrets[0].problem("", "").key, "target[0].credential.password", "{source}");
    }
    let bad = [
        "{}",
        "{ env = \"A\", file = \"a\" }",
        "{ env = \"A\", stale = \"1m\" }",
        "{ file = \"a\", keep = \"1m\" }",
        "{ file = \"a\", timeout = \"1s\" }",
        "{ file = \"a\", field = \"b\" }",
        "{ exec = [\"a\"], timeout = \"0s\" }",
        "{ vault = \"a/../b\" }",
        "{ vault = \"a?b\" }",
        "{ vault = \"a\", user = \"b\" }",
        "{ sealed = \"a/b\" }",
    ];
    for source in bad {
        assert!(parse(source).is_err(), "{source}");
    }
    let lost = problems(&password("{ vault = \"secret/data/a\" }"));
    assert!(lost[0].mend.contains("[vault]") && lost[0].line == 18, "{lost:#?}");
}

#[test]
fn the_vault_is_reached_safely_and_logged_in_to_in_one_way_with_a_secret_of_this_machine() {
    let parse = |lines: &str| Config::parse(Path::new("b.toml"), &format!("{}\n[vault]\n{lines}\n", sample()));
    let token = "auth = { token = { file = \"t\" } }";
    assert!(parse(&format!("address = \"http://127.0.0.1:8200\"\n{token}")).is_ok());
    for lines in [
        "address = \"https://v\"".to_owned(),
        format!("address = \"http://v\"\n{token}"),
        "address = \"https://v\"\nauth = { token = { vault = \"a\" } }".to_owned(),
        "address = \"https://v\"\nauth = { token = { env = \"A\" }, jwt = { role = \"a\", jwt = { env = \"A\" } } }".to_owned(),
        "address = \"https://v\"\nauth = { approle = { role_id = \"a\" } }".to_owned(),
        "address = \"https://v\"\nauth = { kubernetes = { role = \"a\", mount = \"../sys\" } }".to_owned(),
    ] {
        assert!(parse(&lines).is_err(), "{lines}");
    }
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
    let found = problems(&format!("{}\n[recordings]\nurl = \"s3://b\"\n[store]\nurl = \"postgres://x\"\n", sample()));
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn broken_toml_names_its_line() {
    let found = problems("[server]\nname = \n");
    assert_eq!(found[0].line, 2, "{found:#?}");
}

const AUDITOR: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn encrypting(lines: &str) -> String {
    format!("{}\n[recordings]\n{lines}\n", sample())
}

#[test]
fn recordings_are_encrypted_to_two_keys_of_either_kind_and_to_one_only_when_told_so() {
    let both = encrypting(&format!("encrypt_to = [\"{AUDITOR}\", \"{KEY} eve@example.com\"]"));
    let names = |text: &str| Config::parse(Path::new("b.toml"), text).unwrap().recordings.encrypt_to.map(|all| all.names());
    assert_eq!(names(&both), Some(vec![AUDITOR.to_owned(), KEY.to_owned()]));
    let one = encrypting(&format!("encrypt_to = [\"{AUDITOR}\"]"));
    let found = problems(&one);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].key == "recordings.encrypt_to" && found[0].mend.contains("encrypt_to_one = true"), "{found:#?}");
    assert_eq!(names(&format!("{one}encrypt_to_one = true\n")), Some(vec![AUDITOR.to_owned()]));
    assert_eq!(names(&sample()), None);
}

#[test]
fn a_key_that_cannot_be_encrypted_to_is_told_at_its_place() {
    let secret = "AGE-SECRET-KEY-1QQPQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let text = encrypting(&format!("encrypt_to = [\n\"{AUDITOR}\",\n\"age1x\",\n\"{KEY}\",\n\"{AUDITOR}\",\n\"{secret}\"]"));
    let found = problems(&text);
    let first = 1 + text[..text.find(AUDITOR).unwrap()].matches('\n').count();
    assert_eq!(found.iter().map(|p| p.line).collect::<Vec<_>>(), [first + 1, first + 3, first + 4], "{found:#?}");
    assert!(found.iter().all(|p| p.key == "recordings.encrypt_to" && !p.what.contains(&secret[20..])), "{found:#?}");
}

#[test]
fn encryption_to_nobody_is_no_recording_in_the_clear() {
    for lines in
        ["encrypt_to = []", "encrypt_to = []\nencrypt_to_one = true", "encrypt_to_one = true", "encrypt_to = \"age1x\"", "encrypt_to = [1]"]
    {
        let found = problems(&encrypting(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        assert!(found[0].key.starts_with("recordings.encrypt_to"), "{lines}: {found:#?}");
    }
}

const BUCKET: &str = "
[recordings]
url = \"s3://evidence/bastion/one\"
endpoint = \"https://s3.example.com/\"
access_key = { exec = [\"printf\", \"id\"] }
secret_key = { exec = [\"printf\", \"key\"] }
";

#[test]
fn an_object_store_is_taken_with_its_defaults_and_recordings_are_written_to_the_usual_folder_first() {
    let config = Config::parse(Path::new("etc/b.toml"), &(sample() + BUCKET)).unwrap();
    assert_eq!(config.recordings.dir, Path::new("etc/state/recordings"));
    let bucket = config.recordings.bucket.unwrap();
    assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), ("evidence", "bastion/one"));
    assert_eq!((bucket.endpoint.as_deref(), bucket.region.as_str()), (Some("https://s3.example.com"), defaults::REGION));
    assert_eq!((bucket.upload_every, bucket.session_token.clone(), bucket.is_plain()), (defaults::UPLOAD_EVERY, None, false));
}

#[test]
fn an_object_store_without_tls_is_refused_unless_the_operator_names_it() {
    let plain = BUCKET.replace("https:", "http:");
    let found = problems(&(sample() + &plain));
    assert!(found.len() == 1 && found[0].key == "recordings.endpoint" && found[0].mend.contains("allow_http"), "{found:#?}");
    let config = Config::parse(Path::new("b.toml"), &(sample() + &plain + "allow_http = true\n")).unwrap();
    assert!(config.recordings.bucket.unwrap().is_plain());
}

#[test]
fn keys_of_an_object_store_without_one_and_names_that_leave_the_prefix_are_refused() {
    let found = problems(&(sample() + "[recordings]\nendpoint = \"https://s3.example.com\"\n"));
    assert!(found.len() == 1 && found[0].what.contains("means nothing"), "{found:#?}");
    for url in ["s3://", "s3://Up", "s3://evidence/a/../b", "s3://evidence/a//b", "s3://evidence/a b", "s3://evidence/?x=1"] {
        let found = problems(&(sample() + &BUCKET.replace("s3://evidence/bastion/one", url)));
        assert!(found.len() == 1 && found[0].key == "recordings.url", "{url}: {found:#?}");
    }
    for key in ["access_key", "secret_key"] {
        let without: String = BUCKET.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
        let found = problems(&(sample() + &without));
        assert!(found.len() == 1 && found[0].key == format!("recordings.{key}"), "{found:#?}");
    }
}
