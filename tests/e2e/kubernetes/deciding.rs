//! What policy says of requests, and who the API server hears that they come from.

use std::fs;
use std::io::Read;
use std::net::TcpStream;

use serde_json::json;

use crate::evidence::files;
use crate::harness::{Guarded, Run, free_port, wait_for_line, wait_until};
use crate::tui::Screen;

use super::site::{CREDENTIAL, POLICIES, Site, deployment, kubectls};

#[test]
fn what_policy_refuses_reaches_no_server_and_is_told_as_the_server_would() {
    let site = Site::with(POLICIES);
    let bob = site.person("bob");
    for program in kubectls() {
        let done = Run::new(bob.command(&program, &["get", "secrets", "-n", "kube-system"])).within(120).finish();
        assert_eq!(done.code(), 1, "{done}");
        for part in ["Forbidden", "the-system-is-for-admins", "What runs the cluster is not yours."] {
            assert!(done.err.contains(part), "{part}: {done}");
        }
    }
    let system = "/api/v1/namespaces/kube-system/secrets";
    for path in [
        system.to_owned(),
        format!("{system}/x"),
        "/api/v1/namespaces/shop/../kube-system/secrets".to_owned(),
        "/api/v1//namespaces/./kube-system/secrets/".to_owned(),
        "/api/v1/namespaces/%6bube-system/secrets".to_owned(),
        "/api/v1/watch/namespaces/kube-system/secrets".to_owned(),
        format!("{system}?watch=1"),
        "/api/v1/namespaces/kube-system/pods/x/log".to_owned(),
        "/api/v1/namespaces/kube-system/services/x/proxy/a".to_owned(),
        "/metrics".to_owned(),
    ] {
        let (code, status) = bob.ask(&[&bob.at(&path)]);
        assert_eq!((code.as_str(), &status["kind"], &status["reason"]), ("403", &json!("Status"), &json!("Forbidden")), "{path}: {status}");
        assert_eq!((&status["code"], &status["apiVersion"]), (&json!(403), &json!("v1")), "{path}");
    }
    for path in [
        "/api/v1/watch",
        "/api/v1/namespaces/shop%2f..%2fkube-system/secrets",
        "/api/v1/pods?watch=0&watch=1",
        "/api/v1/pods?fieldSelector=metadata.name",
        "/api/v1/pods?a;b",
        "/api/v1/pods/%25",
    ] {
        let (code, status) = bob.ask(&[&bob.at(path)]);
        assert_eq!((code.as_str(), &status["reason"]), ("400", &json!("BadRequest")), "{path}: {status}");
    }
    assert_eq!(bob.ask(&["-X", "OPTIONS", &bob.at("/api/v1/pods")]).0, "405");
    for (method, path) in [("DELETE", "/api/v1/namespaces/kube-system/pods"), ("POST", system)] {
        assert_eq!(bob.ask(&["-X", method, "-d", "{}", &bob.at(path)]).0, "403", "{method} {path}");
    }
    let asked = site.server.asked();
    for seen in &asked {
        let url = seen["url"].as_str().unwrap();
        assert!(!url.contains("kube-system") && !url.contains("metrics") && !url.contains("%25"), "{seen}");
    }
    let (recorded, audited) = (site.recorded(), site.audited());
    assert!(recorded.contains("> GET /api/v1/namespaces/kube-system/secrets") && recorded.contains("< 403"), "{recorded}");
    assert!(audited.contains("\"k8s.list\"") && audited.contains("the-system-is-for-admins"), "{audited}");
    for text in [recorded, audited, site.world.bastion.log()] {
        assert!(!text.contains(CREDENTIAL));
    }
    for file in files(&site.world.dir().join("state/recordings"), "c0.brec") {
        assert!(!String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains(CREDENTIAL));
    }
}

#[test]
fn the_server_hears_who_the_caller_is_and_nobody_says_otherwise() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    for (person, name, group) in [(&alice, "corp/alice@example.test", "corp/admins"), (&bob, "corp/bob@example.test", "corp/developers")] {
        let told = person.kubectl(&["auth", "whoami", "-o", "json"]).ok().json();
        assert_eq!(told["status"]["userInfo"]["username"], name);
        assert_eq!(told["status"]["userInfo"]["groups"], json!([group, "system:authenticated"]));
    }
    let forged = [
        "Authorization: Bearer mine",
        "Impersonate-User: system:admin",
        "Impersonate-Group: system:masters",
        "impersonate_group: system:masters",
        "Impersonate-Uid: 0",
        "Impersonate-Extra-Scopes: all",
        "X-Remote-User: root",
        "X-Remote-Group: system:masters",
        "X-Forwarded-For: 10.0.0.1",
    ];
    let headers: Vec<&str> = forged.iter().flat_map(|header| ["-H", header]).collect();
    let path = bob.at("/api/v1/namespaces/shop/pods?forged");
    assert_eq!(bob.ask(&[&headers[..], &[&path]].concat()).0, "200");
    assert_eq!(bob.kubectl(&["get", "pods", "-n", "shop", "--as=system:admin", "--as-group=system:masters"]).code(), 0);
    let asked = site.server.asked();
    assert!(asked.iter().any(|seen| seen["url"].as_str().unwrap().contains("forged")));
    for seen in &asked {
        let text = seen.to_string();
        for word in
            ["system:masters", "system:admin", "root", "\"mine\"", "Bearer mine", "10.0.0.1", "impersonate-uid", "impersonate-extra"]
        {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert_eq!(seen["headers"]["authorization"], format!("Bearer {CREDENTIAL}"));
    }
    assert!(!alice.kubectl(&["get", "pods", "-v=9"]).err.contains(CREDENTIAL));
}

#[test]
fn a_request_waits_until_somebody_answers() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.person("alice"), site.person("bob"));
    let [new, _] = kubectls();
    alice.kubectl(&["apply", "-f", &deployment(&alice.visitor.dir, "nginx:1")]).ok();
    let delete = || {
        let command = bob.command(&new, &["delete", "deployment", "web", "-n", "shop"]);
        std::thread::spawn(move || Run::new(command).within(120).finish())
    };
    let waiting = || {
        let mut id = None;
        wait_until("the request is held", || {
            let listed = site.world.bastion.run(["approvals", "list", "--json"]).ok().json();
            let held = listed
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one.to_string().contains("DELETE /apis/apps/v1/namespaces/shop/deployments/web"));
            id = held.and_then(|one| one["id"].as_str().map(str::to_owned));
            id.is_some()
        });
        id.unwrap()
    };
    let no = delete();
    let id = waiting();
    let does = "deletes deployments.apps web in namespace shop";
    let shown = site.world.bastion.run(["approvals", "show", &id, "--json"]).ok().json();
    let outline = &shown["outline"];
    assert_eq!((outline["kind"].as_str(), outline["summary"].as_str()), (Some("kubernetes"), Some(does)), "{shown}");
    let told = ["verb", "group", "resource", "namespace", "name"].map(|name| outline[name].as_str().unwrap_or_default());
    assert_eq!(told, ["delete", "apps", "deployments", "shop", "web"], "{shown}");
    for text in [site.world.bastion.run(["approvals", "show", &id]).ok().text(), alice.visitor.ssh(["bastion", "approvals"]).ok().text()] {
        assert!(text.contains(&format!("does: {does}")), "{text}");
    }
    Screen::tui(&alice.visitor).sees(does);
    alice.visitor.ssh(["bastion", "deny", &id, "not", "now"]).ok();
    let done = no.join().unwrap();
    assert!(done.code() == 1 && done.err.contains("not now"), "{done}");
    assert_eq!(alice.kubectl(&["get", "deployment", "web", "-n", "shop"]).code(), 0, "it is not sent before it is approved");
    let yes = delete();
    alice.visitor.ssh(["bastion", "approve", &waiting()]).ok();
    yes.join().unwrap().ok();
    assert_eq!(alice.kubectl(&["get", "deployment", "web", "-n", "shop"]).code(), 1);
}

#[test]
fn a_connection_is_turned_only_for_what_reaches_into_pods() {
    let site = Site::with(POLICIES);
    let alice = site.person("alice");
    let open = |path: &str| {
        let headers =
            ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
        let headers: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
        alice.ask(&[&headers[..], &["--http1.1", "--max-time", "20", &alice.at(path)]].concat())
    };
    for path in ["/api/v1/pods?watch=1", "/api/v1/namespaces/shop/pods/x/log?follow=1", "/version", "/api/v1/namespaces/shop/pods/x"] {
        let (code, status) = open(path);
        assert!(code == "403" && status["message"].as_str().unwrap().contains("another protocol"), "{path}: {code} {status}");
    }
    assert!(site.server.asked().iter().all(|seen| seen["upgrade"].is_null()));
    // What must not begin without an upgrade.
    assert_eq!(alice.ask(&["-X", "POST", &alice.at("/api/v1/namespaces/shop/pods/x/portforward")]).0, "403");
}

#[test]
fn a_port_in_a_pod_is_reached_where_policy_says_so_and_what_passes_is_counted() {
    let ports = "@id(\"no-ports-of-others\") forbid (principal in Group::\"corp/developers\", action == Action::\"k8s.portforward\", resource) \
                 when { context has name && context.name != \"web\" };";
    let site = Site::with(&format!("{POLICIES}{ports}"));
    let bob = site.person("bob");
    for name in ["web", "other"] {
        bob.kubectl(&["run", name, "--image=nginx", "-n", "shop"]).ok();
    }
    for (n, program) in kubectls().iter().enumerate() {
        // What answers in the pod is the sshd of this test.
        let (here, there) = (free_port(), site.world.target.port);
        let forward = |name: &str| {
            let log = bob.visitor.dir.join(format!("forward-{n}-{name}.log"));
            let command = bob.command(
                program,
                &["port-forward", &format!("pod/{name}"), &format!("{here}:{there}"), "-n", "shop", "--address", "127.0.0.1"],
            );
            (Guarded::logged(command, &log), log)
        };
        let (mut open, log) = forward("web");
        wait_for_line(&log, "Forwarding from", &mut open);
        let mut banner = [0; 8];
        TcpStream::connect(("127.0.0.1", here)).unwrap().read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"SSH-2.0-");
        open.kill();
        // kubectl listens before it asks, and says why it was refused when somebody connects, or at once.
        let (_refused, log) = forward("other");
        wait_until("it is refused", || {
            let mut byte = [0];
            let got = TcpStream::connect(("127.0.0.1", here)).and_then(|mut stream| stream.read(&mut byte));
            assert_ne!(got.ok(), Some(1), "something answered");
            fs::read_to_string(&log).unwrap().contains("no-ports-of-others")
        });
    }
    let forwarded: Vec<_> = site.server.asked().into_iter().filter(|seen| !seen["upgrade"].is_null()).collect();
    assert!(!forwarded.is_empty() && forwarded.iter().all(|seen| seen["url"].as_str().unwrap().contains("/pods/web/")), "{forwarded:?}");
    wait_until("what passed is recorded", || site.recorded().contains("bytes from it"));
}

#[test]
fn who_may_not_connect_is_told_so_by_a_status() {
    let elsewhere = POLICIES.replace("resource in Target::\"prod\"", "resource in Target::\"web-1\"");
    let site = Site::with(&elsewhere);
    let bob = site.person("bob");
    let (code, status) = bob.ask(&[&bob.at("/api/v1/pods")]);
    assert!(code == "403" && status["kind"] == "Status" && status["message"].as_str().unwrap().contains("prod"), "{code} {status}");
    let done = bob.kubectl(&["get", "pods"]);
    assert!(done.code() == 1 && done.err.contains("Forbidden"), "{done}");
    assert!(site.server.asked().is_empty());
}
