//! Certificates that run out and tokens that rotate, while programs go on.

use std::fs;

use super::site::{end_of, wait_until_runs};
use super::{Site, token_in};
use crate::harness::{Setup, bartizan, wait_until, wait_until_within};

#[test]
fn a_certificate_is_renewed_and_a_token_rotates_while_a_statement_and_a_copy_go_on() {
    let site = Site::start();
    let dir = site.seat("service");
    let mut tunnel = site.tunnel_in(&dir, &["--renew-after", "1s", "orders=0"]);
    tunnel.wait_until_ready();
    let sleeper = tunnel.psql_beside("sleeper", "SELECT 'woke', pg_sleep(8)");
    let slow = "COPY (SELECT n, repeat('z', 10000), pg_sleep(0.004) FROM generate_series(1, 2000) n) TO STDOUT";
    let copy = tunnel.psql_beside("copy", slow);
    wait_until_runs(&site.server, "pg_sleep(8)");
    let renewals = || site.audited("certificate.issued").len();
    let begun = renewals();
    wait_until("it is renewed twice", || renewals() >= begun + 2);

    // Whoever rotates the token makes a mistake: the tunnel goes on with the certificate that it has, and says what is wrong.
    token_in(&dir.join("token"), "rubbish");
    tunnel.wait_for("refused the token");
    assert!(tunnel.is_ready());
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    token_in(&dir.join("token"), &site.world.provider.service_token());
    let before = renewals();
    wait_until("the new token is taken", || renewals() > before);

    let (good, said) = end_of(sleeper);
    assert!(good && said == "woke|\n", "{said}");
    let (good, said) = end_of(copy);
    assert!(good && said.lines().count() == 2000, "{} lines", said.lines().count());
    // The connections before are gone; one is left.
    let port = site.world.bastion.port;
    wait_until("one connection is left", || connections(port, tunnel.process.child.id()) == 1);
}

/// How many TCP connections a process has to a port.
fn connections(port: u16, process: u32) -> usize {
    let mut ss = std::process::Command::new("ss");
    ss.args(["-Htnp", "state", "established", &format!("( dport = :{port} )")]);
    let text = crate::harness::Run::new(ss).ok().text();
    text.lines().filter(|line| line.contains(&format!("pid={process},"))).count()
}

#[test]
fn a_certificate_that_cannot_be_renewed_ends_what_it_allowed_and_the_tunnel_says_so() {
    let site = Site::with(Setup { ttl: Some("60s"), ..Setup::default() });
    let dir = site.seat("service");
    let mut tunnel = site.tunnel_in(&dir, &["--wait", "2s", "orders=0"]);
    tunnel.wait_until_ready();
    token_in(&dir.join("token"), "rubbish");
    let sleeper = tunnel.psql_beside("sleeper", "SELECT pg_sleep(100)");
    wait_until_runs(&site.server, "pg_sleep(100)");
    wait_until_within(90, "the certificate is over", || !tunnel.is_ready());
    let (good, said) = end_of(sleeper);
    assert!(!good && said.contains("run out"), "{said}");
    let done = tunnel.psql("SELECT 1").finish().refused();
    assert!(done.err.contains("closed the connection"), "{done}");
    assert!(tunnel.page("/readyz").1.contains("refused the token"), "{:?}", tunnel.page("/readyz"));
    token_in(&dir.join("token"), &site.world.provider.service_token());
    wait_until_within(60, "it is connected again", || tunnel.is_ready());
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
}

#[test]
fn what_runs_longer_than_its_certificate_lives_goes_on_since_that_is_renewed() {
    let site = Site::with(Setup { ttl: Some("60s"), ..Setup::default() });
    let mut tunnel = site.tunnel("service", &[]);
    let sleeper = tunnel.psql_beside("sleeper", "SELECT 'woke', pg_sleep(75)");
    let (good, said) = end_of(sleeper);
    // There is a notice of its end, since that was near when it began.
    assert!(good && said.ends_with("woke|\n"), "{said}\n{}", tunnel.said());
    assert!(tunnel.figure("bartizan_tunnel_renewals_total{outcome=\"in-place\"}") >= 1.0);
}

#[test]
fn a_lock_on_a_certificate_that_was_renewed_since_ends_what_began_with_it() {
    let site = Site::start();
    let dir = site.seat("service");
    let mut tunnel = site.tunnel_in(&dir, &["--renew-after", "1s", "orders=0"]);
    tunnel.wait_until_ready();
    let sleeper = tunnel.psql_beside("sleeper", "SELECT pg_sleep(60)");
    wait_until_runs(&site.server, "pg_sleep(60)");
    let issued = || site.audited("certificate.issued");
    wait_until("it is renewed twice", || issued().len() >= 3);
    let serial = issued()[0]["serial"].to_string();
    let serial = serial.trim_matches('"');
    site.world.bastion.run(["lock", "--certificate", serial, "--reason", "leaked"]).ok();
    let (good, said) = end_of(sleeper);
    assert!(!good && said.contains("leaked"), "{said}");
}

#[test]
fn a_connection_is_renewed_on_the_word_of_its_own_services_token_and_of_nothing_else() {
    let site = Site::start();
    let dir = site.seat("service");
    let token = fs::read_to_string(dir.join("token")).unwrap();
    let alice = site.world.visitor("alice");
    let done = alice.ssh(["bastion", "renew"]).input(token.as_str()).finish().refused();
    assert!(done.err.contains("another identity"), "{done}");

    let robot = site.world.stranger("robot");
    let mut login = bartizan(&robot.dir);
    login.args(["login", "--token-file"]).arg(dir.join("token")).arg("--key").arg(robot.dir.join("id"));
    robot.by_ssh(login).ok();
    for bad in ["", "rubbish", &format!("{}x", token.trim())] {
        let done = robot.ssh(["bastion", "renew"]).input(bad).finish().refused();
        assert!(!done.err.trim().is_empty() && done.out.is_empty(), "{bad:?}: {done}");
    }
    let done = robot.ssh(["bastion", "renew"]).input(token.as_str()).ok();
    let (first, second) = (fs::read_to_string(robot.certificate()).unwrap(), done.text());
    assert!(second.starts_with("ssh-ed25519-cert-v01@openssh.com ") && first != second, "{done}");
    fs::write(robot.certificate(), second).unwrap();
    assert!(robot.ssh(["bastion", "whoami"]).ok().text().contains("robots/ci"));
    assert!(site.audited("login.failed").len() >= 3);
}
