//! What a tunnel does not begin with, and how it says so.

use std::fs;
use std::process::Command;

use super::{Site, token_in};
use crate::harness::{Done, Run, bartizan, keygen};

fn run(mut command: Command) -> Done {
    command.arg("orders=0");
    Run::new(command).finish()
}

#[test]
fn a_bastion_that_is_not_the_one_that_is_known_is_told_nothing() {
    let site = Site::start();
    let dir = site.seat("service");
    let stranger = keygen(&dir.join("stranger"), "ed25519");
    let by = |arguments: &[&str]| {
        let mut command = bartizan(&dir);
        command.args(["tunnel", "--bastion", &format!("127.0.0.1:{}", site.world.bastion.port)]).arg("--token-file").arg(dir.join("token"));
        command.args(arguments);
        run(command)
    };
    let host_ca = site.world.host_ca.as_str();
    for arguments in [
        &["--host-ca", &stranger, "--name", "bastion"][..],
        &["--host-key", &stranger],
        // The right authority, and a certificate for another host.
        &["--host-ca", host_ca, "--name", "elsewhere"],
        // An authority's key is no host's key.
        &["--host-key", host_ca, "--name", "bastion"],
    ] {
        let done = by(arguments);
        assert!(done.code() == 1 && done.err.contains("host key that is not known"), "{done}");
    }
    // Nothing is trusted because nobody said what to trust.
    let done = by(&[]);
    assert!(done.code() == 2 && done.err.contains("--host-ca"), "{done}");
    assert!(site.audited("login.succeeded").is_empty() && site.audited("login.failed").is_empty());
}

#[test]
fn a_token_that_is_refused_or_not_there_is_a_clear_end() {
    let site = Site::start();
    let dir = site.seat("service");
    let good = fs::read_to_string(dir.join("token")).unwrap();
    let (head, signature) = good.trim().rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for (token, words) in [("rubbish", "refused the token"), (&forged, "refused the token")] {
        token_in(&dir.join("token"), token);
        let done = run(site.command(&dir));
        assert!(done.code() == 1 && done.err.contains(words) && !done.err.contains("does not say why"), "{done}");
        assert!(!done.err.contains(token) && !done.text().contains(token), "the token is shown: {done}");
    }
    fs::remove_file(dir.join("token")).unwrap();
    let done = run(site.command(&dir));
    assert!(done.code() == 3 && done.err.contains("there is no token"), "{done}");
    let done = Run::new(site.command(&dir)).finish();
    assert_eq!(done.code(), 2, "{done}");
}

#[test]
fn a_service_that_may_have_no_certificate_is_told_why() {
    const NOT_FOR_ROBOTS: &str = r#"
@id("people-get-certificates")
permit (principal is User, action == Action::"issue", resource);
"#;
    let site = Site::with(crate::harness::Setup { policies: Some(NOT_FOR_ROBOTS), ..Default::default() });
    let done = run(site.command(&site.seat("service")));
    assert!(done.code() == 1 && done.err.contains("gave no certificate") && done.err.contains("issue"), "{done}");
}
