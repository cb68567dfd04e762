//! The transparency log from the outside: every session and every entry is in it before it counts, whatever is killed; and
//! whatever is changed, removed, made anew or set back afterwards is found and named, with a witness even by those who hold the
//! bastion's keys.

use std::fs;
use std::path::{Path, PathBuf};

use bartizan_recorder::{Event, Now, Reason, Recording, Recordings, SigningKey};
use ed25519_dalek::pkcs8::DecodePrivateKey;

use crate::evidence::{files, ids};
use crate::harness::{
    Done, Guarded, Run, Setup, Way, World, bartizan, free_port, repository, wait_for_line, wait_until, wait_until_within,
};

fn state(world: &World) -> PathBuf {
    world.dir().join("state")
}

fn audit_verify(world: &World) -> Done {
    world.bastion.run(["audit", "verify"]).finish()
}

fn recordings_verify(world: &World) -> Done {
    world.bastion.run(["recordings", "verify"]).finish()
}

/// What the verifier says that shares no code with Bartizan: all recordings, the log and the audit log.
fn independent(world: &World, more: &[&str]) -> Done {
    let state = state(world);
    let mut command = std::process::Command::new(repository(".deps/venv/bin/python"));
    command.arg(repository("contrib/verify-recording.py")).arg("--key").arg(state.join("keys/recordings.pub"));
    command.arg("--recordings").arg(state.join("recordings")).arg("--log").arg(state.join("tlog"));
    command.arg("--log-key").arg(state.join("keys/tlog.vkey")).arg("--audit").arg(state.join("audit/audit.ndjson")).args(more);
    Run::new(command).finish()
}

/// Both verifiers find all of it good.
fn good(world: &World) {
    audit_verify(world).ok();
    recordings_verify(world).ok();
    independent(world, &[]).ok();
}

/// It ended with exit code 1, and one line says what is wrong; the other verifier finds it too.
fn found(world: &World, done: &Done, check: &str, words: &str) {
    named(done, check, words);
    let other = independent(world, &[]);
    assert!(other.code() == 1 && other.text().contains("TAMPERED"), "the independent verifier does not see {check} `{words}`: {other}");
}

/// It ended with exit code 1, and one line says what is wrong.
fn named(done: &Done, check: &str, words: &str) {
    let text = done.text();
    let line = text.lines().find(|line| line.contains("TAMPERED") && line.contains(check) && line.contains(words));
    assert!(done.code() == 1 && line.is_some(), "no TAMPERED {check} with `{words}`: {done}");
}

/// The folder of a session's recording.
fn folder(world: &World, id: &str) -> PathBuf {
    files(&state(world).join("recordings"), "head.json")
        .into_iter()
        .map(|head| head.parent().unwrap().to_owned())
        .find(|dir| dir.ends_with(id))
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &name);
        } else if path.is_file() {
            fs::copy(&path, &name).unwrap();
        }
    }
}

/// Puts folders of the state back to what they were in `from`.
fn put_back(world: &World, from: &Path, names: &[&str]) {
    for name in names {
        fs::remove_dir_all(state(world).join(name)).unwrap();
        copy(&from.join(name), &state(world).join(name));
    }
}

/// Waits until every closed session has its last leaf.
fn settled(world: &World) {
    wait_until("the leaves of all that happened", || {
        let done = audit_verify(world);
        assert_ne!(done.code(), 1, "{done}");
        !done.text().contains("on their way")
    });
}

#[test]
fn every_session_and_every_audit_entry_is_in_the_log() {
    let world = World::start();
    let alice = world.visitor("alice");
    for n in 0..3 {
        alice.on_target(Way::At, &[], &format!("echo {n}")).ok();
    }
    alice.on_target(Way::Jump, &[], "cat /etc/shadow").finish().refused();
    world.bastion.run(["lock", "corp/mallory@example.test", "--reason", "a test"]).ok();
    settled(&world);
    let done = audit_verify(&world).ok();
    for words in ["checkpoint", "leaves", "entries of the audit log are in the log as they are", "numbers 1 to 3, none is missing"] {
        assert!(done.text().contains(words), "no `{words}` in {done}");
    }
    let done = recordings_verify(&world).ok();
    assert_eq!(done.text().matches("sealed as leaf").count(), 3, "{done}");
    good(&world);
    let json = world.bastion.run(["audit", "verify", "--json"]).ok().json();
    assert!(json["result"] == "ok" && json["checks"].as_array().unwrap().len() >= 5, "{json}");
    // What stands in the leaves is for everybody to read.
    for bundle in files(&state(&world).join("tlog/tile/entries"), "").into_iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(&bundle).unwrap()).into_owned();
        for name in ["alice", "mallory", "web-1", "127.0.0.1", "example.test", "shadow"] {
            assert!(!text.contains(name), "{name} stands in {}", bundle.display());
        }
    }
}

#[test]
fn a_session_that_cannot_be_logged_does_not_reach_its_target() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    let before = world.target.logins();
    let (tile, aside) = (state(&world).join("tlog/tile"), state(&world).join("aside"));
    fs::rename(&tile, &aside).unwrap();
    fs::write(&tile, "").unwrap();
    let done = alice.on_target(Way::At, &[], "echo in").finish().refused();
    assert!(done.out.is_empty() && done.err.contains("record"), "{done}");
    assert_eq!(world.target.logins(), before);
    assert!(world.bastion.log().contains("the transparency log cannot be written"), "nobody was told");
    fs::remove_file(&tile).unwrap();
    fs::rename(&aside, &tile).unwrap();
    alice.on_target(Way::At, &[], "true").ok();
    settled(&world);
    let done = recordings_verify(&world).ok();
    assert!(done.text().contains("numbers 1 to 3, none is missing"), "{done}");
}

#[test]
fn kill_9_at_any_moment_loses_no_entry_and_no_session() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    for round in 0..6_u64 {
        alice.point_to(world.bastion.port);
        let log = alice.dir.join(format!("killed-{round}.log"));
        let line = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1; done";
        let live: Vec<_> = (0..3).map(|_| Guarded::logged(alice.on_command(Way::At, "web-1", &["-n"], line), &log)).collect();
        std::thread::sleep(std::time::Duration::from_millis(round * 173 % 700));
        world.bastion.kill();
        drop(live);
        let torn = audit_verify(&world);
        assert_ne!(torn.code(), 1, "round {round}, before the start: {torn}");
        world.restart();
        let audit = audit_verify(&world);
        assert_eq!(audit.code(), 0, "round {round}: {audit}");
        let recordings = recordings_verify(&world);
        // One that was killed before it had a head is accounted for by its seal, and incomplete for ever.
        let text = recordings.text();
        let headless = text.matches("head.json cannot be read: No such file").count();
        let incomplete = text.lines().filter(|line| !line.starts_with(' ') && line.ends_with(" incomplete")).count();
        assert_eq!(incomplete, headless, "round {round}: {recordings}");
        let expected = if headless > 0 { 3 } else { 0 };
        assert_eq!(recordings.code(), expected, "round {round}: {recordings}");
        assert!(recordings.text().contains("none is missing") || recordings.text().contains("none yet"), "{recordings}");
        let other = independent(&world, &[]);
        assert_eq!(other.code(), expected, "round {round}: {other}");
    }
}

#[test]
fn a_session_whose_recording_was_removed_is_named() {
    let world = World::start();
    let alice = world.visitor("alice");
    for n in 0..3 {
        alice.on_target(Way::At, &[], &format!("echo {n}")).ok();
    }
    settled(&world);
    let second = ids(&world)[1].clone();
    fs::remove_dir_all(folder(&world, &second)).unwrap();
    found(&world, &recordings_verify(&world), "recordings", "session 2, which leaf");
}

#[test]
fn a_recording_that_was_made_anew_with_the_bastions_own_key_is_named() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "echo the truth").ok();
    settled(&world);
    let id = ids(&world)[0].clone();
    let dir = folder(&world, &id);
    let head = Recording::open(&dir).unwrap().head().clone();
    fs::remove_dir_all(&dir).unwrap();
    let pem = fs::read_to_string(state(&world).join("keys/recordings")).unwrap();
    let forger = Recordings::new(state(&world).join("recordings"), SigningKey::from_pkcs8_pem(&pem).unwrap());
    let now = |at_us: u64| Now { at_us, wall_us: head.started_us + i64::try_from(at_us).unwrap() };
    let mut writer = forger.create(&head, &mut rand::rng()).unwrap();
    writer.append(now(1), &[Event::output(&b"a lie\r\n"[..])]).unwrap();
    writer.finish(now(1_000_000), Reason::Closed, None).unwrap();
    // By itself it is as good as any.
    let key = state(&world).join("keys/recordings.pub");
    world.bastion.run(["recordings", "verify", "--key", key.to_str().unwrap(), dir.to_str().unwrap()]).ok();
    let done = world.bastion.run(["recordings", "verify", &id]).finish();
    found(&world, &done, "log", "the recording was made anew");
}

#[test]
fn a_flipped_bit_a_lost_tile_and_a_lost_checkpoint_of_the_log_are_named() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    settled(&world);
    let tlog = state(&world).join("tlog");
    let kept = world.dir().join("kept");
    copy(&tlog, &kept);
    let newest = |below: &str| {
        files(&tlog.join(below), "").into_iter().filter(|path| path.is_file()).max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    };
    for below in ["tile/entries", "tile/0"] {
        let path = newest(below);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        found(&world, &audit_verify(&world), "leaves", "");
        fs::remove_file(&path).unwrap();
        found(&world, &audit_verify(&world), "leaves", "");
        copy(&kept, &tlog);
    }
    let checkpoint = tlog.join("checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    fs::write(&checkpoint, note.replace(&format!("\n{size}\n"), &format!("\n{}\n", size - 1))).unwrap();
    found(&world, &audit_verify(&world), "checkpoint", "not signed");
    fs::remove_file(&checkpoint).unwrap();
    found(&world, &audit_verify(&world), "checkpoint", "");
}

#[test]
fn an_audit_log_or_a_log_that_was_set_back_without_the_other_is_named() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    settled(&world);
    let kept = world.dir().join("kept");
    copy(&state(&world), &kept);
    alice.on_target(Way::At, &[], "true").ok();
    settled(&world);
    let later = world.dir().join("later");
    copy(&state(&world), &later);
    world.bastion.kill();
    put_back(&world, &kept, &["audit"]);
    found(&world, &audit_verify(&world), "entries", "was cut short or put back to an earlier state");
    // The bastion itself does not go on from there.
    let refused = Run::new({
        let mut serve = bartizan(&world.dir());
        serve.arg("serve");
        serve
    });
    let refused = refused.finish().refused();
    assert!(refused.err.contains("put back to an earlier state"), "{refused}");
    put_back(&world, &later, &["audit"]);
    put_back(&world, &kept, &["tlog"]);
    // What is a few seconds old might be on its way.
    wait_until_within(40, "the time of grace to be over", || recordings_verify(&world).code() == 1);
    found(&world, &recordings_verify(&world), "log", "the log has no session 2");
}

/// A witness on this machine.
struct Watching {
    _process: Guarded,
    url: String,
    key: String,
}

fn witness(world: &World, name: &str, port: u16) -> Watching {
    let log = world.dir().join(format!("{name}.log"));
    let _ = fs::remove_file(&log);
    let mut command = bartizan(&world.dir());
    command.args(["witness", "--name", name, "--state"]).arg(world.dir().join(name)).arg("--log").arg(state(world).join("keys/tlog.vkey"));
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut process = Guarded::logged(command, &log);
    let key = wait_for_line(&log, "public key: ", &mut process);
    let address = wait_for_line(&log, "listening on ", &mut process);
    Watching { _process: process, url: format!("http://{address}"), key }
}

/// A world whose log one witness watches over.
fn watched() -> (World, Watching) {
    let mut world = World::with(Setup::default());
    let witness = witness(&world, "witness.test", free_port());
    let config = world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[[witness]]\nurl = \"{}\"\nkey = \"{}\"\n", witness.url, witness.key)).unwrap();
    world.restart();
    (world, witness)
}

/// Waits until the witness has cosigned all that the log has.
fn cosigned(world: &World) {
    settled(world);
    wait_until("the cosignature", || {
        let text = audit_verify(world).text();
        let leaves = text.lines().find_map(|line| line.split_once("checkpoint ")?.1.split_whitespace().next().map(str::to_owned));
        leaves.is_some_and(|leaves| text.contains(&format!("witness.test: {leaves} leaves cosigned at")))
    });
}

fn witnessed(world: &World, witness: &Watching) -> PathBuf {
    let key = fs::read_to_string(state(world).join("keys/tlog.vkey")).unwrap();
    let fingerprint = key.split('+').nth(1).unwrap().to_owned();
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sf", "--noproxy", "*", &format!("{}/checkpoint/{fingerprint}", witness.url)]);
    let note = world.dir().join("witnessed");
    fs::write(&note, Run::new(curl).ok().out).unwrap();
    note
}

#[test]
fn a_witness_cosigns_in_the_background_and_remembers_over_restarts_of_both() {
    let (mut world, first) = watched();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    cosigned(&world);
    let port: u16 = first.url.rsplit(':').next().unwrap().parse().unwrap();
    drop(first);
    alice.on_target(Way::At, &[], "sessions go on without a witness; true").finish();
    let second = witness(&world, "witness.test", port);
    world.restart();
    cosigned(&world);
    let note = witnessed(&world, &second);
    let done = world.bastion.run(["recordings", "verify", "--checkpoint", note.to_str().unwrap()]).ok();
    assert_eq!(done.text().matches("the log goes on from there").count(), 2, "{done}");
}

#[test]
fn a_log_that_was_set_back_whole_is_refused_by_its_witness_alerted_and_named() {
    let (mut world, witness) = watched();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    cosigned(&world);
    let kept = world.dir().join("kept");
    copy(&state(&world), &kept);
    for _ in 0..3 {
        alice.on_target(Way::At, &[], "echo to be forgotten").ok();
    }
    cosigned(&world);
    let note = witnessed(&world, &witness);
    // All of it: log, audit log, recordings, store, what the witness had cosigned then.
    world.bastion.kill();
    fs::remove_dir_all(state(&world)).unwrap();
    copy(&kept, &state(&world));
    audit_verify(&world).ok();
    let done = world.bastion.run(["audit", "verify", "--checkpoint", note.to_str().unwrap()]).finish();
    named(&done, "witness", "it was set back");
    let other = independent(&world, &["--checkpoint", note.to_str().unwrap()]);
    assert!(other.code() == 1 && other.text().contains("it was set back"), "{other}");
    world.restart();
    wait_until("the alert", || {
        let tail = world.bastion.run(["audit", "tail", "-n", "100", "--json"]).ok().text();
        tail.lines().any(|line| line.contains("witness.refused") && line.contains("\"alert\":true") && line.contains("set back"))
    });
}

#[test]
fn a_log_that_was_forked_is_refused_by_its_witness_alerted_and_named() {
    let (mut world, witness) = watched();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    cosigned(&world);
    let kept = world.dir().join("kept");
    copy(&state(&world), &kept);
    alice.on_target(Way::At, &[], "echo one past").ok();
    cosigned(&world);
    let note = witnessed(&world, &witness);
    world.bastion.kill();
    fs::remove_dir_all(state(&world)).unwrap();
    copy(&kept, &state(&world));
    world.restart();
    alice.point_to(world.bastion.port);
    for n in 0..6 {
        alice.on_target(Way::At, &[], &format!("echo another past {n}")).ok();
    }
    wait_until("the alert", || {
        let tail = world.bastion.run(["audit", "tail", "-n", "200", "--json"]).ok().text();
        tail.lines().any(|line| line.contains("witness.refused"))
    });
    settled(&world);
    let done = world.bastion.run(["audit", "verify", "--checkpoint", note.to_str().unwrap()]).finish();
    named(&done, "witness", "forked or rewritten");
    let other = independent(&world, &["--checkpoint", note.to_str().unwrap(), "--witness-key", &witness.key]);
    assert!(other.code() == 1 && other.text().contains("forked or rewritten"), "{other}");
}

/// A third party: another folder, no configuration, no bastion.
fn third_party(dir: &Path, arguments: &[&str]) -> Done {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.current_dir(dir).env("BARTIZAN_CONFIG", "/nowhere/bartizan.toml").args(["recordings", "verify"]).args(arguments);
    Run::new(command).finish()
}

fn script(dir: &Path, arguments: &[&str]) -> Done {
    let mut command = std::process::Command::new(repository(".deps/venv/bin/python"));
    command.current_dir(dir).arg("case/verify-recording.py").args(["--bundle", "case"]).args(arguments);
    Run::new(command).finish()
}

#[test]
fn a_bundle_is_all_that_a_third_party_needs_and_each_change_of_it_is_found() {
    let (world, witness) = watched();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "seq 3000").ok();
    alice.on_target(Way::At, &[], "echo somebody else").ok();
    cosigned(&world);
    let id = ids(&world)[0].clone();
    let elsewhere = tempfile::tempdir().unwrap();
    let (folder, tar) = (elsewhere.path().join("case"), elsewhere.path().join("case.tar"));
    let done = world.bastion.run(["recordings", "export", &id, "--bundle", folder.to_str().unwrap()]).ok();
    assert!(done.err.contains("witness.test"), "{done}");
    world.bastion.run(["recordings", "export", &id, "--bundle", tar.to_str().unwrap()]).ok();
    for bundle in ["case", "case.tar"] {
        let done = third_party(elsewhere.path(), &[bundle]);
        assert!(done.code() == 0 && done.text().contains("witness.test cosigned") && done.text().contains("sealed as leaf"), "{done}");
    }
    let keys = state(&world).join("keys");
    let given = [keys.join("recordings.pub"), keys.join("tlog.vkey")].map(|path| path.to_str().unwrap().to_owned());
    let given = ["--key", &given[0], "--log-key", &given[1], "--witness-key", &witness.key];
    let done = third_party(elsewhere.path(), &[&given[..], &["case"]].concat());
    assert!(done.code() == 0 && done.text().contains("all given"), "{done}");
    script(elsewhere.path(), &given).ok();
    script(elsewhere.path(), &[]).ok();
    let entries = fs::read_to_string(folder.join("audit.ndjson")).unwrap();
    assert!(entries.contains("session.opened") && entries.contains("session.closed") && !entries.contains("somebody else"), "{entries}");
    // It is for its owner alone, and nobody's file is overwritten.
    world.bastion.run(["recordings", "export", &id, "--bundle", tar.to_str().unwrap()]).finish().refused();

    let kept = elsewhere.path().join("kept");
    copy(&folder, &kept);
    let both = |what: &str, words: &str| {
        let done = third_party(elsewhere.path(), &["case"]);
        assert!(done.code() == 1 && done.text().contains("TAMPERED") && done.text().contains(words), "{what}: {done}");
        let other = script(elsewhere.path(), &[]);
        assert_eq!(other.code(), 1, "{what}: {other}");
        fs::remove_dir_all(&folder).unwrap();
        copy(&kept, &folder);
    };
    for path in files(&folder, "").into_iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        // A changed key verifies nothing, and what does not verify is told by the checks above; README and script are for people.
        if name.starts_with("keys") || name == "README" || name == "verify-recording.py" {
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        both(&name, "");
    }
    fs::remove_dir_all(folder.join("recording").join(&id)).unwrap();
    both("the recording", "is proved, and its recording is not here");
    let lines: Vec<&str> = entries.lines().collect();
    fs::write(folder.join("audit.ndjson"), lines[1..].join("\n") + "\n").unwrap();
    both("an entry", "were removed");
    let stranger = third_party(elsewhere.path(), &["--log-key", &witness.key.replace("witness.test", "x"), "case"]);
    assert_eq!(stranger.code(), 2, "{stranger}");
}

#[test]
fn audit_entries_are_exported_with_proofs() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "cat /etc/shadow").finish().refused();
    settled(&world);
    let elsewhere = tempfile::tempdir().unwrap();
    let bundle = elsewhere.path().join("case");
    world.bastion.run(["audit", "export", "--kind", "decision", "--bundle", bundle.to_str().unwrap()]).ok();
    let done = third_party(elsewhere.path(), &["case"]);
    assert!(done.code() == 0 && done.text().contains("entries of the audit log are as the log has them"), "{done}");
    script(elsewhere.path(), &[]).ok();
    let entries = fs::read_to_string(bundle.join("audit.ndjson")).unwrap();
    assert!(entries.contains("shadow") && !entries.contains("server.started"), "{entries}");
    fs::write(bundle.join("audit.ndjson"), entries.replacen("shadow", "passwd", 1)).unwrap();
    let done = third_party(elsewhere.path(), &["case"]);
    assert!(done.code() == 1 && done.text().contains("is not the one that the log has"), "{done}");
    assert_eq!(script(elsewhere.path(), &[]).code(), 1);
}

#[test]
fn a_witness_bounds_what_strangers_send_and_goes_on() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let (world, witness) = watched();
    let address = witness.url.strip_prefix("http://").unwrap().to_owned();
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        // It may have been cut off in the middle; what it said counts.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let post = |body: &[u8]| {
        let head = format!("POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        ask(&[head.as_bytes(), body].concat())
    };
    assert!(post(&vec![b'x'; 1 << 20]).contains(" 413 "));
    let endless = b"POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    assert!(ask(&[&endless[..], &vec![b'x'; 1 << 20]].concat()).contains(" 413 "));
    assert!(post(b"old 0\n\nnonsense\n").contains(" 400 "));
    assert!(post(&[0xff; 1000]).contains(" 400 "));
    assert!(ask(b"GET /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").contains(" 405 "));
    assert!(ask(b"GET /checkpoint/../../keys/witness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").contains(" 404 "));
    assert!(!ask(&vec![b'A'; 1 << 20]).contains(" 200 "));
    // Who says nothing is cut off, and keeps nobody out meanwhile.
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    cosigned(&world);
    for mut stream in silent {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_ok(), "a connection that says nothing stays open");
    }
}
