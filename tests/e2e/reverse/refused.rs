//! What nobody may publish, and how they are told.

use super::{POLICIES, Publisher, Site};
use crate::harness::{Run, Setup, Way, World};

#[test]
fn what_is_no_published_target_is_refused_in_words_and_written_down() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let by_name = "is not a target that is reached through publishers";
    for (forward, sentence) in [
        ("0:127.0.0.1:9", by_name),
        ("localhost:0:127.0.0.1:9", by_name),
        ("*:0:127.0.0.1:9", by_name),
        ("127.0.0.1:8080:127.0.0.1:9", by_name),
        ("0.0.0.0:2222:127.0.0.1:9", by_name),
        // A target that the bastion dials, and one that is not there.
        ("web-1:0:127.0.0.1:9", by_name),
        ("nowhere:0:127.0.0.1:9", by_name),
        ("/tmp/bartizan-reverse-test:127.0.0.1:9", "a target is published to the bastion itself and by its name"),
        ("vault:0:127.0.0.1:9", "The vault is published by nobody."),
    ] {
        let mut publisher = Publisher::start(&bob, forward);
        let said = publisher.ended();
        assert!(said.contains(sentence), "{forward}: {said}");
        let strict = bob.openssh("ssh", ["-N", "-v", "-o", "ExitOnForwardFailure=yes", "-R", forward, "bastion"]);
        let strict = Run::new(strict).finish().refused();
        assert!(strict.err.contains("remote port forwarding failed") && strict.err.contains(sentence), "{strict}");
    }
    assert!(!std::path::Path::new("/tmp/bartizan-reverse-test").exists());
    let refused = site.audited("refused");
    for words in ["localhost:0 (tcpip-forward)", "web-1:0 (tcpip-forward)", "nowhere:0 (tcpip-forward)", "(streamlocal-forward)"] {
        assert!(refused.iter().any(|one| one["entry"]["what"].as_str().unwrap().contains(words)), "{words}: {refused:?}");
    }
    let denied = site.audited("decision").into_iter().filter(|one| one["entry"]["action"] == "publish").collect::<Vec<_>>();
    assert!(denied.iter().all(|one| one["entry"]["verdict"] == "deny" && one["entry"]["target"] == "vault"), "{denied:?}");
    assert_eq!(denied.len(), 2);
    assert!(site.audited("target.published").is_empty());
}

#[test]
fn who_may_use_a_target_may_not_publish_it_and_keeps_the_session_they_came_for() {
    let site = Site::start();
    let alice = site.world.visitor("alice");
    let forward = format!("orders:0:127.0.0.1:{}", site.server.port);
    let said = Publisher::start(&alice, &forward).ended();
    assert!(said.contains("orders is not published:") && said.contains("publish"), "{said}");
    // One that is in everybody's ssh_config ends nothing.
    let done = alice.ssh(["-R", &forward, "bastion", "whoami"]).ok();
    assert!(done.text().contains("corp/alice") && done.err.contains("remote port forwarding failed"), "{done}");
    // A session on a target is no place to publish from.
    for way in [Way::At, Way::Jump] {
        let done = alice.on_target(way, &["-R", &forward], "echo in").ok();
        assert!(done.text().contains("in") && done.err.contains("(tcpip-forward) is not allowed here"), "{way:?}: {done}");
    }
    assert_eq!(site.publishers(), 0);
    let none = site.ask(&alice, "SELECT n FROM t");
    assert!(none.err.contains("Nobody publishes orders now"), "{none}");
}

#[test]
fn a_target_of_the_wrong_form_is_a_mistake_that_check_tells() {
    let world = World::with(Setup { policies: Some(POLICIES), ..Setup::default() });
    let file = world.dir().join("bartizan.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let with = |lines: &str| {
        std::fs::write(&file, format!("{before}\n[[target]]\nname = \"x\"\n{lines}\n")).unwrap();
        world.bastion.run(["check", "--offline"]).finish()
    };
    let unknown = with("kind = \"http\"\nupstream = \"https://x\"\nroute = \"sideways\"");
    assert!(unknown.code() == 2 && unknown.err.contains("one of \"direct\", \"reverse\""), "{unknown}");
    let without = with("kind = \"postgres\"\ndatabase = \"a\"\nuser = \"b\"\nroute = \"direct\"");
    assert!(without.code() == 2 && without.err.contains("address"), "{without}");
    let plain = with("kind = \"kubernetes\"\nserver = \"http://127.0.0.1:8001\"\nroute = \"reverse\"");
    assert!(plain.code() == 2 && plain.err.contains("TLS"), "{plain}");
    let warned = with("kind = \"postgres\"\ndatabase = \"a\"\nuser = \"b\"\nroute = \"reverse\"\ntls = \"disable\"").ok();
    assert!(warned.err.contains("target x is reached through publishers and without TLS"), "{warned}");
    let good = with("kind = \"postgres\"\ndatabase = \"a\"\nuser = \"b\"\nroute = \"reverse\"").ok();
    assert!(!good.err.contains("target x"), "{good}");
}
