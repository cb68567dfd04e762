//! Sessions while they run: cancelling, locks, changed policies, servers and clients that die.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Guarded, wait_until};

use super::Site;
use super::site::POLICIES;

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
    assert_eq!(alice.ssh(["bastion", "approvals", "--json"]).ok().json().as_array().unwrap().len(), 0);
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
