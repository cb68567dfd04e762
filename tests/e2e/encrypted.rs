//! Encrypted recordings: read by their recipients, verified by anybody, and in the clear nowhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::evidence::{files, ids};
use crate::harness::{Guarded, Run, Terminal, Visitor, Way, World, keygen, wait_until};

/// A new identity in `path`, by Debian's age; its public key.
pub(crate) fn age_identity(path: &Path) -> String {
    let mut command = Command::new("age-keygen");
    command.arg("-o").arg(path);
    Run::new(command).ok();
    let mut command = Command::new("age-keygen");
    command.arg("-y").arg(path);
    Run::new(command).ok().text().trim().to_owned()
}

/// Encrypts what is recorded from now on, in a bastion that is started anew.
pub(crate) fn encrypt_to(world: &mut World, keys: &[&str]) {
    let path = world.dir().join("bartizan.toml");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{before}\n[recordings]\nencrypt_to = {keys:?}\n")).unwrap();
    world.restart();
}

/// A shell in a terminal, in which something is typed and something printed. The recording's id and folder.
fn typed_and_printed(world: &World, alice: &Visitor) -> (String, PathBuf) {
    let terminal = Terminal::open(&world.dir(), &alice.line(Way::At, "-t", "bash --norc"), 100, 30);
    terminal.line("echo prin''ted-$((40+2)) # typed-by-alice");
    terminal.wait_for("printed-42");
    terminal.line("exit");
    terminal.wait_for("[ended with 0]");
    let id = ids(world).pop().unwrap();
    let head = files(&world.dir().join("state/recordings"), "head.json").into_iter().find(|head| head.parent().unwrap().ends_with(&id));
    (id, head.unwrap().parent().unwrap().to_owned())
}

/// Whether any file in `dir` holds `words` as they are.
fn in_the_clear(dir: &Path, words: &str) -> bool {
    files(dir, "").iter().any(|file| fs::read(file).unwrap().windows(words.len()).any(|part| part == words.as_bytes()))
}

#[test]
fn an_encrypted_recording_is_read_by_any_of_its_recipients_and_by_nobody_else() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    let words = ["printed-42", "typed-by-alice"];
    let (clear, dir) = typed_and_printed(&world, &alice);
    assert!(words.iter().all(|words| in_the_clear(&dir, words)), "unencrypted, the words can be found");

    let [first, second, third] = ["first.txt", "second.txt", "third.txt"].map(|name| world.dir().join(name));
    let keys = [age_identity(&first), age_identity(&second)];
    age_identity(&third);
    encrypt_to(&mut world, &[&keys[0], &keys[1]]);
    alice.point_to(world.bastion.port);
    let (id, dir) = typed_and_printed(&world, &alice);
    assert_ne!(id, clear);
    for words in words {
        assert!(!in_the_clear(&dir, words), "{words}");
    }

    world.bastion.run(["recordings", "verify", &id]).ok();
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let shown = |id: &str| list.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    assert_eq!((&shown(&id)["encrypted"], &shown(&clear)["encrypted"]), (&true.into(), &false.into()), "{list}");
    assert_eq!(shown(&id)["recipients"], serde_json::json!(keys), "{list}");

    let plain = |bytes: &[u8]| words.iter().any(|words| bytes.windows(words.len()).any(|part| part == words.as_bytes()));
    for command in ["cat", "export"] {
        let refused = world.bastion.run(["recordings", command, &id]).finish();
        assert!(refused.code() == 3 && refused.err.contains("--identity") && refused.err.contains(&keys[0]), "{refused}");
        let other = world.bastion.run(["recordings", command, "--identity", third.to_str().unwrap(), &id]).finish();
        assert!(other.code() == 3 && other.err.contains("no identity that was given") && !plain(&other.out), "{other}");
        for identity in [&first, &second] {
            let identities = [&third, identity].map(|file| format!("--identity={}", file.display()));
            let read = world.bastion.run(["recordings", command, &identities[0], &identities[1], &id]).ok();
            assert!(words.iter().all(|words| read.text().contains(words)), "{read}");
        }
    }
    let none = world.bastion.run(["recordings", "cat", "--identity", "/nowhere", &id]).finish();
    assert!(none.code() == 3 && none.err.contains("/nowhere"), "{none}");
    world.bastion.run(["recordings", "cat", &clear]).ok();
}

#[test]
fn an_encrypted_recording_outlives_a_crash_and_is_read_away_from_the_bastion() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    let [first, second] = ["first.txt", "second.txt"].map(|name| world.dir().join(name));
    let keys = [age_identity(&first), age_identity(&second)];
    encrypt_to(&mut world, &[&keys[0], &keys[1]]);
    alice.point_to(world.bastion.port);
    let log = alice.dir.join("live.log");
    let command = alice.on_command(Way::At, "web-1", &["-n"], "echo already-$((1+1)); sleep 600");
    let _session = Guarded::logged(command, &log);
    wait_until("the output", || fs::read_to_string(&log).unwrap_or_default().contains("already-2"));
    world.restart();
    let verified = world.bastion.run(["recordings", "verify"]).ok();
    assert!(verified.text().contains("recovered after a crash"), "{verified}");

    let dir = files(&world.dir().join("state/recordings"), "head.json").pop().unwrap().parent().unwrap().to_owned();
    let mut auditor = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    auditor.args(["recordings", "cat"]).arg(&dir).env("BARTIZAN_IDENTITY", &second).env("BARTIZAN_CONFIG", world.dir().join("none.toml"));
    let read = Run::new(auditor).ok();
    assert!(read.text().contains("already-2") && read.err.contains("no audit log"), "{read}");
}

#[test]
fn the_passphrase_of_an_auditors_ssh_key_is_asked_for_at_the_terminal() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    let (ssh, age) = (world.dir().join("auditor"), world.dir().join("age.txt"));
    let keys = [keygen(&ssh, "ed25519"), age_identity(&age)];
    let mut protect = Command::new("ssh-keygen");
    protect.args(["-q", "-p", "-P", "", "-N", "correct horse", "-f"]).arg(&ssh);
    Run::new(protect).ok();
    encrypt_to(&mut world, &[&keys[0], &keys[1]]);
    alice.point_to(world.bastion.port);
    alice.on_target(Way::At, &[], "echo seen-$((40+2))").ok();
    let id = ids(&world).pop().unwrap();

    let program = env!("CARGO_BIN_EXE_bartizan");
    let cat = format!("{program} --config {0}/bartizan.toml recordings cat --identity {0}/auditor {id}", world.dir().display());
    for (passphrase, outcome) in [("correct horse", "seen-42"), ("wrong", "the passphrase does not fit")] {
        let terminal = Terminal::open(&world.dir(), &cat, 100, 30);
        terminal.wait_for("Passphrase of");
        terminal.line(passphrase);
        let screen = terminal.wait_for(outcome);
        assert!(!screen.contains(passphrase), "{screen}");
    }
    // Where nobody can be asked, nobody is waited for.
    let mut alone = Command::new("setsid");
    alone.args(["-w", program, "recordings", "cat", "--identity"]).arg(&ssh).arg(&id);
    alone.env("BARTIZAN_CONFIG", world.dir().join("bartizan.toml"));
    let refused = Run::new(alone).finish();
    assert!(refused.code() == 3 && refused.err.contains("passphrase"), "{refused}");
}
