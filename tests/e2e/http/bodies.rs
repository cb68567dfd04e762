//! Rules on what stands in the JSON body of a request: what was decided is what the server gets, and what cannot be read is refused.

use std::fs;

use crate::harness::Run;

use super::{Site, ask, at, raw};

const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-use-billing")
permit (principal in Group::"corp/developers", action in [Action::"connect", Action::"http"], resource in Target::"billing");

@id("refunds-are-small")
@reason("Refunds of more than 500 are made by payments itself.")
forbid (principal in Group::"corp/developers", action in Action::"http", resource)
when { context.path == "/refunds" }
unless { context has body && context.body.most.hasTag("/amount") && context.body.most.getTag("/amount") <= 500 };

@id("no-test-currency")
forbid (principal in Group::"corp/developers", action == Action::"http.POST", resource == Route::"billing/POST /refunds")
when { context has body && context.body.texts.hasTag("/lines/*/currency") && context.body.texts.getTag("/lines/*/currency").contains("XXX") };

@id("transfers-are-approved")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action == Action::"http.POST", resource == Route::"billing/POST /transfers")
unless { context has body && context.body.words.hasTag("/dry_run") && context.body.words.getTag("/dry_run").contains("true") };
"#;

const JSON: [&str; 2] = ["-H", "Content-Type: application/json"];

#[test]
fn a_body_is_decided_and_what_was_decided_is_what_the_server_gets() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let refund = |body: &str, more: &[&str]| ask(&bob, &[&JSON[..], more, &["--data-binary", body, &at(port, "/refunds")]].concat());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        // Odd spaces, escapes and orders reach the server as they are.
        let body = " {\"note\" : \"\\u0061\\/b\",\r\n\t\"amount\":5.0e2 , \"lines\":[ {\"currency\":\"EUR\"} ] }\n";
        let (code, answer) = refund(body, &[version]);
        assert_eq!((code.as_str(), answer["size"].as_u64()), ("200", Some(body.len() as u64)), "{version}: {answer}");
        let mut sum = bob.command("sha256sum", ["-"]);
        sum.arg("-");
        let sum = Run::new(sum).input(body.as_bytes()).finish().text();
        assert_eq!(sum.split(' ').next(), answer["sha256"].as_str(), "{version}");
        for refused in
            [r#"{"amount":500.01}"#, r#"{"amount":501}"#, r#"{"amount":1e30}"#, r#"{"amount":"5"}"#, r#"{"Amount":5}"#, "{}", "[5]"]
        {
            let (code, problem) = refund(refused, &[version]);
            assert!(code == "403" && problem["policies"].to_string().contains("refunds-are-small"), "{refused}: {code} {problem}");
        }
        let (code, problem) = refund(r#"{"amount":1,"lines":[{"currency":"EUR"},{"currency":"XXX"}]}"#, &[version]);
        assert!(code == "403" && problem["policies"].to_string().contains("no-test-currency"), "{code} {problem}");
    }
    let asked = site.asked().len();
    assert_eq!(asked, 2, "only what was allowed reaches the server");
    assert_eq!(ask(&bob, &[&at(port, "/refunds")]).0, "403", "no body is no small one");
}

#[test]
fn a_body_that_policy_cannot_be_shown_is_refused_where_policy_looks_into_it_and_streams_elsewhere() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let post = |path: &str, head: &[&str], body: &str| ask(&bob, &[head, &["--data-binary", body, &at(port, path)]].concat());
    let long = bob.dir.join("long.json");
    fs::write(&long, format!("{{\"amount\":1,\"pad\":\"{}\"}}", "x".repeat(70_000))).unwrap();
    let long = format!("@{}", long.display());
    let chunked: &[&str] = &["-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked"];
    let packed: &[&str] = &["-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip"];
    let latin: &[&str] = &["-H", "Content-Type: application/json; charset=iso-8859-1"];
    for (head, body, status) in [
        (&JSON[..], long.as_str(), "413"),
        (chunked, long.as_str(), "413"),
        (&["-H", "Content-Type: text/plain"][..], r#"{"amount":1}"#, "415"),
        (&["-H", "Content-Type:"][..], r#"{"amount":1}"#, "415"),
        (packed, r#"{"amount":1}"#, "415"),
        (latin, r#"{"amount":1}"#, "415"),
        (&JSON[..], r#"{"amount":1,"amount":900}"#, "400"),
        (&JSON[..], r#"{"amount":1,"AMOUNT":900}"#, "400"),
        (&JSON[..], r#"{"amount":1}{"amount":900}"#, "400"),
        (&JSON[..], r#"{"amount":1"#, "400"),
        (&JSON[..], "\u{feff}{\"amount\":1}", "400"),
        (&JSON[..], "not json", "400"),
    ] {
        let (code, problem) = post("/refunds", head, body);
        assert!(
            code == status && problem["detail"].as_str().unwrap().contains("Policy asks for the body"),
            "{head:?} {body}: {code} {problem}"
        );
        assert_eq!(post("/echo", head, body).0, "200", "{head:?}: no policy asks for this one");
    }
    let deep = format!("{{\"amount\":1,\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(post("/refunds", &JSON, &deep).0, "400");
    // A body that breaks off is none.
    let said =
        raw(&bob, port, b"POST /refunds HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"amount\":1}");
    assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(site.asked().iter().all(|seen| seen["url"] == "/api/echo"), "nothing of that reaches the server");
    assert!(site.audited().contains("Policy asks for the body"), "it is in the audit log");
    assert!(site.recorded().contains("< 413"), "and in the recording");
}

#[test]
fn whoever_is_asked_to_approve_a_request_sees_its_body() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (port, _tunnel) = site.tunnel(&bob);
    let transfer = |body: &str| {
        let mut command = bob.command("curl", ["--silent", "--show-error", "--max-time", "100", "--write-out", "\\n%{http_code}"]);
        command.args(JSON).args(["-d", body]).arg(at(port, "/transfers")).env("NO_PROXY", "*");
        std::thread::spawn(move || Run::new(command).within(120).finish())
    };
    assert_eq!(super::status(&transfer(r#"{"to":"DE02","dry_run":true}"#).join().unwrap().ok()).0, "200", "this one waits for nobody");
    let held = transfer(r#"{"to":"DE02 \u001b[2J","amount":70000}"#);
    let mut waiting = String::new();
    crate::harness::wait_until("it is held", || {
        waiting = site.world.bastion.run(["approvals", "list", "--json"]).ok().text();
        waiting.contains("POST /transfers")
    });
    let listed: serde_json::Value = serde_json::from_str(&waiting).unwrap();
    let operation = listed[0]["operation"].as_str().unwrap();
    assert!(operation.contains("70000") && operation.contains("DE02") && !operation.contains('\u{1b}'), "{operation}");
    alice.ssh(["bastion", "approve", listed[0]["id"].as_str().unwrap()]).ok();
    let (code, answer) = super::status(&held.join().unwrap().ok());
    assert_eq!((code.as_str(), answer["size"].as_u64()), ("200", Some(38)), "{answer}");
    assert!(site.world.bastion.log().contains("an HTTP request waits for people"), "the log says so at once");
    let list = site.world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let exported = site.world.bastion.run(["recordings", "export", list[0]["id"].as_str().unwrap()]).finish().text();
    assert!(exported.contains("it lapses in"), "and the recording: {exported}");
}

#[test]
fn what_would_be_decided_of_a_body_is_explained() {
    let site = Site::with(POLICIES);
    let explain = |body: &str| {
        let file = site.world.dir().join("body.json");
        fs::write(&file, body).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let who = ["policy", "explain", "--principal", "corp/bob@example.test", "--group", "corp/developers", "--target", "billing"];
        let what = ["--http", "POST /refunds", "--json", "--body", &file];
        site.world.bastion.run(who.into_iter().chain(what)).finish()
    };
    let (yes, no, bad) = (explain(r#"{"amount":5}"#), explain(r#"{"amount":5000}"#), explain(r#"{"amount":5,"amount":6}"#));
    assert_eq!((yes.code(), no.code(), bad.code()), (0, 1, 2), "{yes}\n{no}\n{bad}");
    assert!(no.text().contains("refunds-are-small") && bad.err.contains("field twice"), "{no}\n{bad}");
}

#[test]
fn a_request_that_nobody_answers_in_time_may_come_again_later() {
    let site = Site::set_up(POLICIES, "\n[approvals]\nwait = \"3s\"\n", "http1");
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let got = super::curl(&bob, &["--include", "-d", "{}", JSON[0], JSON[1], &at(port, "/transfers")]).ok().text().to_lowercase();
    assert!(got.starts_with("http/1.1 403") && got.contains("retry-after: 60") && got.contains("problem+json"), "{got}");
    assert!(site.asked().is_empty() && site.recorded().contains("< 403"));
    let log = site.world.bastion.log();
    let hint = log.find("an HTTP request waits for people").expect("the log says at once that it waits");
    assert!(log[hint..].contains("bartizan: approval") || log[..hint].contains("approval"), "and for whom");
}
