//! Every way to a database by its target's name, and none to anything else.

use crate::harness::{Guarded, Run, wait_for_listener, wait_until};

use super::Site;
use super::site::{POLICIES, TABLES};

const STATEMENT: &str = "SELECT customer FROM orders WHERE id = 7;";

#[test]
fn psql_reaches_a_database_by_every_kind_of_forward() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let answer = |what: &str, tunnel: &super::site::Tunnel| {
        let done = tunnel.ask(&bob, STATEMENT).ok();
        assert_eq!(done.text(), "customer 7\n", "{what}: {done}");
    };
    answer("-L", &site.tunnel(&bob));
    answer("-W", &site.pipe(&bob, &bob.openssh("ssh", ["-W", "orders:5432", "bastion"]), None));
    answer("-s", &site.pipe(&bob, &bob.openssh("ssh", ["-s", "bastion", "postgres:orders"]), None));

    let socks = crate::harness::free_port();
    let dynamic = Guarded::logged(bob.openssh("ssh", ["-N", "-D", &socks.to_string(), "bastion"]), &bob.dir.join("dynamic.log"));
    wait_until("the proxy is open", || std::net::TcpStream::connect(("127.0.0.1", socks)).is_ok());
    let mut proxied = std::process::Command::new("--socks");
    proxied.arg(socks.to_string()).arg("orders");
    answer("-D", &site.pipe(&bob, &proxied, Some(dynamic)));

    let socket = format!("{}/.s.PGSQL.5432:/postgres/orders", bob.dir.display());
    let _streamlocal = Guarded::logged(bob.openssh("ssh", ["-N", "-L", &socket, "bastion"]), &bob.dir.join("socket.log"));
    wait_for_listener(&bob.dir.join(".s.PGSQL.5432"));
    let mut psql = bob.command("psql", ["-X", "-At", "-U", "app", "-d", "orders", "-c", STATEMENT, "-h"]);
    psql.arg(&bob.dir);
    assert_eq!(Run::new(psql).ok().text(), "customer 7\n");
    assert!(site.recorded().contains("SELECT customer FROM orders WHERE id = 7"));
}

#[test]
fn a_forward_leads_to_names_of_targets_and_to_nothing_else() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let port = site.server.port.to_string();
    for to in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "169.254.169.254:80".to_owned(), "[::1]:5432".to_owned()] {
        let done = bob.ssh(["-W", &to, "bastion"]).finish().refused();
        assert!(done.err.contains("is not a target"), "{to}: {done}");
    }
    for path in ["/var/run/postgresql/.s.PGSQL.5432", "/postgres/nothing", "/http/orders", "postgres/orders", "/postgres/../orders"] {
        let forward = format!("{}/x.sock:{path}", bob.dir.display());
        let log = bob.dir.join("x.log");
        let _forward = Guarded::logged(bob.openssh("ssh", ["-N", "-L", &forward, "bastion"]), &log);
        wait_for_listener(&bob.dir.join("x.sock"));
        let mut nc =
            bob.command("python3", ["-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(1))"]);
        nc.arg(bob.dir.join("x.sock"));
        assert_eq!(Run::new(nc).ok().text(), "b''\n", "{path}");
        std::fs::remove_file(bob.dir.join("x.sock")).unwrap();
    }
    let done = bob.ssh(["-s", "bastion", "postgres:nothing"]).finish().refused();
    assert!(!done.err.is_empty(), "{done}");
    assert!(site.audited().contains("direct-tcpip") && site.audited().contains("direct-streamlocal"));
}

#[test]
fn who_may_not_connect_is_told_by_the_protocol() {
    let elsewhere = POLICIES.replace("resource == Target::\"orders\");", "resource == Target::\"web-1\");");
    let site = Site::with(Box::leak(elsewhere.into_boxed_str()), "", super::site::TABLES);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(&bob, "SELECT 1;").refused();
    assert!(done.err.contains("bartizan:") && done.err.contains("orders"), "{done}");
    assert!(site.audited().contains("\"deny\""));
}

#[test]
fn a_database_or_role_that_is_not_offered_is_refused_by_name() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let named = |user: &str, database: &str| {
        let mut command = bob.command("psql", ["-X", "-At", "-h", "127.0.0.1", "-c", "SELECT current_user, current_database()", "-p"]);
        command.arg(tunnel.port.to_string()).args(["-U", user, "-d", database]);
        Run::new(command).finish()
    };
    assert_eq!(named("app", "orders").ok().text(), "app|orders\n");
    // Nobody told psql a role or a database: both are the account's name.
    assert_eq!(named("bob", "bob").ok().text(), "app|orders\n");
    let done = named("app", "postgres").refused();
    assert!(done.err.contains("no database postgres") && done.err.contains("orders"), "{done}");
}

#[test]
fn many_connections_share_one_ssh_connection_up_to_the_limit() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let all: Vec<_> = (0..12)
        .map(|n| {
            let command = tunnel.psql_command(&bob, &["-At", "-c", &format!("SELECT id, pg_sleep(0.2) FROM orders WHERE id = {}", n + 1)]);
            std::thread::spawn(move || Run::new(command).ok().text())
        })
        .collect();
    for (n, one) in all.into_iter().enumerate() {
        assert_eq!(one.join().unwrap(), format!("{}|\n", n + 1));
    }
}

#[test]
fn connections_that_are_over_do_not_count_whoever_ended_them() {
    let site = Site::of("orders", POLICIES, "", super::site::TABLES, "forwards = 5\nchannels = 5");
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    for n in 1..=20 {
        assert_eq!(tunnel.ask(&bob, &format!("SELECT {n};")).ok().text(), format!("{n}\n"));
    }
    // Five at once, and no sixth.
    let sleepers: Vec<_> = (0..5)
        .map(|n| Guarded::logged(tunnel.psql_command(&bob, &["-c", "SELECT pg_sleep(60)"]), &bob.dir.join(format!("sleeper-{n}"))))
        .collect();
    wait_until("five run", || {
        site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND usename = 'app'") == "5"
    });
    tunnel.ask(&bob, "SELECT 1;").refused();
    drop(sleepers);
    wait_until("there is room again", || tunnel.ask(&bob, "SELECT 1;").status.success());
}

#[test]
fn the_bastion_logs_in_by_scram_bound_to_the_tls_connection_on_an_older_and_a_newer_server() {
    for site in [Site::start(), Site::of_another_major("orders", POLICIES, TABLES)] {
        let bob = site.world.visitor("bob");
        let tunnel = site.tunnel(&bob);
        assert_eq!(tunnel.ask(&bob, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();\n").text(), "t\n");
        let log = site.world.bastion.log();
        let logins: Vec<&str> = log.lines().filter(|line| line.contains("logged in at a database server")).collect();
        assert!(!logins.is_empty() && logins.iter().all(|line| line.contains("SCRAM-SHA-256-PLUS")), "{logins:?}");
    }
}
