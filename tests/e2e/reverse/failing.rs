//! Publishers that die, are cut off, stand still, or lead nowhere, beside one that is well.

use rustix::process::Signal;

use super::{Publisher, Site};
use crate::harness::{Guarded, Island, Visitor, free_port, socket_to, wait_until, wait_until_within};

/// bob once more, on another machine.
fn other(site: &Site) -> Visitor {
    let other = site.world.stranger("bob-2");
    other.log_in(&site.world.provider, "bob");
    other
}

/// Sessions that last, on a forward of their own.
fn lasting(site: &Site, alice: &Visitor, count: usize) -> (super::Forward, Vec<Guarded>) {
    let forward = site.forward(alice);
    let sessions = (0..count).map(|n| {
        let log = alice.dir.join(format!("lasting-{n}.log"));
        let session = forward.lasting(alice, &log);
        wait_until("the session has begun", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("begun")));
        session
    });
    let sessions = sessions.collect();
    (forward, sessions)
}

fn answers(site: &Site, alice: &Visitor, times: usize) {
    let forward = site.forward(alice);
    for n in 0..times {
        let done = forward.ask(alice, "SELECT n FROM t").ok();
        assert_eq!(done.text().trim(), "7", "question {n}");
    }
}

#[test]
fn two_publishers_share_the_work_and_the_death_of_one_leaves_the_other() {
    let site = Site::start();
    let (alice, bob, second) = (site.world.visitor("alice"), site.world.visitor("bob"), other(&site));
    let (mut one, two) = (site.publish(&bob), site.publish(&second));
    assert_eq!(site.publishers(), 2);
    let (_forward, mut sessions) = lasting(&site, &alice, 4);
    let listed = site.world.bastion.run(["targets", "orders", "--json"]).ok().json();
    let streams: Vec<u64> = listed[0]["publishers"].as_array().unwrap().iter().map(|one| one["streams"].as_u64().unwrap()).collect();
    assert!(streams.len() == 2 && streams.iter().all(|count| *count >= 2), "{listed}");
    one.process.kill();
    wait_until("its sessions have ended", || sessions.iter_mut().any(|session| !session.runs()));
    answers(&site, &alice, 5);
    assert!(sessions.iter_mut().any(|session| session.runs()), "the other's sessions ended, too");
    assert_eq!(site.publishers(), 1);
    // The first comes back, and the second leaves.
    let _one = site.publish(&bob);
    drop(two);
    wait_until("the second has gone", || site.publishers() == 1);
    answers(&site, &alice, 3);
}

#[test]
fn a_publisher_that_is_cut_off_is_gone_within_seconds() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let site = Site::start();
    let (alice, bob, far) = (site.world.visitor("alice"), site.world.visitor("bob"), other(&site));
    let island = Island::open(&site.world.dir(), site.world.bastion.port);
    far.point_to(island.port);
    // Of the island's own network nothing leads to the database; a socket does.
    let socket = site.world.dir().join("database.sock");
    let _carrier = socket_to(&socket, site.server.port);
    let forward = format!("orders:0:{}", socket.display());
    let cut = Publisher::by(&far, island.inside(&far.openssh("ssh", ["-N", "-R", &forward, "bastion"])));
    cut.is_there();
    let (_forward, mut sessions) = lasting(&site, &alice, 1);
    let _well = site.publish(&bob);
    assert_eq!(site.publishers(), 2);
    answers(&site, &alice, 3);
    island.cut();
    answers(&site, &alice, 3);
    wait_until_within(15, "the loss is seen", || site.publishers() == 1);
    wait_until("what went through it has ended", || !sessions[0].runs());
    let withdrawn = site.audited("target.withdrawn");
    assert_eq!(withdrawn[0]["entry"]["reason"], "nothing was heard of its publisher any more");
    answers(&site, &alice, 3);
}

#[test]
fn a_publisher_that_stands_still_costs_one_question_some_seconds_and_is_gone() {
    let site = Site::start();
    let (alice, bob, second) = (site.world.visitor("alice"), site.world.visitor("bob"), other(&site));
    let (still, _well) = (site.publish(&bob), site.publish(&second));
    still.process.signal(Signal::STOP);
    answers(&site, &alice, 4);
    wait_until_within(15, "the loss is seen", || site.publishers() == 1);
    still.process.signal(Signal::CONT);
    answers(&site, &alice, 2);
}

#[test]
fn a_publisher_that_leads_nowhere_or_to_something_else_is_passed_over() {
    let site = Site::start();
    let (alice, bob, second) = (site.world.visitor("alice"), site.world.visitor("bob"), other(&site));
    // A port at which nobody listens, and the sshd of another target.
    let nowhere = Publisher::start(&bob, &format!("orders:0:127.0.0.1:{}", free_port()));
    let elsewhere = Publisher::start(&bob, &format!("orders:0:127.0.0.1:{}", site.world.target.port));
    nowhere.is_there();
    elsewhere.is_there();
    let none = site.ask(&alice, "SELECT n FROM t");
    assert!(!none.status.success() && none.err.contains("orders"), "{none}");
    let _well = site.publish(&second);
    answers(&site, &alice, 6);
    assert_eq!(site.publishers(), 3);
    drop(elsewhere);
    drop(_well);
    wait_until("one is left", || site.publishers() == 1);
    let none = site.ask(&alice, "SELECT n FROM t");
    assert!(none.err.contains("none of those who publish it opens a way to it"), "{none}");
}
