//! Between a request and its release: policies that change, people who lose their rights, sessions that are ended, a bastion that
//! stops.

use std::time::Duration;

use serde_json::json;

use super::{Held, hold, says, world_of};
use crate::harness::{Control, Setup, Terminal, WAYS, Way, World, wait_until};

const POLICIES: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"lock"], resource);
@id("one") @approve("corp/admins") @valid("10m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn now(world: &World, policies: &str) {
    world.put_in_force("test.cedar", policies);
}

#[test]
fn an_approval_under_an_older_policy_of_the_same_name_is_none_under_todays() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let changes = [
        POLICIES.replace("@valid", "@approvals(\"2\") @valid"),
        POLICIES.replace("@approve(\"corp/admins\")", "@approve(\"corp/leads\")"),
        POLICIES.replace("@valid", "@signed @valid"),
        POLICIES.replace(
            "@id(\"run-commands\")",
            "@id(\"no-more\") forbid (principal, action == Action::\"ssh.exec\", resource);\n@id(\"run-commands\")",
        ),
    ];
    for (n, changed) in changes.iter().enumerate() {
        let mut held = hold(&bob, WAYS[n % 2], &["-n"], &format!("echo refund {n}"));
        now(&world, changed);
        // alice answers what she was asked; whether that is enough today is decided before anything is released.
        says(&alice, &format!("approve {}", held.id())).ok();
        assert_ne!(held.ends(), 0, "{}", held.said());
        let why = if n == 3 { "no-more" } else { "Policy changed while" };
        assert!(held.said().contains(why), "{n}: {}", held.said());
        now(&world, POLICIES);
    }
    assert_eq!(world.target.logins(), 0, "nothing has reached the target");
}

#[test]
fn what_one_person_approved_ends_when_policy_asks_two() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund; sleep 600");
    says(&alice, &format!("approve {}", held.id())).ok();
    wait_until("it runs", || held.said().contains("\nrefund"));
    // What does not concern it leaves it alone.
    now(&world, &format!("{POLICIES}\n@id(\"more\") permit (principal, action == Action::\"ssh.shell\", resource);\n"));
    assert!(held.session.runs());
    now(&world, &POLICIES.replace("@valid", "@approvals(\"2\") @valid"));
    assert_ne!(held.ends(), 0);
    assert!(held.said().contains("\"one\"") || held.said().contains("needs"), "{}", held.said());
}

#[test]
fn who_is_locked_out_or_lost_the_right_answers_no_more_on_a_connection_that_was_open_before() {
    let world = world_of(POLICIES, "5m");
    let (alice, dora, bob) = (world.visitor("alice"), world.visitor("dora"), world.visitor("bob"));
    let (mut locked, mut unpermitted) = (Control::open(&alice), Control::open(&dora));
    locked.ask("whoami", json!({}));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund");
    let yes = json!({ "approval": held.id(), "answer": "approve" });
    world.bastion.run(["lock", "corp/alice@example.test", "--reason", "gone"]).ok();
    // In the same moment: the connection itself lasts up to half a second longer.
    locked.send(&json!({ "id": 70, "do": "approval.answer", "approval": held.id(), "answer": "approve" }).to_string());
    let answer = locked.line();
    assert_eq!(answer["error"]["code"], 1, "{answer}");
    now(&world, &POLICIES.replace("Group::\"corp/admins\", action", "Group::\"corp/leads\", action"));
    assert_eq!(unpermitted.ask("approval.answer", yes)["error"]["code"], 1);
    says(&bob, &format!("withdraw {}", held.id())).ok();
    assert_eq!(held.ends(), 4);
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn what_was_taken_back_is_approved_by_nobody_any_more() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut control = Control::open(&alice);
    for round in 0..4 {
        let mut held = hold(&bob, WAYS[round % 2], &["-n"], &format!("echo refund {round}"));
        let id = held.id();
        let mut own = Control::open(&bob);
        let (yes, back) = (json!({ "approval": id, "answer": "approve" }), json!({ "approval": id, "answer": "withdraw" }));
        let (yes, back) = std::thread::scope(|scope| {
            let yes = scope.spawn(|| control.ask("approval.answer", yes));
            let back = scope.spawn(|| own.ask("approval.answer", back));
            (yes.join().unwrap(), back.join().unwrap())
        });
        assert_eq!([&yes, &back].iter().filter(|answer| answer["error"].is_null()).count(), 1, "{yes} {back}");
        let approved = yes["error"].is_null();
        assert_eq!(held.ends() == 0, approved, "{}", held.said());
        let late = control.ask("approval.answer", json!({ "approval": id, "answer": "approve" }));
        let state = if approved { "approved already" } else { "withdrawn already" };
        assert!(late["error"]["message"].as_str().unwrap().contains(state), "{late}");
    }
    // A yes that came too late is called back in the audit log; and one without any time is none.
    let held = hold(&bob, Way::At, &["-n"], "echo refund again");
    let none = control.ask("approval.answer", json!({ "approval": held.id(), "answer": "approve", "for_seconds": 0 }));
    assert!(none["error"]["message"].as_str().unwrap().contains("a second or longer"), "{none}");
    world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_bastion_that_stops_tells_those_who_wait_and_forgets_nothing() {
    let more = "\n[approvals]\nwait = \"5m\"\n".to_owned();
    let mut world = World::with(Setup { policies: Some(POLICIES), server: "drain_timeout = \"1s\"", more, ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held: Vec<Held> = WAYS.into_iter().map(|way| hold(&bob, way, &["-n"], &format!("echo refund {way:?}"))).collect();
    let shell = Terminal::open(&world.dir(), &bob.line(Way::At, "-t", ""), 100, 30);
    shell.wait_for("deploy@web-1:~$");
    shell.line("echo refund in a shell");
    shell.wait_for("it lapses in");
    let first = held[0].id();
    world.bastion.ask_to_end();
    world.bastion.ended();
    for one in &mut held {
        assert_ne!(one.ends(), 0, "{}", one.said());
        assert!(one.said().contains("was withdrawn: the bastion stopped while it waited"), "{}", one.said());
    }
    shell.wait_for("[ended with");
    world.restart();
    for who in [&alice, &bob] {
        who.point_to(world.bastion.port);
    }
    assert_eq!(world.bastion.run(["approvals", "list", "--json"]).ok().json(), json!([]));
    let all = world.bastion.run(["approvals", "list", "--all"]).ok().text();
    assert_eq!(all.matches("withdrawn").count(), 3, "{all}");
    let late = says(&alice, &format!("approve {first}")).refused();
    assert!(late.err.contains("withdrawn already"), "{late}");
    // What is asked again is a new request.
    let mut again = hold(&bob, Way::At, &["-n"], "echo refund At");
    assert_ne!(again.id(), first);
    says(&alice, &format!("approve {}", again.id())).ok();
    assert_eq!(again.ends(), 0, "{}", again.said());
    assert_eq!(world.target.logins(), 1 + 1, "the shell's and this one's");
}

#[test]
fn no_more_than_so_many_of_one_person_wait_and_others_are_not_in_their_way() {
    let policies = POLICIES.replace("corp/admins\") @valid", "corp/admins, corp/leads\") @valid");
    let more = "\n[approvals]\nwait = \"5m\"\nwaiting_each = 2\nwaiting = 3\n".to_owned();
    let world = World::with(Setup { policies: Some(Box::leak(policies.into_boxed_str())), more, ..Setup::default() });
    let (alice, bob, dora) = (world.visitor("alice"), world.visitor("bob"), world.visitor("dora"));
    let mut held: Vec<Held> = (0..2).map(|n| hold(&bob, WAYS[n], &["-n"], &format!("echo refund {}", "x".repeat(n)))).collect();
    let third = bob.on_target(Way::At, &["-n"], "echo refund more").finish();
    assert!(third.code() == 3 && third.err.contains("of yours wait for approval already"), "{third}");
    // What need not wait goes on, and so does somebody else; then all places are taken.
    bob.on_target(Way::At, &["-n"], "true").ok();
    held.push(hold(&dora, Way::At, &["-n"], "echo refund of-dora"));
    let fourth = alice.on_target(Way::At, &["-n"], "echo refund of-alice").finish();
    assert!(fourth.code() == 3 && fourth.err.contains("Too many operations wait"), "{fourth}");
    let ids: Vec<String> = held.iter().map(Held::id).collect();
    says(&alice, &format!("deny {} no", ids[0])).ok();
    assert_eq!(held[0].ends(), 1);
    let mut again = hold(&bob, Way::Jump, &["-n"], "echo refund once-more");
    says(&alice, &format!("approve {}", again.id())).ok();
    assert_eq!(again.ends(), 0, "{}", again.said());
    // Who leaves gives their place back.
    held[1].session.kill();
    wait_until("there is a place", || world.bastion.run(["approvals", "list", "--json"]).ok().json().as_array().unwrap().len() == 1);
    let next = hold(&bob, Way::At, &["-n"], "echo refund last");
    assert!(next.said().contains("it lapses in"));
    assert!(held[2].session.wait(Duration::ZERO).is_none(), "dora waits still");
}
