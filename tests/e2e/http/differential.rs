//! What policy decided is what the server saw, never another request: odd paths and malformed requests through nginx and Node.

use std::fs;
use std::process::Command;

use bartizan_policies::http::read;
use serde_json::Value;

use crate::harness::{Guarded, Run, Setup, Visitor, World, fixture, free_port, wait_until};

use super::{POLICIES, Site, unmasked};

/// What the audit log says was allowed to reach the server: method and target.
fn decided(world: &World) -> Vec<(String, String)> {
    let text = world.bastion.run(["audit", "export", "--kind", "decision"]).ok().text();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut allowed: Vec<_> = entries.filter_map(|entry| allowed(find(&entry)?)).collect();
    allowed.sort();
    allowed
}

/// The decision in a line of the export, wherever it stands.
fn find(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(fields) if fields.contains_key("verdict") && fields.contains_key("facts") => Some(value),
        Value::Object(fields) => fields.values().find_map(find),
        _ => None,
    }
}

fn allowed(entry: &Value) -> Option<(String, String)> {
    let is_http = entry["action"].as_str()?.starts_with("http.");
    if !is_http || entry["verdict"] != "allow" {
        return None;
    }
    let (method, target) = entry["operation"].as_str()?.split_once(' ')?;
    Some((method.to_owned(), target.to_owned()))
}

fn send(visitor: &Visitor, what: &str, port: u16) -> Vec<(u64, String, Option<u64>)> {
    let mut python = visitor.command("python3", [fixture("http/odd.py")]);
    python.args([what, &port.to_string()]);
    let said = Run::new(python).within(300).ok().text();
    let one = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value[0].as_u64().unwrap(), value[1].as_str().unwrap().to_owned(), value[2].as_u64())
    };
    said.lines().map(one).collect()
}

fn node_saw(site: &Site) -> Vec<(String, String)> {
    let one = |seen: &Value| {
        let url = seen["url"].as_str().unwrap();
        (seen["method"].as_str().unwrap().to_owned(), url.strip_prefix("/api").unwrap_or(url).to_owned())
    };
    let mut seen: Vec<_> = site.asked().iter().map(one).collect();
    seen.sort();
    seen
}

#[test]
fn the_server_sees_the_path_that_was_decided() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let answered = send(&bob, "paths", port);
    assert!(answered.len() >= 300, "{}", answered.len());
    let (decided, seen) = (decided(&site.world), node_saw(&site));
    assert_eq!(decided, seen, "what was decided (left), what Node saw (right)");
    let served = answered.iter().filter(|(_, _, status)| *status == Some(200)).count();
    assert!(served > 100 && served == seen.len(), "{served} of {}, and {} seen", answered.len(), seen.len());
    for (n, target, status) in &answered {
        assert!(status.is_some_and(|status| [200, 400, 403, 414, 431].contains(&status)) || status.is_none(), "{n} {target}: {status:?}");
    }
    for (_, target) in &seen {
        // Read once more it is the same, and Node's own reader agrees on the path.
        let read = read(target).unwrap_or_else(|odd| panic!("{target}: {odd}"));
        assert_eq!(read.path, target.split('?').next().unwrap(), "{target}");
        assert!(!target.starts_with("/admin"), "{target} is for admins");
    }
}

#[test]
fn nginx_understands_the_path_that_was_decided() {
    let folder = tempfile::Builder::new().prefix("bartizan-nginx-").tempdir().unwrap();
    let port = free_port();
    let text = fs::read_to_string(fixture("http/nginx.conf")).unwrap();
    let text = text.replace("FOLDER", folder.path().to_str().unwrap()).replace("PORT", &port.to_string());
    fs::write(folder.path().join("nginx.conf"), text).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-c").arg(folder.path().join("nginx.conf")).arg("-p").arg(folder.path());
    let path = std::env::var("PATH").unwrap_or_default();
    nginx.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let _nginx = Guarded::logged(nginx, &folder.path().join("nginx.log"));
    wait_until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let more = format!("\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{port}\"\n");
    let world = World::with(Setup { policies: Some(unmasked()), more, ..Setup::default() });
    let bob = world.visitor("bob");
    let here = free_port();
    let forward = format!("{here}:billing:80");
    let _tunnel = Guarded::logged(bob.openssh("ssh", ["-N", "-L", &forward, "bastion"]), &bob.dir.join("nginx.log"));
    wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", here)).is_ok());
    let answered = send(&bob, "paths", here);
    send(&bob, "malformed", here);
    // Bytes that are no text stand in its log as they are.
    let log = String::from_utf8_lossy(&fs::read(folder.path().join("nginx.ndjson")).unwrap()).into_owned();
    let mut seen: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    // A method that nginx does not take, such as `get`, is no request to it: it logs nothing of it.
    seen.retain(|one| one["method"] != "");
    let mut lines: Vec<_> =
        seen.iter().map(|one| (one["method"].as_str().unwrap().to_owned(), one["url"].as_str().unwrap().to_owned())).collect();
    lines.sort();
    let decided = decided(&world);
    let undecided: Vec<_> = lines.iter().filter(|line| !decided.contains(line)).collect();
    assert!(undecided.is_empty(), "nginx saw what was not decided: {undecided:?}");
    assert!(lines.len() > 100 && answered.len() >= 300, "{} of {}", lines.len(), answered.len());
    for one in &seen {
        // nginx reads the path into what it looks for: decoding is all that is left to do.
        let (uri, url) = (one["uri"].as_str().unwrap(), one["url"].as_str().unwrap());
        assert_eq!(uri, decoded(url.split('?').next().unwrap()), "{one}");
        assert!(!uri.starts_with("/admin"), "{one}");
        assert_eq!(one["user"], "corp/bob@example.test");
    }
}

#[test]
fn of_malformed_requests_the_server_sees_what_was_decided_or_nothing() {
    let site = Site::with(Box::leak(POLICIES.split_once("@id(\"sockets-are-for-chat\")").unwrap().0.to_owned().into_boxed_str()));
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let answered = send(&bob, "malformed", port);
    assert!(answered.len() >= 100, "{}", answered.len());
    let (decided, seen) = (decided(&site.world), node_saw(&site));
    let seen: Vec<_> = seen.into_iter().map(|(method, url)| (if method == "UPGRADE" { "GET".to_owned() } else { method }, url)).collect();
    // One that breaks off in its body may be decided and not be seen; never the other way round, and none twice.
    let undecided: Vec<_> = seen.iter().filter(|one| !decided.contains(one)).collect();
    assert!(undecided.is_empty(), "Node saw what was not decided: {undecided:?}");
    let once: std::collections::BTreeSet<_> = seen.iter().collect();
    assert!(once.len() == seen.len() && seen.len() > 20, "each is seen once: {seen:?}");
    assert!(seen.iter().all(|(_, url)| url.starts_with("/m?n=")), "nothing hides behind another: {seen:?}");
    let refused = answered.iter().filter(|(_, _, status)| *status != Some(200)).count();
    assert!(refused > 60, "{refused} of {}", answered.len());
}

/// A path without its percent-encodings, as text.
fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).ok()).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
