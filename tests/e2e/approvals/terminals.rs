//! No control sequence of a user or a target reaches the terminal of whoever lists, answers, or is told: looked at byte by byte.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Held;
use crate::harness::{Control, Run, Setup, Visitor, World, wait_until};

const POLICIES: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"watch", Action::"end"], resource);
@id("four-eyes") @approve("corp/admins")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
"#;

/// What clears screens, sets titles and clipboards, asks terminals to answer, reverses text and hides it: C0, C1, ESC in UTF-8 and raw.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{1b}[6n\u{1b}P+q544e\u{1b}\\\u{9b}31m\u{90}x\u{9c}\u{8}\u{7f}\u{202e}gpj\u{2066}\u{feff}\u{200b}\u{e0041}";

/// Whether a terminal would do anything but draw these bytes, or draw them otherwise than they are.
fn acts(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(format!("no UTF-8 at {}", error.valid_up_to())),
    };
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.char_indices().find(|(_, c)| bad(*c)).map(|(at, c)| format!("{c:?} at {at} of {text:?}"))
}

/// All that a program writes, to either output.
fn bytes_of(mut command: Command) -> Vec<u8> {
    let done = command.stdin(Stdio::null()).output().unwrap();
    [done.stdout, done.stderr].concat()
}

fn checked(what: &str, command: Command) -> String {
    let bytes = bytes_of(command);
    if let Some(bad) = acts(&bytes) {
        panic!("{what}: {bad}");
    }
    String::from_utf8(bytes).unwrap()
}

fn local(world: &World, arguments: &[&str]) -> Command {
    let mut command = crate::harness::bartizan(&world.dir());
    command.args(arguments);
    command
}

fn held(bob: &Visitor, n: usize) -> Held {
    let line = format!("echo refund '{EVIL}' {n}");
    let mut command = bob.openssh("ssh", ["-n"]);
    command.arg("-o").arg(format!("SetEnv=BARTIZAN_REASON=because {}", EVIL.replace('\n', " ")));
    command.args(["deploy@web-1@bastion", &line]);
    Held::begin(command, bob.dir.join(format!("evil-{n}.log")))
}

#[test]
fn nothing_that_was_typed_or_answered_acts_on_the_terminal_of_who_lists_answers_or_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let more = format!(
        "\n[approvals]\nwait = \"5m\"\n\n[[notify]]\nname = \"page\"\ncommand = [\"sh\", \"-c\", \"cat >> {0}; echo >> {0}\"]\n",
        told.display()
    );
    let world = World::with(Setup { policies: Some(POLICIES), more, ..Setup::default() });
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let by_ssh = |who: &Visitor, line: &str| who.openssh("ssh", ["bastion", line]);
    let mut one = held(&bob, 1);
    // The one who asked reads their own, too: it may be a script that typed it.
    assert_eq!(acts(one.said().as_bytes()), None);
    for (what, command) in [
        ("ssh bastion approvals", by_ssh(&alice, "approvals")),
        ("ssh bastion approvals --json", by_ssh(&alice, "approvals --json")),
        ("approvals list", local(&world, &["approvals", "list"])),
        ("approvals list --json", local(&world, &["approvals", "list", "--json"])),
        ("sessions list", local(&world, &["sessions", "list", "--all"])),
        ("audit tail", local(&world, &["audit", "tail", "-n", "200"])),
        ("audit tail --json", local(&world, &["audit", "tail", "-n", "200", "--json"])),
    ] {
        let text = checked(what, command);
        assert!(what.starts_with("sessions") || text.contains("refund"), "{what}: {text}");
    }
    let mut plain = alice.openssh("ssh", ["bastion", "tui", "--plain"]);
    plain.stdin(Stdio::null());
    checked("tui --plain", plain);
    // Reasons of who answers reach who asked, and everybody who lists.
    let mut control = Control::open(&alice);
    let answer = control.ask("approval.answer", json!({ "approval": one.id(), "answer": "deny", "reason": EVIL }));
    assert!(answer["error"].is_null(), "{answer}");
    assert_eq!(one.ends(), 1);
    assert_eq!(acts(one.said().as_bytes()), None);
    let mut two = held(&bob, 2);
    let approved = checked("ssh bastion approve", by_ssh(&alice, &format!("approve {} {}", two.id(), EVIL.replace(['\n', '-'], " "))));
    assert!(approved.contains("is approved"), "{approved}");
    // The echo of the target is the user's own; what the bastion said around it is not.
    two.ends();
    let refused = checked("ssh bastion deny", by_ssh(&alice, &format!("deny {} {EVIL}", two.id())));
    assert!(refused.contains("approved already"), "{refused}");
    for evil in [format!("approve {EVIL}"), format!("{EVIL} x"), format!("deny {} --{EVIL}", two.id())] {
        checked("a command that is none", by_ssh(&alice, &evil));
    }
    for arguments in [&["approvals", "list", "--all"][..], &["approvals", "list", "--all", "--json"], &["sessions", "list", "--all"]] {
        checked(&arguments.join(" "), local(&world, arguments));
    }
    // A reason of who locks or ends, by either way.
    let lock = control.ask("lock", json!({ "target": "web-ca", "reason": EVIL }));
    assert_eq!(lock["error"]["code"], 1, "admins may not here: {lock}");
    checked("lock", local(&world, &["lock", "--target", "web-ca", "--reason", EVIL]));
    checked("locks", local(&world, &["locks"]));
    checked("locks --json", local(&world, &["locks", "--json"]));
    // What programs are told is JSON in which everything is escaped; and there is no link in it to press.
    wait_until("all is told", || std::fs::read_to_string(&told).unwrap_or_default().matches("\"type\"").count() >= 4);
    let told = std::fs::read(&told).unwrap();
    assert_eq!(acts(&told), None);
    for line in String::from_utf8(told).unwrap().lines().filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["data"]["operation"].as_str().unwrap().contains("refund") && !line.contains("://"), "{line}");
    }
    // On the wire of the control protocol, read as bytes.
    let mut raw = Command::new("sh");
    raw.args(["-c", "printf '{\"id\":1,\"do\":\"approvals\",\"all\":true}\\n{\"id\":2,\"do\":\"sessions\",\"all\":true}\\n' | ssh -F \"$1\" -T -s bastion control", "sh"]);
    raw.arg(alice.config());
    let wire = checked("control", raw);
    assert!(wire.contains("refund") && wire.lines().count() == 3, "{wire}");
    Run::new(local(&world, &["audit", "verify"])).ok();
}
