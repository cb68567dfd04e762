//! Sessions while they run: cancelling, locks, changed policies, servers and clients that die.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{
    Guarded, Island, Postgres, Run, Setup, Strait, Visitor, World, fixture, full, passable_folder, wait_until, wait_until_within,
};

use super::Site;
use super::site::{POLICIES, TABLES};

#[test]
fn ctrl_c_in_psql_cancels_the_query_in_the_server() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "SELECT pg_sleep(120)"]), &log);
    let sleeping = || {
        site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%' AND state = 'active' AND usename = 'app'")
    };
    wait_until("the query runs", || sleeping() == "1");
    psql.signal(Signal::INT);
    let status = psql.wait(Duration::from_secs(30)).expect("psql ends");
    assert!(!status.success());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("canceling statement due to user request"), "{said}");
    assert_eq!(sleeping(), "0");
}

#[test]
fn a_bastion_that_is_killed_leaves_no_query_running_and_no_transaction_open() {
    let mut site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let begun = &["-c", "BEGIN", "-c", "INSERT INTO notes (body) VALUES ('in vain')", "-c", "SELECT pg_sleep(300)"];
    let _psql = Guarded::logged(tunnel.psql_command(&bob, begun), &log);
    let there = || site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%pg_sleep(300)%'");
    wait_until("the query runs", || there() == "1");
    site.world.bastion.kill();
    wait_until("the query is ended", || there() == "0");
    assert_eq!(site.server.ask("SELECT count(*) FROM notes"), "0", "the transaction is undone");
}

#[test]
fn a_client_that_is_cut_off_in_mid_transaction_is_given_up_and_its_transaction_is_undone() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let island = Island::open(&site.world.dir(), site.world.bastion.port);
    let there = Visitor { dir: bob.dir.clone(), port: island.port };
    there.point_to(island.port);
    let forward = there.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes", "-L", "7432:orders:5432", "bastion"]);
    let _tunnel = Guarded::logged(island.inside(&forward), &bob.dir.join("tunnel.log"));
    let mut psql = bob.command("psql", ["-X", "-q", "-h", "127.0.0.1", "-p", "7432", "-U", "app", "-d", "orders", "-f", "-"]);
    psql.env("PGCONNECT_TIMEOUT", "10");
    let log = bob.dir.join("psql.log");
    // Over and over until the forward is there; then it stays in its transaction.
    let statements = "BEGIN;\nINSERT INTO notes (body) VALUES ('in vain');\nSELECT 'inserted';\n";
    let mut open = None;
    wait_until("the transaction is open", || {
        let (mut process, mut input) = Guarded::fed(island.inside(&psql), &log);
        std::io::Write::write_all(&mut input, statements.as_bytes()).unwrap();
        std::io::Write::flush(&mut input).unwrap();
        for _ in 0..100 {
            if std::fs::read_to_string(&log).unwrap().contains("inserted") {
                open = Some((process, input));
                return true;
            }
            if !process.runs() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    });
    let idle = || site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction'");
    assert_eq!(idle(), "1");
    island.cut();
    wait_until_within(180, "the transaction is undone", || idle() == "0");
    assert_eq!(site.server.ask("SELECT count(*) FROM notes"), "0");
    wait_until("the audit log says how it ended", || {
        let audited = site.audited();
        audited.lines().any(|line| line.contains("session.closed") && line.contains("the client left"))
    });
    let recorded = site.recorded();
    assert!(recorded.contains("INSERT INTO notes"), "{recorded}");
}

#[test]
fn ctrl_c_takes_a_held_statement_back() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-v", "VERBOSITY=verbose", "-c", "DELETE FROM orders"]), &log);
    wait_until("it waits", || std::fs::read_to_string(&log).unwrap().contains("needs approval"));
    psql.signal(Signal::INT);
    psql.wait(Duration::from_secs(30)).expect("psql ends");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("57014") && said.contains("taken back"), "{said}");
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "100");
    wait_until("it is withdrawn", || alice.ssh(["bastion", "approvals", "--json"]).ok().json().as_array().unwrap().is_empty());
}

#[test]
fn somebody_who_leaves_takes_what_is_held_along() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "DELETE FROM orders"]), &log);
    wait_until("it waits", || std::fs::read_to_string(&log).unwrap().contains("needs approval"));
    psql.kill();
    wait_until("it is withdrawn", || alice.ssh(["bastion", "approvals", "--json"]).ok().json().as_array().unwrap().is_empty());
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "100");
}

#[test]
fn a_lock_and_a_changed_policy_end_live_database_sessions() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let begin = |log: &std::path::Path| {
        let tunnel = site.tunnel(&bob);
        let psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "SELECT 'begun'", "-c", "SELECT pg_sleep(120)"]), log);
        wait_until("it runs", || std::fs::read_to_string(log).unwrap().contains("begun"));
        (tunnel, psql)
    };
    let log = bob.dir.join("one.log");
    let (_tunnel, mut psql) = begin(&log);
    site.world.write_policies(&POLICIES.replace("corp/developers", "corp/nobody"));
    site.world.bastion.reload();
    assert!(psql.wait(Duration::from_secs(20)).is_some(), "policy changed, and the session goes on");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("policy changed"), "{said}");
    site.world.write_policies(POLICIES);
    site.world.bastion.reload();
    let log = bob.dir.join("two.log");
    let mut two = None;
    wait_until("the old policies are back", || {
        let (tunnel, psql) = (site.tunnel(&bob), ());
        let done = tunnel.ask(&bob, "SELECT 1;");
        two = Some(psql);
        done.status.success()
    });
    let (_tunnel, mut psql) = begin(&log);
    site.world.bastion.run(["lock", "--user", "corp/bob@example.test", "--reason", "lost laptop"]).ok();
    assert!(psql.wait(Duration::from_secs(20)).is_some(), "a lock came, and the session goes on");
}

#[test]
fn a_server_that_dies_in_the_middle_is_told_and_the_recording_is_sealed() {
    let mut site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "BEGIN", "-c", "SELECT 'begun'", "-c", "SELECT pg_sleep(120)"]), &log);
    wait_until("it runs", || std::fs::read_to_string(&log).unwrap().contains("begun"));
    site.server.die();
    assert!(!psql.wait(Duration::from_secs(30)).expect("psql ends").success());
    wait_until("the recording is sealed", || {
        let list = site.world.bastion.run(["sessions", "list", "--json"]).ok().text();
        list.trim() == "[]"
    });
    let done = tunnel.ask(&bob, "SELECT 1;").refused();
    assert!(done.err.contains("orders cannot be reached now"), "{done}");
}

#[test]
fn a_network_that_goes_silent_between_bastion_and_server_is_given_up_and_told() {
    if !rustix::process::getuid().is_root() {
        eprintln!("not run: a cable that can be cut needs root");
        return;
    }
    let folder = passable_folder();
    let server = Postgres::start(None, &folder.path().join("server"), "orders", TABLES);
    let strait = Strait::open(folder.path(), server.port);
    let more = server.target("orders", "tls = \"disable\"").replace(&format!("127.0.0.1:{}", server.port), &strait.address);
    let site = Site::beside(server, World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() }), folder);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "BEGIN", "-c", "SELECT 'begun'", "-c", "SELECT pg_sleep(600)"]), &log);
    wait_until("it runs", || std::fs::read_to_string(&log).unwrap().contains("begun"));
    strait.cut();
    assert!(!psql.wait(Duration::from_secs(180)).expect("psql ends").success());
    wait_until("the recording is sealed", || site.world.bastion.run(["sessions", "list", "--json"]).ok().text().trim() == "[]");
    let done = tunnel.ask(&bob, "SELECT 1;").refused();
    assert!(done.err.contains("orders cannot be reached now"), "{done}");
    site.world.bastion.run(["recordings", "verify"]).ok();
}

#[test]
fn a_client_that_is_killed_leaves_no_query_behind() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let mut psql = Guarded::logged(tunnel.psql_command(&bob, &["-c", "SELECT pg_sleep(120)"]), &bob.dir.join("psql.log"));
    let sleeping = || site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%pg_sleep(120)%'");
    wait_until("the query runs", || sleeping() == "1");
    psql.kill();
    wait_until("the query is gone", || sleeping() == "0");
}

/// Begins a transaction, changes something in it, and gives the psql that keeps it open.
fn in_a_transaction(site: &Site, bob: &crate::harness::Visitor, port: &super::site::Tunnel, log: &std::path::Path) -> Guarded {
    let statements = ["BEGIN", "DELETE FROM notes", "INSERT INTO notes (body) VALUES ('in vain')", "SELECT pg_sleep(120)"];
    let psql = Guarded::logged(port.psql_command(bob, &statements.map(|one| ["-c", one]).concat()), log);
    wait_until("it is in the middle", || {
        site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%pg_sleep(120)%' AND state = 'active'")
            == "1"
    });
    psql
}

#[test]
fn a_connection_cut_in_the_middle_of_a_transaction_leaves_nothing_of_it() {
    let mut site = Site::start();
    site.server.ask("INSERT INTO notes (body) VALUES ('kept')");
    let alice = site.world.visitor("alice");
    let left = |site: &Site| {
        wait_until("the transaction is over in the server", || {
            site.server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend' AND application_name <> 'bartizan'") == "0"
        });
        assert_eq!(site.server.ask("SELECT string_agg(body, ',') FROM notes"), "kept");
    };
    // Between the server and the bastion.
    let tunnel = site.tunnel(&alice);
    let log = alice.dir.join("server.log");
    let mut psql = in_a_transaction(&site, &alice, &tunnel, &log);
    site.server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%' AND usename = 'app'");
    assert!(!psql.wait(Duration::from_secs(30)).expect("psql ends").success());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("terminating connection due to administrator command"), "{said}");
    left(&site);
    // Between the client and the bastion: ssh is gone without a word.
    let psql = in_a_transaction(&site, &alice, &tunnel, &alice.dir.join("client.log"));
    drop(tunnel);
    left(&site);
    drop(psql);
    // The bastion itself.
    let tunnel = site.tunnel(&alice);
    let (_psql, mut keys) = Guarded::fed(tunnel.psql_command(&alice, &["-f", "-"]), &alice.dir.join("bastion.log"));
    std::io::Write::write_all(&mut keys, b"BEGIN; DELETE FROM notes; INSERT INTO notes (body) VALUES ('in vain');\n").unwrap();
    wait_until("it is in the middle", || {
        site.server
            .ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction' AND query LIKE '%in vain%'")
            == "1"
    });
    site.world.bastion.kill();
    left(&site);
    site.world.restart();
    let sealed = site.recorded();
    assert!(sealed.matches("INSERT INTO notes (body) VALUES ('in vain')").count() >= 2, "{sealed}");
}

#[test]
fn large_values_pass_both_ways_and_memory_stays_flat() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    assert_eq!(tunnel.ask(&alice, "SELECT 1;").ok().text(), "1\n");
    // As large as the server's own messages can be.
    let size: u64 = if full() { (1 << 30) - 1_000 } else { 64 << 20 };
    let before = site.world.bastion.memory();
    let highest = std::sync::atomic::AtomicU64::new(before);
    let done = std::thread::scope(|threads| {
        let mut large = std::process::Command::new("python3");
        large.arg(fixture("postgres/large.py")).args([tunnel.port.to_string(), size.to_string()]);
        let passing = threads.spawn(|| Run::new(large).within(1_200).finish());
        while !passing.is_finished() {
            highest.fetch_max(site.world.bastion.memory(), std::sync::atomic::Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
        passing.join().unwrap()
    });
    let rows = size >> 20;
    let (down, copied) = (size + 6, rows << 20);
    let wanted = format!(
        "down {down} ['SELECT 1']\nup {} ['SELECT 1']\nin 0 ['COPY {rows}']\nout {copied} ['COPY {rows}']\n",
        size.to_string().len()
    );
    assert_eq!(done.text(), wanted, "{done}");
    let grown = (highest.into_inner() - before) >> 10;
    println!("{} MiB in one value: {grown} MiB more memory than before", size >> 20);
    assert!(grown < 48, "{grown} MiB more for a value of {} MiB", size >> 20);
}
