//! Guard rails: what is seen on the screen of an ordinary shell is told, or freezes the session. They are no policy, and every
//! output says what they are.

use crate::harness::{Run, Setup, Terminal, WAYS, Way, World, wait_until};

const RAILS: &str = r#"
[[guard_rail]]
name = "watch-releases"
pattern = "RELEASE [0-9]+"
action = "alert"
message = "Releases are announced first."

[[guard_rail]]
name = "no-private-keys"
pattern = "BEGIN [A-Z]* ?PRIVATE KEY"
action = "freeze"
message = "Keys stay at home."
targets = ["web-1", "web-key"]
tags = { env = "test" }
"#;

fn world() -> World {
    World::with(Setup { more: RAILS.into(), ..Setup::default() })
}

fn audited(world: &World, kind: &str) -> Vec<serde_json::Value> {
    let text = world.bastion.run(["audit", "export", "--kind", kind]).ok().text();
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["entry"].clone()).collect()
}

/// The one live session, as `sessions list --json` shows it.
fn live(world: &World) -> serde_json::Value {
    let list = world.bastion.run(["sessions", "list", "--json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    list[0].clone()
}

/// Opens a shell and waits until it takes input.
fn shell(world: &World, visitor: &crate::harness::Visitor, way: Way) -> Terminal {
    let terminal = Terminal::open(&visitor.dir, &visitor.line(way, "-t", ""), 100, 30);
    // Once the target's own programs are up, what is typed is echoed once.
    terminal.line("echo re''ady");
    terminal.wait_for("ready");
    let _ = world;
    terminal
}

/// Shows the key on the screen, which freezes the session.
fn freeze(world: &World, terminal: &Terminal, words: &str) -> String {
    terminal.line(&format!("echo BEGIN PRIV''ATE KEY {words}"));
    terminal.wait_for("guard rail \"no-private-keys\" froze this session: Keys stay at home.");
    wait_until("the operator can see it", || live(world)["frozen"]["guard_rail"] == "no-private-keys");
    let screen = terminal.screen();
    assert!(!screen.contains(&format!("PRIVATE KEY {words}")), "the line was shown:\n{screen}");
    live(world)["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_alert_is_audited_and_marked_and_the_session_goes_on() {
    let world = world();
    let alice = world.visitor("alice");
    for (number, way) in (1..).zip(WAYS) {
        let script = format!("printf 'RELE'; printf '\\033[1mASE {number}\\n'; echo RELEASE {number}; echo go''ne on\n");
        let done = alice.on_target(way, &["-T"], "").input(script).ok();
        assert!(done.text().contains("gone on"), "{done}");
        assert!(done.err.contains("bartizan: guard rail \"watch-releases\": Releases are announced first."), "{done}");
        let entries = audited(&world, "guard_rail");
        assert_eq!(entries.len(), number, "one for each session: {entries:?}");
        let last = &entries[number - 1];
        let told = ["guard_rail", "action", "principal", "target", "line"].map(|key| last[key].as_str().unwrap());
        assert_eq!(told, ["watch-releases", "alert", "corp/alice@example.test", "web-1", &format!("RELEASE {number}")]);
        let cast = world.bastion.run(["recordings", "export", last["session"].as_str().unwrap()]).ok().text();
        assert!(cast.contains(r#""m", "guard rail \"watch-releases\" (alert): RELEASE"#), "{cast}");
    }
    assert!(world.bastion.run(["audit", "tail"]).ok().text().contains("ALERT guard_rail.triggered"));
    assert!(world.bastion.log().contains("a guard rail was triggered"));
}

#[test]
fn a_frozen_session_stands_still_both_ways_until_an_operator_resumes_it() {
    let world = world();
    let alice = world.visitor("alice");
    for way in WAYS {
        let terminal = shell(&world, &alice, way);
        let id = freeze(&world, &terminal, "one");
        terminal.line("echo typed-bl''indly");
        terminal.resize(90, 25);
        let list = world.bastion.run(["sessions", "list"]).ok().text();
        assert!(list.contains("frozen by guard rail \"no-private-keys\""), "{list}");
        let own = alice.ssh(["bastion", "sessions"]).ok().text();
        assert!(own.contains("frozen by guard rail \"no-private-keys\""), "{own}");
        assert!(!terminal.screen().contains("PRIVATE KEY one"));

        let told = world.bastion.run(["sessions", "resume", &id, "--reason", "a test key"]).ok().text();
        assert!(told.contains("resumed; now live"), "{told}");
        terminal.wait_for("PRIVATE KEY one");
        // The same line is let through now, and the new size has arrived.
        terminal.line("echo BEGIN PRIV''ATE KEY one more; echo after; stty size");
        terminal.wait_for("PRIVATE KEY one more");
        terminal.wait_for("25 90");
        let screen = terminal.screen();
        assert!(screen.contains("an operator lets this session go on"), "{screen}");
        assert!(!screen.contains("typed-blindly"), "{screen}");
        let ran = audited(&world, "guard_rail.resumed");
        assert!(ran.last().unwrap()["by"].as_str().unwrap().starts_with("local/"), "{ran:?}");
        assert_eq!(audited(&world, "session.resume_ordered").last().unwrap()["reason"], "a test key");
        world.bastion.run(["sessions", "resume", &id]).finish().refused();

        terminal.line("exit");
        terminal.wait_for("[ended with 0]");
        wait_until("the session is closed", || world.bastion.run(["sessions", "list", "--json"]).ok().json() == serde_json::json!([]));
        world.bastion.run(["sessions", "resume", &id]).finish().refused();
        world.bastion.run(["recordings", "verify", &id]).ok();
    }
}

#[test]
fn a_frozen_session_is_ended_by_an_operator_by_a_lock_and_by_its_user() {
    let world = world();
    let alice = world.visitor("alice");
    for how in ["end", "lock", "leave"] {
        let terminal = shell(&world, &alice, if how == "lock" { Way::Jump } else { Way::At });
        let id = freeze(&world, &terminal, how);
        match how {
            "end" => drop(world.bastion.run(["sessions", "end", &id]).ok()),
            "lock" => drop(world.bastion.run(["lock", "--target", "web-1"]).ok()),
            _ => drop(terminal),
        }
        wait_until("it has ended", || world.bastion.run(["sessions", "list", "--json"]).ok().json() == serde_json::json!([]));
        if how == "lock" {
            world.bastion.run(["unlock", "1"]).ok();
        }
    }
}

#[test]
fn a_script_that_is_fed_to_a_frozen_shell_waits_and_loses_nothing() {
    let world = world();
    let alice = world.visitor("alice");
    // The second half is sent when the session is frozen.
    let script = "(echo \"echo BEGIN PRIV''ATE KEY\"; until [ -e go ]; do sleep 0.1; done; printf 'echo got %s\\n' alpha beta gamma)";
    let line = format!("cd {}; {script} | ({})", alice.dir.display(), alice.line(Way::At, "-T", ""));
    std::thread::scope(|scope| {
        let fed = scope.spawn(|| Run::new(alice.command("bash", ["-c", &line])).ok());
        wait_until("it is frozen", || {
            let list = world.bastion.run(["sessions", "list", "--json"]).ok().json();
            list[0]["frozen"]["guard_rail"] == "no-private-keys"
        });
        std::fs::write(alice.dir.join("go"), "").unwrap();
        // Whether it has arrived cannot be seen from outside; it is on its way.
        std::thread::sleep(std::time::Duration::from_millis(500));
        world.bastion.run(["sessions", "resume", live(&world)["id"].as_str().unwrap()]).ok();
        let done = fed.join().unwrap();
        assert!(done.text().contains("got alpha\ngot beta\ngot gamma"), "{done}");
        assert!(done.err.contains("What you send meanwhile waits."), "{done}");
    });
}

#[test]
fn only_ordinary_shells_of_the_targets_named_are_looked_at() {
    let world = world();
    let alice = world.visitor("alice");
    let script = "echo BEGIN PRIV''ATE KEY\n";
    let done = alice.on(Way::At, "web-ca", &["-T"], "").input(script).ok();
    assert!(done.text().contains("PRIVATE KEY") && !done.err.contains("guard rail"), "{done}");
    let done = alice.on_target(Way::At, &[], "echo BEGIN PRIVATE KEY").ok();
    assert!(done.text().contains("PRIVATE KEY") && !done.err.contains("guard rail"), "{done}");
    assert!(audited(&world, "guard_rail").is_empty());
}

#[test]
fn changed_guard_rails_count_for_open_sessions_and_broken_ones_are_not_taken() {
    let world = World::start();
    let alice = world.visitor("alice");
    let terminal = shell(&world, &alice, Way::At);
    terminal.line("echo BEGIN PRIV''ATE KEY before");
    terminal.wait_for("PRIVATE KEY before");
    let file = world.dir().join("bartizan.toml");
    let plain = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{plain}{RAILS}")).unwrap();
    wait_until("they are in force", || !audited(&world, "guard_rails.reloaded").is_empty());
    world.bastion.run(["sessions", "resume", &freeze(&world, &terminal, "after")]).ok();
    terminal.wait_for("PRIVATE KEY after");

    std::fs::write(&file, format!("{plain}{}", RAILS.replace("BEGIN [A-Z]*", "BEGIN ("))).unwrap();
    world.bastion.reload();
    wait_until("the mistake is told", || world.bastion.log().contains("the old guard rails stay in force"));
    let done = world.bastion.run(["check"]).finish().refused();
    assert!(done.err.contains("guard_rail[1].pattern") && done.err.contains("unclosed group"), "{done}");
    // Those from before the mistake still count.
    terminal.line("clear; echo another BEGIN PRIV''ATE KEY");
    terminal.wait_for("froze this session");
    std::fs::write(&file, plain).unwrap();
    assert_eq!(audited(&world, "config.rejected").len(), 1);
}

#[test]
fn much_output_of_a_shell_that_is_looked_at_arrives_whole_and_its_last_line_is_seen() {
    let world = world();
    let alice = world.visitor("alice");
    let script = "seq 1 200000; echo RELEASE 7\n";
    let done = alice.on_target(Way::Jump, &["-T"], "").input(script).ok();
    let lines: Vec<String> = (1..=200_000).map(|n| n.to_string()).chain(["RELEASE 7".to_owned()]).collect();
    assert!(done.text().lines().eq(lines.iter().map(String::as_str)), "{} bytes", done.out.len());
    assert_eq!(audited(&world, "guard_rail.triggered")[0]["line"], "RELEASE 7");
}
