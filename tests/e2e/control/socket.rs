//! The socket on the bastion's own machine: who is let in, as whom, and what hostile, slow and dead clients do to the others: nothing.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::{POLICIES, world};
use crate::approvals::hold;
use crate::harness::{Control, Guarded, Run, Way, World, wait_until, wait_until_within};

fn state(world: &World) -> PathBuf {
    world.dir().join("state")
}

fn socket(world: &World) -> PathBuf {
    state(world).join("control.sock")
}

/// Who this test is to the kernel: the account that logged in, where there is one.
fn account() -> String {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().filter(|uid| uid.trim() != u32::MAX.to_string());
    let uid = login.map_or_else(|| rustix::process::getuid().as_raw().to_string(), |uid| uid.trim().to_owned());
    let mut command = Command::new("id");
    command.args(["-nu", "--", &uid]);
    Run::new(command).ok().text().trim().to_owned()
}

/// Whatever the socket says to `account`, who says one thing.
fn as_account(world: &World, account: &str) -> String {
    let script = "import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
try: s.sendall(b'{\"id\":1,\"do\":\"whoami\"}\\n')
except BrokenPipeError: pass
out = b''
while b'\"ok\"' not in out:
    try: got = s.recv(65536)
    except ConnectionResetError: break
    if not got: break
    out += got
print('heard', out.decode())";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(socket(world)).arg(account);
    let done = Run::new(command).finish();
    format!("{}{}", done.text(), done.err)
}

#[test]
fn only_root_and_the_bastions_own_account_are_let_in_and_by_their_own_name() {
    let world = world();
    let me = format!("local/{}", account());
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(socket(&world)), mode(state(&world)) & 0o077), (0o600, 0));
    let mut control = Control::local(&state(&world));
    let whoami = control.ask("whoami", json!({}))["ok"].clone();
    assert_eq!(
        (&whoami["principal"], &whoami["groups"], &whoami["method"]),
        (&json!(me), &json!(["local/operators"]), &json!("local")),
        "{whoami}"
    );
    // Another account cannot so much as open it; and where somebody made the way free, the kernel tells who it is.
    assert!(as_account(&world, "65534").contains("PermissionError"));
    std::fs::set_permissions(state(&world), std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::set_permissions(socket(&world), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(as_account(&world, "65534").trim(), "heard");
    let log = || world.bastion.run(["audit", "export"]).ok().text();
    wait_until("that is written down", || log().contains("\"what\":\"control socket\""));
    assert!(log().contains(&format!("\"principal\":\"{me}\"")), "{}", log());
    assert_eq!(control.ask("whoami", json!({}))["ok"]["principal"], me);
}

#[test]
fn without_a_policy_the_operator_sees_ends_locks_and_approves_nothing() {
    let world = world();
    world.put_in_force("operators.cedar", "");
    let held_by_all = POLICIES.replace("corp/admins\")\nforbid", "corp/admins, local/operators\")\nforbid")
        + "@id(\"all-approve\") permit (principal, action == Action::\"approve\", resource);\n";
    world.put_in_force("test.cedar", &held_by_all);
    let (bob, me) = (world.visitor("bob"), account());
    let mut running = Guarded::spawn(bob.on_command(Way::At, "web-1", &["-n"], "sleep 600"));
    let mut own = Control::open(&bob);
    wait_until("it runs", || own.ask("sessions", json!({}))["ok"].as_array().is_some_and(|all| all.len() == 1));
    let id = own.ask("sessions", json!({}))["ok"][0]["id"].clone();
    let held = hold(&bob, Way::Jump, &["-n"], "echo refund");
    let mut control = Control::local(&state(&world));
    assert_eq!(control.ask("sessions", json!({ "all": true }))["ok"], json!([]));
    assert_eq!(control.ask("locks", json!({}))["ok"], json!([]));
    assert_eq!(control.ask("audit", json!({ "filter": { "principal": "corp/bob@example.test" } }))["ok"]["entries"], json!([]));
    for (what, request) in [
        ("session.end", json!({ "session": id })),
        ("session.watch", json!({ "session": id })),
        ("lock", json!({ "user": "corp/bob@example.test" })),
        ("lock", json!({ "group": "corp/developers" })),
        ("lock", json!({ "source": "10.0.0.0/8" })),
    ] {
        let refused = control.ask(what, request);
        assert_eq!(refused["error"]["code"], 1, "{what}: {refused}");
    }
    // Policy lets everybody approve and asks their group: an account of the machine approves nothing all the same.
    let answer = |answer: &str| json!({ "approval": held.id(), "answer": answer });
    let refused = control.ask("approval.answer", answer("approve"));
    assert!(refused["error"]["message"].as_str().unwrap().contains("approves nothing"), "{refused}");
    assert_eq!(world.target.logins(), 1, "nothing of what is held has reached the target");
    let list = world.bastion.run(["sessions", "list"]).ok();
    assert_eq!(list.text().lines().count(), 1, "{list}");
    assert_eq!(world.bastion.run(["lock", "corp/bob@example.test"]).finish().code(), 1);
    assert_eq!(world.bastion.run(["sessions", "end", id.as_str().unwrap()]).finish().code(), 1);
    assert!(running.runs());
    let log = world.bastion.run(["audit", "export"]).ok().text();
    let said = |action: &str| {
        let words = [format!("\"action\":\"{action}\""), "\"verdict\":\"deny\"".to_owned(), format!("\"principal\":\"local/{me}\"")];
        log.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    for action in ["end", "watch", "lock", "approve"] {
        assert!(said(action), "{action}: {log}");
    }
    for what in ["sessions", "locks"] {
        assert!(log.contains(&format!("\"by\":\"local/{me}\",\"kind\":\"control.read\"")) && log.contains(&format!("\"what\":\"{what}\"")));
    }
    world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_lock_on_every_address_leaves_the_operator_who_takes_it_away() {
    let world = world();
    let bob = world.visitor("bob");
    for lock in [["--source", "0.0.0.0/0"], ["--group", "corp/developers"]] {
        let id = world.bastion.run([&["lock"], &lock[..]].concat()).ok().text();
        wait_until("bob is kept out", || !bob.on_target(Way::At, &["-n"], "true").finish().status.success());
        assert_eq!(world.bastion.run(["locks", "--json"]).ok().json().as_array().unwrap().len(), 1);
        world.bastion.run(["unlock", id.trim()]).ok();
        bob.on_target(Way::At, &["-n"], "true").ok();
    }
}

#[test]
fn what_is_no_request_is_answered_or_ends_that_connection_alone() {
    let world = world();
    let mut good = Control::local(&state(&world));
    let mut bad = Control::local(&state(&world));
    for line in [
        "{}",
        "\u{0}",
        "[[[[",
        "{\"id\":-1,\"do\":\"whoami\"}",
        "{\"id\":1,\"do\":\"session.end\",\"session\":\"../../x\"}",
        "\u{1b}]0;x\u{7}",
    ] {
        bad.send(line);
        assert_eq!(bad.line()["error"]["code"], 2, "{line}");
    }
    bad.send(&"[".repeat(60_000));
    assert_eq!(bad.line()["error"]["code"], 2, "what is nested deep is no request");
    assert_eq!(bad.ask("locks", json!({}))["ok"], json!([]), "the connection goes on");
    bad.send("\n\n\n");
    bad.send(&format!("{{\"id\":1,\"do\":\"{}\"}}", "x".repeat(70_000)));
    assert!(bad.line()["error"]["message"].as_str().unwrap().contains("64 KiB"));
    assert!(bad.lines.recv_timeout(Duration::from_secs(30)).is_err(), "the connection is closed");
    // Half a line, and an end; bytes that are no text.
    for bytes in [&b"{\"id\":1,"[..], b"\xff\xfe\xff\n", b"\n"] {
        let mut stream = UnixStream::connect(socket(&world)).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("{\"hello\"") && said.ends_with("}\n"), "{said}");
        assert!(said.bytes().all(|byte| byte == b'\n' || (b' '..0x7f).contains(&byte)), "{said:?}");
    }
    assert!(good.ask("whoami", json!({}))["error"].is_null());
}

#[test]
fn who_does_not_read_is_cut_off_and_keeps_nobody_waiting() {
    let world = world();
    let mut slow = UnixStream::connect(socket(&world)).unwrap();
    slow.set_nonblocking(true).unwrap();
    let before = world.bastion.memory();
    let mut good = Control::local(&state(&world));
    let (line, mut sent, mut cut) = (b"{\"id\":1,\"do\":\"targets\"}\n", 0_usize, false);
    // It asks on and on and reads nothing; the others are answered all the time, until it is cut off.
    wait_until_within(120, "it is cut off", || {
        for _ in 0..1_000 {
            match slow.write(line) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        assert!(good.ask("whoami", json!({}))["error"].is_null());
        cut
    });
    assert!(sent > 10_000, "{sent}");
    let grown = world.bastion.memory().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more than before");
}

/// A connection on which the bastion has said hello; none where it was turned away.
fn greeted(world: &World) -> Option<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket(world)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(stream);
    let mut hello = String::new();
    (reader.read_line(&mut hello).unwrap_or(0) > 0).then_some(reader)
}

#[test]
fn many_are_served_at_once_and_those_who_die_leave_their_place_to_others() {
    let world = world();
    drop(greeted(&world).unwrap());
    let before = world.bastion.descriptors();
    for _ in 0..3 {
        let mut all = Vec::new();
        // Places come free a moment after their clients have gone.
        wait_until_within(60, "thirty-two are connected", || {
            all.extend(greeted(&world));
            all.len() == 32
        });
        assert!(greeted(&world).is_none(), "the thirty-third is turned away");
        for one in &mut all {
            one.get_mut().write_all(b"{\"id\":5,\"do\":\"subscribe\"}\n").unwrap();
        }
        for one in &mut all {
            let mut answer = String::new();
            one.read_line(&mut answer).unwrap();
            assert_eq!(answer, "{\"id\":5,\"ok\":null}\n");
        }
    }
    wait_until_within(60, "all is as it was", || world.bastion.descriptors() <= before);
}
