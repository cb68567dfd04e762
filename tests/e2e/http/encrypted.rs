//! Servers that are spoken to through TLS and over HTTP/2: which of them are believed, and that requests come through whole.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Guarded, Run, Setup, World, fixture, free_port, repository, wait_for_line, wait_until};

use super::{Site, ask, at, curl, unmasked};

const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-use-servers")
permit (principal in Group::"corp/developers", action in [Action::"connect", Action::"http"], resource);
"#;

/// A server of its own kind.
struct Server {
    name: &'static str,
    port: u16,
    _process: Guarded,
}

impl Server {
    fn start(folder: &Path, name: &'static str, settings: &[(&str, &str)]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let mut node = Command::new("node");
        node.arg(fixture("http/server.mjs")).arg(folder.join(format!("{name}.ndjson"))).envs(settings.iter().copied());
        let mut process = Guarded::logged(node, &log);
        let port = wait_for_line(&log, "READY ", &mut process).parse().unwrap();
        Self { name, port, _process: process }
    }

    fn section(&self, scheme: &str, more: &str) -> String {
        let Self { name, port, .. } = self;
        format!("\n[[target]]\nname = \"{name}\"\nkind = \"http\"\nupstream = \"{scheme}://127.0.0.1:{port}/api\"\n{more}\n")
    }
}

fn asked(folder: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn only_the_server_that_is_meant_is_believed_and_http2_is_spoken_where_it_can_be() {
    let folder = tempfile::Builder::new().prefix("bartizan-tls-").tempdir().unwrap();
    let here = folder.path();
    let mut python = Command::new(repository(".deps/venv/bin/python"));
    python.arg(fixture("http/certificates.py")).arg(here);
    Run::new(python).ok();
    let file = |name: &str| here.join(name).to_str().unwrap().to_owned();
    let of = |kind: &'static str, name: &str, more: &[(&'static str, String)]| {
        let mut all = vec![("KIND", kind.to_owned()), ("CERTIFICATE", file(&format!("{name}.crt"))), ("KEY", file(&format!("{name}.key")))];
        all.extend(more.iter().cloned());
        all
    };
    let start = |name, settings: Vec<(&str, String)>| {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Server::start(here, name, &settings)
    };
    let version = |name: &str| vec![("TLS", name.to_owned())];
    let ca = format!("ca = {{ file = \"{}\" }}", file("ca.crt"));
    let client = |name: &str| {
        format!("{ca}\ncertificate = {{ file = \"{}\", key = \"{}\" }}", file(&format!("{name}.crt")), file(&format!("{name}.key")))
    };
    let wants = vec![("CLIENT_CA", file("ca.crt"))];
    let servers = [
        (start("h2", of("h2", "right", &[])), "https", ca.clone()),
        (start("h1", of("tls", "right", &[])), "https", ca.clone()),
        (start("tls12", of("h2", "right", &version("TLSv1.2"))), "https", ca.clone()),
        (start("tls13", of("tls", "right", &version("TLSv1.3"))), "https", ca.clone()),
        (start("never", of("h2", "right", &[])), "https", format!("{ca}\nhttp2 = \"never\"")),
        (start("known", vec![("KIND", "h2c".to_owned())]), "http", "http2 = \"always\"".to_owned()),
        (start("shown", of("h2", "right", &wants)), "https", client("client")),
        (start("not-shown", of("tls", "right", &wants)), "https", ca.clone()),
        (start("badly-shown", of("tls", "right", &wants)), "https", client("client-foreign")),
        (start("elsewhere", of("h2", "elsewhere", &[])), "https", ca.clone()),
        (start("old", of("h2", "old", &[])), "https", ca.clone()),
        (start("young", of("h2", "young", &[])), "https", ca.clone()),
        (start("foreign", of("h2", "foreign", &[])), "https", ca.clone()),
        (start("unnamed", of("h2", "right", &[])), "https", String::new()),
        (start("no-h2", of("tls", "right", &[])), "https", format!("{ca}\nhttp2 = \"always\"")),
        (start("plain", vec![]), "https", ca.clone()),
    ];
    let more: String = servers.iter().map(|(server, scheme, more)| server.section(scheme, more)).collect();
    let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
    let bob = world.visitor("bob");
    let ports: Vec<(&str, u16)> = servers.iter().map(|(server, ..)| (server.name, free_port())).collect();
    let mut ssh = bob.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes"]);
    for (name, port) in &ports {
        ssh.args(["-L", &format!("{port}:{name}:443")]);
    }
    ssh.arg("bastion");
    let _tunnel = Guarded::logged(ssh, &bob.dir.join("tls.log"));
    for (_, port) in &ports {
        wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok());
    }
    for (name, port) in &ports {
        let got = ask(&bob, &["-d", "amount=1", &at(*port, "/echo?x=1")]);
        let seen = asked(here, name);
        let expected = match *name {
            "h2" | "shown" => Some(("2.0", "TLSv1.3")),
            "h1" | "tls13" | "never" => Some(("1.1", "TLSv1.3")),
            "tls12" => Some(("2.0", "TLSv1.2")),
            "known" => Some(("2.0", "")),
            _ => None,
        };
        let Some((http, tls)) = expected else {
            assert!(["502", "503"].contains(&got.0.as_str()) && seen.is_empty(), "{name}: {got:?} {seen:?}");
            continue;
        };
        assert_eq!((got.0.as_str(), got.1["size"].as_u64()), ("200", Some(8)), "{name}: {got:?}");
        assert_eq!((seen[0]["version"].as_str(), seen[0]["tls"].as_str().unwrap_or_default()), (Some(http), tls), "{name}: {seen:?}");
        assert_eq!((seen[0]["url"].as_str(), seen[0]["method"].as_str()), (Some("/api/echo?x=1"), Some("POST")), "{name}");
        let told = seen[0]["headers"].to_string();
        assert!(told.contains("corp/bob@example.test"), "{name}: {told}");
        if *name == "shown" {
            assert_eq!(seen[0]["client"], "client");
        }
    }
    // WebSocket goes over HTTP/1.1 although the server speaks HTTP/2 else.
    let port = |wanted: &str| ports.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let mut node = Command::new("node");
    node.arg(fixture("http/socket.mjs")).args([format!("ws://127.0.0.1:{}/chat", port("h2")), "3".to_owned()]);
    assert_eq!(Run::new(node).ok().text().trim(), "echoed 3");
    let mut node = Command::new("node");
    node.arg(fixture("http/socket.mjs")).args([format!("ws://127.0.0.1:{}/chat", port("known")), "3".to_owned()]);
    assert_eq!(Run::new(node).ok().text().trim(), "refused 502");
}

#[test]
fn a_server_is_spoken_to_over_http2_as_well_as_over_http1() {
    let site = Site::set_up(unmasked(), "http2 = \"always\"\n", "h2c");
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let before = site.world.bastion.memory();
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (code, answer) = ask(&bob, &[version, "-d", "x=1", "-X", "PUT", &at(port, "/echo?a=1")]);
        assert_eq!((code.as_str(), answer["url"].as_str(), answer["size"].as_u64()), ("200", Some("/api/echo?a=1"), Some(3)), "{answer}");
        let got = curl(&bob, &[version, "-o", "/dev/null", "--write-out", "%{size_download}", &at(port, "/stream?mib=32")]).ok();
        assert_eq!(got.text(), (32 << 20).to_string());
        let file = bob.dir.join("upload");
        fs::File::create(&file).unwrap().set_len(32 << 20).unwrap();
        let (code, answer) = ask(&bob, &[version, "-T", file.to_str().unwrap(), &at(port, "/echo")]);
        assert_eq!((code.as_str(), answer["size"].as_u64()), ("200", Some(32 << 20)), "{answer}");
        let (_, list) = ask(&bob, &[version, "--compressed", &at(port, "/customers?pack=gzip")]);
        assert_eq!(list["customers"][2]["id"], 2, "{list}");
        // The server dies in the middle of an answer, and the next request has another connection.
        assert_ne!(curl(&bob, &[version, &at(port, "/broken")]).code(), 0);
        assert_eq!(ask(&bob, &[version, &at(port, "/echo")]).0, "200");
    }
    assert!(site.world.bastion.memory() < before + (48 << 10), "{before}, then {}", site.world.bastion.memory());
    for seen in site.asked() {
        let headers = seen["headers"].to_string().to_lowercase();
        assert_eq!(seen["version"], "2.0");
        assert!(headers.contains("planted-http-credential") && !headers.contains("\"connection\""), "{headers}");
    }
    assert!(site.recorded().contains("cut short"), "the recording says so");
    assert_eq!(super::status(&curl(&bob, &["--write-out", "\\n%{http_code}", "-o", "/dev/null", &at(port, "/echo")])).0, "200");
}
