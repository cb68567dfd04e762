//! `check` tries every secret and names those that cannot be read, with their places and mends; a server that is no vault gives none.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Guarded, ROOT, Run, Vault, bartizan, fixture, wait_for_line};

/// A configuration with targets whose headers come from `sources`.
fn check(dir: &Path, sources: &[&str], more: &str) -> String {
    let mut text =
        "[server]\nname = \"b\"\nstate_dir = \"state\"\n\n[[issuer]]\nname = \"corp\"\nurl = \"https://idp\"\nclient_id = \"b\"\n"
            .to_owned();
    for (n, source) in sources.iter().enumerate() {
        text += &format!(
            "[[target]]\nname = \"t{n}\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:1\"\nheaders = {{ X-Token = {source} }}\n"
        );
    }
    fs::create_dir_all(dir.join("policies")).unwrap();
    fs::write(dir.join("policies/all.cedar"), "@id(\"all\") permit (principal, action, resource);\n").unwrap();
    fs::write(dir.join("bartizan.toml"), text + more).unwrap();
    let mut command = bartizan(dir);
    command.args(["check", "--offline"]);
    let done = Run::new(command).within(60).finish();
    assert!(done.code() == 2 || done.code() == 0, "{done}");
    assert!(!done.err.contains("planted") && !done.text().contains("planted"), "{done}");
    done.err + &String::from_utf8_lossy(&done.out)
}

#[test]
fn check_names_each_secret_that_cannot_be_read_with_its_line_its_key_and_a_mend() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::start(folder.path());
    vault.put("secret/orders", &["password=planted", "user=planted"]);
    let file = folder.path().join("token");
    fs::write(&file, vault.token("path \"secret/data/orders\" { capabilities = [\"read\"] }", &[])).unwrap();
    let token = format!("{{ token = {{ file = \"{}\" }} }}", file.display());
    let sources = [
        "{ env = \"BARTIZAN_NO_SUCH\" }",
        "{ file = \"/no/such\" }",
        "{ exec = [\"false\"] }",
        "{ vault = \"secret/data/none\", field = \"a\" }",
        "{ vault = \"secret/data/orders\" }",
        "{ vault = \"secret/data/orders\", field = \"pass\" }",
        "{ vault = \"sys/policies/acl/root\", field = \"policy\" }",
        "{ vault = \"secret/data/orders\", field = \"password\" }",
    ];
    let told = check(folder.path(), &sources, &vault.section(&token));
    for (n, why) in [
        (0, "env BARTIZAN_NO_SUCH: is not set"),
        (1, "No such file"),
        (2, "exec false: ended with exit status: 1"),
        (3, "refuses (HTTP status 403: "),
        (4, "name the field, as in field = \"password\"; it has `password`, `user`"),
        (5, "it has no field `pass`"),
        (6, "permission denied"),
    ] {
        let key = format!("bartizan.toml:{}:{}: target[{n}].headers.X-Token: the secret cannot be read: ", 13 + 5 * n, 23);
        assert!(told.contains(&key) && told.contains(why), "{n}, {why}: {told}");
    }
    assert_eq!(told.matches("mend:").count(), 7, "{told}");
    assert_eq!(check(folder.path(), &sources[7..], &vault.section(&token)).matches("mend:").count(), 0);
    // A token that nobody made, and none at all.
    fs::write(&file, "planted-wrong-token").unwrap();
    assert!(check(folder.path(), &sources[7..], &vault.section(&token)).contains("HTTP status 403"));
    fs::remove_file(&file).unwrap();
    assert!(check(folder.path(), &sources[7..], &vault.section(&token)).contains("cannot log in at the vault: file "));
    // Neither the secret nor the token is shown by a role's refusal.
    let role = "{ approle = { role_id = \"planted-role\", secret_id = { exec = [\"echo\", \"planted-secret-id\"] } } }";
    vault.ok(&["auth", "enable", "approle"]);
    assert!(check(folder.path(), &sources[7..], &vault.section(role)).contains("HTTP status 400"));
    assert!(!ROOT.is_empty());
}

#[test]
fn a_server_that_is_slow_malformed_too_long_or_leads_elsewhere_gives_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("hostile.log");
    let mut python = Command::new("python3");
    python.arg(fixture("hostile/vault.py"));
    let mut server = Guarded::logged(python, &log);
    let port = wait_for_line(&log, "READY ", &mut server);
    let section = format!(
        "\n[vault]\naddress = \"http://127.0.0.1:{port}\"\ntimeout = \"1s\"\nauth = {{ token = {{ exec = [\"echo\", \"planted\"] }} }}\n"
    );
    let paths = ["slow", "drip", "malformed", "html", "oversize", "redirect", "broken", "other"];
    let sources: Vec<String> = paths.iter().map(|path| format!("{{ vault = \"{path}\" }}")).collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let told = check(folder.path(), &sources, &section);
    for why in [
        "vault slow: the vault cannot be reached",
        "vault drip: the vault cannot be reached",
        "vault malformed: the vault gave an answer that cannot be used: it is not JSON",
        "vault html: the vault gave an answer that cannot be used: it is not JSON",
        "vault oversize: the vault gave an answer that cannot be used: it is longer than 1024 KiB",
        "vault redirect: the vault refuses (HTTP status 307)",
        "vault broken: the vault cannot be reached",
        "vault other: the vault cannot be reached: HTTP status 500",
    ] {
        assert!(told.contains(why), "{why}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(!fs::read_to_string(&log).unwrap().contains("stolen"));
}
