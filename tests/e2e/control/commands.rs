//! `bartizan approvals`, `sessions`, `lock`, `unlock` and `locks`: the bastion is asked, by its socket or by ssh, and policy decides; where
//! none runs its store is used, and they say so.

use serde_json::{Value, json};

use super::world;
use crate::approvals::hold;
use crate::harness::{Guarded, Run, Visitor, Way, World, wait_until};

/// `bartizan …` of `who`, by their ssh.
fn far(who: &Visitor, arguments: &[&str]) -> Run {
    who.by_ssh(who.command(env!("CARGO_BIN_EXE_bartizan"), arguments))
}

fn near(world: &World, arguments: &[&str]) -> Run {
    world.bastion.run(arguments)
}

/// Policies of `world`, with locks for admins.
fn locks_for_admins(world: &World) {
    let text = super::POLICIES.replace("Action::\"watch\", ", "Action::\"watch\", Action::\"lock\", Action::\"audit\", ");
    world.put_in_force("test.cedar", &text);
}

#[test]
fn both_ways_show_the_same_and_policy_decides_for_each_who_asks() {
    let world = world();
    locks_for_admins(&world);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut running = Guarded::spawn(bob.on_command(Way::At, "web-1", &["-n"], "sleep 600"));
    let list = || near(&world, &["sessions", "list", "--json"]).ok().json();
    wait_until("it runs", || list().as_array().is_some_and(|all| all.len() == 1));
    let id = list()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(far(&alice, &["sessions", "list", "--json"]).ok().json(), list());
    let shown = far(&alice, &["sessions", "list", "--all", "--target", "web-1", "--principal", "corp/bob@example.test", "--since", "1h"]);
    let shown = shown.ok().text();
    assert!(shown.contains(&id) && shown.contains("deploy@web-1") && shown.contains("live"), "{shown}");
    for none in [["--target", "web-ca"], ["--principal", "corp/dora@example.test"]] {
        assert_eq!(far(&alice, &[&["sessions", "list", "--json"], &none[..]].concat()).ok().json(), json!([]));
    }
    let mut held = hold(&bob, Way::Jump, &["-n"], "echo refund");
    let approvals = |run: Run| run.ok().json().as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<Value>>();
    assert_eq!(approvals(near(&world, &["approvals", "list", "--json"])), [json!(held.id())]);
    assert_eq!(approvals(far(&alice, &["approvals", "list", "--json"])), [json!(held.id())]);
    assert_eq!(approvals(far(&bob, &["approvals", "list", "--json", "--all"])), [json!(held.id())], "one's own");
    assert!(far(&alice, &["approvals", "list"]).ok().text().contains("exec echo refund"));
    let lock = far(&alice, &["lock", "corp/dora@example.test", "--reason", "lost", "--for", "2h", "--json"]).ok().json();
    assert_eq!(
        (&lock["by"], &lock["subject"]),
        (&json!("corp/alice@example.test"), &json!({ "user": "corp/dora@example.test" })),
        "{lock}"
    );
    let lasts = |key: &str| lock[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(lasts("expires_at").duration_since(lasts("created_at")).as_secs(), 7_200);
    assert_eq!(near(&world, &["locks", "--json"]).ok().json(), json!([lock]));
    assert_eq!(near(&world, &["lock", "--list", "--json"]).ok().json(), json!([lock]));
    assert_eq!(far(&alice, &["locks", "--json"]).ok().json(), json!([lock]));
    // bob may do none of it, and learns of nothing but his own.
    for refused in [
        &["lock", "corp/alice@example.test"][..],
        &["unlock", &lock["id"].to_string()],
        &["sessions", "end", &id],
        &["approvals", "approve", &held.id()],
        &["approvals", "deny", &held.id()],
    ] {
        assert_eq!(far(&bob, refused).finish().code(), 1, "{refused:?}");
    }
    assert_eq!(far(&bob, &["locks", "--json"]).ok().json(), json!([]));
    assert_eq!(far(&alice, &["lock", "--source", "10.0.0.0/8"]).finish().code(), 1, "not from afar");
    assert_eq!(far(&alice, &["unlock", &lock["id"].to_string()]).ok().text().trim(), "unlocked user corp/dora@example.test");
    assert_eq!(far(&alice, &["unlock", "77"]).finish().code(), 1);
    assert!(far(&bob, &["approvals", "withdraw", &held.id()]).ok().text().contains("is withdrawn"));
    assert_eq!(held.ends(), 4);
    let ended = far(&alice, &["sessions", "end", &id, "--reason", "enough", "--json"]).ok().json();
    assert!(ended["end"]["reason"].as_str().unwrap().contains("enough"), "{ended}");
    assert!(running.wait(std::time::Duration::from_secs(30)).is_some());
    assert_eq!(far(&alice, &["sessions", "end", &id]).finish().code(), 1, "it has ended");
    let log = near(&world, &["audit", "export"]).ok().text();
    for (by, what) in [("alice", "sessions"), ("alice", "approvals"), ("alice", "locks"), ("bob", "approvals"), ("bob", "locks")] {
        let line = format!("\"by\":\"corp/{by}@example.test\",\"kind\":\"control.read\"");
        assert!(log.lines().any(|one| one.contains(&line) && one.contains(&format!("\"what\":\"{what}\""))), "{by} {what}: {log}");
    }
}

#[test]
fn where_no_bastion_runs_its_store_answers_and_they_say_so() {
    let mut world = world();
    let bob = world.visitor("bob");
    bob.on_target(Way::At, &["-n"], "true").ok();
    wait_until("it is over", || near(&world, &["sessions", "list", "--json"]).ok().json() == json!([]));
    let quiet = near(&world, &["sessions", "list", "--all"]).ok();
    assert_eq!(quiet.err, "", "a bastion runs");
    world.bastion.kill();
    let note = "no bastion runs on this machine";
    let said = near(&world, &["sessions", "list", "--all"]).ok();
    assert!(said.err.contains(note) && said.text() == quiet.text(), "{said}");
    for list in [["approvals", "list"], ["locks", "--json"]] {
        assert!(near(&world, &list).ok().err.contains(note), "{list:?}");
    }
    let watch = near(&world, &["sessions", "watch", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--json"]).finish();
    assert!(watch.code() == 3 && watch.err.contains("no bastion runs"), "{watch}");
    let locked = near(&world, &["lock", "corp/bob@example.test"]).ok();
    assert!(locked.err.contains(note) && locked.text().trim() == "1", "{locked}");
    world.restart();
    bob.point_to(world.bastion.port);
    assert!(bob.on_target(Way::At, &["-n"], "true").finish().err.contains("lock"), "it is in force");
    assert_eq!(near(&world, &["unlock", "1"]).ok().err, "");
    bob.on_target(Way::At, &["-n"], "true").ok();
}
