//! Clients of the control protocol over ssh that are slow, die, or ask for what is not theirs: nobody else notices.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::{POLICIES, world};
use crate::harness::{Control, Guarded, Setup, Terminal, Way, World, wait_until, wait_until_within};

#[test]
fn who_does_not_read_over_ssh_is_cut_off_and_keeps_nobody_waiting() {
    let world = world();
    let alice = world.visitor("alice");
    let mut other = Control::open(&alice);
    let before = world.bastion.memory();
    let mut command = alice.openssh("ssh", ["-T", "-s", "bastion", "control"]);
    let mut slow = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut to, mut from) = (slow.stdin.take().unwrap(), slow.stdout.take().unwrap());
    // Each answer is longer than its question; all of them together are more than ssh and the kernel keep for somebody.
    let unknown = "x".repeat(30_000);
    let asking = std::thread::spawn(move || {
        let asked = (1..2_000).take_while(|id| to.write_all(format!("{{\"id\":{id},\"do\":\"{unknown}\"}}\n").as_bytes()).is_ok()).count();
        drop(to);
        asked
    });
    // While it is held back, others are answered; and it is cut off some seconds after nothing fits any more.
    wait_until_within(90, "it is cut off", || {
        assert_eq!(other.ask("sessions", json!({}))["ok"], json!([]));
        std::thread::sleep(Duration::from_millis(200));
        world.bastion.log().contains("a control client does not read")
    });
    assert!(world.bastion.memory() < before + (64 << 10), "{before}, then {}", world.bastion.memory());
    let mut heard = Vec::new();
    from.read_to_end(&mut heard).unwrap();
    slow.wait().unwrap();
    asking.join().unwrap();
    let answers = String::from_utf8_lossy(&heard).lines().filter(|line| line.starts_with("{\"error\"")).count();
    assert!(answers < 1_999, "it was not cut off: {answers}");
    assert_eq!(other.ask("sessions", json!({}))["ok"], json!([]));
}

#[test]
fn clients_that_die_in_the_middle_leave_nothing_behind() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let _running = Guarded::spawn(bob.on_command(Way::At, "web-1", &["-n"], "sleep 600"));
    let mut other = Control::open(&alice);
    let mut session = json!(null);
    wait_until("it runs", || {
        session = other.ask("sessions", json!({}))["ok"][0].clone();
        session["id"].is_string()
    });
    let idle = world.bastion.descriptors();
    for round in 0..12 {
        let mut dying = Control::open(&alice);
        dying.ask("subscribe", json!({}));
        assert!(dying.ask("session.watch", json!({ "session": session["id"] }))["ok"].is_object());
        // Half a request, a whole one that nobody hears the answer of, nothing at all.
        match round % 3 {
            0 => dying.send("{\"id\":1,\"do\":"),
            1 => (0..50).for_each(|id| dying.send(&format!("{{\"id\":{id},\"do\":\"audit\"}}"))),
            _ => {}
        }
        dying.child.as_mut().unwrap().kill().unwrap();
    }
    wait_until("nobody watches any more", || other.ask("sessions", json!({}))["ok"][0]["watchers"] == 0);
    wait_until("nothing is open any more", || world.bastion.descriptors() <= idle + 2);
}

const FREEZES: &str = r#"
[[guard_rail]]
name = "no-keys"
pattern = "SECRET"
action = "freeze"
message = "Keys stay at home."
"#;

#[test]
fn a_frozen_session_is_resumed_by_whom_policy_lets_and_never_by_its_own_user() {
    let policies = POLICIES
        .replace("[Action::\"connect\", Action::\"ssh.exec\"]", "[Action::\"connect\", Action::\"ssh.exec\", Action::\"ssh.shell\"]")
        + "@id(\"own\") permit (principal, action in [Action::\"watch\", Action::\"end\"], resource in User::\"corp/bob@example.test\")\n\
         when { resource in principal };\n";
    let setup = Setup { policies: Some(Box::leak(policies.into_boxed_str())), more: FREEZES.to_owned(), ..Setup::default() };
    let world = World::with(setup);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let terminal = Terminal::open(&bob.dir, &bob.line(Way::At, "-t", ""), 100, 30);
    terminal.line("echo re''ady");
    terminal.wait_for("ready");
    terminal.line("echo SEC''RET");
    terminal.wait_for("froze this session");
    let (mut of_alice, mut of_bob) = (Control::open(&alice), Control::open(&bob));
    let id = of_alice.ask("sessions", json!({}))["ok"][0]["id"].clone();
    let own = of_bob.ask("session.resume", json!({ "session": id, "reason": "mine" }));
    assert!(own["error"]["code"] == 1 && own["error"]["message"].as_str().unwrap().contains("Somebody else"), "{own}");
    world.put_in_force("operators.cedar", "");
    let refused = world.bastion.run(["sessions", "resume", id.as_str().unwrap()]).finish();
    assert_eq!(refused.code(), 1, "the machine's own operator is asked of policy too: {refused}");
    assert!(of_alice.ask("sessions", json!({}))["ok"][0]["frozen"].is_object());
    assert_eq!(of_alice.ask("session.resume", json!({ "session": id, "reason": "a test" }))["ok"], json!(null));
    terminal.wait_for("lets this session go on");
    let again = of_alice.ask("session.resume", json!({ "session": id }));
    assert_eq!(again["error"]["code"], 1, "{again}");
    let log = world.bastion.run(["audit", "export"]).ok().text();
    assert!(log.contains("session.resume_ordered") && log.contains("Somebody else has to let"), "{log}");
}
