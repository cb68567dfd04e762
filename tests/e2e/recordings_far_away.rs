//! Recordings read over the control protocol, by programs and by `bartizan recordings --bastion`: only by whom policy lets, and
//! only the ranges that are needed.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::encrypted::{age_identity, encrypt_to};
use crate::evidence::{files, ids};
use crate::harness::Control;
use crate::harness::{Done, Run, Setup, Terminal, Visitor, Way, World};

/// Admins are the auditors here; bob may run commands and see his own recordings; carol, of no group, nothing.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource == Target::"web-1");

@id("admins-use-the-other")
permit (principal in Group::"corp/admins", action in [Action::"connect", Action::"ssh.exec"], resource == Target::"web-ca");

@id("admins-replay")
permit (principal in Group::"corp/admins", action in [Action::"replay", Action::"export"], resource);

@id("one-sees-ones-own")
permit (principal, action == Action::"replay", resource is Recording) when { resource in principal };
"#;

fn world() -> World {
    World::with(Setup { policies: Some(POLICIES), ..Setup::default() })
}

/// `bartizan` on a machine of `visitor`'s own, with their ssh and no configuration of a bastion.
pub(crate) fn bartizan(visitor: &Visitor, arguments: &[&str]) -> Done {
    let mut command = visitor.command(env!("CARGO_BIN_EXE_bartizan"), arguments);
    command.env("BARTIZAN_CONFIG", visitor.dir.join("none.toml")).env("BARTIZAN_BASTION", "bastion").env("NO_COLOR", "1");
    command.env("PATH", ssh_of(visitor));
    Run::new(command).finish()
}

/// A PATH on which `ssh` is stock ssh with the visitor's configuration, which ssh itself would look for in their real home.
fn ssh_of(visitor: &Visitor) -> String {
    use std::os::unix::fs::PermissionsExt;
    let dir = visitor.dir.join("bin");
    std::fs::create_dir_all(&dir).unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!("#!/bin/sh\nPATH='{path}' exec ssh -F '{}' \"$@\"\n", visitor.config().display());
    std::fs::write(dir.join("ssh"), script).unwrap();
    std::fs::set_permissions(dir.join("ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{path}", dir.display())
}

fn listed(control: &mut Control, filter: Value) -> Vec<String> {
    let answer = control.ask("recordings", filter);
    let list = answer["ok"].as_array().unwrap_or_else(|| panic!("{answer}"));
    list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn code(answer: &Value) -> Option<u64> {
    answer["error"]["code"].as_u64()
}

#[test]
fn recordings_are_listed_searched_and_read_by_those_only_whom_policy_lets() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    bob.on_target(Way::At, &["-n"], "echo pelican-$((40+2))").ok();
    let of_bob = ids(&world).pop().unwrap();
    alice.on(Way::Jump, "web-ca", &["-n"], "echo heron-$((40+2))").ok();
    let of_alice = ids(&world).pop().unwrap();

    let (mut auditor, mut owner) = (Control::open(&alice), Control::open(&bob));
    assert_eq!(listed(&mut auditor, json!({})), [of_alice.as_str(), of_bob.as_str()], "newest first");
    assert_eq!(listed(&mut auditor, json!({ "limit": 1 })), [of_alice.as_str()]);
    assert_eq!(listed(&mut auditor, json!({ "principal": "bob", "target": "web-*", "kind": "ssh" })), [of_bob.as_str()]);
    assert_eq!(listed(&mut auditor, json!({ "text": "pelican-42" })), [of_bob.as_str()]);
    assert_eq!(listed(&mut auditor, json!({ "verdict": "deny" })), Vec::<String>::new());
    assert_eq!(listed(&mut owner, json!({})), [of_bob.as_str()], "another's is not even named");

    let found = auditor.ask("search", json!({ "query": "PELICAN-42", "kind": "screen" }));
    assert_eq!(found["ok"][0]["session"], of_bob.as_str(), "{found}");
    assert_eq!(auditor.ask("search", json!({ "query": "heron-42" }))["ok"].as_array().unwrap().len(), 1);
    assert_eq!(owner.ask("search", json!({ "query": "heron-42" }))["ok"], json!([]));
    assert!(!owner.ask("search", json!({ "query": "pelican" }))["ok"].as_array().unwrap().is_empty());
    assert_eq!(code(&owner.ask("search", json!({ "query": "x" }))), Some(1));
    assert_eq!(code(&owner.ask("search", json!({ "query": "xyz", "kind": "tale" }))), Some(1));

    // Nothing is read that was not opened, nothing is opened that may not be.
    let range = |id: &str, file: &str, offset: u64, length: u64| json!({ "session": id, "file": file, "offset": offset, "length": length });
    assert_eq!(code(&owner.ask("recording.read", range(&of_bob, "head.json", 0, 10))), Some(1));
    for purpose in ["replay", "export", "verify"] {
        let refused = owner.ask("recording.open", json!({ "session": of_alice, "purpose": purpose }));
        assert_eq!(code(&refused), Some(1), "{purpose}: {refused}");
    }
    let refused = owner.ask("recording.open", json!({ "session": of_bob, "purpose": "export" }));
    assert!(refused["error"]["message"].as_str().unwrap().contains("export"), "{refused}");
    let opened = owner.ask("recording.open", json!({ "session": of_bob, "purpose": "replay" }));
    assert_eq!((&opened["ok"]["sealed"], &opened["ok"]["encrypted"]), (&json!(true), &json!(false)), "{opened}");
    let dir = files(&world.dir().join("state/recordings"), "head.json").into_iter().find(|head| head.parent().unwrap().ends_with(&of_bob));
    let dir = dir.unwrap().parent().unwrap().to_owned();
    for file in opened["ok"]["files"].as_array().unwrap() {
        let (name, bytes) = (file["name"].as_str().unwrap(), file["bytes"].as_u64().unwrap());
        let mut all = Vec::new();
        while (all.len() as u64) < bytes {
            let part = owner.ask("recording.read", range(&of_bob, name, all.len() as u64, 100_000));
            all.extend(STANDARD.decode(part["ok"]["data"].as_str().unwrap()).unwrap());
        }
        assert_eq!(all, std::fs::read(dir.join(name)).unwrap(), "{name}");
    }
    for (file, offset, length, fails) in [
        ("head.json", u64::MAX, 10, false),
        ("head.json", 1 << 40, 10, false),
        ("head.json", 0, 300_000, true),
        ("../../state.db", 0, 10, true),
        ("/etc/passwd", 0, 10, true),
        ("c9.brec", 0, 10, true),
    ] {
        let answer = owner.ask("recording.read", range(&of_bob, file, offset, length));
        assert!(if fails { code(&answer) == Some(1) } else { answer["ok"]["data"] == "" }, "{file} {offset} {length}: {answer}");
    }
    assert_eq!(code(&auditor.ask("recording.open", json!({ "session": "01JD0000000000000000000001", "purpose": "replay" }))), Some(1));
    assert_eq!(code(&auditor.ask("recording.open", json!({ "session": "../../x", "purpose": "replay" }))), Some(2));

    // What policy takes away is gone at once, on a connection that has it open.
    world.write_policies(&POLICIES.replace("one-sees-ones-own\")\npermit", "one-sees-ones-own\")\nforbid"));
    world.bastion.reload();
    crate::harness::wait_until("the new policies", || code(&owner.ask("recording.read", range(&of_bob, "head.json", 0, 10))) == Some(1));

    let audit = world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text();
    let entries: Vec<Value> = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].take()).collect();
    let has = |kind: &str, by: &str| entries.iter().any(|entry| entry["kind"] == kind && entry["by"].as_str() == Some(by));
    assert!(has("recording.replayed", "corp/bob@example.test") && has("recordings.searched", "corp/alice@example.test"), "{audit}");
    let denied = |entry: &Value| entry["kind"] == "decision" && entry["action"] == "export" && entry["verdict"] == "deny";
    assert!(entries.iter().any(denied), "{audit}");
}

#[test]
fn an_auditor_works_from_their_own_machine_with_stock_ssh() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    bob.on_target(Way::At, &["-n"], "echo pelican-$((40+2))").ok();
    let id = ids(&world).pop().unwrap();
    let list = bartizan(&alice, &["recordings", "list", "--json", "--user", "bob"]).ok().json();
    assert_eq!((&list[0]["id"], list.as_array().unwrap().len()), (&json!(id), 1), "{list}");
    let found = bartizan(&alice, &["recordings", "search", "--bastion", "bastion", "pelican-42"]).ok();
    assert!(found.text().contains(&id) && found.err.contains("recordings play"), "{found}");
    for words in [&id[..], &id[..14]] {
        assert!(bartizan(&alice, &["recordings", "cat", words]).ok().text().contains("pelican-42"));
    }
    let exported = bartizan(&alice, &["recordings", "export", &id]).ok();
    assert!(exported.text().starts_with("{\"version\":2") || exported.text().contains("\"version\":2"), "{exported}");
    assert!(exported.text().contains("pelican-42"), "{exported}");
    let key = world.dir().join("state/keys/recordings.pub");
    let verified = bartizan(&alice, &["recordings", "verify", "--key", key.to_str().unwrap(), &id]).ok();
    assert!(verified.text().contains(&format!("{id} ok")), "{verified}");
    let vouched = bartizan(&alice, &["recordings", "verify", &id]);
    assert!(vouched.code() == 2 && vouched.err.contains("--key"), "{vouched}");
    let refused = bartizan(&bob, &["recordings", "export", &id]);
    assert!(refused.code() == 1 && refused.err.contains("export") && refused.out.is_empty(), "{refused}");
    let shown = alice.ssh(["bastion", "recordings"]).ok();
    assert!(shown.text().contains(&id) && shown.text().contains("echo pelican"), "{shown}");
    assert_eq!(bob.ssh(["bastion", "recordings", "--json"]).ok().json()[0]["id"], json!(id));
}

#[test]
fn an_encrypted_recording_is_searched_and_read_on_the_auditors_machine() {
    let mut world = world();
    let alice = world.visitor("alice");
    let [first, second] = ["first.txt", "second.txt"].map(|name| alice.dir.join(name));
    let keys = [age_identity(&first), age_identity(&second)];
    encrypt_to(&mut world, &[&keys[0], &keys[1]]);
    alice.point_to(world.bastion.port);
    alice.on_target(Way::At, &["-n"], "echo pelican-$((40+2))").ok();
    let id = ids(&world).pop().unwrap();

    let blind = bartizan(&alice, &["recordings", "search", "pelican-42"]).ok();
    assert!(!blind.text().contains(&id) && blind.err.contains("1 recording is encrypted"), "{blind}");
    let identity = format!("--identity={}", first.display());
    for _ in 0..2 {
        let found = bartizan(&alice, &["recordings", "search", &identity, "pelican-42"]).ok();
        assert!(found.text().contains(&id), "{found}");
    }
    assert_eq!(files(&alice.dir.join(".local/share/bartizan"), ".db").len(), 1, "the index is the auditor's own");
    let known =
        |dir: &Path| files(dir, ".db").iter().any(|file| std::fs::read(file).unwrap().windows(10).any(|part| part == b"pelican-42"));
    assert!(!known(&world.dir().join("state")), "the bastion does not learn what was recorded");
    assert!(bartizan(&alice, &["recordings", "cat", &identity, &id]).ok().text().contains("pelican-42"));
    let locked = bartizan(&alice, &["recordings", "cat", &id]);
    assert!(locked.code() == 3 && locked.err.contains("--identity"), "{locked}");
    // Replays are audited one by one; what was indexed was fetched once.
    let audit = world.bastion.run(["audit", "tail", "--json", "-n", "1000"]).ok().text();
    assert_eq!(audit.matches("\"kind\":\"recording.replayed\"").count(), 3, "{audit}");
}

#[test]
fn a_replay_far_away_fetches_only_what_it_shows() {
    let world = world();
    let alice = world.visitor("alice");
    // Two pictures of it: what was printed does not shrink, and a mark stands near the end.
    let noise = "head -c 6000000 /dev/urandom | base64 -w 76; sleep 1; echo near-the-end; sleep 2";
    alice.on_target(Way::At, &["-n"], noise).ok();
    let id = ids(&world).pop().unwrap();
    let bytes = files(&world.dir().join("state/recordings"), "c0.brec").iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
    assert!(bytes > 5_000_000, "{bytes}");
    // The index, from which the markers come, is made at the first search.
    bartizan(&alice, &["recordings", "search", "near-the-end"]).ok();

    let program = env!("CARGO_BIN_EXE_bartizan");
    let fetched = alice.dir.join("fetched");
    let play = format!(
        "cd {}; PATH='{}' HOME=$PWD BARTIZAN_CONFIG=none.toml {program} recordings play --bastion bastion --at 99% --speed 0.01 {id} 2>{}",
        alice.dir.display(),
        ssh_of(&alice),
        fetched.display()
    );
    let terminal = Terminal::open(&world.dir(), &play, 100, 30);
    terminal.wait_for("near-the-end");
    terminal.line("q");
    crate::harness::wait_until("the player's last words", || std::fs::read_to_string(&fetched).unwrap_or_default().contains("bytes of"));
    let said = std::fs::read_to_string(&fetched).unwrap();
    let number = said.split_once("fetched ").and_then(|(_, rest)| rest.split(' ').next()).and_then(|n| n.parse::<u64>().ok());
    let number = number.unwrap_or_else(|| panic!("{said}"));
    assert!(number * 3 < bytes, "{number} of {bytes} bytes were fetched");
}

#[test]
fn who_may_not_log_in_gets_nothing() {
    let world = world();
    let stranger = world.stranger("mallory");
    let refused = bartizan(&stranger, &["recordings", "list", "--ssh-option", "BatchMode=yes"]);
    assert_eq!((refused.code(), refused.out.len()), (3, 0), "{refused}");
}
