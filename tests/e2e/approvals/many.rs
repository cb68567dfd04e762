//! Several people about one approval: quorums, races, and one who is cut off.

use std::time::Duration;

use serde_json::json;

use super::{Held, hold, says, world_of};
use crate::harness::{Control, Guarded, Island, Visitor, WAYS, Way, wait_until, wait_until_within};

/// What says `payout` wants two of two groups, what says `refund` one.
const POLICIES: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"watch"], resource);
@id("two-of-two-groups") @approve("corp/admins, corp/leads") @approvals("2")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*payout*" };
@id("one") @approve("corp/admins") @valid("10m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn approval(who: &Visitor, id: &str) -> serde_json::Value {
    let all = Control::open(who).ask("approvals", json!({ "all": true }));
    all["ok"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned().unwrap_or_else(|| panic!("no {id} in {all}"))
}

#[test]
fn two_different_people_are_two_and_one_in_two_groups_is_one() {
    let world = world_of(POLICIES, "5m");
    let (dora, erik, bob) = (world.visitor("dora"), world.visitor("erik"), world.visitor("bob"));
    for way in WAYS {
        let before = world.target.logins();
        let mut held = hold(&bob, way, &["-n"], "echo payout");
        // erik is of both groups, and still one.
        assert!(says(&erik, &format!("approve {} fine", held.id())).ok().text().contains("1 more needed"));
        let again = says(&erik, &format!("approve {} really", held.id())).refused();
        assert!(again.err.contains("answered"), "{again}");
        assert_eq!((world.target.logins(), approval(&erik, &held.id())["state"].as_str()), (before, Some("waiting")));
        assert!(says(&dora, &format!("approve {}", held.id())).ok().text().contains("is approved"));
        assert_eq!(held.ends(), 0, "{}", held.said());
        assert!(held.said().contains("corp/erik@example.test, corp/dora@example.test"), "{}", held.said());
    }
    // One no of anybody who is asked is enough, whoever said yes before.
    let mut held = hold(&bob, Way::At, &["-n"], "echo payout");
    says(&erik, &format!("approve {}", held.id())).ok();
    says(&dora, &format!("deny {} not today", held.id())).ok();
    assert_eq!(held.ends(), 1);
    assert!(held.said().contains("not today"), "{}", held.said());
}

#[test]
fn an_admin_is_no_second_pair_of_eyes_for_what_they_ask_themselves_by_any_path() {
    let world = world_of(POLICIES, "5m");
    let (alice, dora) = (world.visitor("alice"), world.visitor("dora"));
    let mut held = hold(&alice, Way::Jump, &["-n"], "echo payout");
    let id = held.id();
    let own = says(&alice, &format!("approve {id}")).refused();
    assert!(own.err.contains("their own"), "{own}");
    let by_control = Control::open(&alice).ask("approval.answer", json!({ "approval": id, "answer": "approve" }));
    assert!(by_control["error"]["message"].as_str().unwrap().contains("their own"), "{by_control}");
    let by_command = alice.command(env!("CARGO_BIN_EXE_bartizan"), ["approvals", "approve", &id]);
    let by_command = alice.by_ssh(by_command).finish().refused();
    assert!(by_command.err.contains("their own"), "{by_command}");
    // With one more certificate, for another key: the same person.
    let second = world.stranger("alice-again");
    second.log_in(&world.provider, "alice");
    says(&second, &format!("approve {id}")).refused();
    // One other is one of two.
    says(&dora, &format!("approve {id}")).ok();
    assert_eq!(approval(&dora, &id)["state"], "waiting");
    says(&alice, &format!("withdraw {id}")).ok();
    assert_eq!(held.ends(), 4);
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn of_answers_that_race_exactly_one_counts() {
    let world = world_of(POLICIES, "5m");
    let (alice, dora, bob) = (world.visitor("alice"), world.visitor("dora"), world.visitor("bob"));
    let (mut yes, mut no) = (Control::open(&alice), Control::open(&dora));
    for round in 0..6 {
        let mut held = hold(&bob, Way::At, &["-n"], &format!("echo refund {}", "x".repeat(round)));
        let id = held.id();
        let (approve, deny) = (json!({ "approval": id, "answer": "approve" }), json!({ "approval": id, "answer": "deny", "reason": "no" }));
        let (yes, no) = std::thread::scope(|scope| {
            let yes = scope.spawn(|| yes.ask("approval.answer", approve));
            let no = scope.spawn(|| no.ask("approval.answer", deny));
            (yes.join().unwrap(), no.join().unwrap())
        });
        assert_eq!([&yes, &no].iter().filter(|answer| answer["error"].is_null()).count(), 1, "{yes} {no}");
        let approved = yes["error"].is_null();
        assert_eq!(held.ends(), i32::from(!approved), "{}", held.said());
        let kept = approval(&alice, &id);
        assert_eq!(
            (kept["reviews"].as_array().unwrap().len(), kept["state"].as_str()),
            (1, Some(if approved { "approved" } else { "denied" })),
            "{kept}"
        );
    }
}

#[test]
fn an_approval_is_used_once_and_for_nothing_else() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund 1");
    let first = held.id();
    says(&alice, &format!("approve {first}")).ok();
    assert_eq!(held.ends(), 0);
    // The same again, other parameters, another target, the other way in: each is asked for anew, under an id and a digest of its own.
    let mut digests = vec![approval(&alice, &first)["digest"].clone()];
    for (way, target, line) in [
        (Way::At, "web-1", "echo refund 1"),
        (Way::At, "web-1", "echo refund 2"),
        (Way::At, "web-key", "echo refund 1"),
        (Way::Jump, "web-1", "echo refund 1"),
    ] {
        let log = bob.dir.join(format!("again-{target}-{way:?}-{}.log", digests.len()));
        let mut held = Held::begin(bob.on_command(way, target, &["-n"], line), log);
        let asked = approval(&alice, &held.id());
        assert!(!digests.contains(&asked["digest"]), "{asked}");
        digests.push(asked["digest"].clone());
        // What was approved once is not approved again.
        let late = says(&alice, &format!("approve {first}")).refused();
        assert!(late.err.contains("approved already"), "{late}");
        says(&bob, &format!("withdraw {}", held.id())).ok();
        assert_eq!(held.ends(), 4, "{}", held.said());
    }
}

#[test]
fn an_approver_who_is_cut_off_in_the_middle_keeps_nobody_from_deciding() {
    let world = world_of(POLICIES, "5m");
    let (alice, dora, bob) = (world.visitor("alice"), world.visitor("dora"), world.visitor("bob"));
    let island = Island::open(&world.dir(), world.bastion.port);
    let there = Visitor { dir: alice.dir.clone(), port: island.port };
    there.point_to(island.port);
    let mut cut_off = Control::over(island.inside(&there.openssh("ssh", ["-T", "-s", "bastion", "control"])));
    cut_off.ask("subscribe", json!({}));
    let mut first = hold(&bob, Way::At, &["-n"], "echo payout");
    let asked = cut_off.event("approval");
    assert_eq!(cut_off.ask("approval.answer", json!({ "approval": asked["id"], "answer": "approve" }))["ok"]["state"], "waiting");
    island.cut();
    // What she said before stands; what she sends now is heard by nobody; the others decide.
    cut_off.send(&json!({ "id": 99, "do": "approval.answer", "approval": asked["id"], "answer": "deny" }).to_string());
    let mut second = hold(&bob, Way::Jump, &["-n"], "echo refund");
    says(&dora, &format!("approve {}", second.id())).ok();
    assert_eq!(second.ends(), 0, "{}", second.said());
    says(&dora, &format!("approve {}", first.id())).ok();
    assert_eq!(first.ends(), 0, "{}", first.said());
    wait_until("nothing waits", || world.bastion.run(["approvals", "list", "--json"]).ok().json() == json!([]));
}

/// Everything of developers is moderated.
const MODERATED: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-watch") permit (principal in Group::"corp/admins", action == Action::"watch", resource);
@id("watched") @moderated("corp/admins") forbid (principal in Group::"corp/developers", action == Action::"connect", resource);
"#;

#[test]
fn a_moderated_session_whose_watcher_is_cut_off_without_a_sign_stands_still_before_long() {
    let world = world_of(MODERATED, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let island = Island::open(&world.dir(), world.bastion.port);
    let there = Visitor { dir: alice.dir.clone(), port: island.port };
    there.point_to(island.port);
    let mut far = Control::over(island.inside(&there.openssh("ssh", ["-T", "-s", "bastion", "control"])));
    let log = bob.dir.join("cut-off.log");
    let _session = Guarded::logged(bob.on_command(Way::At, "web-1", &["-n"], "while sleep 0.5; do date; done"), &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("it waits", || said().contains("begins when somebody does"));
    let session = world.bastion.run(["sessions", "list", "--json"]).ok().json()[0]["id"].clone();
    assert!(far.ask("session.watch", json!({ "session": session }))["error"].is_null());
    wait_until("it goes on", || said().contains("UTC"));
    island.cut();
    wait_until_within(120, "it stands still", || said().contains("stands still"));
    let seen = said();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(said(), seen, "nothing comes while nobody watches");
}
