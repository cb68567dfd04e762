//! Files that wait for people: by sftp, by scp in its original protocol and by rsync, each over both ways in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Held, says, wait_until, world_of};
use crate::harness::{Run, Visitor, WAYS, Way, World};

/// Files whose names end in `.held` wait for an admin.
const POLICIES: &str = r#"
@id("certificates")
permit (principal, action == Action::"issue", resource);

@id("files")
permit (principal, action in [Action::"connect", Action::"sftp"], resource);

@id("admins-answer")
permit (principal in Group::"corp/admins", action == Action::"approve", resource);

@id("looked-at-first") @reason("Somebody looks at it first.")
@approve("corp/admins") @valid("15m")
forbid (principal, action in [Action::"sftp.read", Action::"sftp.write"], resource)
when { context has path && context.path like "*.held" };
"#;

#[derive(Debug, Clone, Copy)]
enum Copy {
    SftpPut,
    SftpGet,
    ScpUp,
    RsyncPush,
}

const COPIES: [Copy; 4] = [Copy::SftpPut, Copy::SftpGet, Copy::ScpUp, Copy::RsyncPush];

struct Scene {
    world: World,
    alice: Visitor,
    bob: Visitor,
}

fn scene(wait: &str) -> Scene {
    let world = world_of(POLICIES, wait);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    fs::write(bob.dir.join("mine"), "what is mine\n").unwrap();
    fs::write(world.target.home("deploy").join("there.held"), "what is there\n").unwrap();
    Scene { world, alice, bob }
}

impl Scene {
    /// `copy` of one file that waits and, by sftp, then of one that need not.
    fn command(&self, way: Way, copy: Copy) -> Command {
        let (options, to) = way.name("deploy", "web-1");
        let held = format!("{to}:up.held");
        let sftp = |lines: &str| {
            fs::write(self.bob.dir.join("batch"), lines).unwrap();
            self.bob.openssh("sftp", [&options[..], &["-q".into(), "-b".into(), "batch".into(), to.clone()]].concat())
        };
        match copy {
            Copy::SftpPut => sftp("-put mine up.held\nput mine free\n"),
            Copy::SftpGet => sftp("-get there.held got.held\nput mine free\n"),
            Copy::ScpUp => self.bob.openssh("scp", [&options[..], &["-O".into(), "-q".into(), "mine".into(), held]].concat()),
            Copy::RsyncPush => {
                let ssh = format!("ssh -F {} {}", self.bob.config().display(), options.join(" "));
                self.bob.command("rsync", ["-e", &ssh, "mine", &held])
            }
        }
    }

    fn hold(&self, way: Way, copy: Copy) -> Held {
        Held::begin(self.command(way, copy), self.bob.dir.join(format!("{copy:?}-{way:?}.log")))
    }

    /// Where the file comes to that waits.
    fn result(&self, copy: Copy) -> PathBuf {
        match copy {
            Copy::SftpGet => self.bob.dir.join("got.held"),
            _ => self.world.target.home("deploy").join("up.held"),
        }
    }

    fn has_nothing(&self, copy: Copy) -> bool {
        fs::read(self.result(copy)).unwrap_or_default().is_empty()
    }

    fn all(&self) -> String {
        self.world.bastion.run(["approvals", "list", "--all"]).ok().text()
    }

    /// What the session did after the file that was not given: sftp went on, the others had nothing else to do.
    fn went_on(&self, copy: Copy, code: i32) -> bool {
        let free = self.world.target.home("deploy").join("free");
        match copy {
            Copy::SftpPut | Copy::SftpGet => code == 0 && fs::remove_file(free).is_ok(),
            Copy::ScpUp | Copy::RsyncPush => code != 0,
        }
    }
}

#[test]
fn a_held_file_waits_and_is_copied_when_it_is_approved() {
    let scene = scene("1m");
    for way in WAYS {
        for copy in COPIES {
            let mut held = scene.hold(way, copy);
            let said = held.said();
            assert!(said.contains("looked-at-first") && said.contains("Somebody looks at it first."), "{way:?} {copy:?}: {said}");
            let inbox = says(&scene.alice, "approvals").ok().text();
            assert!([".held", "corp/bob@example.test", &held.id()].iter().all(|words| inbox.contains(words)), "{inbox}");
            assert!(scene.has_nothing(copy), "{way:?} {copy:?}: it was copied before anybody answered");
            says(&scene.alice, &format!("approve {}", held.id())).ok();
            assert_eq!(held.ends(), 0, "{way:?} {copy:?}: {}", held.said());
            assert!(held.said().contains("approved by corp/alice@example.test"), "{}", held.said());
            let wanted = if matches!(copy, Copy::SftpGet) { "what is there\n" } else { "what is mine\n" };
            assert_eq!(fs::read_to_string(scene.result(copy)).unwrap(), wanted, "{way:?} {copy:?}: {}", held.said());
            fs::remove_file(scene.result(copy)).unwrap();
        }
    }
    let all = scene.all();
    assert_eq!(all.matches("approved by corp/alice@example.test").count(), 8, "each was for one file, once: {all}");
    scene.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_denied_file_is_not_copied_and_what_follows_in_the_session_is() {
    let scene = scene("1m");
    for way in WAYS {
        for copy in COPIES {
            let mut held = scene.hold(way, copy);
            says(&scene.alice, &format!("deny {} not today", held.id())).ok();
            let code = held.ends();
            assert!(held.said().contains("corp/alice@example.test denied") && held.said().contains("not today"), "{}", held.said());
            assert!(scene.went_on(copy, code), "{way:?} {copy:?} ended with {code}: {}", held.said());
            assert!(scene.has_nothing(copy), "{way:?} {copy:?}");
        }
    }
}

#[test]
fn a_held_file_that_nobody_answers_for_is_not_copied() {
    let scene = scene("1s");
    for way in WAYS {
        for copy in COPIES {
            let done = Run::new(scene.command(way, copy)).finish();
            assert!(done.err.contains("it lapses in") && done.err.contains("Nobody answered"), "{copy:?}: {done}");
            assert!(scene.went_on(copy, done.code()), "{copy:?}: {done}");
            assert!(scene.has_nothing(copy), "{way:?} {copy:?}");
        }
    }
    assert_eq!(scene.all().matches("expired").count(), 8, "{}", scene.all());
}

#[test]
fn who_leaves_while_a_file_waits_takes_their_request_with_them() {
    let scene = scene("1m");
    for (n, copy) in COPIES.into_iter().enumerate() {
        let mut held = scene.hold(Way::At, copy);
        held.session.kill();
        wait_until("it is withdrawn", || scene.all().matches("withdrawn").count() == n + 1);
        assert!(scene.has_nothing(copy), "{copy:?}");
    }
}

#[test]
fn a_session_that_is_ended_while_its_file_waits_copies_nothing_and_waits_no_more() {
    let scene = scene("5m");
    for (n, copy) in COPIES.into_iter().enumerate() {
        let way = WAYS[n % 2];
        let mut held = scene.hold(way, copy);
        let live = scene.world.bastion.run(["sessions", "list", "--json"]).ok().json();
        let id = live[0]["id"].as_str().unwrap().to_owned();
        scene.world.bastion.run(["sessions", "end", &id, "--reason", "enough"]).ok();
        assert_ne!(held.ends(), 0, "{way:?} {copy:?}: {}", held.said());
        wait_until("it is withdrawn", || scene.all().matches("withdrawn").count() == n + 1);
        let late = says(&scene.alice, &format!("approve {}", held.id())).refused();
        assert!(late.err.contains("withdrawn already"), "{late}");
        assert!(scene.has_nothing(copy), "{way:?} {copy:?}");
    }
}
