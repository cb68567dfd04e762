//! Moderated sessions: they begin when somebody watches, stand still when nobody does, and go on when somebody is back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Control, Guarded, Setup, Terminal, Visitor, WAYS, Watching, Way, World, wait_until, wait_until_within};

/// Everybody uses the target, but only while an admin watches.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("all-use-targets")
permit (principal, action in [Action::"connect", Action::"ssh.shell", Action::"ssh.exec", Action::"sftp"], resource);

@id("admins-watch")
permit (principal in Group::"corp/admins", action in [Action::"watch", Action::"end"], resource);

@id("all-watch-their-own")
permit (principal, action == Action::"watch", resource) when { resource in principal };

@id("watched") @moderated("corp/admins") @reason("Production is worked on by two.")
forbid (principal, action == Action::"connect", resource);
"#;

/// Guarded shells: only what says `refund` has to be watched.
const GUARDED: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("all-run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);

@id("admins-watch")
permit (principal in Group::"corp/admins", action == Action::"watch", resource);

@id("refunds-are-watched") @moderated("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

fn world(policies: &'static str, wait: &str) -> World {
    World::with(Setup { policies: Some(policies), more: format!("\n[approvals]\nwait = \"{wait}\"\n"), ..Setup::default() })
}

fn live(world: &World) -> Vec<String> {
    let list = world.bastion.run(["sessions", "list", "--json"]).ok().json();
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A program whose session waits for somebody who watches.
struct Waits {
    program: Guarded,
    log: PathBuf,
    session: String,
}

impl Waits {
    fn begin(world: &World, command: Command, log: PathBuf) -> Self {
        let program = Guarded::logged(command, &log);
        wait_until("it waits", || said(&log).contains("begins when somebody does"));
        Self { program, log, session: live(world).remove(0) }
    }

    fn said(&self) -> String {
        said(&self.log)
    }

    fn ends(&mut self) -> i32 {
        let ended = self.program.wait(Duration::from_secs(30));
        ended.unwrap_or_else(|| panic!("it goes on: {}", self.said())).code().unwrap_or(255)
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn a_command_begins_when_somebody_watches_stands_still_when_nobody_does_and_goes_on() {
    let world = world(POLICIES, "2m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let before = world.target.logins();
        let line = "for i in $(seq 200); do echo line-$i; sleep 0.1; done; exit 7";
        let mut waits = Waits::begin(&world, bob.on_command(way, "web-1", &["-n"], line), bob.dir.join(format!("{way:?}.log")));
        assert!(waits.said().contains("Production is worked on by two") && waits.said().contains("corp/admins"), "{}", waits.said());
        assert_eq!(world.target.logins(), before, "the target hears of it only when somebody watches");
        let all = Control::open(&alice).ask("sessions", json!({}));
        assert_eq!((&all["ok"][0]["waits_for"], &all["ok"][0]["watchers"]), (&json!(["corp/admins"]), &json!(0)), "{all}");
        // One's own eyes do not count.
        let mut own = Control::open(&bob);
        assert!(own.ask("session.watch", json!({ "session": waits.session }))["error"].is_null());
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(world.target.logins(), before);
        let mut watching = Watching::begin(&alice, &waits.session);
        watching.until("line-3");
        wait_until("bob sees it too", || waits.said().contains("line-3"));
        // Whether she says so or is just gone: nothing more is seen.
        for politely in [true, false] {
            if politely {
                watching.control.ask("session.unwatch", json!({ "session": waits.session }));
            } else {
                watching.control.child.as_mut().unwrap().kill().unwrap();
            }
            let still = || waits.said().matches("stands still").count() == if politely { 1 } else { 2 };
            wait_until("it stands still", still);
            let seen = waits.said();
            std::thread::sleep(Duration::from_secs(2));
            assert_eq!(waits.said(), seen, "nothing comes while nobody watches");
            watching = Watching::begin(&alice, &waits.session);
            wait_until("it goes on", || waits.said().len() > seen.len() + 100);
        }
        assert_eq!(waits.said().matches("is watched and goes on").count(), 3, "{}", waits.said());
        watching.until_told("end");
        assert_eq!(waits.ends(), 7, "{}", waits.said());
        assert!(waits.said().contains("line-200"), "nothing is lost: {}", waits.said());
    }
    let log = world.bastion.run(["audit", "export"]).ok().text();
    for (kind, times) in [("session.watched", 6), ("session.unwatched", 4)] {
        assert_eq!(log.matches(&format!("\"kind\":\"{kind}\"")).count(), times, "{kind} in {log}");
    }
}

#[test]
fn keys_typed_into_a_shell_that_stands_still_go_nowhere_and_the_watcher_can_end_it() {
    let world = world(POLICIES, "2m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let terminal = Terminal::open(&world.dir(), &bob.line(way, "-t", ""), 100, 24);
        terminal.wait_for("begins when somebody does");
        terminal.line("echo early");
        let mut watching = Watching::begin(&alice, &live(&world)[0]);
        terminal.wait_for("is watched and goes on");
        terminal.line("PS1='at> '; clear");
        watching.until("at>");
        watching.control.ask("session.unwatch", json!({ "session": watching.session }));
        terminal.wait_for("stands still");
        let home = world.target.home("deploy");
        terminal.line("touch blindly");
        std::thread::sleep(Duration::from_secs(1));
        let mut watching = Watching::begin(&alice, &watching.session);
        // `clear` may have been shown before the session stood still, or comes now that it goes on.
        wait_until("it goes on", || {
            let screen = terminal.screen();
            let stands = screen.rfind("stands still");
            stands.is_none() || stands < screen.rfind("goes on")
        });
        terminal.line("touch seen");
        wait_until("keys go through again", || home.join("seen").exists());
        assert!(!home.join("blindly").exists() && !terminal.screen().contains("early\n"), "{}", terminal.screen());
        std::fs::remove_file(home.join("seen")).unwrap();
        let ended = watching.control.ask("session.end", json!({ "session": watching.session, "reason": "not like this" }));
        assert!(ended["error"].is_null(), "{ended}");
        terminal.wait_for("not like this");
        wait_until("it is over", || live(&world).is_empty());
    }
}

#[test]
fn files_are_copied_only_while_somebody_watches() {
    let world = world(POLICIES, "2m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    std::fs::write(bob.dir.join("sent"), vec![b'x'; 3_000_000]).unwrap();
    let batch = bob.dir.join("batch");
    std::fs::write(&batch, "put sent by-sftp\n").unwrap();
    let home = world.target.home("deploy");
    for way in WAYS {
        let (options, name) = way.name("deploy", "web-1");
        let mut ssh = vec!["ssh".to_owned(), "-F".to_owned(), bob.config().display().to_string()];
        ssh.extend(options.clone());
        let with = |program: &str, rest: &[&str]| {
            let mut command = bob.openssh(program, options.iter().map(String::as_str));
            command.args(rest);
            command
        };
        let programs: [(&str, Command); 4] = [
            ("by-sftp", with("sftp", &["-q", "-b", batch.to_str().unwrap(), &name])),
            ("by-scp", with("scp", &["-q", "sent", &format!("{name}:by-scp")])),
            ("by-old-scp", with("scp", &["-q", "-O", "sent", &format!("{name}:by-old-scp")])),
            ("by-rsync", bob.command("rsync", ["-e", &ssh.join(" "), "sent", &format!("{name}:by-rsync")])),
        ];
        for (file, command) in programs {
            let mut waits = Waits::begin(&world, command, bob.dir.join(format!("{file}-{way:?}.log")));
            assert!(!home.join(file).exists());
            let mut watching = Watching::begin(&alice, &waits.session);
            watching.until_told("end");
            assert_eq!(waits.ends(), 0, "{file}: {}", waits.said());
            assert_eq!(std::fs::read(home.join(file)).unwrap().len(), 3_000_000, "{file}");
            std::fs::remove_file(home.join(file)).unwrap();
            wait_until("it is over", || live(&world).is_empty());
        }
    }
}

#[test]
fn a_line_of_a_guarded_shell_waits_for_somebody_who_watches() {
    let world = world(GUARDED, "2m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let terminal = Terminal::open(&world.dir(), &bob.line(way, "-t", ""), 100, 24);
        terminal.wait_for("deploy@web-1:~$");
        terminal.line("echo plain");
        terminal.wait_for("plain\ndeploy@web-1:~$");
        terminal.line("echo re''fund");
        terminal.wait_for("only while somebody of corp/admins watches");
        assert!(!terminal.screen().contains("\nrefund"), "{}", terminal.screen());
        let mut watching = Watching::begin(&alice, &live(&world)[0]);
        watching.until("\nrefund");
        terminal.wait_for("\nrefund");
        // From now on the whole session is moderated.
        drop(watching);
        terminal.wait_for("stands still");
        terminal.line("echo bli''nd");
        std::thread::sleep(Duration::from_secs(1));
        assert!(!terminal.screen().contains("\nblind"), "{}", terminal.screen());
        let mut watching = Watching::begin(&alice, &live(&world)[0]);
        watching.until("\nblind");
        terminal.wait_for("\nblind\ndeploy@web-1:~$");
        terminal.press(&["C-d"]);
        wait_until_within(30, "it is over", || live(&world).is_empty());
    }
}

#[test]
fn a_session_that_nobody_comes_to_watch_does_not_begin() {
    let world = world(POLICIES, "2s");
    let (bob, dora) = (world.visitor("bob"), world.visitor("dora"));
    for way in WAYS {
        let done = bob.on_target(way, &["-n"], "echo begun").finish().refused();
        assert!(done.err.contains("Nobody came to watch") && done.text().is_empty(), "{done}");
        // An admin is no watcher of their own session either.
        let done = dora.on_target(way, &["-n"], "echo begun").finish().refused();
        assert!(done.err.contains("Nobody came to watch"), "{done}");
    }
    assert_eq!(world.target.logins(), 0);
    let all: Value = world.bastion.run(["sessions", "list", "--all", "--json"]).ok().json();
    assert!(all.as_array().unwrap().iter().all(|one| one["end"]["reason"].as_str().unwrap().contains("Nobody came")), "{all}");
}

#[test]
fn a_plain_permit_beside_it_takes_no_watcher_away() {
    let more = "\n@id(\"bob-may-anything\") permit (principal == User::\"corp/bob@example.test\", action, resource);\n";
    let world = world(POLICIES, "2s");
    world.write_policies(&format!("{POLICIES}{more}"));
    world.bastion.reload();
    wait_until("the policies are in force", || world.bastion.run(["audit", "export"]).ok().text().contains("policies.reloaded"));
    let bob: Visitor = world.visitor("bob");
    let done = bob.on_target(Way::At, &["-n"], "echo begun").finish().refused();
    assert!(done.err.contains("Nobody came to watch"), "{done}");
}
