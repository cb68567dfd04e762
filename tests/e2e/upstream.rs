//! The bastion's side towards a target: three kinds of credential, host keys and host certificates, and what goes wrong.

use crate::harness::{WAYS, Way, World};

#[test]
fn the_bastion_logs_in_by_certificate_key_and_password() {
    let world = World::start();
    let alice = world.visitor("alice");
    for (target, method) in [("web-1", "ED25519-CERT"), ("web-key", "publickey"), ("web-password", "Accepted password")] {
        for way in WAYS {
            assert_eq!(alice.on(way, target, &[], "echo $USER").ok().text(), "deploy\n", "{target} {way:?}");
        }
        assert!(world.target.log().contains(method), "{target}: {}", world.target.log());
    }
    // It is not asked first whether it would accept the key that it is then shown.
    assert!(!world.target.log().contains("Postponed publickey"), "{}", world.target.log());
}

#[test]
fn a_host_certificate_of_the_named_authority_is_enough() {
    let world = World::start();
    let alice = world.visitor("alice");
    assert_eq!(alice.on(Way::At, "web-ca", &[], "echo in").ok().text(), "in\n");
}

#[test]
fn a_target_with_another_host_key_is_refused_before_any_credential_is_shown() {
    let world = World::start();
    let alice = world.visitor("alice");
    for way in WAYS {
        let done = alice.on(way, "web-stranger", &[], "echo in").finish().refused();
        assert!(done.out.is_empty() && done.err.contains("host key"), "{way:?}: {done}");
    }
    assert!(!world.target.log().contains("publickey"), "{}", world.target.log());
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_target_that_is_down_is_told_in_a_sentence() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    world.target.stop();
    for way in WAYS {
        let done = alice.on_target(way, &[], "true").finish();
        assert_eq!(done.code(), 3, "{done}");
        assert!(done.err.contains("web-1"), "{done}");
    }
}

#[test]
fn a_target_that_refuses_the_bastion_is_told_without_its_credential() {
    let world = World::start();
    let alice = world.visitor("alice");
    world.target.trust(&world.target.host_ca);
    let done = alice.on_target(Way::At, &[], "true").finish().refused();
    assert!(done.err.contains("web-1"), "{done}");
    std::fs::remove_file(world.target.dir.join("shadow")).unwrap();
    let done = alice.on(Way::At, "web-password", &[], "true").finish().refused();
    assert!(!done.err.contains("sesame") && !world.bastion.log().contains("sesame"), "{done}");
}

#[test]
fn the_certificate_shown_to_a_target_is_short_and_names_the_principal_and_the_session() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    let log = world.target.log();
    let line = log.lines().find(|line| line.contains("Accepted certificate ID")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("corp/alice@example.test"), "{line}");
}
