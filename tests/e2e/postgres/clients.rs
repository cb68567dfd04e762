//! Stock clients of PostgreSQL through the bastion: the same results as directly.

use crate::harness::{Run, Visitor, fixture, full, repository};

use super::Site;
use super::site::{POLICIES, TABLES, Tunnel};

fn python(visitor: &Visitor, tunnel: &Tunnel, script: &str) -> Run {
    let mut command = visitor.command(repository(".deps/venv/bin/python"), [fixture(script)]);
    command.arg(tunnel.port.to_string());
    Run::new(command)
}

#[test]
fn psycopg_works_in_every_mode_it_has() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    assert_eq!(python(&alice, &tunnel, "postgres/clients/psycopg3.py").ok().text(), "all well\n");
}

#[test]
fn asyncpg_works() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    assert_eq!(python(&alice, &tunnel, "postgres/clients/asyncpg_client.py").ok().text(), "all well\n");
}

#[test]
fn node_postgres_works() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut node = alice.command("node", [fixture("postgres/clients/node.cjs")]);
    node.arg(tunnel.port.to_string()).env("NODE_PATH", repository(".deps/node_modules"));
    assert_eq!(Run::new(node).ok().text(), "all well\n");
}

#[test]
fn jdbc_works() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut java = alice.command("java", ["-cp", "/usr/share/java/postgresql.jar"]);
    java.arg(fixture("postgres/clients/Jdbc.java")).arg(tunnel.port.to_string());
    assert_eq!(Run::new(java).within(120).ok().text(), "all well\n");
}

#[test]
fn tokio_postgres_works() {
    if !full() {
        return;
    }
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut build = std::process::Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--target-dir"]).arg(repository(".deps/rust-client"));
    build.arg("--manifest-path").arg(fixture("postgres/clients/rust/Cargo.toml"));
    Run::new(build).within(1_200).ok();
    let program = repository(".deps/rust-client/debug/bartizan-fixture-tokio-postgres");
    assert_eq!(Run::new(alice.command(program, [tunnel.port.to_string()])).within(120).ok().text(), "all well\n");
}

#[test]
fn pgbench_works_in_all_three_modes() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let bench = |arguments: &[&str]| {
        let mut command = alice.command(pg_bin("pgbench"), ["-h", "127.0.0.1", "-U", "app", "-p"]);
        command.arg(tunnel.port.to_string()).args(arguments).arg("orders");
        Run::new(command).within(120)
    };
    bench(&["-i", "-s", "1", "-q"]).ok();
    for mode in ["simple", "extended", "prepared"] {
        let done = bench(&["-n", "-M", mode, "-c", "3", "-j", "2", "-t", "20"]).ok();
        assert!(done.text().contains("number of transactions actually processed: 60/60"), "{done}");
        assert!(done.text().contains("number of failed transactions: 0"), "{done}");
    }
}

#[test]
fn pg_dump_and_pg_restore_bring_everything_over() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let dump = alice.dir.join("orders.dump");
    let port = tunnel.port.to_string();
    let tool = |name: &str, arguments: &[&str]| {
        let mut command = alice.command(pg_bin(name), ["-h", "127.0.0.1", "-U", "app", "-p", &port, "-d", "orders"]);
        command.args(arguments);
        Run::new(command).within(120)
    };
    tool("pg_dump", &["-Fc", "-t", "orders", "-t", "notes", "-f", dump.to_str().unwrap()]).ok();
    site.server.ask("DROP TABLE orders CASCADE");
    tool("pg_restore", &["-t", "orders", dump.to_str().unwrap()]).ok();
    assert_eq!(site.server.ask("SELECT count(*), sum(amount) FROM orders"), "100|7575.00");
}

/// A program of the newest PostgreSQL on this machine.
pub(super) fn pg_bin(name: &str) -> std::path::PathBuf {
    let folder = Run::new(std::process::Command::new(fixture("postgres/bin"))).ok().text();
    std::path::Path::new(folder.trim()).join(name)
}

#[test]
fn the_same_statements_give_the_same_results_as_directly() {
    compare(&Site::start(), 1, 2_000);
}

#[test]
fn and_so_they_do_on_a_server_of_another_major_version() {
    let site = Site::of_another_major("orders", POLICIES, TABLES);
    compare(&site, if full() { 1 } else { 10 }, 200);
}

/// Runs every so many of the statements both ways, of which there have to be as many as `least`.
fn compare(site: &Site, every: u32, least: u32) {
    site.server.psql("postgres", &["-c", "CREATE DATABASE direct TEMPLATE orders OWNER app"]).ok();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut command = alice.command(repository(".deps/venv/bin/python"), [fixture("postgres/differential.py")]);
    command.args([tunnel.port.to_string(), site.server.port.to_string(), fixture("postgres/statements.sql").display().to_string()]);
    command.env("PGPASSWORD", crate::harness::PASSWORD).env("LEAST", least.to_string()).env("EVERY", every.to_string());
    let done = Run::new(command).within(600).ok();
    assert!(done.text().contains("all the same"), "{done}");
}

#[test]
fn psql_describes_copies_and_watches() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    for meta in [
        "\\d",
        "\\d orders",
        "\\dt+",
        "\\df",
        "\\dn",
        "\\du",
        "\\l",
        "\\dv",
        "\\di",
        "\\ds",
        "\\dT",
        "\\dp",
        "\\z orders",
        "\\sv big_orders",
    ] {
        let through = tunnel.psql(&alice, &["-c", meta]).ok().text();
        let directly = site.server.psql("orders", &["-c", meta]).ok().text();
        assert_eq!(through, directly, "{meta}");
    }
    let file = alice.dir.join("notes.txt");
    std::fs::write(&file, "a\nb\nc\n").unwrap();
    let script = format!("\\copy notes (body) FROM '{0}'\n\\copy (SELECT body FROM notes ORDER BY id) TO '{0}.out'\n", file.display());
    tunnel.ask(&alice, &script).ok();
    assert_eq!(std::fs::read_to_string(file.with_extension("txt.out")).unwrap(), "a\nb\nc\n");
}
