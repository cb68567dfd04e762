//! What was recorded and audited can be listed, replayed, exported and verified, and a change of it is found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use serde_json::Value;

use crate::harness::{Guarded, Run, Terminal, WAYS, Way, World, repository, wait_until};

/// Ids of all recordings, oldest first.
pub(crate) fn ids(world: &World) -> Vec<String> {
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let mut ids: Vec<String> = list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// A world with one finished recording of `echo` and its id.
fn recorded(line: &str) -> (World, String) {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], line).ok();
    let id = ids(&world).pop().unwrap();
    (world, id)
}

/// The public key of the recordings, in hex: the last 32 bytes of what stands in the PEM file (RFC 8410).
fn recording_key(world: &World) -> String {
    let pem = fs::read_to_string(world.dir().join("state/keys/recordings.pub")).unwrap();
    let der = base64::engine::general_purpose::STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap();
    hex::encode(&der[der.len() - 32..])
}

/// Every file below `dir` whose name ends with `ending`.
pub(crate) fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_session_leaves_a_recording_that_says_who_what_and_how_it_ended() {
    let world = World::start();
    let alice = world.visitor("alice");
    for way in WAYS {
        alice.on_target(way, &[], "echo seen-$((40+2)); echo mistaken >&2; exit 3").finish();
    }
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "{list:?}");
    for one in list {
        let text = one.to_string();
        assert!(text.contains("corp/alice@example.test") && text.contains("web-1") && text.contains("deploy"), "{text}");
        let shown = world.bastion.run(["recordings", "cat", one["id"].as_str().unwrap()]).ok().text();
        assert!(shown.contains("seen-42") && shown.contains("mistaken"), "{shown}");
    }
}

#[test]
fn all_recordings_and_the_audit_log_verify() {
    let (world, id) = recorded("head -c 3000000 /dev/urandom | base64");
    world.bastion.run(["recordings", "verify", &id]).ok();
    world.bastion.run(["recordings", "verify"]).ok();
    world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_recording_that_was_changed_or_cut_or_has_lost_its_seal_does_not_verify() {
    let (world, id) = recorded("seq 20000");
    let dir = world.dir().join("state/recordings");
    let brec = files(&dir, ".brec").pop().unwrap();
    let good = fs::read(&brec).unwrap();
    let verify = || world.bastion.run(["recordings", "verify", &id]).finish().code();
    assert_eq!(verify(), 0);
    for place in [good.len() / 4, good.len() / 2, good.len() - 40] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&brec, &bad).unwrap();
        assert_eq!(verify(), 1, "a bit changed at {place} of {}", good.len());
    }
    fs::write(&brec, &good[..good.len() / 2]).unwrap();
    assert_ne!(verify(), 0, "cut in the middle");
    fs::write(&brec, &good).unwrap();
    let seal = files(&dir, "seal.json").pop().unwrap();
    fs::remove_file(seal).unwrap();
    assert_ne!(verify(), 0, "without its seal");
}

#[test]
fn an_audit_log_that_was_changed_or_shortened_does_not_verify() {
    let (world, _) = recorded("true");
    let log = files(&world.dir().join("state/audit"), ".ndjson").into_iter();
    let log = log.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let good = fs::read_to_string(&log).unwrap();
    assert!(good.contains("alice@example.test"), "{good}");
    fs::write(&log, good.replacen("alice@", "mallo@", 1)).unwrap();
    assert_eq!(world.bastion.run(["audit", "verify"]).finish().code(), 1);
    let lines: Vec<&str> = good.lines().collect();
    fs::write(&log, [&lines[..1], &lines[2..]].concat().join("\n") + "\n").unwrap();
    assert_eq!(world.bastion.run(["audit", "verify"]).finish().code(), 1);
}

#[test]
fn the_audit_log_tells_logins_sessions_and_denials() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    alice.on_target(Way::Jump, &[], "cat /etc/shadow").finish().refused();
    let tail = world.bastion.run(["audit", "tail", "--json"]).ok().text();
    let entries: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    assert!(entries.len() >= 4, "{tail}");
    for words in ["corp/alice@example.test", "web-1", "nobody-prints-shadow", "127.0.0.1"] {
        assert!(tail.contains(words), "no `{words}` in: {tail}");
    }
    assert!(world.bastion.run(["audit", "tail"]).ok().text().contains("alice"));
}

#[test]
fn an_export_is_asciicast_that_debians_asciinema_plays() {
    let (world, id) = recorded("printf '\\033[1mbold-%s\\033[0m\\r\\n' shown; printf '\\303'; sleep 0.1; printf '\\244\\n\\377\\n'");
    let cast = world.dir().join("v2.cast");
    let exported = world.bastion.run(["recordings", "export", &id]).ok();
    fs::write(&cast, &exported.out).unwrap();
    let header: Value = serde_json::from_str(exported.text().lines().next().unwrap()).unwrap();
    assert_eq!(header["version"], 2);
    assert!(header["timestamp"].is_u64(), "{header}");
    let mut last = 0.0;
    for line in exported.text().lines().skip(1) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event.as_array().unwrap().len(), 3, "{line}");
        assert!(event[0].as_f64().unwrap() >= last, "time runs backwards: {line}");
        last = event[0].as_f64().unwrap();
    }
    // Debian's asciinema wants a terminal even to print: script(1) is one.
    let mut asciinema = Command::new("script");
    asciinema.args(["-qec", &format!("asciinema cat {}", cast.display()), "/dev/null"]).env("HOME", world.dir()).env("LC_ALL", "C.UTF-8");
    let played = Run::new(asciinema).ok().text();
    assert!(played.contains("bold-shown") && played.contains('ä') && played.contains('\u{fffd}'), "{played:?}");
    let terminal =
        Terminal::open(&world.dir(), &format!("HOME={0} LC_ALL=C.UTF-8 asciinema play -i 0.1 {0}/v2.cast", world.dir().display()), 100, 30);
    terminal.wait_for("bold-shown");
    let v3 = world.bastion.run(["recordings", "export", "--v3", &id]).ok().text();
    let header: Value = serde_json::from_str(v3.lines().next().unwrap()).unwrap();
    assert_eq!(header["version"], 3);
}

/// The newest asciinema takes a quarter of an hour to build, so only `tests/run --full` has it.
#[test]
fn the_current_asciinema_reads_every_kind_of_export() {
    if std::env::var_os("BARTIZAN_TEST_FULL").is_none() {
        eprintln!("not run: tests/run --full builds the current asciinema");
        return;
    }
    let (world, id) =
        recorded("printf '\\033[1mbold-%s\\033[0m \\303\\244\\r\\n\\377\\n' shown; printf '\\033]0;title\\007\\033Pq\\033\\\\'; seq 300");
    let asciinema = |arguments: &[&str]| {
        let mut command = Command::new(repository(".deps/asciinema/bin/asciinema"));
        command.arg("--quiet").args(arguments).env("HOME", world.dir()).env("LC_ALL", "C.UTF-8");
        Run::new(command).finish()
    };
    let cast = world.dir().join("export.cast");
    let path = cast.to_str().unwrap();
    for kind in [&[][..], &["--v3"], &["--exact"], &["--v3", "--exact"]] {
        let export = world.bastion.run(["recordings", "export", &id].into_iter().chain(kind.iter().copied())).ok();
        fs::write(&cast, &export.out).unwrap();
        for format in ["txt", "raw", "asciicast-v2", "asciicast-v3"] {
            let out = world.dir().join(format!("converted.{format}"));
            asciinema(&["convert", "--overwrite", "--output-format", format, path, out.to_str().unwrap()]).ok();
            let text = fs::read_to_string(&out).unwrap();
            assert!(text.contains("bold-shown") && text.contains('ä') && text.contains("300"), "{kind:?} as {format}: {text}");
        }
        // It joins two recordings at least.
        assert!(asciinema(&["cat", path, path]).ok().text().contains("bold-shown"));
    }
    let program = repository(".deps/asciinema/bin/asciinema");
    let line = format!("HOME={} LC_ALL=C.UTF-8 {} play --speed 10 {path}", world.dir().display(), program.display());
    Terminal::open(&world.dir(), &line, 100, 30).wait_for("[ended with 0]");
    // It can say no.
    fs::write(&cast, "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[0.1,\"o\"]\n").unwrap();
    let out = world.dir().join("garbage.txt");
    assert!(!asciinema(&["convert", "--overwrite", path, out.to_str().unwrap()]).status.success());
}

#[test]
fn an_export_plays_in_asciinemas_web_player() {
    let (world, id) = recorded("printf '\\033[1mbold-%s\\033[0m \\303\\244\\r\\n' shown");
    let cast = world.dir().join("web.cast");
    let play = |content: &[u8], expected: &str| {
        fs::write(&cast, content).unwrap();
        let mut player = Command::new("node");
        player.arg(repository("tests/fixtures/play/play.mjs")).arg(&cast).arg(expected);
        Run::new(player).within(120).finish()
    };
    let v2 = world.bastion.run(["recordings", "export", &id]).ok().out;
    let v3 = world.bastion.run(["recordings", "export", "--v3", &id]).ok().out;
    play(&v2, "bold-shown ä").ok();
    play(&v3, "bold-shown ä").ok();
    // The player is a judge only if it can say no: to text that was never printed, and to what is no recording.
    let unseen = play(&v2, "never-printed");
    assert!(unseen.code() == 1 && unseen.err.contains("played to its end"), "{unseen}");
    let garbage = play(b"bold-shown is no asciicast\n", "bold-shown");
    assert!(garbage.code() == 1 && garbage.err.contains("the player says"), "{garbage}");
}

#[test]
fn an_export_does_not_carry_commands_to_the_auditors_terminal() {
    let world = World::start();
    let alice = world.visitor("alice");
    // A file on the target, so that the command line itself is harmless.
    let evil = "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[6n\x1bP+q\x1b\\\x1b]8;;http://evil/\x1b\\link after\n";
    fs::write(world.target.home("deploy").join("evil"), evil).unwrap();
    alice.on_target(Way::At, &[], "cat evil").ok();
    let id = ids(&world).pop().unwrap();
    let plain = world.bastion.run(["recordings", "export", &id]).ok().text();
    for kept_out in ["]52;", "]0;", "[6n", "]8;"] {
        assert!(!plain.contains(kept_out), "{kept_out} is in: {plain}");
    }
    assert!(plain.contains("after"), "{plain}");
    let cat = world.bastion.run(["recordings", "cat", &id]).ok().text();
    assert!(!cat.contains('\u{1b}') || !cat.contains("]52;"), "{cat:?}");
    let exact = world.bastion.run(["recordings", "export", "--exact", &id]).ok().text();
    assert!(exact.contains("]52;"), "{exact}");
}

#[test]
fn play_shows_the_session_in_a_terminal() {
    let (world, id) = recorded("for i in 1 2 3; do echo line-$i; sleep 0.2; done");
    let program = env!("CARGO_BIN_EXE_bartizan");
    let line = format!("{program} --config {}/bartizan.toml recordings play {id}", world.dir().display());
    let terminal = Terminal::open(&world.dir(), &line, 100, 30);
    terminal.wait_for("line-3");
}

#[test]
fn the_independent_verifier_agrees() {
    let (world, id) = recorded("seq 5000");
    let verifier = repository("contrib/verify-recording.py");
    let head = files(&world.dir().join("state/recordings"), "head.json").pop().unwrap();
    let folder = head.parent().unwrap();
    assert!(folder.ends_with(&id), "{}", folder.display());
    let check = |dir: &Path| {
        let mut command = Command::new(repository(".deps/venv/bin/python"));
        command.arg(&verifier).args(["--key", &recording_key(&world)]).arg(dir);
        Run::new(command).finish()
    };
    check(folder).ok();
    let brec = files(folder, ".brec").pop().unwrap();
    let mut bytes = fs::read(&brec).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&brec, bytes).unwrap();
    check(folder).refused();
}

#[test]
fn what_the_target_prints_is_recorded_before_the_user_sees_it() {
    let world = World::start();
    let alice = world.visitor("alice");
    let log = alice.dir.join("live.log");
    let command = alice.on_command(Way::At, "web-1", &["-n"], "echo already-$((1+1)); sleep 600");
    let _session = Guarded::logged(command, &log);
    wait_until("the output", || fs::read_to_string(&log).unwrap_or_default().contains("already-2"));
    let id = ids(&world).pop().unwrap();
    let shown = world.bastion.run(["recordings", "cat", &id]).finish().text();
    assert!(shown.contains("already-2"), "{shown}");
}

#[test]
fn commands_file_names_and_screens_are_found_by_searching() {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "echo pelican-$((40+2))").ok();
    alice.on_target(Way::Jump, &[], "cat /etc/shadow").finish().refused();
    let (options, destination) = Way::At.name("deploy", "web-1");
    let arguments = [&options[..], &["-q".into(), "-b".into(), "-".into(), destination]].concat();
    fs::write(alice.dir.join("heron.txt"), "a bird\n").unwrap();
    let upload = format!("put {}\n", alice.dir.join("heron.txt").display());
    Run::new(alice.openssh("sftp", arguments)).input(upload).ok();
    let kinds = |text: &str| {
        let hits = world.bastion.run(["recordings", "search", text, "--json"]).ok().json();
        hits.as_array().unwrap().iter().map(|hit| hit["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait_until("the end of the sessions", || kinds("heron.txt").contains(&"file".to_owned()));
    assert_eq!(kinds("pelican-42"), ["screen"]);
    assert!(kinds("echo pelican-$((").iter().all(|kind| kind == "command") && !kinds("echo pelican-$((").is_empty());
    // What never began was not recorded; the audit log has it.
    assert!(kinds("/etc/shadow").is_empty());
    let tail = world.bastion.run(["audit", "tail", "-n", "1000"]).ok().text();
    assert!(tail.contains("/etc/shadow") && tail.contains("recordings.searched"), "{tail}");
}
