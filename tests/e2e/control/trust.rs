//! Taking trust away on the bastion's own machine: policy decides while a bastion runs; where none runs, it is done in its files, and
//! the audit log has who did it.

use serde_json::json;

use super::world;
use crate::harness::{Control, World};

fn log(world: &World) -> String {
    world.bastion.run(["audit", "export"]).ok().text()
}

fn host_key(world: &World) -> String {
    world.bastion.run(["ca", "show", "host", "--json"]).ok().json()[0]["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn without_a_policy_nothing_is_revoked_and_no_authority_gets_a_new_key() {
    let world = world();
    world.put_in_force("operators.cedar", "");
    let bob = world.visitor("bob");
    let before = host_key(&world);
    let mut control = Control::local(&world.dir().join("state"));
    for (what, request) in [
        ("trust.revoke", json!({ "serial": 1 })),
        ("trust.revoke", json!({ "serial": 4_000_000 })),
        ("trust.revoke", json!({ "principal": "corp/bob@example.test" })),
        ("trust.revoke", json!({ "key": "SHA256:wjzHPaqRN5cYjzPsb0Rr6mC7mQVjDJoVT0JwYKqGrbQ" })),
        ("authority.rotate", json!({ "authority": "host", "overlap_seconds": 60 })),
    ] {
        let refused = control.ask(what, request.clone());
        assert_eq!(refused["error"]["code"], 1, "{what} {request}: {refused}");
    }
    for line in [&["ca", "revoke", "--principal", "corp/bob@example.test"][..], &["ca", "rotate", "host"]] {
        let refused = world.bastion.run(line).finish();
        assert!(refused.code() == 1 && refused.err.contains("revoke"), "{refused}");
    }
    // Nobody revokes from afar either.
    let mut afar = Control::open(&bob);
    assert_eq!(afar.ask("trust.revoke", json!({ "principal": "corp/alice@example.test" }))["error"]["code"], 1);
    assert_eq!(host_key(&world), before);
    bob.ssh(["bastion", "whoami"]).ok();
    let log = log(&world);
    let denied = log.lines().filter(|line| line.contains("\"action\":\"revoke\"") && line.contains("\"verdict\":\"deny\"")).count();
    assert_eq!(denied, 8, "{log}");
    assert!(!log.contains("trust.revoked") && !log.contains("ca.rotated"), "{log}");
}

#[test]
fn what_policy_permits_is_done_at_once_and_told_with_who_did_it() {
    let world = world();
    let bob = world.visitor("bob");
    let before = host_key(&world);
    let key = {
        let whoami = bob.ssh(["bastion", "whoami", "--json"]).ok().json();
        whoami["key"].as_str().unwrap().to_owned()
    };
    let rotated = world.bastion.run(["ca", "rotate", "host", "--overlap", "90m", "--json"]).ok().json();
    assert_ne!(rotated["fingerprint"].as_str().unwrap(), before);
    assert_eq!(rotated["old"][0]["fingerprint"].as_str().unwrap(), before);
    let revoked = world.bastion.run(["ca", "revoke", "--key", &key, "--reason", "seen in a paste", "--json"]).ok().json();
    assert_eq!((&revoked["what"], &revoked["revocation"]["reason"]), (&json!(format!("key {key}")), &json!("seen in a paste")));
    bob.ssh(["-o", "BatchMode=yes", "bastion", "whoami"]).finish().refused();
    let log = log(&world);
    for kind in ["ca.rotated", "trust.revoked"] {
        let line = log.lines().find(|line| line.contains(kind)).unwrap_or_else(|| panic!("{kind}: {log}"));
        assert!(line.contains("\"by\":\"local/"), "{line}");
    }
    // Policy was asked about whose key it was.
    assert!(log.lines().any(|line| line.contains("\"action\":\"revoke\"") && line.contains(&format!("revoke key {key}"))), "{log}");
    let unfit = Control::local(&world.dir().join("state")).ask("trust.revoke", json!({ "serial": 1, "key": key }));
    assert_eq!(unfit["error"]["code"], 1, "{unfit}");
    let unfit =
        Control::local(&world.dir().join("state")).ask("authority.rotate", json!({ "authority": "host", "overlap_seconds": 9_999_999 }));
    assert_eq!(unfit["error"]["code"], 1, "{unfit}");
}

#[test]
fn where_no_bastion_runs_it_is_done_in_its_files_and_the_log_has_the_account() {
    let mut world = world();
    let bob = world.visitor("bob");
    let before = host_key(&world);
    world.bastion.kill();
    for line in [&["ca", "rotate", "host"][..], &["ca", "revoke", "--principal", "corp/bob@example.test"]] {
        let done = world.bastion.run(line).ok();
        assert!(done.err.contains("no bastion runs on this machine"), "{done}");
    }
    assert_ne!(host_key(&world), before);
    let log = log(&world);
    for kind in ["ca.rotated", "trust.revoked"] {
        assert!(log.lines().any(|line| line.contains(kind) && line.contains("\"by\":\"local:")), "{kind}: {log}");
    }
    world.restart();
    bob.point_to(world.bastion.port);
    bob.ssh(["-o", "BatchMode=yes", "bastion", "whoami"]).finish().refused();
    world.bastion.run(["audit", "verify"]).ok();
}
