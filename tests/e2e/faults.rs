//! SIGTERM, kill -9, a full disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Guarded, Setup, Terminal, Visitor, WAYS, Way, World, wait_until};

pub(crate) fn lasting(visitor: &Visitor, way: Way, line: &str, words: &str) -> (Guarded, std::path::PathBuf) {
    let log = visitor.dir.join(format!("lasting-{way:?}.log"));
    let session = Guarded::logged(visitor.on_command(way, "web-1", &["-n"], line), &log);
    wait_until("the session has begun", || said(&log).contains(words));
    (session, log)
}

pub(crate) fn said(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}

pub(crate) const COUNTING: &str = "i=0; while :; do i=$((i+1)); echo seen-$i.; sleep 0.01; done";

/// The last line that was seen.
pub(crate) fn last_seen(log: &Path) -> String {
    said(log).lines().rev().find_map(|line| line.strip_prefix("seen-")?.strip_suffix('.').map(str::to_owned)).unwrap()
}

#[test]
fn sigterm_takes_no_new_session_warns_live_ones_and_ends_when_they_have_ended() {
    let mut world = World::with(Setup { server: "drain_timeout = \"60s\"", ..Setup::default() });
    let alice = world.visitor("alice");
    let go_on = alice.dir.join("go-on");
    let line = format!("echo begun; until [ -e {} ]; do sleep 0.1; done; echo finished", go_on.display());
    let live: Vec<_> = WAYS.iter().map(|&way| lasting(&alice, way, &line, "begun")).collect();
    world.bastion.ask_to_end();
    for (_, log) in &live {
        wait_until("the notice", || said(log).contains("shutting down"));
    }
    alice.on_target(Way::At, &[], "true").finish().refused();
    fs::write(&go_on, "").unwrap();
    for (mut session, log) in live {
        assert!(session.wait(Duration::from_secs(10)).unwrap().success(), "{}", said(&log));
        assert!(said(&log).contains("finished"));
    }
    assert_eq!(world.bastion.ended(), 0);
}

#[test]
fn the_drain_ends_sessions_that_do_not_end_by_themselves() {
    let mut world = World::with(Setup { server: "drain_timeout = \"1s\"", ..Setup::default() });
    let alice = world.visitor("alice");
    let (mut session, log) = lasting(&alice, Way::Jump, "echo begun; sleep 600", "begun");
    world.bastion.ask_to_end();
    assert_eq!(world.bastion.ended(), 0);
    assert!(session.wait(Duration::from_secs(10)).is_some(), "{}", said(&log));
    world.restart();
    world.bastion.run(["recordings", "verify"]).ok();
}

#[test]
fn kill_9_loses_nothing_the_user_saw_and_the_next_start_seals_what_was_open() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    let line = "i=0; while :; do i=$((i+1)); echo seen-$i.; done";
    let live: Vec<_> = WAYS.iter().map(|&way| lasting(&alice, way, line, "seen-2000.")).collect();
    world.bastion.kill();
    let mut last_seen = Vec::new();
    for (mut session, log) in live {
        assert!(session.wait(Duration::from_secs(20)).is_some());
        let text = said(&log);
        let seen = text.lines().rev().find_map(|line| line.strip_prefix("seen-")?.strip_suffix('.')?.parse::<u64>().ok());
        last_seen.push(seen.unwrap());
    }
    world.restart();
    let verified = world.bastion.run(["recordings", "verify"]).ok();
    assert_eq!(verified.text().matches("recovered after a crash").count(), 2, "{verified}");
    assert_eq!(verified.text().matches("seal       signed").count(), 2, "{verified}");
    world.bastion.run(["audit", "verify"]).ok();
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    let texts: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| world.bastion.run(["recordings", "cat", one["id"].as_str().unwrap()]).ok().text())
        .collect();
    for seen in last_seen {
        let words = format!("seen-{seen}.");
        assert!(texts.iter().any(|text| text.contains(&words)), "`{words}` was seen and is in no recording");
    }
    assert_eq!(world.bastion.run(["sessions", "list", "--json"]).ok().json().as_array().unwrap().len(), 0);
    // The old certificate is as good as before.
    alice.point_to(world.bastion.port);
    alice.on_target(Way::At, &[], "true").ok();
}

#[test]
fn a_session_that_cannot_be_recorded_does_not_run() {
    let world = World::with(Setup { more: "\n[recordings]\nlow_water_mib = 1000000\n".into(), ..Setup::default() });
    let alice = world.visitor("alice");
    for way in WAYS {
        let done = alice.on_target(way, &[], "echo in").finish().refused();
        assert!(done.out.is_empty() && done.err.contains("record"), "{way:?}: {done}");
    }
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn state_and_keys_are_for_the_bastion_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "true").ok();
    let state = world.dir().join("state");
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o077, 0);
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        let public = path.extension().is_some_and(|ending| ending == "pub");
        assert!(public || mode & 0o077 == 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn a_person_at_a_terminal_reads_why_the_session_ended() {
    let world = World::start();
    let alice = world.visitor("alice");
    let terminal = Terminal::open(&world.dir(), &alice.line(Way::Jump, "-t", "bash --norc"), 120, 24);
    terminal.line("PS1='rea''dy> '");
    terminal.wait_for("ready> ");
    world.bastion.run(["lock", "corp/alice@example.test", "--reason", "lost laptop"]).ok();
    terminal.wait_for("this session was ended");
}

#[test]
fn a_disk_that_fills_under_a_live_session_ends_it_and_what_was_seen_is_on_it() {
    let world = World::with(Setup { small_disk: true, ..Setup::default() });
    let alice = world.visitor("alice");
    let line = "i=0; while :; do i=$((i+1)); echo seen-$i. $(head -c 3000 /dev/urandom | base64 -w0); done";
    let done = alice.on_target(Way::At, &["-n"], line).within(120).finish().refused();
    assert!(done.err.contains("could not be recorded"), "{}", done.err);
    let last = done.text().lines().rev().find_map(|line| line.strip_prefix("seen-")?.split_once(". ").map(|(n, _)| n.to_owned())).unwrap();
    // Nobody else gets in either, until there is room.
    let refused = alice.on_target(Way::Jump, &[], "echo in").finish().refused();
    assert!(refused.out.is_empty() && refused.err.contains("record"), "{refused}");
    if rustix::process::getuid().is_root() {
        let list = world.bastion.run_beside(&["recordings", "list", "--json"]).ok().json();
        let id = list[0]["id"].as_str().unwrap().to_owned();
        let shown = world.bastion.run_beside(&["recordings", "cat", &id]).ok().text();
        assert!(shown.contains(&format!("seen-{last}.")), "line {last} was seen and is not in the recording");
        // The room for its end and its seal was kept.
        world.bastion.run_beside(&["recordings", "verify"]).ok();
        let audit = world.bastion.run(["audit", "tail", "-n", "100", "--json"]).ok().text();
        assert!(audit.contains("\"recording.failed\""), "{audit}");
    }
}

#[test]
fn no_secret_is_left_in_logs_store_recordings_or_a_core_dump() {
    let world = World::start();
    let alice = world.visitor("alice");
    for target in ["web-1", "web-key", "web-password"] {
        alice.on(Way::At, target, &[], "echo in").ok();
    }
    let robot = world.stranger("robot");
    let token = world.provider.service_token();
    let mut login = robot.command("sshpass", ["-e", "ssh", "-F"]);
    login.arg(robot.config()).args(["-o", "PubkeyAuthentication=no", "jwt@bastion", "targets"]).env("SSHPASS", &token);
    crate::harness::Run::new(login).ok();

    let key = fs::read_to_string(world.target.account_key()).unwrap();
    let planted = [
        ("the target's password", crate::harness::PASSWORD),
        ("the target's key", key.lines().nth(2).unwrap()),
        ("the service's token", token.rsplit('.').next().unwrap()),
    ];
    let mut searched = 0;
    let mut folders = vec![world.dir().join("state")];
    let mut files = vec![world.dir().join("serve.log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    for path in files {
        let bytes = fs::read(&path).unwrap();
        searched += 1;
        for (what, secret) in planted {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{what} stands in {}", path.display());
        }
    }
    assert!(searched > 10, "only {searched} files were searched");
    let limits = world.bastion.proc("limits");
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().rev().nth(1), Some("0"), "{cores}");
}

#[test]
fn kill_9_at_any_moment_of_a_real_session_loses_nothing_that_was_seen() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    for round in 0..if crate::harness::full() { 12 } else { 3 } {
        let log = alice.dir.join(format!("round-{round}.log"));
        let mut session = Guarded::logged(alice.on_command(WAYS[round % 2], "web-1", &["-n"], COUNTING), &log);
        wait_until("the session has begun", || said(&log).contains("seen-1."));
        std::thread::sleep(Duration::from_millis(rand::random::<u64>() % 700));
        world.bastion.kill();
        assert!(session.wait(Duration::from_secs(20)).is_some());
        let seen = last_seen(&log);
        world.restart();
        alice.point_to(world.bastion.port);
        world.bastion.run(["recordings", "verify"]).ok();
        let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
        let shown = world.bastion.run(["recordings", "cat", list[0]["id"].as_str().unwrap()]).ok().text();
        assert!(shown.contains(&format!("seen-{seen}.")), "round {round}: line {seen} was seen and is not in the recording");
    }
    world.bastion.run(["audit", "verify"]).ok();
}
