//! Answers that are signed with the approver's own key, made by the command line and by `ssh-keygen` alone.

use std::process::Command;

use serde_json::{Value, json};

use super::{hold, says, world_of};
use crate::harness::{Control, Run, Visitor, Way, keygen};

/// What says `payout` wants a signed yes, what says `refund` any.
const POLICIES: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action == Action::"approve", resource);
@id("signed-for") @approve("corp/admins") @signed
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*payout*" };
@id("one") @approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

/// `bartizan approvals …` of `who`, whose ssh reads their own configuration.
fn bartizan(who: &Visitor, arguments: &[&str]) -> Run {
    let mut command = who.command(env!("CARGO_BIN_EXE_bartizan"), ["approvals"]);
    command.args(arguments);
    who.by_ssh(command)
}

fn find(who: &Visitor, id: &str) -> Value {
    let all = Control::open(who).ask("approvals", json!({ "all": true }));
    all["ok"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned().unwrap()
}

/// The text that is signed, written here once more from the manual.
fn challenge(asked: &Value, answer: &str, approver: &str, at: &str, reason: &str) -> String {
    format!(
        "{{\"answer\":\"{answer}\",\"approval\":{},\"approver\":\"{approver}\",\"at\":\"{at}\",\"digest\":{},\"for_seconds\":null,\"reason\":\"{reason}\"}}",
        asked["id"], asked["digest"]
    )
}

fn sign(who: &Visitor, key: &str, namespace: &str, text: &str) -> String {
    let file = who.dir.join("to-sign");
    std::fs::write(&file, text).unwrap();
    let _ = std::fs::remove_file(who.dir.join("to-sign.sig"));
    Run::new(who.command("ssh-keygen", ["-q", "-Y", "sign", "-n", namespace, "-f", key, "to-sign"])).ok();
    std::fs::read_to_string(who.dir.join("to-sign.sig")).unwrap()
}

fn now() -> String {
    let out = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_command_line_signs_and_the_signature_is_kept_for_others_to_check() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo payout");
    let id = held.id();
    // A yes that is not signed is not taken where policy wants one that is; a no is.
    let plain = says(&alice, &format!("approve {id}")).refused();
    assert!(plain.err.contains("signed-for") && plain.err.contains("bartizan approvals approve"), "{plain}");
    let unsigned = bartizan(&alice, &["approve", &id, "--unsigned"]).finish().refused();
    assert!(unsigned.err.contains("signed-for"), "{unsigned}");
    let done = bartizan(&alice, &["approve", &id, "--reason", "seen", "--for", "5m", "--json"]).ok().json();
    assert_eq!(done["state"], "approved", "{done}");
    assert_eq!(held.ends(), 0, "{}", held.said());
    let signed = &done["reviews"][0]["signed"];
    // Anybody can check it, with what the audit log says and OpenSSH alone.
    let log = world.bastion.run(["audit", "export"]).ok().text();
    let line = log.lines().find(|line| line.contains("approval.reviewed")).unwrap();
    let entry: Value = serde_json::from_str(line).unwrap();
    let entry = &entry["entry"];
    assert_eq!(
        (&entry["signature"], &entry["signed_at"], &entry["signed_by"]),
        (&signed["signature"], &signed["at"], &signed["key"]),
        "{entry}"
    );
    let text = format!(
        "{{\"answer\":\"approve\",\"approval\":{},\"approver\":{},\"at\":{},\"digest\":{},\"for_seconds\":300,\"reason\":\"seen\"}}",
        entry["approval"], entry["by"], entry["signed_at"], entry["digest"]
    );
    let public = std::fs::read_to_string(alice.dir.join("id.pub")).unwrap();
    std::fs::write(alice.dir.join("signers"), format!("alice {public}")).unwrap();
    std::fs::write(alice.dir.join("signature"), entry["signature"].as_str().unwrap()).unwrap();
    let verify = ["-Y", "verify", "-f", "signers", "-I", "alice", "-n", "bartizan-approval", "-s", "signature"];
    Run::new(alice.command("ssh-keygen", verify)).input(text.clone()).ok();
    Run::new(alice.command("ssh-keygen", verify)).input(text.replace("300", "301")).finish().refused();
    world.bastion.run(["audit", "verify"]).ok();
    assert!(world.bastion.run(["approvals", "list", "--all"]).ok().text().contains("(signed)"));
}

#[test]
fn a_signature_that_does_not_fit_is_an_answer_that_is_not_taken() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let held = hold(&bob, Way::At, &["-n"], "echo refund");
    let other = hold(&bob, Way::Jump, &["-n"], "echo refund other");
    let (asked, elsewhere) = (find(&alice, &held.id()), find(&alice, &other.id()));
    keygen(&alice.dir.join("stolen"), "ed25519");
    let mut control = Control::open(&alice);
    let me = "corp/alice@example.test";
    let at = now();
    let good = challenge(&asked, "approve", me, &at, "");
    let long_ago = "2020-01-01T00:00:00Z";
    let cases = [
        ("another key", sign(&alice, "stolen", "bartizan-approval", &good), at.as_str()),
        ("another namespace", sign(&alice, "id", "file", &good), &at),
        ("another approval", sign(&alice, "id", "bartizan-approval", &challenge(&elsewhere, "approve", me, &at, "")), &at),
        ("a no for a yes", sign(&alice, "id", "bartizan-approval", &challenge(&asked, "deny", me, &at, "")), &at),
        ("another's name", sign(&alice, "id", "bartizan-approval", &challenge(&asked, "approve", "corp/dora@example.test", &at, "")), &at),
        ("another reason", sign(&alice, "id", "bartizan-approval", &challenge(&asked, "approve", me, &at, "fine")), &at),
        ("long ago", sign(&alice, "id", "bartizan-approval", &challenge(&asked, "approve", me, long_ago, "")), long_ago),
        ("nothing", "nothing".to_owned(), &at),
    ];
    for (what, signature, at) in cases {
        let request = json!({ "approval": asked["id"], "answer": "approve", "signature": signature, "signed_at": at });
        let answer = control.ask("approval.answer", request);
        assert!(answer["error"]["message"].as_str().is_some_and(|message| message.contains("not taken")), "{what}: {answer}");
        assert_eq!(find(&alice, &held.id())["reviews"], json!([]), "{what}");
    }
    for half in [json!({ "signed_at": at }), json!({ "signature": "x" })] {
        let mut request = json!({ "approval": asked["id"], "answer": "approve" });
        request.as_object_mut().unwrap().extend(half.as_object().unwrap().clone());
        assert_eq!(control.ask("approval.answer", request)["error"]["code"], 1);
    }
    // The right one is taken, whoever made it.
    let at = now();
    let signature = sign(&alice, "id", "bartizan-approval", &challenge(&asked, "approve", me, &at, ""));
    let request = json!({ "approval": asked["id"], "answer": "approve", "signature": signature, "signed_at": at });
    assert_eq!(control.ask("approval.answer", request)["ok"]["state"], "approved");
}
