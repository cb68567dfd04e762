//! What policy holds waits for people, in flight, and their answer decides exactly that.

mod changed;
mod copies;
mod many;
mod notices;
mod signed;
mod terminals;
mod times;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Done, Guarded, Setup, Terminal, Visitor, WAYS, Way, World, wait_until};

/// Developers (bob) run commands; what says `refund` waits for an admin (alice), what says `payout` for two.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);

@id("admins-answer")
permit (principal in Group::"corp/admins", action == Action::"approve", resource);

@id("two-of-four-eyes") @reason("Money is moved by two.")
@approve("corp/admins") @valid("15m")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };

@id("shells-on-request")
@approve("corp/admins") @valid("15m") @scope("session")
permit (principal in Group::"corp/developers", action == Action::"ssh.shell", resource);
"#;

fn world(wait: &str) -> World {
    world_of(POLICIES, wait)
}

pub(crate) fn world_of(policies: &'static str, wait: &str) -> World {
    World::with(Setup { policies: Some(policies), more: format!("\n[approvals]\nwait = \"{wait}\"\n"), ..Setup::default() })
}

/// A command that somebody has asked for and that waits.
pub(crate) struct Held {
    session: Guarded,
    log: PathBuf,
}

impl Held {
    pub(crate) fn begin(command: Command, log: PathBuf) -> Self {
        let session = Guarded::logged(command, &log);
        let held = Self { session, log };
        wait_until("it is held", || held.said().contains("it lapses in"));
        held
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The approval's id, as its caller reads it.
    pub(crate) fn id(&self) -> String {
        let said = self.said();
        let after = said.split("bartizan: approval ").nth(1).unwrap_or_else(|| panic!("no id in {said}"));
        after.chars().take(26).collect()
    }

    pub(crate) fn ends(&mut self) -> i32 {
        let ended = self.session.wait(Duration::from_secs(60));
        ended.unwrap_or_else(|| panic!("it goes on: {}", self.said())).code().unwrap_or(255)
    }
}

pub(crate) fn hold(visitor: &Visitor, way: Way, options: &[&str], line: &str) -> Held {
    let log = visitor.dir.join(format!("held-{way:?}-{}.log", line.len()));
    // What an earlier one said there is not what this one says.
    let _ = std::fs::remove_file(&log);
    Held::begin(visitor.on_command(way, "web-1", options, line), log)
}

pub(crate) fn says(who: &Visitor, command: &str) -> Done {
    who.ssh(["bastion", command]).finish()
}

#[test]
fn a_held_command_waits_and_runs_as_it_was_asked_when_it_is_approved() {
    let world = world("1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let before = world.target.logins();
        let mut held = hold(&bob, way, &["-n", "-o", "SetEnv=BARTIZAN_REASON=ticket-42"], "echo refund $((40 + 2))");
        assert!(held.said().contains("two-of-four-eyes") && held.said().contains("corp/admins"), "{}", held.said());
        assert_eq!(world.target.logins(), before, "the target hears of it only when it is approved");
        let inbox = says(&alice, "approvals").ok().text();
        let all = ["corp/bob@example.test", "echo refund", "ticket-42", "Money is moved by two", &held.id()];
        assert!(all.iter().all(|words| inbox.contains(words)), "{inbox}");
        let json = says(&alice, "approvals --json").ok().json();
        assert_eq!((json[0]["state"].as_str(), json[0]["target"].as_str()), (Some("waiting"), Some("web-1")), "{json}");
        assert!(says(&alice, &format!("approve {} looks right", held.id())).ok().text().contains("is approved"));
        assert_eq!(held.ends(), 0, "{}", held.said());
        assert!(held.said().contains("approved by corp/alice@example.test") && held.said().contains("refund 42"), "{}", held.said());
    }
    // It was for that one operation.
    assert_eq!(world.bastion.run(["approvals", "list", "--json"]).ok().json(), serde_json::json!([]));
    let all = world.bastion.run(["approvals", "list", "--all"]).ok().text();
    assert_eq!(all.matches("approved by corp/alice@example.test").count(), 2, "{all}");
    let log = world.bastion.run(["audit", "export"]).ok().text();
    for kind in ["approval.asked", "approval.reviewed", "\"verdict\":\"hold\""] {
        assert!(log.contains(kind), "no {kind} in {log}");
    }
    world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_denied_one_ends_with_the_reason_and_never_reaches_the_target() {
    let world = world("1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund");
    says(&alice, &format!("deny {} wrong account", held.id())).ok();
    assert_eq!(held.ends(), 1);
    assert!(held.said().contains("corp/alice@example.test denied") && held.said().contains("wrong account"), "{}", held.said());
    assert_eq!(world.target.logins(), 0);
    let late = says(&alice, &format!("approve {}", held.id())).refused();
    assert!(late.err.contains("denied already"), "{late}");
}

#[test]
fn one_that_nobody_answers_lapses() {
    let world = world("2s");
    let bob = world.visitor("bob");
    for way in WAYS {
        let mut held = hold(&bob, way, &["-n"], "echo refund");
        assert_eq!(held.ends(), 4);
        assert!(held.said().contains("Nobody answered"), "{}", held.said());
    }
    assert_eq!(world.target.logins(), 0);
    assert!(world.bastion.run(["approvals", "list", "--all"]).ok().text().contains("expired"));
}

#[test]
fn nobody_answers_their_own_and_only_the_asked_group_answers() {
    let world = world("1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    // alice is an admin herself.
    let mut held = hold(&alice, Way::At, &["-n"], "echo refund");
    let own = says(&alice, &format!("approve {}", held.id())).refused();
    assert!(own.err.contains("their own"), "{own}");
    says(&bob, &format!("approve {}", held.id())).refused();
    assert!(says(&bob, "approvals").ok().text().contains("Nothing waits"));
    says(&bob, &format!("withdraw {}", held.id())).refused();
    says(&alice, &format!("withdraw {}", held.id())).ok();
    assert_eq!(held.ends(), 4);
    assert_eq!(world.target.logins(), 0);
    says(&alice, "approve 01ARZ3NDEKTSV4RRFFQ69G5FAV").refused();
}

#[test]
fn who_leaves_takes_their_request_with_them() {
    let world = world("1m");
    let bob = world.visitor("bob");
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund");
    held.session.kill();
    let all = || world.bastion.run(["approvals", "list", "--all"]).ok().text();
    wait_until("it is withdrawn", || all().contains("withdrawn"));
    // Ctrl-C on a terminal, where it is a key and not the end of ssh.
    let terminal = Terminal::open(&world.dir(), &bob.line(Way::Jump, "-t", "echo refund"), 120, 20);
    terminal.wait_for("it lapses in");
    terminal.press(&["C-c"]);
    terminal.wait_for("was taken back");
    wait_until("both are withdrawn", || all().matches("withdrawn").count() == 2);
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_revoked_approval_ends_what_it_allowed() {
    let world = world("1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund; sleep 600");
    says(&alice, &format!("approve {} --for 10m", held.id())).ok();
    wait_until("it runs", || held.said().contains("\nrefund"));
    says(&alice, &format!("revoke {} a mistake", held.id())).ok();
    assert_eq!(held.ends(), 1);
    assert!(held.said().contains("taken back") && held.said().contains("a mistake"), "{}", held.said());
}

#[test]
fn a_shell_approved_for_a_time_ends_with_it() {
    let world = world("1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let terminal = Terminal::open(&world.dir(), &bob.line(Way::At, "-t", ""), 120, 20);
    let screen = terminal.wait_for("it lapses in");
    let id: String = screen.split("bartizan: approval ").nth(1).unwrap().chars().take(26).collect();
    says(&alice, &format!("approve {id} --for 3s")).ok();
    terminal.wait_for("approved by");
    terminal.line("echo in-$((1 + 1))");
    terminal.wait_for("in-2");
    terminal.wait_for("the approval it began with has run out");
}

#[test]
fn a_bastion_that_is_restarted_forgets_nobody_who_waited() {
    let mut world = world("1m");
    let bob = world.visitor("bob");
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund");
    world.restart();
    assert_ne!(held.ends(), 0);
    let all = world.bastion.run(["approvals", "list", "--all"]).ok().text();
    assert!(all.contains("withdrawn"), "{all}");
    assert_eq!(world.target.logins(), 0);
}

/// Takes webhooks; refuses the first.
fn receiver() -> (u16, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    break;
                }
            }
            let length = head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let status = if n == 0 { "503 Busy" } else { "204 No Content" };
            write!(reader.get_mut(), "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if sender.send(format!("{head}{}", String::from_utf8(body).unwrap())).is_err() {
                return;
            }
        }
    });
    (port, received)
}

#[test]
fn those_who_must_answer_are_told_by_webhook_and_by_command() {
    let (port, received) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let more = format!(
        "\n[approvals]\nwait = \"1m\"\n\n[[notify]]\nname = \"hook\"\nurl = \"http://127.0.0.1:{port}/x\"\nsecret = {{ env = \"HOME\" }}\n\n\
         [[notify]]\nname = \"page\"\ncommand = [\"sh\", \"-c\", \"cat >> {}; echo >> {}\"]\n",
        told.display(),
        told.display()
    );
    let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = hold(&bob, Way::At, &["-n"], "echo refund");
    says(&alice, &format!("deny {} no", held.id())).ok();
    held.ends();
    let mut hooks: Vec<String> = (0..3).map(|_| received.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
    let refused = hooks.remove(0);
    assert_eq!(refused, hooks[0], "what was not taken is sent again, the same");
    assert!(hooks[0].contains("\"approval.asked\"") && hooks[0].contains("echo refund"), "{hooks:?}");
    assert!(hooks[1].contains("\"approval.denied\"") && hooks[1].to_lowercase().contains("webhook-signature: v1,"), "{hooks:?}");
    wait_until("the command ran twice", || std::fs::read_to_string(&told).unwrap_or_default().matches("\"type\"").count() == 2);
}

#[test]
fn who_may_answer_is_decided_with_the_tags_of_the_target() {
    let policies = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer-and-end") permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"end"], resource);
@id("not-on-test") forbid (principal, action in [Action::"approve", Action::"end"], resource in Tag::"env=test");
@id("four-eyes") @approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;
    let world = world_of(policies, "20s");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let held = hold(&bob, Way::At, &["-n"], "echo refund");
    let refused = says(&alice, &format!("approve {}", held.id())).refused();
    assert!(refused.err.contains("not-on-test"), "{refused}");
    assert!(says(&alice, "approvals").ok().text().contains("Nothing waits"));
}

#[test]
fn a_file_that_was_changed_while_it_waited_is_not_the_one_that_was_approved() {
    let policies = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("connect") permit (principal, action in [Action::"connect", Action::"sftp.list"], resource);
@id("read-on-request") @approve("corp/admins")
permit (principal, action == Action::"sftp.read", resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action == Action::"approve", resource);
"#;
    let world = world_of(policies, "1m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let home = world.target.home("deploy");
    std::fs::write(home.join("harmless"), "harmless").unwrap();
    std::fs::write(home.join("secret"), "secret").unwrap();
    let log = bob.dir.join("changed.log");
    let batch = bob.dir.join("batch");
    std::fs::write(&batch, "get harmless got\n").unwrap();
    let command = bob.openssh("sftp", ["-q", "-b", batch.to_str().unwrap(), "deploy@web-1@bastion"]);
    let mut held = Held::begin(command, log);
    std::fs::remove_file(home.join("harmless")).unwrap();
    std::os::unix::fs::symlink("secret", home.join("harmless")).unwrap();
    says(&alice, &format!("approve {}", held.id())).ok();
    assert_ne!(held.ends(), 0, "{}", held.said());
    assert!(held.said().contains("changed while it waited"), "{}", held.said());
    assert!(!std::fs::read_to_string(bob.dir.join("got")).unwrap_or_default().contains("secret"));
}
