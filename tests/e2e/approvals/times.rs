//! For how long and how far a yes goes: quorums over several groups and policies, the scope of a session, shorter grants.

use serde_json::json;

use super::{hold, says, world_of};
use crate::harness::{Control, Terminal, Way, wait_until};

/// What says `payout` is for an admin and for a lead, each by a policy of its own; lines of guarded shells with `ledger` are approved
/// for the session.
const POLICIES: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("answer") permit (principal in Group::"corp/admins", action == Action::"approve", resource);
@id("two-admins") @approve("corp/admins") @approvals("2") @valid("30m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*payout*" };
@id("a-lead") @approve("corp/leads") @valid("5m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*payout*" };
@id("ledger-for-the-session") @approve("corp/admins") @valid("10m") @scope("session")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*ledger*" };
"#;

#[test]
fn each_policys_quorum_is_of_different_people_and_all_of_them_have_to_be_full() {
    let world = world_of(POLICIES, "5m");
    let (alice, dora, erik, bob) = (world.visitor("alice"), world.visitor("dora"), world.visitor("erik"), world.visitor("bob"));
    let state = |id: &str| {
        let all = Control::open(&alice).ask("approvals", json!({ "all": true }));
        let one = all["ok"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
        (one["state"].as_str().unwrap().to_owned(), one)
    };
    // Two admins are not a lead.
    let mut held = hold(&bob, Way::At, &["-n"], "echo payout 1");
    says(&alice, &format!("approve {}", held.id())).ok();
    says(&dora, &format!("approve {}", held.id())).ok();
    assert_eq!(state(&held.id()).0, "waiting");
    says(&erik, &format!("approve {} --for 2m", held.id())).ok();
    assert_eq!(held.ends(), 0, "{}", held.said());
    // The shortest of all that policies and people say counts.
    let (_, one) = state(&held.id());
    let at = |key: &str| one[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at("until").duration_since(at("ended_at")).as_secs(), 120, "{one}");
    // A lead who is an admin is one of two admins, however often they come back.
    let mut held = hold(&bob, Way::Jump, &["-n"], "echo payout 2");
    says(&erik, &format!("approve {}", held.id())).ok();
    for _ in 0..2 {
        let again = Control::open(&erik).ask("approval.answer", json!({ "approval": held.id(), "answer": "approve" }));
        assert!(again["error"]["message"].as_str().unwrap().contains("answered"), "{again}");
    }
    assert_eq!(state(&held.id()).0, "waiting");
    // A yes cannot be turned into a no by the same person, but anybody else's no ends it, with its reason.
    says(&dora, &format!("deny {} not on a Friday", held.id())).ok();
    assert_eq!(held.ends(), 1);
    assert!(held.said().contains("corp/dora@example.test denied") && held.said().contains("not on a Friday"), "{}", held.said());
    assert_eq!(world.target.logins(), 1);
}

#[test]
fn an_approval_for_the_session_is_for_that_session_alone_and_ends_with_its_time_and_when_it_is_taken_back() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let shell = Terminal::open(&world.dir(), &bob.line(Way::At, "-t", ""), 100, 60);
    shell.wait_for("deploy@web-1:~$");
    let waiting = || world.bastion.run(["approvals", "list", "--json"]).ok().json();
    let id = || {
        wait_until("it is asked for", || waiting().as_array().is_some_and(|all| all.len() == 1));
        waiting()[0]["id"].as_str().unwrap().to_owned()
    };
    shell.line("echo ledger-o''ne");
    let first = id();
    says(&alice, &format!("approve {first} --for 8m")).ok();
    shell.wait_for("\nledger-one");
    // The same policy asks nobody again in this session, for whatever it holds; in another it does.
    shell.line("echo ledger-t''wo");
    shell.wait_for("\nledger-two");
    assert_eq!(waiting(), json!([]));
    let mut elsewhere = hold(&bob, Way::Jump, &["-n"], "echo ledger");
    says(&bob, &format!("withdraw {}", elsewhere.id())).ok();
    assert_eq!(elsewhere.ends(), 4);
    // Nor does it answer for another policy.
    shell.line("echo payout ledger");
    let both = id();
    assert_eq!(waiting()[0]["needs"].as_array().unwrap().len(), 2, "{}", waiting());
    says(&bob, &format!("withdraw {both}")).ok();
    shell.wait_for("was withdrawn");
    says(&alice, &format!("revoke {first} enough")).ok();
    shell.wait_for("enough");
    shell.wait_for("[ended with");
}
