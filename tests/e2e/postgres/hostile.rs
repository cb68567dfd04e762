//! Hostile clients and hostile servers.

use std::process::Command;

use crate::harness::{Guarded, Run, Setup, Visitor, World, fixture, wait_for_line};

use super::Site;

/// A raw client's attack from the list in the script, through an open forward.
fn attack(site: &Site, bob: &Visitor, which: &str) -> String {
    let tunnel = site.tunnel(bob);
    let mut command = Command::new("python3");
    command.arg(fixture("postgres/client.py")).arg(tunnel.port.to_string()).arg(which);
    Run::new(command).ok().text()
}

#[test]
fn bytes_behind_a_request_for_encryption_end_the_connection() {
    let site = Site::start();
    assert!(attack(&site, &site.world.visitor("bob"), "early").contains("before it was answered"));
    assert!(!site.recorded().contains("early"), "nothing of it ran");
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    for (which, words) in [
        ("tls", "TLS is not spoken inside the SSH tunnel"),
        ("replication", "replication connections are not served"),
        ("function", "FunctionCall"),
        ("http", "not PostgreSQL's protocol"),
        ("encoding", "client_encoding"),
        ("long", "bytes"),
    ] {
        let said = attack(&site, &bob, which);
        assert!(said.contains(words), "{which}: {said}");
    }
    assert!(site.world.bastion.log().matches("panicked").count() == 0);
}

#[test]
fn an_old_a_new_and_an_unknown_protocol_version_are_negotiated() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    assert!(attack(&site, &bob, "3.0").contains("key 4"));
    assert!(attack(&site, &bob, "3.2").contains("key 32"));
    let said = attack(&site, &bob, "3.9");
    assert!(said.contains("negotiated 3.2") && said.contains("_pq_.other") && said.contains("key 32"), "{said}");
}

/// A bastion whose target is a server from the list in the script.
fn with_server(which: &str) -> (World, Guarded) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.arg(fixture("postgres/server.py")).arg(which);
    let log = folder.path().join("server.log");
    let mut server = Guarded::logged(command, &log);
    let port = wait_for_line(&log, "PORT ", &mut server);
    let tls = if which == "no-tls" { "verify-full" } else { "disable" };
    let more = format!(
        "\n[[target]]\nname = \"orders\"\nkind = \"postgres\"\naddress = \"127.0.0.1:{port}\"\ndatabase = \"orders\"\nuser = \"app\"\n\
         password = {{ env = \"BARTIZAN_TEST_PASSWORD\" }}\ntls = \"{tls}\"\n"
    );
    (World::with(Setup { more, ..Setup::default() }), server)
}

fn visit(world: &World) -> String {
    let alice = world.visitor("alice");
    let port = crate::harness::free_port();
    let forward = format!("{port}:orders:5432");
    let _tunnel = Guarded::logged(alice.openssh("ssh", ["-N", "-L", &forward, "bastion"]), &alice.dir.join("tunnel.log"));
    crate::harness::wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut psql = alice.command("psql", ["-X", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-c", "SELECT 1", "-p"]);
    psql.arg(port.to_string());
    Run::new(psql).finish().refused().err
}

#[test]
fn a_hostile_server_gets_no_credential_and_takes_nothing_down() {
    for (which, words) in [
        ("iterations", "could not agree on a login"),
        ("clear", "could not agree on a login"),
        ("md5", "could not agree on a login"),
        ("no-tls", "could not show that it is orders"),
        ("endless", "ended the connection"),
        ("refuses", "refused the bastion's credential"),
    ] {
        let (world, _server) = with_server(which);
        let said = visit(&world);
        assert!(said.contains(words), "{which}: {said}");
        let log = world.bastion.log();
        assert!(!said.contains("sesame") && !log.contains("sesame") && !log.contains("panicked"), "{which}: {log}");
    }
}

#[test]
fn a_server_that_answers_what_nobody_asked_ends_the_session() {
    let (world, _server) = with_server("unasked");
    let said = visit(&world);
    assert!(said.contains("does not keep to the protocol"), "{said}");
}
