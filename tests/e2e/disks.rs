//! Disks that go read-only or hang, budgets, and who may go on while nothing can be recorded.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::faults::{COUNTING, last_seen, lasting, said};
use crate::harness::{Guarded, Run, Setup, WAYS, Way, World, wait_until};

/// A disk of its own needs root.
fn root() -> bool {
    let root = rustix::process::getuid().is_root();
    if !root {
        eprintln!("not run: a disk of its own needs root");
    }
    root
}

fn audit(world: &World) -> String {
    world.bastion.run(["audit", "tail", "-n", "1000", "--json"]).ok().text()
}

#[test]
fn a_disk_that_becomes_read_only_ends_sessions_after_ten_seconds_and_lets_no_other_begin() {
    if !root() {
        return;
    }
    let mut world = World::with(Setup { own_disk: true, ..Setup::default() });
    let alice = world.visitor("alice");
    let (mut session, log) = lasting(&alice, Way::At, COUNTING, "seen-50.");
    // The journal is aborted, as it is when a disk fails: what was written and not yet on the disk is lost as in a power cut, whoever
    // wrote it, and that bound is a quarter of a second. A file system that is written to cannot become read-only in another way
    // (the system refuses that as busy), and a bastion that is killed loses nothing. This waits for twice that time.
    let synced = last_seen(&log);
    std::thread::sleep(Duration::from_millis(500));
    let mut abort = world.bastion.beside("mount");
    abort.args(["-o", "remount,abort"]).arg(world.dir().join("small"));
    Run::new(abort).finish();
    assert!(!session.wait(Duration::from_secs(30)).unwrap().success());
    assert!(said(&log).contains("it could not be recorded any more"), "{}", said(&log));
    let refused = alice.on_target(Way::Jump, &[], "echo in").within(60).finish().refused();
    assert!(refused.out.is_empty() && refused.err.contains("record"), "{refused}");
    assert!(audit(&world).contains("\"recording.failed\""), "{}", audit(&world));
    // The disk is mended; the next start closes what was left open.
    world.bastion.kill();
    let mut check = Command::new("e2fsck");
    check.args(["-p", "-f"]).arg(world.dir().join("disk.ext4"));
    Run::new(check).finish();
    world.restart();
    world.bastion.run_beside(&["recordings", "verify"]).ok();
    let list = world.bastion.run_beside(&["recordings", "list", "--json"]).ok().json();
    let shown = world.bastion.run_beside(&["recordings", "cat", list[0]["id"].as_str().unwrap()]).ok().text();
    assert!(shown.contains(&format!("seen-{synced}.")), "line {synced} was seen and is not in the recording");
}

/// Freezes the bastion's disk: whoever writes there waits. Thaws it when dropped.
struct Frost(Command);

impl Frost {
    fn on(world: &World) -> Self {
        let freeze = |how: &str| {
            let mut command = world.bastion.beside("fsfreeze");
            command.arg(how).arg(world.dir().join("small"));
            command
        };
        Run::new(freeze("--freeze")).ok();
        Self(freeze("--unfreeze"))
    }
}

impl Drop for Frost {
    fn drop(&mut self) {
        let _ = self.0.status();
    }
}

#[test]
fn a_disk_that_hangs_holds_both_directions_back_and_ends_the_session_after_ten_seconds() {
    if !root() {
        return;
    }
    let world = World::with(Setup { own_disk: true, ..Setup::default() });
    let alice = world.visitor("alice");
    let typed = world.target.home("deploy").join("typed");
    // What is typed is kept on the target; what it prints is what cannot be recorded.
    let line = "while :; do echo tick; sleep 0.05; done & cat > typed";
    let log = alice.dir.join("hangs.log");
    let mut command = alice.on_command(Way::At, "web-1", &[], line);
    let out = fs::File::create(&log).unwrap();
    command.stdin(std::process::Stdio::piped()).stdout(out.try_clone().unwrap()).stderr(out);
    let mut session = Guarded::spawn(command);
    let mut keys = session.child.stdin.take().unwrap();
    let mut press = |text: &str| std::io::Write::write_all(&mut keys, text.as_bytes());
    wait_until("the session has begun", || said(&log).contains("tick"));
    press("before\n").unwrap();
    wait_until("what was typed", || said(&typed).contains("before"));
    let frost = Frost::on(&world);
    std::thread::sleep(Duration::from_secs(2));
    let shown = said(&log).len();
    press("while nothing is recorded\n").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(said(&log).len(), shown, "something was shown that was not recorded");
    assert!(!said(&typed).contains("while nothing"), "something was typed while nothing could be recorded");
    assert!(!session.wait(Duration::from_secs(30)).unwrap().success());
    assert!(said(&log).contains("it could not be recorded any more"), "{}", said(&log));
    drop(frost);
    wait_until("others begin again", || alice.on_target(Way::Jump, &[], "true").finish().status.success());
}

#[test]
fn a_session_that_only_waited_for_a_slow_disk_goes_on_and_misses_nothing() {
    if !root() {
        return;
    }
    let world = World::with(Setup { own_disk: true, ..Setup::default() });
    let alice = world.visitor("alice");
    let log = alice.dir.join("slow.log");
    let line = "for i in $(seq 300); do echo seen-$i.; sleep 0.02; done";
    let mut session = Guarded::logged(alice.on_command(Way::At, "web-1", &["-n"], line), &log);
    wait_until("the session has begun", || said(&log).contains("seen-20."));
    for _ in 0..3 {
        let frost = Frost::on(&world);
        std::thread::sleep(Duration::from_secs(3));
        drop(frost);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(session.wait(Duration::from_secs(40)).unwrap().success(), "{}", said(&log));
    assert!(said(&log).contains("seen-300."));
    let list = world.bastion.run_beside(&["recordings", "list", "--json"]).ok().json();
    let shown = world.bastion.run_beside(&["recordings", "cat", list[0]["id"].as_str().unwrap()]).ok().text();
    assert!((1..=300).all(|line| shown.contains(&format!("seen-{line}."))), "{shown}");
}

#[test]
fn in_best_effort_mode_a_session_goes_on_past_a_hanging_disk_its_gap_is_marked_and_told() {
    if !root() {
        return;
    }
    let world = World::with(Setup { own_disk: true, disk_lines: "mode = \"best-effort\"\n", ..Setup::default() });
    let alice = world.visitor("alice");
    let go_on = alice.dir.join("go-on");
    let line = format!("i=0; until [ -e {} ]; do i=$((i+1)); echo seen-$i.; sleep 0.02; done; echo done", go_on.display());
    let (mut session, log) = lasting(&alice, Way::At, &line, "seen-20.");
    let frost = Frost::on(&world);
    let before: u64 = last_seen(&log).parse().unwrap();
    wait_until("it goes on all the same", || last_seen(&log).parse::<u64>().unwrap() > before + 150);
    drop(frost);
    wait_until("the alert", || audit(&world).contains("\"recording.gap\""));
    assert!(audit(&world).contains("\"session.unrecorded\""), "{}", audit(&world));
    fs::write(&go_on, "").unwrap();
    assert!(session.wait(Duration::from_secs(20)).unwrap().success());
    assert!(said(&log).contains("done"));
    world.bastion.run_beside(&["recordings", "verify"]).ok();
    let list = world.bastion.run_beside(&["recordings", "list", "--json"]).ok().json();
    let export = world.bastion.run_beside(&["recordings", "export", list[0]["id"].as_str().unwrap()]).ok().text();
    assert!(export.contains("were not recorded"), "the gap is not marked");
    assert!(export.contains("done"), "it was not recorded again");
}

/// Everything for everybody, and that alice may go unrecorded.
pub(crate) const BREAK_GLASS: &str = r#"
@id("everything")
permit (principal, action, resource);

@id("alice-breaks-the-glass")
permit (principal == User::"corp/alice@example.test", action == Action::"unrecorded", resource);
"#;

#[test]
fn who_may_break_the_glass_works_while_nothing_can_be_recorded_and_an_alert_says_so() {
    let more = "\n[recordings]\nlow_water_mib = 1000000\n".to_owned();
    let world = World::with(Setup { more, policies: Some(BREAK_GLASS), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let done = alice.on_target(way, &[], "echo in-$((40+2))").ok();
        assert!(done.text().contains("in-42") && done.err.contains("cannot be recorded"), "{done}");
        // Who may do everything may not do it unseen.
        let refused = bob.on_target(way, &[], "echo in").finish().refused();
        assert!(refused.out.is_empty() && refused.err.contains("record"), "{refused}");
    }
    let told = audit(&world);
    let alerts = told.lines().filter(|line| line.contains("\"session.unrecorded\""));
    assert!(alerts.clone().count() == 2 && alerts.clone().all(|line| line.contains("alice-breaks-the-glass")), "{told}");
    assert_eq!(told.matches("\"recording.gap\"").count(), 2, "{told}");
    // Policy that changes takes the leave away again.
    world.write_policies(&BREAK_GLASS.replace("alice@", "carol@"));
    world.bastion.reload();
    wait_until("the changed policy", || audit(&world).contains("\"policies.reloaded\""));
    alice.on_target(Way::At, &[], "echo in").finish().refused();
}

#[test]
fn a_session_over_its_budget_ends_with_a_sentence_or_goes_on_with_a_marked_gap_where_policy_lets_it() {
    let more = "\n[recordings]\nsession_mib = 1\n".to_owned();
    let world = World::with(Setup { more, policies: Some(BREAK_GLASS), ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let line = "head -c 6000000 /dev/urandom | base64; echo the-end";
    let ended = bob.on_target(Way::At, &[], line).within(60).finish().refused();
    assert!(ended.err.contains("reached the 1 MiB that one session may fill"), "{}", ended.err);
    assert!(!ended.text().contains("the-end"));
    let done = alice.on_target(Way::Jump, &[], line).within(60).ok();
    assert!(done.text().contains("the-end") && done.out.len() > 8_000_000);
    world.bastion.run(["recordings", "verify"]).ok();
    let list = world.bastion.run(["recordings", "list", "--json"]).ok().json();
    for one in list.as_array().unwrap() {
        assert!(one["bytes"].as_u64().unwrap() < 3 << 20, "{one}");
    }
    let id =
        |who: &str| list.as_array().unwrap().iter().find(|one| one["principal"].as_str().unwrap().contains(who)).unwrap()["id"].clone();
    let export = world.bastion.run(["recordings", "export", id("alice").as_str().unwrap()]).ok().text();
    assert!(export.contains("from here on output is not recorded"), "the gap is not marked");
    let told = audit(&world);
    assert!(
        told.contains("\"session.unrecorded\"") && told.contains("\"recording.gap\"") && told.contains("\"recording.failed\""),
        "{told}"
    );
}
