//! The certificate authorities' keys in a token that speaks PKCS#11: they sign there, and what they sign is trusted.

use std::fs;

use crate::harness::{Run, Setup, Token, Way, World};

#[test]
fn keys_in_a_token_sign_for_users_hosts_and_targets_and_never_touch_our_disk() {
    let token = Token::new();
    let mut agent = token.agent();
    let socket = token.socket().display().to_string();
    let home = |label: &str| format!("{{ agent = \"{socket}\", fingerprint = \"{}\" }}", token.fingerprint(label));
    let more = format!("\n[ca]\nuser = {}\nhost = {}\ntarget = {}\n", home("user"), home("host"), home("target"));
    let world = World::with(Setup { more, ..Setup::default() });
    let alice = world.visitor("alice");
    let mut show = std::process::Command::new("ssh-keygen");
    show.arg("-Lf").arg(alice.certificate());
    let shown = Run::new(show).ok().text();
    assert!(shown.contains(&token.fingerprint("user")) && shown.contains("ecdsa-sha2-nistp256"), "{shown}");
    // By jump the host's key signs too, and the target trusts the third.
    for way in [Way::At, Way::Jump] {
        assert_eq!(alice.on_target(way, &[], "echo in").ok().text(), "in\n");
    }
    for file in fs::read_dir(world.dir().join("state/ca")).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains("PRIVATE"), "{}", path.display());
    }
    let check = |more: &[&str]| format!("{}", world.bastion.run(["check"].iter().chain(more)).ok());
    assert!(!check(&[]).contains("cannot sign"));
    // Without its agent it gives no certificate, and says so; nothing else takes the key's place.
    agent.kill();
    let warned = check(&["--json"]);
    for kind in ["user", "host", "target"] {
        assert!(warned.contains(&format!("the {kind} authority cannot sign: the SSH agent at {socket} does not answer")), "{warned}");
    }
    assert!(!check(&["--offline"]).contains("cannot sign"));
    let bob = world.stranger("bob");
    let done = bob.with_device_code(&["bastion", "cert"], &fs::read(bob.dir.join("id.pub")).unwrap(), |url| {
        drop(world.provider.walk(url, "bob"));
    });
    assert!(!done.status.success() && done.out.is_empty(), "{done}");
    assert!(alice.on_target(Way::At, &[], "true").finish().code() != 0, "no certificate for the target either");
}
