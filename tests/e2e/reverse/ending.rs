//! What ends publishing: its publisher, a lock, a revocation, a changed policy, the end of a certificate.

use std::time::Duration;

use super::{POLICIES, Publisher, Site};
use crate::harness::{Guarded, Run, Visitor, full, wait_until, wait_until_within};

/// A publisher, and a session that lasts through it.
fn begun(site: &Site, alice: &Visitor, bob: &Visitor) -> (Publisher, super::Forward, Guarded) {
    let publisher = site.publish(bob);
    let forward = site.forward(alice);
    let log = alice.dir.join("lasting.log");
    let _ = std::fs::remove_file(&log);
    let session = forward.lasting(alice, &log);
    wait_until("the session has begun", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("begun")));
    (publisher, forward, session)
}

/// All of it is over soon, and its publisher knows why.
fn over(site: &Site, publisher: &mut Publisher, session: &mut Guarded, why: &str) {
    assert!(session.wait(Duration::from_secs(5)).is_some(), "what went through it goes on");
    let said = publisher.ended();
    assert!(said.contains("you publish orders no longer") && said.contains(why), "{said}");
    assert_eq!(site.publishers(), 0);
    let withdrawn = site.audited("target.withdrawn");
    assert!(withdrawn.last().unwrap()["entry"]["reason"].as_str().unwrap().contains(why), "{withdrawn:?}");
}

#[test]
fn a_lock_on_the_publisher_their_group_certificate_or_target_ends_it_within_a_second() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let serial = bob.ssh(["bastion", "whoami", "--json"]).ok().json()["certificate"].to_string();
    for lock in [["--user", "corp/bob@example.test"], ["--group", "corp/developers"], ["--certificate", &serial], ["--target", "orders"]] {
        let (mut publisher, _forward, mut session) = begun(&site, &alice, &bob);
        let id = site.world.bastion.run([&["lock"], &lock[..], &["--reason", "odd traffic"]].concat()).ok().text();
        over(&site, &mut publisher, &mut session, "odd traffic");
        // Who is locked out altogether does not get as far as asking.
        let said = Publisher::by(&bob, bob.openssh("ssh", ["-N", "-o", "BatchMode=yes", "-R", "orders:0:127.0.0.1:9", "bastion"])).ended();
        assert!(!said.contains("Allocated port"), "{lock:?}: {said}");
        site.world.bastion.run(["unlock", id.trim()]).ok();
    }
    drop(site.publish(&bob));
    site.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_policy_that_takes_publishing_away_and_a_revocation_end_it_and_others_go_on() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (mut publisher, _forward, mut session) = begun(&site, &alice, &bob);
    site.world.put_in_force("test.cedar", &POLICIES.replace("corp/developers", "corp/nobody"));
    over(&site, &mut publisher, &mut session, "policy changed");
    assert!(Publisher::start(&bob, "orders:0:127.0.0.1:9").ended().contains("orders is not published"));
    site.world.put_in_force("test.cedar", POLICIES);
    let (mut publisher, _forward, mut session) = begun(&site, &alice, &bob);
    // A policy that changes something else ends nothing.
    site.world.put_in_force("test.cedar", &format!("{POLICIES}\n@id(\"more\") forbid (principal, action == Action::\"watch\", resource);"));
    assert_eq!(site.ask(&alice, "SELECT n FROM t").ok().text().trim(), "7");
    assert!(session.runs() && publisher.process.runs());
    site.world.bastion.run(["ca", "revoke", "--principal", "corp/bob@example.test"]).ok();
    over(&site, &mut publisher, &mut session, "revoked");
}

#[test]
fn a_publisher_who_takes_it_back_lets_what_goes_through_it_go_on() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let control = bob.dir.join("mux");
    let shared = format!("ControlPath={}", control.display());
    let master = bob.openssh("ssh", ["-N", "-M", "-o", &shared, "bastion"]);
    let mut master = Guarded::logged(master, &bob.dir.join("master.log"));
    wait_until("the connection is shared", || control.exists());
    let forward = format!("orders:0:127.0.0.1:{}", site.server.port);
    let order = |what: &str| Run::new(bob.openssh("ssh", ["-o", &shared, "-O", what, "-R", &forward, "bastion"])).finish();
    let port = order("forward").ok();
    assert_eq!(port.text().trim(), "5432", "{port}");
    let through = site.forward(&alice);
    let log = alice.dir.join("lasting.log");
    let mut session = through.lasting(&alice, &log);
    wait_until("the session has begun", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("begun")));
    order("cancel").ok();
    assert!(master.runs());
    wait_until("it is withdrawn", || site.publishers() == 0);
    assert!(site.ask(&alice, "SELECT n FROM t").err.contains("publishes orders now"));
    assert!(session.runs() && master.runs());
    // And publishes it again on the same connection.
    order("forward").ok();
    assert_eq!(site.ask(&alice, "SELECT n FROM t").ok().text().trim(), "7");
    assert!(session.runs());
    // What goes through what was taken back ends as well when its publisher must not be there any more.
    site.world.bastion.run(["lock", "corp/bob@example.test"]).ok();
    assert!(session.wait(Duration::from_secs(5)).is_some(), "it goes on");
    let reasons: Vec<_> = site.audited("target.withdrawn").iter().map(|one| one["entry"]["reason"].clone()).collect();
    assert_eq!(reasons[0], "its publisher took it back", "{reasons:?}");
}

#[test]
fn the_end_of_a_certificate_ends_publishing() {
    // A certificate lives for a minute at least.
    if !full() {
        return;
    }
    let site = Site::with_ttl("60s");
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let mut publisher = site.publish(&bob);
    assert_eq!(site.ask(&alice, "SELECT n FROM t").ok().text().trim(), "7");
    wait_until_within(90, "the end", || !publisher.process.runs());
    assert!(publisher.said().contains("has run out"), "{}", publisher.said());
    assert_eq!(site.publishers(), 0);
}
