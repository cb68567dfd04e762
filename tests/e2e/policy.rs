//! What policy decides, and that live sessions obey today's policy.

use crate::harness::POLICIES;
use crate::harness::{Guarded, Setup, Terminal, WAYS, Way, World, wait_until, wait_until_within};

#[test]
fn a_denied_command_names_the_policy_and_its_reason_and_never_reaches_the_target() {
    let world = World::start();
    let alice = world.visitor("alice");
    for way in WAYS {
        let done = alice.on_target(way, &[], "cat /etc/shadow").finish();
        assert_eq!(done.code(), 1, "{done}");
        assert!(done.err.contains("nobody-prints-shadow") && done.err.contains("Password hashes stay"), "{done}");
    }
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn what_no_policy_permits_is_refused() {
    let world = World::start();
    let bob = world.visitor("bob");
    for way in WAYS {
        bob.on_target(way, &[], "true").ok();
        let before = world.target.logins();
        // No shell, no files, no other target, no other account.
        bob.on_target(way, &["-T"], "").input("echo in\n").finish().refused();
        bob.on(way, "web-key", &[], "true").finish().refused();
        let (options, destination) = way.name("operator", "web-1");
        bob.ssh([&options[..], &[destination, "true".into()]].concat()).finish().refused();
        bob.on_target(way, &["-s"], "sftp").finish().refused();
        assert_eq!(world.target.logins(), before, "{way:?}");
    }
}

#[test]
fn without_the_right_to_a_certificate_there_is_none() {
    let policies = r#"@id("bob-only") permit (principal == User::"corp/bob@example.test", action == Action::"issue", resource);"#;
    let world = World::with(Setup { policies: Some(policies), ..Setup::default() });
    let key = std::fs::read(world.stranger("x").dir.join("id.pub")).unwrap();
    let alice = world.stranger("alice");
    let done = alice.with_device_code(&["bastion", "cert"], &key, |url| drop(world.provider.walk(url, "alice"))).refused();
    assert!(done.out.is_empty(), "{done}");
    world.visitor("bob");
}

/// A session on web-1 that goes on until it is ended.
fn lasting(world: &World, visitor: &crate::harness::Visitor, way: Way) -> Guarded {
    let log = visitor.dir.join(format!("lasting-{way:?}.log"));
    let session = Guarded::logged(visitor.on_command(way, "web-1", &["-n"], "echo begun; exec sleep 600"), &log);
    wait_until("the session has begun", || std::fs::read_to_string(&log).unwrap_or_default().contains("begun"));
    let _ = world;
    session
}

#[test]
fn new_policies_count_without_a_restart_and_end_live_sessions_that_they_no_longer_permit() {
    let world = World::start();
    let alice = world.visitor("alice");
    let mut sessions = WAYS.map(|way| lasting(&world, &alice, way));
    world.write_policies(&POLICIES.replace("corp/admins", "corp/nobody"));
    world.bastion.reload();
    for session in &mut sessions {
        let limit = std::time::Duration::from_secs(5);
        assert!(session.wait(limit).is_some(), "a session that is no longer permitted goes on");
    }
    alice.on_target(Way::At, &[], "true").finish().refused();
    world.write_policies(POLICIES);
    world.bastion.reload();
    wait_until("the old policies count again", || alice.on_target(Way::At, &[], "true").finish().status.success());
}

#[test]
fn policies_with_a_mistake_are_not_taken_and_the_old_ones_go_on() {
    let world = World::start();
    let alice = world.visitor("alice");
    world.write_policies("@id(\"broken\") permit (principal, action == Action::\"no-such-action\", resource);");
    world.bastion.reload();
    wait_until("the mistake is logged", || world.bastion.log().contains("no-such-action"));
    alice.on_target(Way::At, &[], "true").ok();
    let done = world.bastion.run(["check"]).finish().refused();
    assert!(format!("{done}").contains("test.cedar"), "{done}");
}

#[test]
fn a_lock_ends_live_sessions_and_keeps_new_ones_out_until_it_is_lifted() {
    let world = World::start();
    let alice = world.visitor("alice");
    let bob = world.visitor("bob");
    let mut sessions = WAYS.map(|way| lasting(&world, &alice, way));
    let mut other = lasting(&world, &bob, Way::At);
    let lock = world.bastion.run(["lock", "corp/alice@example.test", "--reason", "lost laptop", "--json"]).ok().json();
    for session in &mut sessions {
        assert!(session.wait(std::time::Duration::from_secs(5)).is_some(), "a locked principal's session goes on");
    }
    for way in WAYS {
        alice.on_target(way, &["-o", "BatchMode=yes"], "true").finish().refused();
    }
    assert!(other.runs(), "a lock ended somebody else's session");
    let id = lock["id"].as_str().map_or_else(|| lock["id"].to_string(), str::to_owned);
    world.bastion.run(["unlock", &id]).ok();
    alice.on_target(Way::At, &[], "true").ok();
}

#[test]
fn a_revoked_certificate_opens_nothing_and_ends_its_live_session() {
    let world = World::start();
    let alice = world.visitor("alice");
    let serial = alice.ssh(["bastion", "whoami", "--json"]).ok().json()["certificate"].to_string();
    let mut session = lasting(&world, &alice, Way::At);
    world.bastion.run(["ca", "revoke", "--serial", &serial, "--reason", "key seen in a paste"]).ok();
    assert!(session.wait(std::time::Duration::from_secs(5)).is_some(), "the session of a revoked certificate goes on");
    for way in WAYS {
        alice.on_target(way, &["-o", "BatchMode=yes"], "true").finish().refused();
    }
    assert!(world.bastion.run(["audit", "tail"]).ok().text().contains("trust.revoked"));
}

#[test]
fn a_held_operation_is_refused_while_nobody_can_approve_it() {
    let world = World::start();
    let alice = world.visitor("alice");
    let held = r#"
@id("four-eyes") @approve("corp/leads") forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;
    world.write_policies(&format!("{POLICIES}{held}"));
    wait_until("the new policy counts", || {
        let done = alice.on_target(Way::At, &[], "echo refund").finish();
        done.code() == 4 && done.err.contains("four-eyes") && done.err.contains("corp/leads")
    });
    alice.on_target(Way::Jump, &[], "echo other").ok();
}

#[test]
fn an_operator_sees_live_sessions_and_ends_one() {
    let world = World::start();
    let alice = world.visitor("alice");
    let mut session = lasting(&world, &alice, Way::At);
    let list = world.bastion.run(["sessions", "list", "--json"]).ok();
    let list = list.json();
    let one = &list[0];
    assert!(one.to_string().contains("corp/alice@example.test") && one.to_string().contains("web-1"), "{one}");
    assert!(world.bastion.run(["sessions", "list"]).ok().text().contains("web-1"));
    world.bastion.run(["sessions", "end", one["id"].as_str().unwrap()]).ok();
    assert!(session.wait(std::time::Duration::from_secs(5)).is_some(), "an ended session goes on");
    world.bastion.run(["sessions", "end", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).finish().refused();
}

#[test]
fn a_certificate_that_runs_out_ends_its_live_sessions_with_a_sentence() {
    let world = World::with(Setup { ttl: Some("60s"), ..Setup::default() });
    let alice = world.visitor("alice");
    let terminal = Terminal::open(&world.dir(), &alice.line(Way::At, "-t", "sleep 600"), 120, 20);
    // A certificate cannot live for less than a minute, and its end is what this waits for.
    wait_until_within(90, "the sentence", || terminal.screen().contains("this session was ended"));
    alice.on_target(Way::At, &["-o", "BatchMode=yes"], "true").finish().refused();
}
