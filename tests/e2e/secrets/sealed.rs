//! Secrets that the bastion keeps itself: sealed by a command, under a key from a file or from an SSH agent.

use std::fs;
use std::process::Command;

use super::{NEXT, alter, are_nowhere, is_let_in, refusal};
use crate::harness::{PASSWORD, Run, keygen, ssh_agent};
use crate::postgres::site::Site;

/// A site whose role's password is sealed, with further sections.
pub(super) fn sealed(sections: &str) -> Site {
    let before = format!("{{ exec = [\"echo\", \"{PASSWORD}\"] }}");
    let mut site = Site::with_password(|_| before.clone(), sections);
    seal(&site, PASSWORD);
    let file = site.world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&before));
    fs::write(&file, text.replace(&before, "{ sealed = \"orders\" }")).unwrap();
    site.world.restart();
    site
}

fn seal(site: &Site, secret: &str) {
    site.world.bastion.run(["secret", "set", "orders"]).input(format!("{secret}\n")).ok();
}

#[test]
fn a_sealed_password_is_used_replaced_listed_and_taken_away_while_the_bastion_runs() {
    let site = sealed("");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    alter(&site.server, NEXT);
    refusal(&tunnel, &alice);
    seal(&site, NEXT);
    is_let_in(&tunnel, &alice);
    let list = site.world.bastion.run(["secret", "list", "--json"]).ok().json();
    assert_eq!((list.as_array().unwrap().len(), list[0]["name"].as_str()), (1, Some("orders")));
    assert!(list[0]["by"].as_str().unwrap().starts_with("local:"), "{list}");
    let log = site.audited();
    assert!(log.matches("secret.sealed").count() == 2 && log.contains("\"orders\""), "{log}");
    // Without its key, and with another one, it does not open.
    let key = site.world.dir().join("state/keys/secrets");
    let kept = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let why = refusal(&tunnel, &alice);
    assert!(why.contains("cannot be read from sealed orders"), "{why}");
    site.world.bastion.run(["secret", "set", "other"]).input("planted").ok();
    refusal(&tunnel, &alice);
    assert!(site.world.bastion.log().contains("sealed under another key"), "{}", site.world.bastion.log());
    fs::write(&key, &kept).unwrap();
    is_let_in(&tunnel, &alice);
    // One that was put under another's name does not open either.
    let store = site.world.dir().join("state/state.db");
    let mut sqlite = Command::new("sqlite3");
    // The bastion writes to it just now, too.
    sqlite.args(["-cmd", ".timeout 20000"]).arg(&store).arg(
        "UPDATE sealed SET bytes = (SELECT bytes FROM sealed WHERE name = 'other'), key = (SELECT key FROM sealed WHERE name = 'orders')",
    );
    Run::new(sqlite).ok();
    refusal(&tunnel, &alice);
    assert!(site.world.bastion.log().contains("is not what was sealed"), "{}", site.world.bastion.log());
    site.world.bastion.run(["secret", "remove", "orders"]).ok();
    refusal(&tunnel, &alice);
    assert_eq!(site.world.bastion.run(["secret", "remove", "orders"]).finish().code(), 1);
    assert_eq!(site.world.bastion.run(["secret", "set", "../x"]).finish().code(), 2);
    assert_eq!(site.world.bastion.run(["secret", "set", "empty"]).finish().code(), 2);
    are_nowhere(&site, &[PASSWORD, NEXT, "planted"]);
}

#[test]
fn a_key_in_an_agent_opens_what_was_sealed_and_no_ecdsa_key_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let mut agent = ssh_agent(Command::new("ssh-agent"), &socket);
    let add = |kind: &str| {
        let file = folder.path().join(kind);
        keygen(&file, kind);
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(&file).env("SSH_AUTH_SOCK", &socket);
        Run::new(add).ok();
        let mut show = Command::new("ssh-keygen");
        show.arg("-lf").arg(&file);
        Run::new(show).ok().text().split_whitespace().nth(1).unwrap().to_owned()
    };
    let section =
        |fingerprint: &str| format!("\n[secrets]\nkey = {{ agent = \"{}\", fingerprint = \"{fingerprint}\" }}\n", socket.display());
    let (good, bad) = (add("ed25519"), add("ecdsa"));
    let site = sealed(&section(&good));
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    assert!(!site.world.dir().join("state/keys/secrets").exists());
    let file = site.world.dir().join("bartizan.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(&good, &bad)).unwrap();
    let done = site.world.bastion.run(["secret", "set", "other"]).input("planted").finish().refused();
    assert!(done.err.contains("differ each time"), "{done}");
    agent.kill();
    let why = refusal(&tunnel, &alice);
    assert!(why.contains("cannot be read from sealed orders"), "{why}");
    are_nowhere(&site, &[PASSWORD, "planted"]);
}
