use std::collections::BTreeSet;
use std::path::Path;

use bartizan_policies::{Known, PolicySet};
use bartizan_recorder::tlog::NoteKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::ledger::EntryProof;

const CONFIG: &str = r#"
[server]
name = "bastion.example.com"
listen = ["127.0.0.1:2222"]
state_dir = "/nonexistent/state"

[[issuer]]
name = "ci"
kind = "service"
url = "https://ci.example.com"
audience = "bartizan"

[[target]]
name = "web-1"
kind = "ssh"
address = "10.0.0.5:22"
logins = ["deploy", "root"]
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
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
"#;

const BROAD: &str = r#"
@id("robots-may-everything")
permit (principal in Group::"ci/robots", action, resource);
"#;

fn config() -> Config {
    Config::parse(Path::new("/nonexistent/bartizan.toml"), CONFIG).unwrap_or_else(|problems| panic!("{problems}"))
}

fn load(text: &str) -> PolicySet {
    PolicySet::load(vec![("p.cedar".to_owned(), text.to_owned())], &Known::default())
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()))
}

fn start() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().expect("a time")
}

/// A log that is written while time goes on.
struct Log {
    usage: Usage,
    now: Timestamp,
}

impl Log {
    fn new() -> Self {
        Self { usage: Usage::new(start(), Asked::by(std::iter::empty())), now: start() }
    }

    /// One judgement of a session: each question with its verdict.
    fn judged(&mut self, target: &str, asked: &[(&str, Value, &str)]) {
        self.now += SignedDuration::from_secs(1);
        for (action, about, verdict) in asked {
            let (verdict, reason) = if *verdict == "approved" { ("allow", "approved") } else { (*verdict, "") };
            let login = match target {
                "web-1" => Some("deploy"),
                "orders" => Some("app"),
                _ => None,
            };
            let entry = json!({
                "kind": "decision", "principal": "ci/deploy", "principal_kind": "service", "target": target, "login": login,
                "action": action, "operation": "as shown", "verdict": verdict, "policies": ["robots-may-everything"], "reason": reason,
                "source": "192.0.2.7", "session": "01KB0Z5C9T9WJ3YB1M6V4Q2N8R", "groups": ["ci/robots"],
                "facts": { "authenticated_at": "2026-11-01T00:00:00Z", "about": about },
            });
            self.usage.take(self.now, entry);
        }
    }

    fn run(&mut self, line: &str, verdict: &str) {
        self.judged("web-1", &[("connect", json!("nothing"), "allow"), ("ssh.exec", command(line), verdict)]);
    }

    fn get(&mut self, path: &str, verdict: &str) {
        let about = json!({ "http": { "method": "GET", "path": path, "query": format!("at={}", self.now) } });
        self.judged("billing", &[("http.GET", about, verdict)]);
    }

    fn report(mut self, policies: &str) -> Report {
        self.usage.finish();
        let (config, set, databases) = (config(), load(policies), Databases::new());
        let counted = (start(), self.now, 7, "ab".repeat(32));
        Report::new((&config, &set, &databases), &self.usage, &Wanted::default(), counted, &mut |_, _| {})
    }

    fn suggestion(mut self, policies: &str, permits_only: bool) -> Suggestion {
        self.usage.finish();
        let (config, set, databases) = (config(), load(policies), Databases::new());
        let found = suggest((&config, &set, &databases), permits_only, &self.usage, ("ci/deploy", None, self.now));
        found.unwrap_or_else(|problems| panic!("{problems:?}")).expect("something was used")
    }
}

fn command(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    json!({ "command": { "text": line, "words": words } })
}

/// Of a target each thing that is granted or was used, with its verdict and how often it was used.
fn rows(report: &Report, target: &str) -> BTreeSet<(String, String, String, u64)> {
    let on = report.principals.iter().flat_map(|one| &one.targets).find(|on| on.target == target);
    let grants = on.into_iter().flat_map(|on| &on.grants);
    grants.map(|grant| (grant.action.clone(), grant.on.clone(), grant.granted.clone(), grant.used)).collect()
}

fn used(report: &Report, target: &str) -> BTreeSet<(String, String, u64)> {
    rows(report, target).into_iter().filter(|(.., used)| *used > 0).map(|(action, on, _, used)| (action, on, used)).collect()
}

fn row(action: &str, on: &str, used: u64) -> (String, String, u64) {
    (action.to_owned(), on.to_owned(), used)
}

#[test]
fn what_was_decided_and_not_done_is_not_counted() {
    let mut log = Log::new();
    log.run("uptime -p", "allow");
    log.run("uptime -p", "allow");
    // Refused: its session never began, though connecting was allowed.
    log.run("rm -rf /", "deny");
    // Held, and then approved: one use of each.
    log.run("reboot", "hold");
    log.run("reboot", "approved");
    // Held for ever.
    log.run("halt", "hold");
    // Whoever seeks a shell and gets the guarded one did connect.
    log.judged("web-1", &[("ssh.shell", json!("nothing"), "deny"), ("connect", json!("nothing"), "allow")]);
    let report = log.report(BROAD);
    let expected = [row("connect", "as deploy", 4), row("ssh.exec", "uptime -p as deploy", 2), row("ssh.exec", "reboot as deploy", 1)];
    assert_eq!(used(&report, "web-1"), BTreeSet::from(expected));
    let on = &report.principals[0].targets[0];
    let denied: Vec<(&str, u64)> = on.denied.iter().map(|denied| (denied.action.as_str(), denied.attempts)).collect();
    assert_eq!(denied, [("ssh.shell", 1), ("ssh.exec", 1)]);
    assert_eq!(on.grants.iter().map(|grant| grant.approved).sum::<u64>(), 1);
}

#[test]
fn what_differs_each_time_and_no_policy_asks_for_is_one_thing() {
    let mut log = Log::new();
    for _ in 0..5 {
        log.get("/v1/bills", "allow");
    }
    assert_eq!(used(&log.report(BROAD), "billing"), BTreeSet::from([row("http.GET", "/v1/bills", 5)]));
}

#[test]
fn a_permit_for_everything_shows_as_everything() {
    let mut log = Log::new();
    log.run("uptime -p", "allow");
    log.get("/v1/bills", "allow");
    let report = log.report(BROAD);
    assert!(!report.granted_equals_used);
    let all =
        |target: &str, action: &str, on: &str| rows(&report, target).contains(&(action.to_owned(), on.to_owned(), "allow".to_owned(), 0));
    for (target, action, on) in [
        ("web-1", "ssh.shell", "as root"),
        ("web-1", "ssh.exec", "any other command as root"),
        ("web-1", "ssh.exec", "any other command that is not known before it runs as deploy"),
        ("web-1", "sftp.write", "any other file as deploy"),
        ("web-1", "sftp.read", "any other tree as deploy"),
        ("billing", "http.DELETE", "/v1/bills"),
        ("billing", "http.POST", "any other path"),
        ("orders", "pg.select", "any other table"),
        ("orders", "pg.read_column", "any other column"),
        ("orders", "pg.call", "any other function"),
    ] {
        assert!(all(target, action, on), "{target} {action} {on}: {:#?}", rows(&report, target));
    }
}

#[test]
fn policies_that_mean_the_same_are_told_alike_however_they_are_written() {
    let grants = |policies: &str| {
        let mut log = Log::new();
        log.run("uptime -p", "allow");
        log.get("/v1/bills", "allow");
        log.get("/v1/other", "deny");
        let report = log.report(policies);
        (rows(&report, "web-1"), rows(&report, "billing"), report.granted_equals_used)
    };
    let one = r#"
        @id("connects") permit (principal in Group::"ci/robots", action == Action::"connect", resource) when { ["deploy", ""].contains(context.login) };
        @id("uptime") permit (principal == Service::"ci/deploy", action == Action::"ssh.exec", resource == Target::"web-1")
        when { context.login == "deploy" && context.program == "uptime" && context.args.first == "-p" && context.args.count == 1 };
        @id("bills") permit (principal in Group::"ci/robots", action == Action::"http.GET", resource == Route::"billing/GET /v1/bills");"#;
    let two = r#"
        @id("all") permit (principal in Group::"ci/robots", action in [Action::"connect", Action::"ssh.exec", Action::"http"], resource);
        @id("not") forbid (principal, action == Action::"ssh.exec", resource)
        unless { !context.dynamic && context.command == "uptime -p" && context.login == "deploy" };
        @id("nor") forbid (principal, action == Action::"connect", resource) when { context.login == "root" };
        @id("only") forbid (principal, action in Action::"http", resource)
        unless { context has path && context has method && context.path == "/v1/bills" && context.method == "GET" };
        @id("no") forbid (principal, action in [Action::"http.upgrade", Action::"http.read_field"], resource);"#;
    let (web, billing, _) = grants(one);
    assert_eq!((web.clone(), billing.clone()), (grants(two).0, grants(two).1));
    assert_eq!(
        billing,
        BTreeSet::from([
            ("connect".to_owned(), String::new(), "allow".to_owned(), 0),
            ("http.GET".to_owned(), "/v1/bills".to_owned(), "allow".to_owned(), 1)
        ])
    );
    assert_ne!(web, grants(BROAD).0);
}

#[test]
fn what_policies_name_is_granted_though_nobody_ever_saw_it() {
    let policies = r#"
        @id("a") permit (principal in Group::"ci/robots", action == Action::"ssh.exec", resource) when { context.program == "reboot" };
        @id("b") permit (principal in Group::"ci/robots", action == Action::"pg.select", resource == Table::"orders/public.salaries");
        @id("c") permit (principal in Group::"ci/robots", action == Action::"sftp.read", resource) when { context has path && context.path like "/srv/*" };
        @id("d") permit (principal in Group::"ci/robots", action == Action::"http.PUT", resource) when { context.path == "/admin" };"#;
    let mut log = Log::new();
    log.run("uptime -p", "allow");
    let report = log.report(policies);
    let granted =
        |target: &str, action: &str, on: &str| rows(&report, target).iter().any(|row| (row.0.as_str(), row.1.as_str()) == (action, on));
    assert!(granted("web-1", "ssh.exec", "reboot as root"), "{:#?}", rows(&report, "web-1"));
    assert!(granted("web-1", "sftp.read", "/srv/x as deploy"), "{:#?}", rows(&report, "web-1"));
    assert!(granted("orders", "pg.select", "public.salaries"), "{:#?}", rows(&report, "orders"));
    assert!(granted("billing", "http.PUT", "/admin"), "{:#?}", rows(&report, "billing"));
    // And what was used is permitted no more.
    assert!(rows(&report, "web-1").contains(&("ssh.exec".to_owned(), "uptime -p as deploy".to_owned(), "deny".to_owned(), 1)));
}

fn workload(log: &mut Log) {
    for line in ["uptime -p", "systemctl restart nginx", "uptime -p"] {
        log.run(line, "allow");
    }
    log.get("/v1/bills", "allow");
    log.get("/v1/bills/7", "allow");
    log.get("/v1/admin", "deny");
    let sql = |on: Value| json!({ "sql": { "statement": "select", "on": on } });
    let table = sql(json!({ "table": ["orders", "public", "refunds"] }));
    let column = sql(json!({ "column": ["orders", "public", "refunds", "id"] }));
    log.judged("orders", &[("connect", json!("nothing"), "allow")]);
    log.judged("orders", &[("pg.select", table, "allow"), ("pg.read_column", column, "allow")]);
    log.judged("billing", &[("connect", json!("nothing"), "allow")]);
}

#[test]
fn with_the_suggestion_in_force_what_is_granted_is_what_was_used() {
    let (mut before, mut after) = (Log::new(), Log::new());
    workload(&mut before);
    workload(&mut after);
    let suggestion = before.suggestion(BROAD, false);
    assert_eq!((suggestion.operations, suggestion.kinds), (12, 9), "{suggestion:#?}");
    assert_eq!((suggestion.beyond.as_slice(), suggestion.missing.as_slice()), (&[][..], &[][..]), "{}", suggestion.text);
    assert!(suggestion.others > 50, "{suggestion:?}");
    assert!(suggestion.left_out.is_empty(), "{suggestion:?}");
    let report = after.report(&suggestion.text);
    let not: Vec<_> = report.principals.iter().flat_map(|one| &one.targets).filter(|on| !on.granted_equals_used).collect();
    assert!(report.granted_equals_used, "{not:#?}\n{}", suggestion.text);
}

#[test]
fn what_was_approved_is_suggested_with_its_approval_and_never_without() {
    let held = r#"
        @id("all") permit (principal in Group::"ci/robots", action, resource);
        @id("reboots-wait") @approve("ci/leads") forbid (principal, action == Action::"ssh.exec", resource) when { context.program == "reboot" };"#;
    let use_it = || {
        let mut log = Log::new();
        log.run("uptime -p", "allow");
        log.run("reboot now", "hold");
        let asked = json!({
            "kind": "approval.asked", "approval": "01KB12V3M4SJ2W0Y8D5QH7XKCN", "session": "01KB0Z5C9T9WJ3YB1M6V4Q2N8R",
            "principal": "ci/deploy", "target": "web-1", "action": "ssh.exec", "operation": "exec reboot now", "digest": "00",
            "policies": ["reboots-wait"], "groups": ["ci/leads"], "reason": "", "source": "192.0.2.7", "deadline": "2026-11-01T01:00:00Z",
        });
        let reviewed = json!({
            "kind": "approval.reviewed", "approval": "01KB12V3M4SJ2W0Y8D5QH7XKCN", "by": "corp/carol@example.com", "approve": true,
            "reason": "", "valid_seconds": null, "source": "192.0.2.8",
        });
        // As it is written: the hold is still open when people are asked.
        log.usage.take(log.now, asked);
        log.usage.take(log.now, reviewed);
        log.run("reboot now", "approved");
        log
    };
    let asks = |text: &str| text.contains("@approve(\"ci/leads\")");
    let kept = use_it().suggestion(held, false);
    assert!(asks(&kept.text) && kept.missing.is_empty() && kept.beyond.is_empty(), "{kept:#?}");
    // The forbid is gone by now; who was asked then is asked still.
    let then = use_it().suggestion(BROAD, false);
    assert!(asks(&then.text), "{}", then.text);
    let report = use_it().report(held);
    let on = report.principals[0].targets.iter().find(|on| on.target == "web-1").expect("it");
    assert_eq!(on.held.asked, 1);
    assert_eq!(on.held.answered_by.get("corp/carol@example.com").map(|answers| answers.approved), Some(1));
}

#[test]
fn a_signed_report_shows_every_edit() {
    let mut log = Log::new();
    workload(&mut log);
    let report = log.report(BROAD);
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let log_key = NoteKey::log("bastion.example.com", key.verifying_key()).expect("a key");
    let proof = EntryProof { proof: String::new(), witnesses: Vec::new() };
    let signed = sign(&report, &key, proof, &log_key, &[]).expect("it is signed");
    let signature = |document: &SignedReport| {
        let found = verify(document, Some(key.verifying_key()), None, &[]);
        found.checks.iter().find(|check| check.name == "signature").map(|check| check.outcome)
    };
    assert_eq!(signature(&signed), Some(bartizan_recorder::Outcome::Good));
    let text = serde_json::to_string(&signed).expect("JSON");
    for (was, is) in [
        ("\"used\":2", "\"used\":1"),
        ("\"granted\":\"allow\"", "\"granted\":\"hold\""),
        ("\"since\":\"2026-11-01", "\"since\":\"2025-11-01"),
    ] {
        let edited = text.replacen(was, is, 1);
        assert_ne!(edited, text, "{was} stands in it");
        let document: SignedReport = serde_json::from_str(&edited).expect("JSON");
        assert_eq!(signature(&document), Some(bartizan_recorder::Outcome::Tampered), "{was}");
    }
    let other = ed25519_dalek::SigningKey::from_bytes(&[8; 32]).verifying_key();
    assert_eq!(verify(&signed, Some(other), None, &[]).outcome(), bartizan_recorder::Outcome::Tampered);
}
