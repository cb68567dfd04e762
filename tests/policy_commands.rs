//! `bartizan policy …` as the people type it who write policies: what is good, what is wrong, for people and for programs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "this is all test; clippy.toml sees only marked functions")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use bartizan::audit::{self, AuditLog, Entry};
use bartizan::model::PrincipalKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[server]
name = "bastion.example.com"
listen = ["127.0.0.1:2222"]
state_dir = "state"

[[issuer]]
name = "corp"
url = "https://idp.example.com"
client_id = "bartizan"

[[issuer]]
name = "ci"
kind = "service"
url = "https://ci.example.com"
audience = "bartizan"

[[target]]
name = "web-1"
kind = "ssh"
address = "10.0.0.5:22"
logins = ["deploy"]
host_key = "HOSTKEY"
credential = "certificate"
tags = { env = "prod" }

[[target]]
name = "web-2"
kind = "ssh"
address = "10.0.0.6:22"
logins = ["deploy", "root"]
host_key = "HOSTKEY"
credential = "certificate"

[[target]]
name = "orders"
kind = "postgres"
address = "10.0.0.9:5432"
database = "orders"
user = "app"

[[target]]
name = "billing"
kind = "http"
upstream = "http://10.0.0.3:8080"

[[target]]
name = "prod"
kind = "kubernetes"
server = "https://10.0.0.2:6443"
token = { env = "NONE" }
"#;

const POLICIES: &str = r#"// Who may do what.
@id("sre-everything")
permit (
  principal in Group::"corp/sre",
  action in [Action::"connect", Action::"ssh", Action::"sftp", Action::"issue", Action::"lock"],
  resource
);

@id("hashes-stay-home")
@reason("Password hashes stay on their machine.")
forbid (principal, action == Action::"ssh.exec", resource)
when { context.command like "*shadow*" };

@id("motd-needs-two")
@approve("corp/leads")
forbid (principal, action == Action::"sftp.write", resource)
when { context has path && context.path == "/etc/motd" };

@id("deployer")
permit (
  principal == Service::"ci/deploy",
  action in [Action::"connect", Action::"ssh.exec"],
  resource in Tag::"env=prod"
);
"#;

const CASES: &str = r#"
[principal.ann]
id = "corp/ann"
groups = ["corp/sre"]

[target.web-1]
kind = "ssh"
tags = { env = "prod" }

[[case]]
name = "sre run commands"
principal = "ann"
action = "ssh.exec"
target = "web-1"
login = "deploy"
command = "uptime"
expect = "allow"

[[case]]
name = "nobody reads shadow"
principal = "ann"
action = "ssh.exec"
target = "web-1"
login = "deploy"
command = "cat /etc/shadow"
expect = "deny"
policy = "hashes-stay-home"
"#;

struct Author(tempfile::TempDir);

impl Author {
    fn new() -> Self {
        let author = Self(tempfile::tempdir().unwrap());
        fs::create_dir(author.path("policies")).unwrap();
        fs::create_dir(author.path("state")).unwrap();
        // A public key that nobody has the other half of.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        author.write("bartizan.toml", CONFIG.replace("HOSTKEY", key));
        author.write("policies/base.cedar", POLICIES);
        author.write("policies/base.test.toml", CASES);
        author
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.arg("policy").args(line).env("BARTIZAN_CONFIG", self.path("bartizan.toml")).current_dir(self.0.path());
        command
    }

    /// What is printed on both outputs, when it ends with `code`.
    #[track_caller]
    fn sees(&self, code: i32, line: &[&str]) -> String {
        judged(code, line, self.command(line).output().unwrap())
    }

    #[track_caller]
    fn json(&self, code: i32, line: &[&str]) -> Value {
        let line = [line, &["--json"]].concat();
        let output = self.command(&line).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line:?} {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{line:?}: {error}: {output:?}"))
    }

    /// `explain` for somebody in the group that may.
    #[track_caller]
    fn explains(&self, code: i32, line: &[&str]) -> String {
        self.sees(code, &[&["explain", "--principal", "corp/ann", "--group", "corp/sre"], line].concat())
    }
}

#[track_caller]
fn judged(code: i32, line: &[&str], output: Output) -> String {
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{line:?}\n{out}\n{err}");
    assert!(
        !(out.clone() + &err).contains(|c: char| c != '\n' && c.is_control()),
        "a control character reached the terminal: {out:?} {err:?}"
    );
    out + &err
}

#[test]
fn good_policies_are_called_good() {
    let author = Author::new();
    assert_eq!(author.sees(0, &["check"]), "4 policies in 1 file: good\n");
    let found = author.json(0, &["check"]);
    assert_eq!((&found["ok"], &found["policies"], &found["names_checked"]), (&json!(true), &json!(4), &json!(true)));
}

#[test]
fn every_mistake_is_shown_at_its_place_with_a_mend() {
    let author = Author::new();
    author.write("policies/bad.cedar", "@id(\"a\")\n@aprove(\"corp/x\")\npermit (principal, action == Action::\"conect\", resource);\n");
    author.write("policies/worse.cedar", "@id(\"b\")\nforbid (principal, action, resource) when { context.login = \"a\u{1b}[2J\" };\n");
    let shown = author.sees(1, &["check"]);
    for part in [
        "policies/bad.cedar:2:1\n",
        "2 | @aprove(\"corp/x\")\n  | ^^^^",
        "did you mean @approve?",
        "conect",
        "worse.cedar:2:",
        "3 files: ",
        "errors",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let found = author.json(1, &["check"]);
    assert_eq!(found["ok"], json!(false));
    let first = &found["problems"][0];
    assert_eq!((&first["line"], &first["column"], &first["gravity"]), (&json!(2), &json!(1), &json!("error")));
}

#[test]
fn the_mark_stands_beneath_what_is_wrong_also_in_long_lines_and_never_acts_on_a_terminal() {
    let author = Author::new();
    let long = "x".repeat(300);
    let line = format!(
        "permit (principal, action == Action::\"connect\", resource in Tag::\"env=prd\") when {{ context.login != \"{long}\" && contxt }};"
    );
    author.write("policies/a.cedar", format!("@id(\"a\")\n\n{}", line.replace(" && contxt", "")));
    let shown = author.sees(0, &["check"]);
    assert!(shown.contains(&format!("3 | {}", &line[..100])) && shown.contains("…\n"), "{shown}");
    let marks: Vec<&str> = shown.lines().filter(|line| line.contains("| ") && line.contains('^')).collect();
    let at = line.find("Tag::").unwrap();
    assert_eq!(marks, [format!("  | {}{}", " ".repeat(at), "^".repeat("Tag::\"env=prd\"".len()))], "{shown}");
    author.write("policies/a.cedar", format!("@id(\"a\")\n{line}"));
    let shown = author.sees(1, &["check"]);
    let mark = shown.lines().find(|line| line.contains('^')).unwrap();
    let source = shown.lines().find(|line| line.starts_with("2 | …")).unwrap_or_else(|| panic!("{shown}"));
    let under: String = source.chars().skip(mark.chars().take_while(|c| *c != '^').count()).take(6).collect();
    assert_eq!(under, "contxt", "{shown}");
    author.write("policies/a.cedar", "@id(\"a\")\n/\u{1b}[2J\u{202e}\tpermit");
    author.sees(1, &["check"]);
}

#[test]
fn what_can_never_apply_and_what_the_configuration_does_not_know_is_a_warning() {
    let author = Author::new();
    let policy = "@id(\"x\") permit (principal in Group::\"crop/sre\", action == Action::\"connect\", resource == Target::\"web-3\");
                  @id(\"y\") permit (principal, action == Action::\"connect\", resource) when { false };";
    author.write("policies/odd.cedar", policy);
    let shown = author.sees(0, &["check"]);
    for part in
        ["there is no issuer \"crop\"", "did you mean \"corp\"?", "there is no target \"web-3\"", "policies/odd.cedar:2:", "warnings"]
    {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    author.sees(1, &["check", "--deny-warnings"]);
    assert_eq!(author.json(0, &["check"])["warnings"], 3);
}

#[test]
fn policies_are_checked_without_a_configuration_and_it_is_said_what_is_not() {
    let author = Author::new();
    author.write("odd.cedar", "@id(\"x\") permit (principal, action == Action::\"connect\", resource == Target::\"web-3\");");
    let mut command = author.command(&["check", "odd.cedar"]);
    let shown = judged(0, &["check"], command.env_remove("BARTIZAN_CONFIG").output().unwrap());
    assert!(shown.contains("1 policy in 1 file: good") && shown.contains("were not checked"), "{shown}");
    // A configuration that is named has to be there.
    let mut command = author.command(&["check", "odd.cedar", "--config", "none.toml"]);
    assert!(judged(3, &["check"], command.output().unwrap()).contains("none.toml: cannot be read"));
}

#[test]
fn what_cannot_be_read_is_told_and_is_neither_good_nor_bad() {
    let author = Author::new();
    author.write("latin.cedar", b"// caf\xe9\n");
    fs::create_dir(author.path("empty")).unwrap();
    let big = fs::File::create(author.path("big.cedar")).unwrap();
    big.set_len((16 << 20) + 1).unwrap();
    for (path, sentence) in [
        ("latin.cedar", "latin.cedar:1: this is not UTF-8 text"),
        ("empty", "there is no *.cedar file in empty"),
        ("none.cedar", "none.cedar cannot be read"),
        ("big.cedar", "larger than 16 MiB"),
    ] {
        let shown = author.sees(3, &["check", path]);
        assert!(shown.contains(sentence), "{shown}");
    }
    author.write("bartizan.toml", "[server]\nnme = 1\n");
    assert!(author.sees(3, &["check"]).contains("bartizan.toml:2"));
    assert!(author.explains(3, &["--target", "web-1", "--command", "id"]).contains("bartizan.toml:2"));
}

#[test]
fn cases_are_run_and_policies_that_none_exercised_are_named() {
    let author = Author::new();
    let shown = author.sees(0, &["test", "--coverage"]);
    for part in [
        "base.test.toml: 2 cases\n  sre run commands ... ok\n  nobody reads shadow ... ok\n",
        "ok: 2 passed, 0 failed",
        "coverage: 2 of 4 policies had a say in a case (50 %)",
        "no case: motd-needs-two at ",
        "base.cedar:14",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    author.sees(0, &["test", "--min-coverage", "50"]);
    assert!(author.sees(1, &["test", "--min-coverage", "51"]).contains("51 % are asked for"));
    let told = author.json(0, &["test"]);
    assert_eq!((&told["passed"], &told["coverage"]["percent"]), (&json!(2), &json!(50)));
    assert_eq!(told["files"][0]["cases"][1]["policies"], json!(["hashes-stay-home", "sre-everything"]));
    let filtered = author.json(0, &["test", "--filter", "shadow"]);
    assert_eq!((&filtered["passed"], &filtered["coverage"]), (&json!(1), &Value::Null));
}

#[test]
fn a_case_that_does_not_hold_is_shown_with_what_came_instead() {
    let author = Author::new();
    author.write("policies/base.test.toml", CASES.replace("expect = \"deny\"", "expect = \"allow\""));
    let shown = author.sees(1, &["test"]);
    for part in [
        "nobody reads shadow ... FAILED",
        "expected allow, got deny: ssh.exec on web-1 is refused by policy \"hashes-stay-home\"",
        "base.test.toml:19:1",
        "FAILED: 1 passed, 1 failed",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let told = author.json(1, &["test"]);
    assert_eq!((&told["ok"], &told["failed"], &told["files"][0]["cases"][1]["failure"]["line"]), (&json!(false), &json!(1), &json!(19)));
}

#[test]
fn cases_that_cannot_be_run_are_not_taken_for_good_ones() {
    let author = Author::new();
    author.write("policies/z.test.toml", "[[case]]\nnmae = \"x\"\n");
    let shown = author.sees(3, &["test"]);
    assert!(
        shown.contains("unknown field `nmae`") && shown.contains("1 file could not be run") && shown.contains("z.test.toml:2:1"),
        "{shown}"
    );
    fs::create_dir(author.path("bare")).unwrap();
    author.write("bare/p.cedar", "@id(\"x\") permit (principal, action, resource);");
    assert!(author.sees(3, &["test", "bare"]).contains("there are no cases"));
    author.write("bare/p.cedar", "@id(\"x\") permit (principal action, resource);");
    author.write("bare/p.test.toml", CASES);
    assert!(author.sees(3, &["test", "bare"]).contains("mend these first"));
}

#[test]
fn one_file_of_policies_is_tested_with_the_cases_of_its_name_and_cases_with_the_policies_beside_them() {
    let author = Author::new();
    author.write("policies/other.cedar", "@id(\"ban\") @reason(\"No.\") forbid (principal, action, resource);");
    author.sees(1, &["test", "policies"]);
    author.sees(0, &["test", "policies/base.cedar"]);
    author.sees(1, &["test", "policies/base.test.toml"]);
}

#[test]
fn an_allowed_command_is_explained_operation_by_operation() {
    let author = Author::new();
    let shown = author.explains(0, &["--target", "web-1", "--command", "systemctl  restart 'nginx'"]);
    for part in [
        "allow corp/ann at deploy@web-1\n",
        "allow connect\n",
        "allow ssh.exec  systemctl restart nginx\n",
        "program systemctl, 2 arguments \"restart\" \"nginx\"",
        "permit \"sre-everything\" at ",
        "base.cedar:2\n",
        "would be sent as: systemctl restart nginx",
        "assumed: from 127.0.0.1",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let told = author.json(0, &["explain", "--principal", "corp/ann", "--group", "corp/sre", "--target", "web-1", "--command", "id -u"]);
    assert_eq!(told["verdict"], "allow");
    assert_eq!((&told["target"], &told["login"], &told["canonical"]), (&json!("web-1"), &json!("deploy"), &json!("id -u")));
    assert_eq!(told["operations"][0]["action"], "connect");
    assert_eq!(told["operations"][1]["facts"]["program"], "id");
    assert_eq!(told["policies"], json!(["sre-everything"]));
    assert_eq!(told["principal"], json!({ "kind": "user", "id": "corp/ann", "groups": ["corp/sre"] }));
}

#[test]
fn a_denied_command_names_its_policy_and_a_held_file_its_approvers() {
    let author = Author::new();
    let shown = author.explains(1, &["--target", "web-1", "--command", "cat /etc/shadow"]);
    assert!(shown.starts_with("deny corp/ann at deploy@web-1\n"), "{shown}");
    assert!(shown.contains("is refused by policy \"hashes-stay-home\": Password hashes stay on their machine."), "{shown}");
    let shown = author.explains(4, &["--target", "web-1", "--file", "write /etc//./motd"]);
    assert!(
        shown.contains("hold  sftp.write  /etc/motd") && shown.contains("waits for approval by corp/leads (policy \"motd-needs-two\")"),
        "{shown}"
    );
    let line = ["explain", "--principal", "corp/ann", "--group", "corp/sre", "--target", "web-1", "--file", "write /etc/motd"];
    let told = author.json(4, &line);
    assert_eq!((&told["verdict"], &told["requirements"][0]["groups"]), (&json!("hold"), &json!(["corp/leads"])));
    author.explains(0, &["--target", "web-1", "--file", "rename '/srv/a b' /srv/c"]);
    // Without the group nothing permits it.
    assert!(
        author.sees(1, &["explain", "--principal", "corp/ann", "--target", "web-1", "--command", "id"]).contains("no policy permits it")
    );
}

#[test]
fn other_actions_are_explained_too() {
    let author = Author::new();
    author.explains(0, &["--action", "issue"]);
    author.explains(0, &["--target", "web-1", "--action", "ssh.shell"]);
    author.explains(0, &["--target", "web-2", "--login", "root", "--action", "connect"]);
    author.explains(0, &["--action", "lock", "--target", "web-1"]);
    author.explains(0, &["--action", "lock", "--owner", "corp/bob"]);
    author.explains(1, &["--target", "web-1", "--action", "replay", "--owner", "corp/bob"]);
    author.explains(1, &["--target", "web-1", "--action", "approve", "--asks", "corp/leads"]);
    let shown = author.sees(1, &["explain", "--principal", "ci/deploy", "--target", "web-1", "--action", "ssh.shell"]);
    assert!(shown.contains("guarded one instead"), "{shown}");
}

#[test]
fn what_makes_no_sense_is_a_usage_error_with_a_mend() {
    let author = Author::new();
    for (line, sentence) in [
        (&["--target", "web-9", "--command", "id"][..], "there is no target \"web-9\"; did you mean web-"),
        (&["--target", "web-2", "--command", "id"], "say as whom with --login: web-2 has deploy, root"),
        (&["--target", "web-1", "--login", "root", "--command", "id"], "web-1 has no login root; it has deploy"),
        (&["--command", "id"], "add --target NAME"),
        (&["--target", "orders", "--command", "id"], "orders is a postgres target; --command is for targets of kind ssh"),
        (&["--target", "web-1", "--sql", "select 1"], "web-1 is a ssh target; --sql is for targets of kind postgres"),
        (&["--target", "web-1", "--file", "read etc/motd"], "is not a path from the root"),
        (&["--target", "web-1", "--file", "open /etc/motd"], "there is no operation \"open\""),
        (&["--target", "web-1", "--file", "read '/etc/motd"], "is left open"),
        (&["--target", "web-1", "--file", "rename /a"], "rename takes the old path and the new one"),
        (&["--target", "web-1", "--file", "read /a b"], "takes one path"),
        (&["--target", "web-1", "--action", "ssh.exec"], "use --command LINE"),
        (&["--target", "web-1", "--action", "sftp.read"], "use --file 'read PATH'"),
        (&["--target", "web-1", "--action", "conect"], "did you mean \"connect\"?"),
        (&["--target", "web-1"], "required"),
        (&["--target", "web-1", "--command", "id", "--action", "connect"], "cannot be used with"),
    ] {
        let shown = author.explains(2, line);
        assert!(shown.contains(sentence), "{line:?}\n{shown}");
    }
    assert!(author.sees(2, &["explain", "--principal", "ann", "--target", "web-1", "--command", "id"]).contains("ISSUER/NAME"));
    assert!(author.sees(2, &["explain", "--principal", "crop/ann", "--action", "issue"]).contains("did you mean corp?"));
    for (line, sentence) in [
        (&["--target", "billing", "--http", "GET"][..], "--http takes two words"),
        (&["--target", "billing", "--http", "GET /a/..;/b"], "read differently"),
        (&["--target", "billing", "--http", "GET /%2f"], "read differently"),
        (&["--target", "billing", "--http", "G(T /"], "is no method"),
        (&["--target", "web-1", "--http", "GET /"], "web-1 is a ssh target; --http is for targets of kind http"),
        (&["--target", "prod", "--kubernetes", "fetch /api/v1/pods"], "there is no verb \"fetch\""),
        (&["--target", "prod", "--action", "k8s.get"], "use --kubernetes 'VERB PATH'"),
        (&["--target", "billing", "--action", "http.GET"], "use --http 'METHOD PATH'"),
    ] {
        let shown = author.explains(2, line);
        assert!(shown.contains(sentence), "{line:?}\n{shown}");
    }
}

#[test]
fn a_statement_is_analysed_over_a_catalog_and_its_masks_are_told() {
    let author = Author::new();
    let policies = r#"
@id("connects") permit (principal in Group::"corp/sre", action == Action::"connect", resource);
@id("reads") permit (principal in Group::"corp/sre", action in Action::"pg.read", resource in Schema::"orders/public");
@id("cards") @mask("last4") @mask_use("eq")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.payments.card");
"#;
    author.write("policies/base.cedar", policies);
    author.write(
        "orders.json",
        r#"{ "major": 16, "database": "orders", "schemas": ["public"], "relations": [ { "oid": 16385, "schema": "public", "name": "payments",
            "columns": [ { "number": 1, "name": "id" }, { "number": 2, "name": "card" } ] } ] }"#,
    );
    let catalog = author.path("orders.json").display().to_string();
    let explains = |code, sql: &str| author.explains(code, &["--target", "orders", "--sql", sql, "--catalog", &catalog]);
    let shown = explains(0, "SELECT id, card FROM payments WHERE card = 'x'");
    for part in ["pg.select  orders/public.payments", "pg.filter_column", "result \"card\" would be masked: last4"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let shown = explains(1, "SELECT upper(card) FROM payments");
    assert!(
        shown.contains("column public.payments.card is masked for you and cannot be used in an expression (at character 14)"),
        "{shown}"
    );
    assert!(explains(1, "DELETE FROM payments").contains("no policy permits it"));
    assert!(explains(1, "SELECT nosuch FROM payments").contains("column \"nosuch\" does not exist"));
    let shown = author.explains(0, &["--target", "orders", "--sql", "TABLE payments", "--catalog", &catalog, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(value["results"][1], serde_json::json!({ "statement": 1, "name": "card", "mask": "last4" }), "{shown}");
    author.write("orders.json", "{ \"majr\": 16 }");
    assert!(explains(3, "SELECT 1").contains("majr"));
    assert!(author.explains(3, &["--target", "orders", "--sql", "SELECT 1"]).contains("let somebody connect, or give --catalog FILE"));
}

#[test]
fn requests_are_decided_by_policy_and_those_that_no_gateway_serves_yet_are_labelled_so() {
    let author = Author::new();
    let policies = r#"
@id("sre-connects") permit (principal in Group::"corp/sre", action == Action::"connect", resource);
@id("reads") permit (principal in Group::"corp/sre", action == Action::"http.GET", resource) when { context.path like "/v1/*" };
@id("deploys") permit (principal in Group::"corp/sre", action in Action::"k8s.write", resource == Kind::"prod/apps/deployments")
  when { context has namespace && context.namespace == "shop" };
@id("logs") permit (principal in Group::"corp/sre", action == Action::"k8s.logs", resource);
@id("health") permit (principal in Group::"corp/sre", action == Action::"k8s.nonresource", resource) when { context.path == "/healthz" };
"#;
    author.write("policies/base.cedar", policies);
    for (code, line) in [
        (0, &["--target", "billing", "--http", "GET /v1/../v1/%61?x=1"][..]),
        (1, &["--target", "billing", "--http", "GET /v1/../admin"]),
        (1, &["--target", "billing", "--http", "POST /v1/a"]),
        (0, &["--target", "prod", "--kubernetes", "patch /apis/apps/v1/namespaces/shop/deployments/web"]),
        (1, &["--target", "prod", "--kubernetes", "patch /apis/apps/v1/namespaces/bank/deployments/web"]),
        (1, &["--target", "prod", "--kubernetes", "exec /api/v1/namespaces/shop/pods/web?command=ls"]),
        (1, &["--target", "prod", "--kubernetes", "POST /api/v1/namespaces/shop/pods/web/exec?command=ls&container=app"]),
        (0, &["--target", "prod", "--kubernetes", "PATCH /apis/apps/v1/namespaces/shop/deployments/web?dryRun=All"]),
        (0, &["--target", "prod", "--kubernetes", "get /api/v1/namespaces/shop/pods/web/log"]),
        (0, &["--target", "prod", "--kubernetes", "logs /api/v1/namespaces/shop/pods/web"]),
        (0, &["--target", "prod", "--kubernetes", "get /healthz"]),
        (0, &["--target", "prod", "--action", "connect"]),
    ] {
        author.explains(code, line);
    }
    let who = ["explain", "--principal", "corp/ann", "--group", "corp/sre"];
    let told = author.json(0, &[&who[..], &["--target", "prod", "--kubernetes", "logs /api/v1/namespaces/shop/pods/web"]].concat());
    let facts = json!({ "verb": "get", "api_group": "", "api_version": "v1", "api_resource": "pods", "namespace": "shop", "name": "web", "subresource": "log",
        "container": null, "dry_run": false });
    assert_eq!(told["operations"][1]["facts"], facts);
}

#[test]
fn a_line_of_several_commands_gets_the_worst_verdict() {
    let author = Author::new();
    let shown = author.explains(1, &["--target", "web-1", "--command", "uptime; cat /etc/sh''adow | wc -l"]);
    for part in
        ["allow ssh.exec  uptime\n", "deny  ssh.exec  cat /etc/shadow\n", "allow ssh.exec  wc -l\n", "would be sent as: /bin/sh -c "]
    {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let shown = author.explains(0, &["--target", "web-1", "--command", "$X"]);
    assert!(shown.contains("dynamic: ") && shown.contains("would be sent as it came"), "{shown}");
}

#[test]
fn colours_are_for_terminals_only_and_never_with_no_color() {
    let author = Author::new();
    let line = format!("{} policy check", env!("CARGO_BIN_EXE_bartizan"));
    let typed = |no_color: &str| {
        // script(1) gives it a terminal.
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("BARTIZAN_CONFIG", author.path("bartizan.toml")).env("NO_COLOR", no_color);
        String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    };
    assert!(typed("").contains("\u{1b}[32mgood\u{1b}[0m"), "{:?}", typed(""));
    assert!(!typed("1").contains('\u{1b}') && typed("1").contains("good"), "{:?}", typed("1"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let author = Author::new();
    let mut command = author.command(&["schema"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn formatting_changes_the_form_and_nothing_else() {
    let author = Author::new();
    let ugly = "// first\n@id(\"x\")permit(principal,action==Action::\"connect\",resource)when{context.login==\"a // b\"};// last\n";
    author.write("ugly.cedar", ugly);
    fs::set_permissions(author.path("ugly.cedar"), fs::Permissions::from_mode(0o640)).unwrap();
    let shown = author.sees(1, &["format", "--check", "ugly.cedar"]);
    assert!(
        shown.contains("--- ugly.cedar\n") && shown.contains("\n-@id(\"x\")permit(") && shown.contains("1 file: 1 would be changed"),
        "{shown}"
    );
    assert_eq!(author.read("ugly.cedar"), ugly, "--check wrote");
    assert!(author.sees(0, &["format", "ugly.cedar"]).contains("formatted ugly.cedar"));
    let form = author.read("ugly.cedar");
    assert!(form.starts_with("// first\n@id(\"x\")\npermit (") && form.contains("// last") && form.contains("\"a // b\""), "{form}");
    assert_eq!(fs::metadata(author.path("ugly.cedar")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(author.sees(0, &["format", "--check", "ugly.cedar"]), "1 file: good\n");
    assert_eq!(fs::read_dir(author.0.path()).unwrap().count(), 4, "something was left behind");
    let mut child = author.command(&["format", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(ugly.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), form);
}

#[test]
fn formatting_follows_a_link_and_leaves_what_has_mistakes() {
    let author = Author::new();
    author.write("real.cedar", "@id(\"x\")permit(principal,action,resource);");
    std::os::unix::fs::symlink("real.cedar", author.path("link.cedar")).unwrap();
    author.sees(0, &["format", "link.cedar"]);
    assert!(fs::symlink_metadata(author.path("link.cedar")).unwrap().is_symlink() && author.read("real.cedar").contains("permit ("));
    author.write("bad.cedar", "permit(principal,action,resource);");
    author.write("ugly.cedar", "@id(\"x\")permit(principal,action,resource);");
    assert!(author.sees(3, &["format", "ugly.cedar", "bad.cedar"]).contains("this policy has no @id"));
    assert!(author.read("ugly.cedar").starts_with("@id(\"x\")permit("), "half of the files were written");
}

/// A decision as the bastion writes it.
fn decided(principal: &str, action: &str, operation: &str, about: audit::About) -> Entry {
    Entry::Decision {
        principal: principal.parse().unwrap(),
        principal_kind: PrincipalKind::User,
        target: (action != "issue").then(|| "web-1".parse().unwrap()),
        login: (action != "issue").then(|| "deploy".parse().unwrap()),
        action: action.into(),
        operation: operation.into(),
        verdict: audit::Verdict::Allow,
        policies: Vec::new(),
        reason: String::new(),
        source: Some("192.0.2.1".parse().unwrap()),
        session: None,
        groups: vec!["corp/sre".into()],
        facts: Some(audit::Facts { authenticated_at: Timestamp::UNIX_EPOCH, device_bound: false, reason: None, about }),
    }
}

fn ran(principal: &str, text: &str) -> Entry {
    let about = audit::About::Command {
        text: text.into(),
        words: text.split(' ').map(str::to_owned).collect(),
        redirects: Vec::new(),
        environment: Vec::new(),
        patterns: false,
    };
    decided(principal, "ssh.exec", &format!("exec {text}"), about)
}

/// A log with these entries, each so many days ago.
fn log(author: &Author, entries: &[(i64, Entry)]) {
    let (state, now) = (author.path("state"), Timestamp::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = AuditLog::open(&state, "bastion.example.com", [7; 32], now).unwrap();
        for (days, entry) in entries {
            log.append(entry.clone(), now - SignedDuration::from_hours(24 * days)).await.unwrap();
        }
    });
}

#[test]
fn a_diff_tells_by_principal_what_would_change() {
    let author = Author::new();
    let file = audit::About::File { path: Some("/etc/motd".into()), to: None, recursive: false };
    let key = audit::About::Key { fingerprint: "SHA256:x".into(), algorithm: "ssh-ed25519".into(), bits: 256 };
    let Entry::Decision { .. } = ran("corp/ann", "id") else { panic!() };
    let mut old = ran("corp/ann", "id");
    if let Entry::Decision { facts, .. } = &mut old {
        *facts = None;
    }
    let mut gone = ran("corp/ann", "id");
    if let Entry::Decision { target, .. } = &mut gone {
        *target = Some("web-9".parse().unwrap());
    }
    let entries = [
        (40, ran("corp/ann", "uptime")),
        (3, ran("corp/ann", "uptime -p")),
        (2, ran("corp/ann", "uptime -s")),
        (2, ran("corp/bob", "id")),
        (1, decided("corp/bob", "sftp.write", "sftp.write /etc/motd", file)),
        (1, decided("corp/bob", "issue", "issue a certificate", key)),
        (1, old),
        (1, gone),
    ];
    log(&author, &entries);
    author.write("old.cedar", POLICIES);
    let new = POLICIES.replace("context.path == \"/etc/motd\"", "context.path == \"/x\"")
        + "@id(\"no-uptime\") forbid (principal, action == Action::\"ssh.exec\", resource) when { context.program == \"uptime\" };";
    author.write("policies/base.cedar", new);
    let shown = author.sees(1, &["diff", "old.cedar"]);
    for part in [
        "corp/ann\n        2 x allow -> deny  ssh.exec on web-1\n",
        "old: sre-everything\n",
        "new: no-uptime, sre-everything\n",
        "corp/bob\n        1 x hold -> allow  sftp.write on web-1\n",
        "old: motd-needs-two, sre-everything (approval by corp/leads (policy \"motd-needs-two\"))",
        "3 of 5 decisions of the last 30 days would change, of 2 principals",
        "not replayed: 1 do not say what policy was told",
        "not replayed: 1 are about targets that the configuration does not have",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let told = author.json(1, &["diff", "old.cedar", "policies", "--days", "60"]);
    assert_eq!((&told["replayed"], &told["changed"]), (&json!(6), &json!(4)));
    let first = &told["principals"][0];
    assert_eq!((&first["principal"], &first["changes"][0]["count"]), (&json!("corp/ann"), &json!(3)));
    assert_eq!(first["changes"][0]["new"]["policies"], json!(["no-uptime", "sre-everything"]));
    assert!(author.sees(0, &["diff", "old.cedar", "old.cedar"]).contains("nothing would change: 5 decisions"));
}

#[test]
fn a_diff_asks_with_the_time_and_the_address_of_then() {
    let author = Author::new();
    log(&author, &[(5, ran("corp/ann", "id")), (1, ran("corp/ann", "id"))]);
    author.write("old.cedar", POLICIES);
    let bound = Timestamp::now() - SignedDuration::from_hours(72);
    let new = format!(
        "{POLICIES}@id(\"t\") forbid (principal, action == Action::\"ssh.exec\", resource) when {{ context.time > datetime(\"{}\") && \
         context.source_ip.isInRange(ip(\"192.0.2.0/24\")) && context.authenticated_at < datetime(\"1970-01-02\") }};",
        bound.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    author.write("new.cedar", new);
    assert_eq!(author.json(1, &["diff", "old.cedar", "new.cedar"])["changed"], 1);
}

#[test]
fn a_diff_believes_no_log_that_was_tampered_with() {
    let author = Author::new();
    author.write("old.cedar", POLICIES);
    author.sees(3, &["diff", "old.cedar"]);
    log(&author, &[(1, ran("corp/ann", "id")), (1, ran("corp/ann", "uptime"))]);
    author.sees(0, &["diff", "old.cedar"]);
    let path = "state/audit/audit.ndjson";
    author.write(path, author.read(path).replace("uptime", "uptema"));
    assert!(author.sees(3, &["diff", "old.cedar"]).contains("tampered with at line 2"));
    author.write("old.cedar", "permit (principal, action, resource);");
    assert!(author.sees(3, &["diff", "old.cedar"]).contains("this policy has no @id"));
}
