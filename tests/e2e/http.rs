//! HTTP targets: a real server behind the bastion, and curl, a proxy's client and bare sockets before it. Each request is decided,
//! recorded and masked; the server never hears what the client may not say.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::evidence::files;
use crate::harness::{Done, Guarded, Run, Setup, Visitor, World, fixture, free_port, full, wait_for_line, wait_for_listener, wait_until};

mod bench;
mod bodies;
mod calls;
mod differential;
mod encrypted;
mod identity;
mod pressure;
mod programs;

const CREDENTIAL: &str = "Bearer planted-http-credential";

const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-use-billing")
permit (principal in Group::"corp/developers", action in [Action::"connect", Action::"http"], resource in Target::"billing");

@id("nobody-deletes")
@reason("Bills are kept for ten years.")
forbid (principal in Group::"corp/developers", action == Action::"http.DELETE", resource);

@id("admin-is-for-admins")
forbid (principal in Group::"corp/developers", action in Action::"http", resource) when { context has path && context.path like "/admin*" };

@id("other-tenants")
forbid (principal in Group::"corp/developers", action in Action::"http", resource)
when { context has headers && context.headers.contains("x-tenant: other") };

@id("refunds-are-approved")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action == Action::"http.POST", resource == Route::"billing/POST /refunds");

@id("sockets-are-for-chat")
forbid (principal in Group::"corp/developers", action == Action::"http.upgrade", resource) unless { context.path == "/chat" };

@id("no-cards")
@mask("last4")
forbid (principal in Group::"corp/developers", action == Action::"http.read_field", resource)
when { ["/customers", "/html", "/malformed"].contains(context.path) && context.field like "*/card" };
"#;

/// The same without anything masked: then no answer has to be read.
fn unmasked() -> &'static str {
    let (before, _) = POLICIES.split_once("@id(\"no-cards\")").unwrap();
    before
}

struct Site {
    world: World,
    server: Option<Guarded>,
    port: u16,
    folder: tempfile::TempDir,
}

impl Site {
    fn with(policies: &'static str) -> Self {
        Self::set_up(policies, "", "http1")
    }

    /// One whose target has further `lines`, and whose server is of another `kind`, without TLS.
    fn set_up(policies: &'static str, lines: &str, kind: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("bartizan-http-").tempdir().unwrap();
        let log = folder.path().join("server.log");
        let mut node = Command::new("node");
        node.arg(fixture("http/server.mjs")).arg(folder.path().join("requests.ndjson")).env("KIND", kind);
        let mut server = Guarded::logged(node, &log);
        let port: u16 = wait_for_line(&log, "READY ", &mut server).parse().unwrap();
        fs::write(folder.path().join("token"), format!("{CREDENTIAL}\n")).unwrap();
        let more = format!(
            "\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{port}/api\"\n\
             headers = {{ Authorization = {{ file = \"{}\" }} }}\npolicy_headers = [\"X-Tenant\"]\n{lines}",
            folder.path().join("token").display()
        );
        let world = World::with(Setup { policies: Some(policies), more, ..Setup::default() });
        Self { world, server: Some(server), port, folder }
    }

    /// Opens `ssh -N -L` to the target.
    fn tunnel(&self, visitor: &Visitor) -> (u16, Guarded) {
        visitor.forward("billing:80")
    }

    /// What the server was asked.
    fn asked(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("requests.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn recorded(&self) -> String {
        let list = self.world.bastion.run(["recordings", "list", "--json"]).ok().json();
        let ids = list.as_array().unwrap().iter().filter_map(|one| one["session"].as_str().or(one["id"].as_str()).map(str::to_owned));
        ids.map(|id| self.world.bastion.run(["recordings", "cat", &id]).finish().text()).collect()
    }

    fn audited(&self) -> String {
        self.world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text()
    }
}

fn curl(visitor: &Visitor, arguments: &[&str]) -> Done {
    let mut command = visitor.command("curl", ["--silent", "--show-error", "--max-time", "60", "--path-as-is"]);
    command.args(arguments).env("NO_PROXY", "*");
    Run::new(command).within(90).finish()
}

fn at(port: u16, path: &str) -> String {
    format!("http://127.0.0.1:{port}{path}")
}

/// The status, and the answer as JSON where it is some.
fn status(done: &Done) -> (String, Value) {
    let text = done.text();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn ask(visitor: &Visitor, arguments: &[&str]) -> (String, Value) {
    status(&curl(visitor, &[&["--write-out", "\\n%{http_code}"], arguments].concat()).ok())
}

fn raw(visitor: &Visitor, port: u16, bytes: &[u8]) -> String {
    let mut python = visitor.command("python3", [fixture("http/raw.py")]);
    python.arg(port.to_string());
    String::from_utf8_lossy(&Run::new(python).input(bytes.to_vec()).within(60).finish().out).into_owned()
}

#[test]
fn curl_reaches_a_server_by_every_kind_of_forward_and_both_versions() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    for version in ["--http1.1", "--http2", "--http2-prior-knowledge"] {
        let (code, answer) = ask(&bob, &[version, "-H", "Authorization: mine", "-H", "X-Forwarded-For: 1.2.3.4", &at(port, "/echo?a=1")]);
        assert_eq!((code.as_str(), answer["url"].as_str()), ("200", Some("/api/echo?a=1")), "{version}: {answer}");
    }
    let socks = free_port();
    let _dynamic = Guarded::logged(bob.openssh("ssh", ["-N", "-D", &socks.to_string(), "bastion"]), &bob.dir.join("dynamic.log"));
    wait_until("the proxy is open", || std::net::TcpStream::connect(("127.0.0.1", socks)).is_ok());
    let mut proxied = bob.command("curl", ["--silent", "--show-error", "--noproxy", "", "--proxy"]);
    proxied.args([format!("socks5h://127.0.0.1:{socks}"), "http://billing/echo".to_owned()]);
    assert_eq!(Run::new(proxied).ok().json()["url"], "/api/echo");
    let socket = bob.dir.join("billing.sock");
    let forward = format!("{}:/http/billing", socket.display());
    let _streamlocal = Guarded::logged(bob.openssh("ssh", ["-N", "-L", &forward, "bastion"]), &bob.dir.join("socket.log"));
    wait_for_listener(&socket);
    assert_eq!(ask(&bob, &["--unix-socket", socket.to_str().unwrap(), "http://billing/echo"]).0, "200");
    for by in [["-W", "billing:80", "bastion"], ["-s", "bastion", "http:billing"]] {
        let ssh = bob.openssh("ssh", by);
        let mut python = bob.command("python3", [fixture("postgres/pipe.py")]);
        python.arg(ssh.get_program()).args(ssh.get_args());
        let log = bob.dir.join(format!("{}.log", by[0]));
        let mut pipe = Guarded::logged(python, &log);
        let port: u16 = wait_for_line(&log, "PORT ", &mut pipe).parse().unwrap();
        assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200", "{by:?}");
    }
    for seen in site.asked() {
        let headers = seen["headers"].to_string().to_lowercase();
        assert!(headers.contains("planted-http-credential") && headers.contains("corp/bob@example.test"), "{headers}");
        assert!(!headers.contains("mine") && !headers.contains("1.2.3.4") && !headers.contains("h2c"), "{headers}");
    }
    assert!(site.recorded().contains("GET /echo?a=1"));
}

#[test]
fn each_request_is_decided_and_what_is_refused_reaches_no_server() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    // One connection: what is refused in between does not end it.
    let kept = curl(
        &bob,
        &[
            "--write-out",
            "%{http_code} %{num_connects}\\n",
            "-o",
            "/dev/null",
            &at(port, "/echo"),
            "-o",
            "/dev/null",
            &at(port, "/admin"),
            "-o",
            "/dev/null",
            &at(port, "/echo"),
        ],
    );
    assert_eq!(kept.ok().text(), "200 1\n403 0\n200 0\n");
    let (code, problem) = ask(&bob, &["-X", "DELETE", &at(port, "/bills/1")]);
    assert_eq!((code.as_str(), problem["status"].as_u64()), ("403", Some(403)), "{problem}");
    assert!(problem["policies"].to_string().contains("nobody-deletes"), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Bills are kept for ten years."), "{problem}");
    for path in ["/admin/users", "/%61dmin/users", "/x/../admin", "//admin", "/x/%2e%2e/admin/", "/./admin?x"] {
        assert_eq!(ask(&bob, &[&at(port, path)]).0, "403", "{path}");
    }
    for path in ["/x/..;/admin", "/x%2fadmin", "/x%5cadmin", "/%00", "/..", "/a%zz"] {
        assert_eq!(ask(&bob, &[&at(port, path)]).0, "400", "{path}");
    }
    assert_eq!(ask(&bob, &["-H", "X-Tenant: other", &at(port, "/echo")]).0, "403");
    assert_eq!(ask(&bob, &["-H", "X-Tenant: shop", &at(port, "/echo")]).0, "200");
    for method in ["TRACE", "CONNECT"] {
        let said = raw(&bob, port, format!("{method} /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(said.starts_with("HTTP/1.1 405") || said.starts_with("HTTP/1.1 400"), "{method}: {said}");
        assert!(!said.contains("planted"), "{said}");
    }
    let hidden = [
        "-H",
        "X-HTTP-Method-Override: DELETE",
        "-H",
        "X_Forwarded_For: 9.9.9.9",
        "-H",
        "Impersonate-User: root",
        "-H",
        "X-Original-URL: /admin",
    ];
    assert_eq!(ask(&bob, &[&hidden[..], &["-X", "POST", "-d", "x", &at(port, "/echo")]].concat()).0, "200");
    let asked = site.asked();
    for seen in &asked {
        let text = seen.to_string().to_lowercase();
        assert!(!["admin", "delete", "9.9.9.9", "root", "tenant: other"].iter().any(|word| text.contains(word)), "{text}");
    }
    let (recorded, audited) = (site.recorded(), site.audited());
    assert!(recorded.contains("> DELETE /bills/1") && recorded.contains("< 403") && recorded.contains("< 200"), "{recorded}");
    assert!(audited.contains("http.DELETE") && audited.contains("nobody-deletes") && audited.contains("/bills/1"), "{audited}");
    for secret in [recorded, audited, site.world.bastion.log()] {
        assert!(!secret.contains("planted-http-credential"));
    }
    for file in files(&site.world.dir().join("state/recordings"), "c0.brec") {
        assert!(!String::from_utf8_lossy(&fs::read(file).unwrap()).contains("planted-http-credential"));
    }
}

#[test]
fn requests_that_two_readers_could_split_differently_are_one_or_none() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let smuggled = "GET /admin/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = smuggled.len();
    for head in [
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;a=\n\r\n\r\n".to_owned(),
        "GET /echo HTTP/1.1\r\nHost: x\r\n Folded: yes\r\n\r\n".to_owned(),
        "GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(),
        "GET /echo HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 3\r\n\r\n".to_owned(),
        "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        "GET /echo\r\n\r\n".to_owned(),
        "GET http://elsewhere/admin HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
    ] {
        raw(&bob, port, format!("{head}{smuggled}").as_bytes());
    }
    for seen in site.asked() {
        assert!(!seen["url"].as_str().unwrap().contains("admin"), "{seen}");
        assert_ne!(seen["method"], "UPGRADE", "{seen}");
    }
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
}

#[test]
fn fields_are_masked_in_every_encoding_and_what_cannot_be_read_is_not_shown() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (port, _tunnel) = site.tunnel(&bob);
    let expected = serde_json::json!({ "id": 2, "name": "customer 2", "card": "****1002", "mail": "ann2@example.test" });
    for pack in ["", "gzip", "deflate", "br", "zstd"] {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let (code, answer) = ask(&bob, &[version, "--compressed", &at(port, &format!("/customers?pack={pack}"))]);
            assert_eq!((code.as_str(), &answer["customers"][2]), ("200", &expected), "{pack} {version}: {answer}");
        }
    }
    let ranged = curl(&bob, &["-H", "Range: bytes=20-60", &at(port, "/customers")]).ok().text();
    assert!(!ranged.contains("41111111"), "{ranged}");
    assert_eq!(ask(&bob, &[&at(port, "/html")]).0, "502");
    let cut = curl(&bob, &[&at(port, "/malformed")]);
    assert!(!cut.text().contains("41111111") && cut.code() != 0, "{cut}");
    // A long list, in little memory.
    let before = site.world.bastion.memory();
    let many = if full() { 200_000 } else { 20_000 };
    let list = ask(&bob, &[&at(port, &format!("/customers?count={many}&pack=gzip"))]).1;
    assert_eq!(list["customers"].as_array().map(Vec::len), Some(many));
    assert!(!list.to_string().contains("41111111"), "a card is shown");
    assert!(site.world.bastion.memory() < before + (48 << 10), "{before}, then {}", site.world.bastion.memory());
    let recorded = site.recorded();
    assert!(recorded.contains("masked: /customers/*/card"), "{recorded}");
    // For whom nothing is masked.
    let (port, _tunnel) = site.tunnel(&alice);
    let (_, answer) = ask(&alice, &["--compressed", &at(port, "/customers?pack=gzip")]);
    assert_eq!(answer["customers"][2]["card"], "4111111111111002");
}

#[test]
fn a_request_waits_until_somebody_answers() {
    let site = Site::with(POLICIES);
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (port, _tunnel) = site.tunnel(&bob);
    let refund = |body: &str| {
        let mut command =
            bob.command("curl", ["--silent", "--show-error", "--max-time", "100", "--write-out", "\\n%{http_code}", "-d", body]);
        command.arg(at(port, "/refunds")).env("NO_PROXY", "*");
        std::thread::spawn(move || Run::new(command).within(120).finish())
    };
    let waiting = || {
        let mut id = None;
        wait_until("the request is held", || {
            let listed = site.world.bastion.run(["approvals", "list", "--json"]).ok().json();
            id = listed
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one.to_string().contains("POST /refunds"))
                .and_then(|one| one["id"].as_str().map(str::to_owned));
            id.is_some()
        });
        id.unwrap()
    };
    let yes = refund("amount=1");
    let id = waiting();
    assert!(site.asked().is_empty(), "it is not sent before it is approved");
    alice.ssh(["bastion", "approve", &id]).ok();
    let (code, answer) = status(&yes.join().unwrap().ok());
    assert_eq!((code.as_str(), answer["size"].as_u64()), ("200", Some(8)), "{answer}");
    let no = refund("amount=2");
    alice.ssh(["bastion", "deny", &waiting(), "not", "now"]).ok();
    let (code, problem) = status(&no.join().unwrap().ok());
    assert!(code == "403" && problem["detail"].as_str().unwrap().contains("not now"), "{code} {problem}");
    // Whoever leaves takes it back.
    let mut left = bob.command("curl", ["--silent", "--max-time", "100", "-d", "amount=3"]);
    left.arg(at(port, "/refunds")).env("NO_PROXY", "*");
    let mut left = Guarded::logged(left, &bob.dir.join("left.log"));
    let id = waiting();
    left.kill();
    wait_until("nothing is held", || {
        let listed = site.world.bastion.run(["approvals", "list", "--json"]).ok().text();
        !listed.contains(&id)
    });
    assert_eq!(site.asked().len(), 1);
}

#[test]
fn a_connection_becomes_another_protocols_where_policy_says_so() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, tunnel) = site.tunnel(&bob);
    let open = |path: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let frame = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
        raw(&bob, port, &[head.as_bytes(), &frame].concat())
    };
    assert!(open("/other").starts_with("HTTP/1.1 403"));
    let said = open("/chat");
    assert!(said.starts_with("HTTP/1.1 101") && said.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") && said.ends_with("\u{2}hi"), "{said:?}");
    drop(tunnel);
    wait_until("it is recorded", || site.recorded().contains("end of websocket: 1 messages"));
    assert_eq!(site.asked().iter().filter(|seen| seen["method"] == "UPGRADE").count(), 1);
}

#[test]
fn bodies_stream_both_ways_in_flat_memory_and_an_answer_that_breaks_off_is_told() {
    let mut site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let mib: u64 = if full() { 1_024 } else { 64 };
    let before = site.world.bastion.memory();
    let got = curl(&bob, &["-o", "/dev/null", "--write-out", "%{size_download}", &at(port, &format!("/stream?mib={mib}"))]).ok();
    assert_eq!(got.text(), (mib << 20).to_string());
    let file = bob.dir.join("upload");
    fs::File::create(&file).unwrap().set_len(mib << 20).unwrap();
    for more in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let (code, answer) = ask(&bob, &[more, &["-T", file.to_str().unwrap(), &at(port, "/echo")]].concat());
        assert_eq!((code.as_str(), answer["size"].as_u64()), ("200", Some(mib << 20)), "{answer}");
    }
    assert!(site.world.bastion.memory() < before + (48 << 10), "{before}, then {}", site.world.bastion.memory());
    // What comes bit by bit is handed on bit by bit.
    let events = bob.dir.join("events");
    let mut command = bob.command("curl", ["--silent", "--no-buffer", "-o"]);
    command.arg(&events).arg(at(port, "/events")).env("NO_PROXY", "*");
    let mut listening = Guarded::logged(command, &bob.dir.join("events.log"));
    wait_until("the first event is there", || fs::read_to_string(&events).is_ok_and(|text| text.contains("first")));
    assert!(listening.runs() && !fs::read_to_string(&events).unwrap().contains("last"));
    let trailers = raw(&bob, port, b"GET /trailers HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n");
    assert!(trailers.contains("body"), "{trailers}");
    let moved = curl(&bob, &["--location", &at(port, "/elsewhere")]).ok().json();
    assert_eq!(moved["url"], "/api/echo?after");
    let kept = curl(&bob, &["--include", &at(port, "/echo")]).ok().text();
    assert!(kept.contains("x-kept") && !kept.contains("x-dropped"), "{kept}");
    assert_ne!(curl(&bob, &[&at(port, "/broken")]).code(), 0);
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200", "the next request has another connection");
    drop(site.server.take());
    wait_until("the server is gone", || std::net::TcpStream::connect(("127.0.0.1", site.port)).is_err());
    let gone = ask(&bob, &[&at(port, "/echo")]).0;
    assert!(["502", "503"].contains(&gone.as_str()), "{gone}");
    assert!(site.recorded().contains("cut short"));
}

#[test]
fn who_may_not_connect_is_told_by_the_protocol_and_a_lock_ends_what_runs() {
    let elsewhere = Site::with(Box::leak(POLICIES.replace("in Target::\"billing\");", "in Target::\"web-1\");").into_boxed_str()));
    let bob = elsewhere.world.visitor("bob");
    let (port, _tunnel) = elsewhere.tunnel(&bob);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (code, problem) = ask(&bob, &[version, &at(port, "/echo")]);
        assert!(code == "403" && problem["detail"].as_str().unwrap().contains("billing"), "{code} {problem}");
    }
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let mut command = bob.command("curl", ["--silent", "--show-error", "--no-buffer", "-o"]);
    command.arg(bob.dir.join("events")).arg(at(port, "/events")).env("NO_PROXY", "*");
    let mut listening = Guarded::logged(command, &bob.dir.join("listening.log"));
    wait_until("it runs", || bob.dir.join("events").exists());
    site.world.bastion.run(["lock", "corp/bob@example.test"]).ok();
    assert!(listening.wait(std::time::Duration::from_secs(20)).is_some_and(|ended| !ended.success()));
    let locked = curl(&bob, &["--write-out", "\\n%{http_code}", &at(port, "/echo")]);
    assert_ne!(status(&locked).0, "200", "{locked}");
}
