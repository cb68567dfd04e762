//! Secrets from where they live: files, programs and a real vault, changed while the bastion runs, and whatever can be wrong there.
//! The next login uses what is there then, and nothing of it is left anywhere.

mod http_and_ssh;
mod lent;
mod refused;
mod sealed;
mod token;
mod vault;

use std::fs;
use std::path::Path;

use crate::harness::{PASSWORD, Postgres, Visitor, wait_until};
use crate::postgres::site::{Site, Tunnel};

const NEXT: &str = "planted-next-password";

/// Puts a file in the place of another, all at once.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

/// Gives the role another password.
fn alter(server: &Postgres, password: &str) {
    server.ask(&format!("ALTER ROLE app PASSWORD '{password}'"));
}

/// One statement on a connection of its own.
fn is_let_in(tunnel: &Tunnel, visitor: &Visitor) {
    let done = tunnel.ask(visitor, "SELECT 'in'");
    assert_eq!(done.text(), "in\n", "{done}");
}

/// The sentence that somebody reads who is not.
fn refusal(tunnel: &Tunnel, visitor: &Visitor) -> String {
    let done = tunnel.ask(visitor, "SELECT 'in'").refused();
    assert!(!done.text().contains("in") && !done.err.contains("planted") && !done.err.contains(PASSWORD), "{done}");
    done.err
}

/// No secret stands in what the bastion wrote.
fn are_nowhere(site: &Site, secrets: &[&str]) {
    let mut folders = vec![site.world.dir().join("state")];
    let mut files = vec![site.world.dir().join("serve.log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 10, "{files:?}");
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = fs::read(file).unwrap();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} stands in {}", file.display());
        }
    }
}

#[test]
fn a_password_in_a_file_that_is_replaced_is_used_by_the_next_connection() {
    let site = Site::with_password(
        |server| {
            fs::write(server.dir.join("password"), format!("{PASSWORD}\n")).unwrap();
            format!("{{ file = \"{}\" }}", server.dir.join("password").display())
        },
        "",
    );
    let file = site.server.dir.join("password");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    alter(&site.server, NEXT);
    let why = refusal(&tunnel, &alice);
    assert!(why.contains("refused the bastion's credential"), "{why}");
    replace(&file, NEXT);
    is_let_in(&tunnel, &alice);
    for (text, what) in [("", "is empty"), ("x".repeat(100_000).as_str(), "longer than 64 KiB")] {
        replace(&file, text);
        let why = refusal(&tunnel, &alice);
        assert!(why.contains(&format!("cannot be read from file {}", file.display())), "{why}");
        assert!(site.world.bastion.log().contains(what), "{}", site.world.bastion.log());
    }
    fs::remove_file(&file).unwrap();
    refusal(&tunnel, &alice);
    replace(&file, NEXT);
    is_let_in(&tunnel, &alice);
    are_nowhere(&site, &[PASSWORD, NEXT]);
}

#[test]
fn a_program_is_asked_once_for_many_logins_and_again_when_the_target_refuses_what_it_said() {
    let site = Site::with_password(
        |server| {
            let script = format!("#!/bin/sh\necho run >> {0}/runs\nsleep 1\ncat {0}/password\n", server.dir.display());
            fs::write(server.dir.join("password"), PASSWORD).unwrap();
            fs::write(server.dir.join("print"), script).unwrap();
            format!("{{ exec = [\"sh\", \"{}\"], keep = \"10m\" }}", server.dir.join("print").display())
        },
        "",
    );
    let runs = || fs::read_to_string(site.server.dir.join("runs")).unwrap().lines().count();
    // Once to see that it is there, before the bastion starts.
    assert_eq!(runs(), 1);
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| is_let_in(&tunnel, &alice));
        }
    });
    assert_eq!(runs(), 2);
    alter(&site.server, NEXT);
    replace(&site.server.dir.join("password"), NEXT);
    is_let_in(&tunnel, &alice);
    assert_eq!(runs(), 3);
    is_let_in(&tunnel, &alice);
    assert_eq!(runs(), 3);
    are_nowhere(&site, &[PASSWORD, NEXT]);
}

#[test]
fn a_program_that_hangs_or_fails_is_a_refusal_in_time_and_never_an_old_password() {
    let site = Site::with_password(
        |server| {
            fs::write(server.dir.join("print"), format!("echo '{PASSWORD}'\n")).unwrap();
            format!("{{ exec = [\"sh\", \"{}\"], keep = \"0s\", timeout = \"1s\" }}", server.dir.join("print").display())
        },
        "",
    );
    let script = site.server.dir.join("print");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    for (text, what) in [
        (format!("echo '{PASSWORD}'; exit 7"), "exit status: 7"),
        (format!("yes '{PASSWORD}'"), "printed more than 64 KiB"),
        (format!("echo '{PASSWORD}'; sleep 100"), "took longer than 1 s"),
    ] {
        replace(&script, &text);
        let why = refusal(&tunnel, &alice);
        assert!(why.contains("cannot be read from exec sh"), "{why}");
        assert!(site.world.bastion.log().contains(what), "{}", site.world.bastion.log());
    }
    replace(&script, &format!("echo '{PASSWORD}'"));
    // What has just hung is not started again at once.
    wait_until("the program is asked again", || tunnel.ask(&alice, "SELECT 'in'").status.success());
    are_nowhere(&site, &[PASSWORD]);
}
