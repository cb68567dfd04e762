//! The control protocol: requests and events over `ssh -s bastion control` and the local socket, and the commands that speak it.

mod audit;
mod commands;
mod over_ssh;
mod socket;
mod trust;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Control, Setup, Way, World, wait_until};

const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);

@id("admins-answer-and-end")
permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"watch", Action::"end"], resource);

@id("four-eyes") @approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn world() -> World {
    World::with(Setup { policies: Some(POLICIES), more: "\n[approvals]\nwait = \"1m\"\n".to_owned(), ..Setup::default() })
}

#[test]
fn an_approver_hears_of_a_hold_and_lets_it_go_on() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut control = Control::open(&alice);
    assert_eq!(control.ask("whoami", json!({}))["ok"]["principal"], "corp/alice@example.test");
    assert_eq!(control.ask("subscribe", json!({}))["ok"], Value::Null);
    let held = std::thread::spawn(move || bob.on_target(Way::At, &["-n"], "echo refund").finish());
    let asked = control.event("approval");
    assert_eq!((asked["state"].as_str(), asked["operation"].as_str()), (Some("waiting"), Some("exec echo refund")), "{asked}");
    assert_eq!(control.ask("approvals", json!({}))["ok"][0]["id"], asked["id"]);
    let answer = json!({ "approval": asked["id"], "answer": "approve", "reason": "fine", "for_seconds": 60 });
    assert_eq!(control.ask("approval.answer", answer.clone())["ok"]["state"], "approved");
    let done = held.join().unwrap();
    assert!(done.text().contains("refund"), "{done}");
    let again = control.ask("approval.answer", answer);
    assert_eq!(again["error"]["code"], 1, "{again}");
}

#[test]
fn sessions_are_seen_and_ended_by_those_whom_policy_lets() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut alice_control = Control::open(&alice);
    alice_control.ask("subscribe", json!({}));
    let runs = std::thread::spawn(move || {
        let session = bob.on_target(Way::Jump, &["-n"], "sleep 60").finish();
        (bob, session)
    });
    let begun = alice_control.event("session");
    assert_eq!((begun["principal"]["id"].as_str(), begun["end"].is_null()), (Some("corp/bob@example.test"), true), "{begun}");
    assert_eq!(alice_control.ask("sessions", json!({}))["ok"][0]["id"], begun["id"]);
    assert!(alice_control.ask("session.end", json!({ "session": begun["id"], "reason": "enough" }))["error"].is_null());
    let (bob, session) = runs.join().unwrap();
    assert!(session.err.contains("enough"), "{session}");
    let ended = alice_control.event("session");
    assert!(!ended["end"].is_null(), "{ended}");
    // bob sees his own and ends none.
    let mut control = Control::open(&bob);
    assert_eq!(control.ask("sessions", json!({ "all": true }))["ok"].as_array().unwrap().len(), 1);
    let gone = control.ask("session.end", json!({ "session": begun["id"] }));
    assert_eq!(gone["error"]["code"], 1, "{gone}");
    drop(alice_control);
    let _lasting = std::thread::spawn(move || alice.on_target(Way::At, &["-n"], "sleep 5").finish());
    let list = || world.bastion.run(["sessions", "list", "--json"]).ok().json();
    wait_until("it runs", || !list().as_array().unwrap().is_empty());
    assert!(control.ask("sessions", json!({}))["ok"].as_array().unwrap().is_empty(), "another's session is not shown");
    let refused = control.ask("session.end", json!({ "session": list()[0]["id"] }));
    assert_eq!(refused["error"]["code"], 1, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("end on"), "{refused}");
}

#[test]
fn what_is_no_request_is_answered_and_harms_nobody() {
    let world = world();
    let alice = world.visitor("alice");
    let mut control = Control::open(&alice);
    for bad in ["{}", "no json", "{\"id\":7,\"do\":\"fly\"}", "{\"id\":8,\"do\":\"session.end\",\"session\":\"x\"}", "[1]", "\u{1b}[2J"] {
        control.send(bad);
        let answer = control.line();
        assert_eq!(answer["error"]["code"], 2, "{bad}: {answer}");
    }
    control.send("{\"id\":9,\"do\":\"fly\"}");
    assert_eq!(control.line()["id"], 9);
    assert_eq!(control.ask("targets", json!({}))["ok"][0]["name"], "web-1");
    control.send(&"x".repeat(70_000));
    assert_eq!(control.line()["error"]["code"], 2);
    assert!(control.lines.recv_timeout(Duration::from_secs(10)).is_err(), "the connection is closed");
}

#[test]
fn a_locked_principal_is_shown_out() {
    let world = world();
    let alice = world.visitor("alice");
    let mut control = Control::open(&alice);
    control.ask("whoami", json!({}));
    world.bastion.run(["lock", "corp/alice@example.test", "--reason", "gone"]).ok();
    let last = control.line();
    assert_eq!(last["error"]["code"], 1, "{last}");
    assert!(control.lines.recv_timeout(Duration::from_secs(10)).is_err(), "the connection is closed");
}
