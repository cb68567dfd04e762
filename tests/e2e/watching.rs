//! Watching a session while it runs: the present screen first, then what comes, for many and for slow ones, and nothing that acts
//! on a terminal.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Control, Guarded, Setup, Terminal, Visitor, WAYS, Watching, Way, World, wait_until, wait_until_within};

/// Everybody has shells, commands and files; admins (alice) watch and end.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("all-use-targets")
permit (principal, action in [Action::"connect", Action::"ssh.shell", Action::"ssh.exec", Action::"sftp"], resource);

@id("admins-watch")
permit (principal in Group::"corp/admins", action in [Action::"watch", Action::"end", Action::"lock"], resource);
"#;

/// The same without ordinary shells: developers (bob) get the guarded one.
const GUARDED: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("all-run-commands")
permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);

@id("admins-watch")
permit (principal in Group::"corp/admins", action == Action::"watch", resource);
"#;

fn world(policies: &'static str) -> World {
    World::with(Setup { policies: Some(policies), ..Setup::default() })
}

/// The one session that runs, once it does.
fn session(world: &World) -> String {
    let list = || world.bastion.run(["sessions", "list", "--json"]).ok().json();
    wait_until("a session runs", || list().as_array().is_some_and(|all| all.len() == 1));
    list()[0]["id"].as_str().unwrap().to_owned()
}

/// A shell of `visitor` in a terminal of 90 by 20, at its prompt.
fn shell(world: &World, visitor: &Visitor, way: Way) -> Terminal {
    let terminal = Terminal::open(&world.dir(), &visitor.line(way, "-t", ""), 90, 20);
    terminal.line("PS1='at> '; clear");
    wait_until("a prompt", || terminal.screen().trim() == "at>");
    terminal
}

/// The rows of a terminal of 20, without trailing blanks.
fn drawn(terminal: &Terminal) -> Vec<String> {
    terminal.rows().into_iter().chain(std::iter::repeat(String::new())).take(20).collect()
}

#[test]
fn who_joins_sees_the_screen_as_it_is_and_what_comes_next() {
    let world = world(POLICIES);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let terminal = shell(&world, &bob, way);
        terminal.line("printf 'drawn \\033[5;10Hbefore\\033[8;1H'");
        terminal.wait_for("before");
        let mut watching = Watching::begin(&alice, &session(&world));
        watching.until("before");
        assert_eq!(watching.events.len(), 1, "the first event is the screen: {:?}", watching.events);
        assert_eq!(watching.rows(), drawn(&terminal), "{way:?}");
        terminal.line("echo ne''xt");
        watching.until("next");
        terminal.resize(70, 15);
        assert_eq!(watching.until_told("resize"), json!([70, 15]));
        terminal.line("exit");
        assert!(!watching.until_told("end")["reason"].as_str().unwrap().is_empty());
        wait_until("it is over", || world.bastion.run(["sessions", "list", "--json"]).ok().json().as_array().unwrap().is_empty());
    }
}

#[test]
fn only_whom_policy_lets_may_watch_and_it_is_in_the_audit_log_and_the_recording() {
    let world = world(POLICIES);
    let (alice, bob, carol) = (world.visitor("alice"), world.visitor("bob"), world.visitor("dora"));
    let terminal = shell(&world, &bob, Way::At);
    let id = session(&world);
    // Not one's own, and not what does not run.
    let mut own = Control::open(&bob);
    let refused = own.ask("session.watch", json!({ "session": id }));
    assert_eq!(refused["error"]["code"], 1, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("watch on"), "{refused}");
    let mut watching = Watching::begin(&alice, &id);
    watching.until("at>");
    let twice = watching.control.ask("session.watch", json!({ "session": id }));
    assert_eq!(twice["error"]["code"], 1, "{twice}");
    let none = watching.control.ask("session.watch", json!({ "session": "01ARZ3NDEKTSV4RRFFQ69G5FAV" }));
    assert_eq!(none["error"]["code"], 1, "{none}");
    // Who does not watch any more hears nothing more.
    let mut other = Watching::begin(&carol, &id);
    other.until("at>");
    assert_eq!(other.control.ask("session.unwatch", json!({ "session": id }))["ok"], Value::Null);
    terminal.line("echo sec''ret");
    watching.until("secret");
    assert_eq!(other.control.ask("whoami", json!({}))["ok"]["principal"], "corp/dora@example.test");
    let again = other.control.ask("session.unwatch", json!({ "session": id }));
    assert_eq!(again["error"]["code"], 1, "{again}");
    // A policy that changes acts on who watches.
    world.write_policies(&POLICIES.replace("Action::\"watch\", ", ""));
    world.bastion.reload();
    assert!(watching.until_told("end")["reason"].as_str().unwrap().contains("policy"));
    let log = world.bastion.run(["audit", "tail", "--json", "-n", "200"]).ok().text();
    let said = |kind: &str, verdict: &str, who: &str| {
        log.lines().any(|line| {
            line.contains(kind) && line.contains(&format!("watch session {id}")) && line.contains(verdict) && line.contains(who)
        })
    };
    assert!(said("decision", "\"verdict\":\"allow\"", "alice"), "{log}");
    assert!(said("decision", "\"verdict\":\"deny\"", "bob"), "{log}");
    assert!(log.contains("\"kind\":\"watch.ended\""), "{log}");
    terminal.line("exit");
    wait_until("it is over", || world.bastion.run(["sessions", "list", "--json"]).ok().json().as_array().unwrap().is_empty());
    let notes = world.bastion.run(["recordings", "export", "--v3", &id]).ok().text();
    assert!(notes.contains("corp/alice@example.test began to watch"), "{notes}");
}

/// Whether every byte of `text` is one that only draws: printable, or a cursor or colour sequence.
fn only_draws(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if matches!(c, '\n' | '\r' | '\t' | '\u{8}' | '\u{e}' | '\u{f}') || !c.is_control() {
            continue;
        }
        if c != '\u{1b}' {
            return Err(format!("a control {c:?} before {rest:?}"));
        }
        let tail =
            rest.strip_prefix('[').map(|tail| tail.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':' | '?' | '!')));
        match tail.and_then(|tail| tail.chars().next().map(|last| (last, &tail[last.len_utf8()..]))) {
            // No device attributes, reports, window or printing operations.
            Some((last, after)) if last.is_ascii_alphabetic() && !matches!(last, 'c' | 'n' | 't' | 'i' | 'q' | 'x' | 'y') => rest = after,
            None if rest.starts_with(['7', '8', 'D', 'E', 'M', 'H', 'c', '(', ')', '#', '=', '>']) => rest = &rest[1..],
            _ => return Err(format!("ESC before {rest:?}")),
        }
    }
    Ok(())
}

#[test]
fn nothing_of_a_hostile_target_reaches_the_watcher_raw() {
    let world = world(POLICIES);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let hostile = "\\033]52;c;ZXZpbA==\\007\\033]0;owned\\033\\\\\\\\\\033P+q544e\\033\\\\\\\\\\033[c\\033[>c\\033[6n\\033[21t\\033]8;;http://evil\\007link\\033]8;;\\007\\033[?1000h\\033[5i\\033[?2004h\\033]4;1;?\\007\\033_Gf=100\\033\\\\\\\\\\033^pm\\033\\\\\\\\\\033X sos\\033\\\\\\\\\\2236n\\302\\2336n\\033]1337;File=:AA\\007";
    let terminal = shell(&world, &bob, Way::At);
    // Before somebody watches, so that it is on the screen they are given; and then in one piece and byte by byte.
    terminal.line(&format!("printf '{hostile}drawn-before\\n'"));
    terminal.wait_for("drawn-before");
    let mut watching = Watching::begin(&alice, &session(&world));
    watching.until("drawn-before");
    terminal.line(&format!("printf '{hostile}drawn-whole\\n'"));
    watching.until("drawn-whole");
    terminal.line(&format!("printf '{hostile}drawn-slowly\\n' | while IFS= read -r -n1 -d '' c; do printf %s \"$c\"; sleep 0.002; done"));
    watching.until("drawn-slowly");
    let mut seen = 0;
    for event in &watching.events {
        for text in [&event["screen"]["text"], &event["output"]].into_iter().filter_map(Value::as_str) {
            seen += text.len();
            only_draws(text).unwrap_or_else(|error| panic!("{error}\nin {text:?}"));
        }
    }
    assert!(seen > 100, "{seen}");
    // The lines of the protocol themselves are printable, whatever is in them: read once more, as bytes.
    let mut command = alice.openssh("ssh", ["-T", "-s", "bastion", "control"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let request = format!("{{\"id\":1,\"do\":\"session.watch\",\"session\":\"{}\"}}\n", watching.session);
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut stdout = child.stdout.take().unwrap();
    while !String::from_utf8_lossy(&bytes).contains("\"screen\"") || !bytes.ends_with(b"\n") {
        let mut some = [0; 4096];
        let read = std::io::Read::read(&mut stdout, &mut some).unwrap();
        assert!(read > 0);
        bytes.extend_from_slice(&some[..read]);
    }
    drop(stdin);
    let _ = child.kill();
    child.wait().unwrap();
    assert!(bytes.iter().all(|byte| *byte == b'\n' || *byte >= b' ' && *byte != 0x7f), "a control character on the wire");
}

#[test]
fn fifty_watch_one_session_with_flat_memory_and_a_slow_one_delays_nobody() {
    let world = world(POLICIES);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let flood = "i=0; while [ $i -lt 400 ]; do head -c 100000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo fin''ished";
    // Alone first: how long it takes.
    let alone = Instant::now();
    bob.on_target(Way::At, &["-n"], flood).within(120).ok();
    let alone = alone.elapsed();
    let terminal = shell(&world, &bob, Way::At);
    let id = session(&world);
    // Eight who never read what they are sent, and forty-two who do.
    let request = format!("{{\"id\":1,\"do\":\"session.watch\",\"session\":\"{id}\"}}\n");
    let asleep: Vec<Guarded> = (0..8)
        .map(|_| {
            let mut asleep = alice.openssh("ssh", ["-T", "-s", "bastion", "control"]);
            asleep.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut asleep = Guarded::spawn(asleep);
            std::io::Write::write_all(asleep.child.stdin.as_mut().unwrap(), request.as_bytes()).unwrap();
            asleep
        })
        .collect();
    let watchers = || world.bastion.run(["sessions", "list", "--json"]).ok().json()[0]["watchers"].clone();
    wait_until("the eight watch", || watchers() == 8);
    let mut crowd: Vec<_> = (0..42).map(|_| Watching::begin(&alice, &id)).collect();
    for watching in &mut crowd {
        watching.until("at>");
    }
    assert_eq!(watchers(), 50);
    let before = world.bastion.memory();
    let begun = Instant::now();
    terminal.line(&format!("clear; {flood}"));
    let threads: Vec<_> = crowd
        .into_iter()
        .map(|mut watching| {
            std::thread::spawn(move || {
                watching.until("finished");
                watching
            })
        })
        .collect();
    wait_until_within(240, "the flood is over", || terminal.screen().contains("finished"));
    let took = begun.elapsed();
    let grown = world.bastion.memory().saturating_sub(before);
    let all: Vec<Watching> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for watching in &all {
        assert_eq!(watching.rows(), drawn(&terminal));
    }
    eprintln!("alone {alone:?}, watched by fifty {took:?}, {grown} KiB more");
    // 40 MB went by, to fifty: kept whole that would be 2 GB.
    assert!(grown < 64 << 10, "{grown} KiB more than before");
    drop(asleep);
}

#[test]
#[ignore = "an open defect: it has not been seen to pass"]
fn commands_and_files_are_watched_too() {
    let world = world(POLICIES);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    for way in WAYS {
        let (arguments, destination) = way.name("deploy", "web-1");
        let runs = bob.on_command(way, "web-1", &["-n"], "echo first; echo second >&2; sleep 2; echo third; sleep 1");
        let mut runs = Guarded::spawn(runs);
        let mut watching = Watching::begin(&alice, &session(&world));
        watching.until("first");
        watching.until("second");
        watching.until("third");
        watching.until_told("end");
        runs.wait(Duration::from_secs(20)).expect("it ends");
        let mut sftp = bob.openssh("sftp", arguments.iter().map(String::as_str).chain(["-b", "-", destination.as_str()]));
        sftp.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let mut sftp = Guarded::spawn(sftp);
        let mut input = sftp.child.stdin.take().unwrap();
        let mut watching = Watching::begin(&alice, &session(&world));
        std::io::Write::write_all(&mut input, b"ls /etc\nget /etc/hostname fetched\n").unwrap();
        loop {
            let operation = watching.until_told("operation");
            if operation["text"].as_str().is_some_and(|text| text.contains("/etc/hostname")) {
                break;
            }
        }
        watching.until("/etc/hostname");
        drop(input);
        watching.until_told("end");
        sftp.wait(Duration::from_secs(20)).expect("it ends");
    }
}

#[test]
fn lines_of_a_guarded_shell_are_watched_with_their_verdicts() {
    let world = world(GUARDED);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let terminal = Terminal::open(&world.dir(), &bob.line(Way::At, "-t", ""), 100, 30);
    terminal.wait_for("deploy@web-1:~$");
    let mut watching = Watching::begin(&alice, &session(&world));
    watching.until("deploy@web-1:~$");
    terminal.line("echo wat''ched");
    let operation = watching.until_told("operation");
    let operation = if operation["text"] == "shell" { watching.until_told("operation") } else { operation };
    assert_eq!((operation["text"].as_str(), operation["verdict"].as_str()), (Some("echo wat''ched"), Some("allow")), "{operation}");
    watching.until("watched");
}

#[test]
fn a_lock_is_put_and_taken_away_over_the_control_protocol() {
    let world = world(POLICIES);
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut control = Control::open(&alice);
    let request = json!({ "user": "corp/bob@example.test", "reason": "laptop lost", "for_seconds": 600 });
    let refused = Control::open(&bob).ask("lock", request.clone());
    assert!(refused["error"]["message"].as_str().unwrap().contains("lock on"), "{refused}");
    let terminal = shell(&world, &bob, Way::At);
    let lock = control.ask("lock", request);
    assert_eq!(
        (lock["ok"]["by"].as_str(), &lock["ok"]["subject"]),
        (Some("corp/alice@example.test"), &json!({ "user": "corp/bob@example.test" })),
        "{lock}"
    );
    terminal.wait_for("[ended with");
    assert!(bob.on_target(Way::At, &["-n"], "true").finish().err.contains("lock"), "bob is kept out");
    assert_eq!(control.ask("locks", json!({}))["ok"][0], lock["ok"]);
    assert_eq!(world.bastion.run(["lock", "--list", "--json"]).ok().json()[0], lock["ok"]);
    assert_eq!(control.ask("unlock", json!({ "lock": lock["ok"]["id"] }))["ok"], lock["ok"]);
    bob.on_target(Way::At, &["-n"], "true").ok();
    for (bad, why) in [
        (json!({}), "one of"),
        (json!({ "user": "corp/bob@example.test", "target": "web-1" }), "one of"),
        (json!({ "group": "corp/developers" }), "bartizan lock --group"),
        (json!({ "source": "10.0.0.0/8" }), "bartizan lock --source"),
        (json!({ "target": "nowhere" }), "no target nowhere"),
        (json!({ "certificate": 999_999 }), "999999"),
        (json!({ "target": "web-1", "for_seconds": 0 }), "for_seconds"),
    ] {
        let answer = control.ask("lock", bad.clone());
        assert!(answer["error"]["message"].as_str().is_some_and(|message| message.contains(why)), "{bad}: {answer}");
    }
    assert_eq!(control.ask("unlock", json!({ "lock": 77 }))["error"]["code"], 1);
}
