//! `bartizan policy` beside a bastion that people work through: what it tells is what the bastion does and did.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{POLICIES, WAYS, World};

/// `policy explain` of a command of alice's: its exit code and answer.
fn explained(world: &World, line: &str) -> (i32, Value) {
    let who = ["policy", "explain", "--principal", "corp/alice@example.test", "--group", "corp/admins", "--json"];
    let what = ["--target", "web-1", "--login", "deploy", "--command", line];
    let done = world.bastion.run([&who[..], &what[..]].concat()).finish();
    (done.code(), done.json())
}

#[test]
fn explain_says_before_what_the_bastion_does() {
    let world = World::start();
    let alice = world.visitor("alice");
    for (line, allowed) in [("uname -s", true), ("cat /etc/shadow", false), ("echo one; echo two", true), ("cat '/etc/sha'dow", false)] {
        let (code, told) = explained(&world, line);
        let expected = if allowed { (0, "allow") } else { (1, "deny") };
        assert_eq!((code, told["verdict"].as_str().unwrap()), expected, "{told}");
        for way in WAYS {
            let done = alice.on_target(way, &[], line).finish();
            assert_eq!(done.status.success(), allowed, "{way:?} {line}: {done}");
        }
    }
}

#[test]
fn diff_replays_what_a_real_bastion_recorded() {
    let world = World::start();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        alice.on_target(way, &[], "uname -s").ok();
        alice.on_target(way, &[], "uname -r").ok();
        bob.on_target(way, &[], "uname -s").ok();
        alice.on_target(way, &[], "cat /etc/shadow").finish().refused();
    }
    let (old, new) = (world.dir().join("old.cedar"), world.dir().join("new.cedar"));
    fs::write(&old, POLICIES).unwrap();
    let changed =
        POLICIES.replace("corp/developers", "corp/nobody").replace("context.command like \"*shadow*\"", "context.command like \"uname *\"");
    fs::write(&new, changed).unwrap();
    let [old, new] = [&old, &new].map(|path| path.to_str().unwrap());
    let diff = |old: &str, new: &str| world.bastion.run(["policy", "diff", old, new, "--json"]).finish();

    let done = diff(old, new);
    assert_eq!(done.code(), 1, "{done}");
    let told = done.json();
    let found = |principal: &str| {
        let all = told["principals"].as_array().unwrap();
        all.iter().find(|one| one["principal"] == format!("corp/{principal}@example.test")).unwrap_or_else(|| panic!("{told}"))["changes"]
            .clone()
    };
    let summary = |changes: &Value| -> Vec<(String, String, String, u64)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |change: &Value| {
            (text(&change["action"]), text(&change["old"]["verdict"]), text(&change["new"]["verdict"]), change["count"].as_u64().unwrap())
        };
        let mut all: Vec<_> = changes.as_array().unwrap().iter().map(one).collect();
        all.sort();
        all
    };
    let change = |action: &str, old: &str, new: &str, count| (action.to_owned(), old.to_owned(), new.to_owned(), count);
    // The new policies forbid uname and let the shadow be seen.
    assert_eq!(summary(&found("alice")), [change("ssh.exec", "allow", "deny", 4), change("ssh.exec", "deny", "allow", 2)]);
    // And bob may not even connect.
    assert_eq!(summary(&found("bob")), [change("connect", "allow", "deny", 2), change("ssh.exec", "allow", "deny", 2)]);
    assert_eq!(told["not_replayed"], json!([]), "{told}");
    // Nobody's certificate would be refused: these decisions were replayed as well, and did not change.
    assert_eq!(told["replayed"], told["changed"].as_u64().unwrap() + 6 + 2, "{told}");

    assert_eq!(diff(old, old).code(), 0);
    let log = world.dir().join("state/audit/audit.ndjson");
    fs::write(&log, fs::read_to_string(&log).unwrap().replacen("uname -r", "uname -v", 1)).unwrap();
    let done = diff(old, new);
    assert!(done.code() == 3 && done.err.contains("tampered with at line"), "{done}");
}
