//! Programs that people use: a browser through `-D`, and a WebSocket client.

use std::process::Command;

use serde_json::json;

use crate::harness::{Guarded, Run, fixture, free_port, wait_until};

use super::{POLICIES, Site, unmasked};

#[test]
fn a_browser_uses_a_server_through_a_dynamic_forward() {
    // Answers of which fields may be hidden are not turned into another protocol's, so that only the list's are.
    let policies = POLICIES.replace(
        "action == Action::\"http.read_field\", resource)",
        "action == Action::\"http.read_field\", resource == Route::\"billing/GET /customers\")",
    );
    let site = Site::with(Box::leak(policies.into_boxed_str()));
    let bob = site.world.visitor("bob");
    let socks = free_port();
    let tunnel = Guarded::logged(bob.openssh("ssh", ["-N", "-D", &socks.to_string(), "bastion"]), &bob.dir.join("dynamic.log"));
    wait_until("the proxy is open", || std::net::TcpStream::connect(("127.0.0.1", socks)).is_ok());
    let mut node = bob.command("node", [fixture("http/browse.mjs")]);
    node.args([&socks.to_string(), "http://billing/page"]);
    let seen = Run::new(node).within(180).ok().json();
    assert_eq!(seen, json!({ "card": "****1000", "admin": 403, "event": "first", "socket": "hello" }));
    drop(tunnel);
    wait_until("it is recorded", || site.recorded().contains("end of websocket: 1 messages"));
    let recorded = site.recorded();
    for line in ["> GET /page", "> GET /customers", "> GET /admin", "< 403", "> GET /events", "masked: /customers/*/card"] {
        assert!(recorded.contains(line), "{line}: {recorded}");
    }
}

#[test]
fn a_websocket_client_is_let_in_where_policy_says_so_and_its_messages_are_counted() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, tunnel) = site.tunnel(&bob);
    let socket = |path: &str, count: &str| {
        let mut node = Command::new("node");
        node.arg(fixture("http/socket.mjs")).args([&format!("ws://127.0.0.1:{port}{path}"), count]);
        Run::new(node).ok().text().trim().to_owned()
    };
    assert_eq!(socket("/other", "1"), "refused 403");
    assert_eq!(socket("/chat", "25"), "echoed 25");
    drop(tunnel);
    wait_until("it is recorded", || site.recorded().contains("end of websocket: 25 messages"));
    assert!(site.recorded().contains("25 messages and"), "both ways are counted");
    assert!(site.audited().contains("http.upgrade"));
    assert_eq!(site.asked().iter().filter(|seen| seen["method"] == "UPGRADE").count(), 1);
}
