//! exec, attach and cp by kubectl over WebSocket and over SPDY, and by bare sockets: recorded as terminals are, decided command by
//! command, ended by a lock, and cut where what is said is not understood.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::evidence::ids;
use crate::harness::{Guarded, Run, Terminal, repository, wait_until};

use super::site::{POLICIES, Person, Site, kubectls};

/// What is run in containers is decided word by word; what developers type is recorded.
const COMMANDS: &str = r#"
@id("input-is-recorded") @record("input")
permit (principal in Group::"corp/developers", action == Action::"connect", resource in Target::"prod");

@id("nothing-is-removed")
@reason("Containers are cattle: replace them.")
forbid (principal in Group::"corp/developers", action == Action::"k8s.exec", resource) when { context.program == "rm" };

@id("touching-is-approved")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action == Action::"k8s.exec", resource) when { context.program == "touch" };
"#;

fn site() -> (Site, Person) {
    let site = Site::with(&format!("{POLICIES}{COMMANDS}"));
    let bob = site.person("bob");
    bob.kubectl(&["run", "web", "--image=nginx", "-n", "shop"]).ok();
    (site, bob)
}

/// The arguments of kubectl to run `command` in the pod.
fn exec<'a>(options: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [&["exec", "web", "-n", "shop"][..], options, &["--"], command].concat()
}

/// All that was exported of each recording, oldest first.
fn casts(site: &Site) -> Vec<String> {
    ids(&site.world).iter().map(|id| site.world.bastion.run(["recordings", "export", id, "--v3"]).ok().text()).collect()
}

/// The exported recording that holds `words`, once it is sealed.
fn cast_with(site: &Site, words: &str) -> String {
    let mut found = None;
    wait_until("it is recorded and sealed", || {
        found = casts(site).into_iter().find(|cast| cast.contains(words) && cast.contains("end of"));
        found.is_some()
    });
    found.unwrap()
}

/// The events of an exported recording whose code is `code`, put together.
fn said(cast: &str, code: &str) -> String {
    let events = cast.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event[1] == code).map(|event| event[2].as_str().unwrap().to_owned()).collect()
}

/// kubectl as it is typed into a terminal.
fn typed(person: &Person, program: &Path, arguments: &[&str]) -> String {
    let command = person.command(program, arguments);
    let words = command.get_args().map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let set =
        |name: &str| command.get_envs().find(|(is, _)| *is == name).and_then(|(_, value)| value).unwrap().to_str().unwrap().to_owned();
    format!("KUBECONFIG='{}' NO_PROXY='*' HOME='{}' '{}' {words}", set("KUBECONFIG"), person.visitor.dir.display(), program.display())
}

#[test]
fn commands_run_without_a_terminal_and_their_ends_are_recorded() {
    let (site, bob) = site();
    for (n, program) in kubectls().iter().enumerate() {
        let run = |options: &[&str], command: &[&str]| Run::new(bob.command(program, &exec(options, command))).within(120);
        let script = format!("echo out-{n}; echo err-{n} >&2; exit 3");
        let done = run(&[], &["sh", "-c", &script]).finish();
        assert_eq!((done.code(), done.text().as_str()), (3, format!("out-{n}\n").as_str()), "{done}");
        assert!(done.err.contains(&format!("err-{n}")), "{done}");
        let cast = cast_with(&site, &format!("out-{n}"));
        let framing = ["websocket", "SPDY/3.1"][n];
        assert!(said(&cast, "o").contains(&format!("err-{n}")) && said(&cast, "x") == "3", "{cast}");
        assert!(said(&cast, "P").contains(framing) && said(&cast, "P").contains("\"exit\":3"), "{cast}");
        // More than one frame, both ways.
        let input: Vec<u8> = (0..700_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
        let done = run(&["-i"], &["cat"]).input(input.clone()).finish().ok();
        assert!(done.out == input, "{} bytes came back", done.out.len());
        assert_eq!(run(&["-i"], &["wc", "-c"]).input("12345").finish().ok().text().trim(), "5");
        let done = run(&[], &["/no/such/program"]).finish();
        assert!(done.code() != 0 && done.err.contains("error executing command in container"), "{done}");
        assert!(cast_with(&site, "/no/such/program").contains("the API server ended it: error executing command"));
    }
    let seen: Vec<_> = site.server.asked().into_iter().filter(|seen| seen["url"].as_str().unwrap().contains("/exec?")).collect();
    assert!(seen.iter().any(|seen| seen["upgrade"] == "websocket") && seen.iter().any(|seen| seen["upgrade"] == "SPDY/3.1"), "{seen:?}");
    everything_verifies(&site);
}

fn everything_verifies(site: &Site) {
    site.world.bastion.run(["recordings", "verify"]).ok();
    site.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_terminal_is_recorded_with_its_sizes_and_what_is_typed_without_secrets() {
    let (site, bob) = site();
    for (n, program) in kubectls().iter().enumerate() {
        let line = typed(&bob, program, &exec(&["-it"], &["bash", "--norc"]));
        let terminal = Terminal::open(&bob.visitor.dir, &line, 90 + n as u16, 20);
        terminal.wait_for("bash-");
        terminal.line("PS1='ready> '; stty size");
        terminal.wait_for(&format!(" {}", 90 + n));
        terminal.resize(120, 33);
        wait_until("the size has come through", || {
            terminal.line("clear; stty size");
            std::thread::sleep(Duration::from_millis(300));
            terminal.screen().contains("33 120")
        });
        terminal.line(&format!("read -s -p 'PIN: ' pin; echo; echo visible-{n} ${{#pin}}"));
        terminal.wait_for("PIN: ");
        terminal.line("planted-pin");
        terminal.wait_for(&format!("visible-{n} 11"));
        terminal.line("exit 7");
        terminal.wait_for("[ended with 7]");
        let cast = cast_with(&site, &format!("visible-{n} 11"));
        assert!(said(&cast, "r").contains(&format!("{}x20", 90 + n)) && said(&cast, "r").contains("120x33"), "{cast}");
        assert!(cast.lines().next().unwrap().contains("\"xterm\"") && said(&cast, "x") == "7", "{cast}");
        let export = |id: &String| site.world.bastion.run(["recordings", "export", "--input", "--v3", id]).finish();
        let with_input = ids(&site.world).iter().map(export).find(|done| done.text().contains(&format!("visible-{n} 11"))).unwrap();
        let typed = said(&with_input.ok().text(), "i");
        assert!(typed.contains("exit 7") && typed.contains("‹hidden›"), "{typed}");
        assert!(!cast.contains("planted-pin"));
    }
    assert!(site.recorded().contains("ready> exit 7"));
    everything_verifies(&site);
}

#[test]
fn files_are_copied_both_ways_and_a_process_is_attached_to() {
    let (site, bob) = site();
    let far = site.server.path("container");
    fs::create_dir(&far).unwrap();
    let near = bob.visitor.dir.join("big");
    let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    fs::write(&near, &content).unwrap();
    for (n, program) in kubectls().iter().enumerate() {
        let cp = |from: &str, to: &str| Run::new(bob.command(program, &["cp", from, to])).within(120).finish().ok();
        let pod = format!("shop/web:{}/there-{n}", far.display());
        cp(near.to_str().unwrap(), &pod);
        assert!(fs::read(far.join(format!("there-{n}"))).unwrap() == content);
        let back = bob.visitor.dir.join(format!("back-{n}"));
        cp(&pod, back.to_str().unwrap());
        assert!(fs::read(back).unwrap() == content);
        let attached =
            Run::new(bob.command(program, &["attach", "-i", "web", "-n", "shop"])).within(120).input(format!("hello-{n}\n")).finish();
        assert!(attached.text().contains(&format!("attached\nhello-{n}\n")), "{attached}");
        assert!(said(&cast_with(&site, &format!("hello-{n}")), "o").contains("attached"));
    }
    assert!(site.audited().contains("k8s.attach") && site.audited().contains("\"tar\""));
}

/// What the Kubernetes client of Python does, which is no kubectl and speaks WebSocket only.
const PYTHON: &str = r"
import sys
from kubernetes import client
from kubernetes.stream import stream

configuration = client.Configuration()
configuration.host = sys.argv[1]
api = client.CoreV1Api(client.ApiClient(configuration))
command = ['sh', '-c', 'read it; echo got $it; echo bad >&2; exit 5']
session = stream(api.connect_get_namespaced_pod_exec, 'web', 'shop', command=command, stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False)
session.write_stdin('by-python\n')
session.run_forever(timeout=60)
print(session.read_stdout(timeout=1), session.read_stderr(timeout=1), session.returncode)
";

#[test]
fn another_client_than_kubectl_runs_a_command() {
    let (site, bob) = site();
    let python = bob.visitor.command(repository(".deps/venv/bin/python"), ["-c", PYTHON, &bob.at("")]);
    let done = Run::new(python).within(120).finish().ok();
    assert_eq!(done.text().split_whitespace().collect::<Vec<_>>(), ["got", "by-python", "bad", "5"], "{done}");
    let cast = cast_with(&site, "got by-python");
    assert!(said(&cast, "x") == "5" && said(&cast, "o").contains("bad"), "{cast}");
}

#[test]
fn the_command_is_decided_before_it_runs_and_waits_for_an_answer() {
    let (site, bob) = site();
    let alice = site.person("alice");
    let kept = site.server.path("kept");
    fs::write(&kept, "kept").unwrap();
    let kept_text = kept.display().to_string();
    let nested = format!("true && rm -f {kept_text}");
    for program in kubectls() {
        for command in [&["rm", "-f", &kept_text][..], &["env", "A=b", "rm", "-f", &kept_text], &["sh", "-c", &nested]] {
            let done = Run::new(bob.command(&program, &exec(&[], command))).within(120).finish();
            assert!(done.code() != 0 && done.err.contains("nothing-is-removed") && done.err.contains("cattle"), "{command:?}: {done}");
        }
        let new = site.server.path(&format!("new-{}", program.components().count()));
        let new_text = new.display().to_string();
        let command = bob.command(&program, &exec(&[], &["touch", &new_text]));
        let waiting = std::thread::spawn(move || Run::new(command).within(120).finish());
        let mut held = None;
        wait_until("the command is held", || {
            let listed = site.world.bastion.run(["approvals", "list", "--json"]).ok().json();
            let one = listed.as_array().unwrap().iter().find(|one| one.to_string().contains(&new_text)).cloned();
            if let Some(one) = &one {
                let outline = &one["outline"];
                assert_eq!(outline["commands"], serde_json::json!([format!("touch {new_text}")]), "{one}");
                assert!(outline["summary"].as_str().unwrap().starts_with("runs a command in pods "), "{one}");
            }
            held = one.and_then(|one| one["id"].as_str().map(str::to_owned));
            held.is_some()
        });
        assert!(!new.exists(), "it does not run before it is approved");
        alice.visitor.ssh(["bastion", "approve", &held.unwrap()]).ok();
        waiting.join().unwrap().ok();
        assert!(new.exists());
    }
    assert!(kept.exists());
    let audited = site.audited();
    assert!(audited.contains("nothing-is-removed") && audited.contains("touching-is-approved"), "{audited}");
}

#[test]
fn a_lock_ends_the_stream_and_says_why_and_so_does_the_death_of_either_side() {
    let (mut site, bob) = site();
    let alice = site.person("alice");
    let begin = |person: &Person, program: &Path, word: &str| {
        let script = format!("echo {word}; exec sleep 1000");
        let log = person.visitor.dir.join(word);
        let process = Guarded::logged(person.command(program, &exec(&[], &["sh", "-c", &script])), &log);
        wait_until("it runs", || fs::read_to_string(&log).unwrap().contains(word));
        (process, log)
    };
    let limit = Duration::from_secs(30);
    let [new, old] = kubectls();
    for (word, program) in [("dies-by-websocket", &new), ("dies-by-spdy", &old)] {
        let (mut process, _) = begin(&alice, program, word);
        process.kill();
        assert!(said(&cast_with(&site, word), "P").contains("left before"), "{word}");
    }
    let running = [begin(&bob, &new, "locked-by-websocket"), begin(&bob, &old, "locked-by-spdy")];
    site.world.bastion.run(["lock", "corp/bob@example.test"]).ok();
    for (mut process, log) in running {
        assert!(process.wait(limit).is_some_and(|ended| !ended.success()), "{}", log.display());
        let told = fs::read_to_string(&log).unwrap();
        assert!(told.contains("bartizan: the session was ended"), "{told}");
        assert!(said(&cast_with(&site, log.file_name().unwrap().to_str().unwrap()), "P").contains("the session was ended"));
    }
    let mut running = [begin(&alice, &new, "orphaned-by-websocket"), begin(&alice, &old, "orphaned-by-spdy")];
    drop(site.server.process.take());
    for (process, log) in &mut running {
        assert!(process.wait(limit).is_some_and(|ended| !ended.success()), "{}", log.display());
        cast_with(&site, log.file_name().unwrap().to_str().unwrap());
    }
    everything_verifies(&site);
}

/// Asks for exec by hand; gives the connection and the head of the answer.
fn by_hand(person: &Person, path: &str, more: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", person.port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let method = if more.contains("SPDY") { "POST" } else { "GET" };
    write!(socket, "{method} /api/v1/namespaces/shop/pods/web/{path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n{more}\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    (socket, String::from_utf8(head).unwrap())
}

const WEBSOCKET: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A WebSocket frame of a client, with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

#[test]
fn what_is_not_understood_goes_nowhere_and_ends_the_connection() {
    let (site, bob) = site();
    let catches = site.server.path("caught");
    let catch = format!("exec?command=tee&command={}&stdin=true&stdout=true", catches.display());
    let v4 = format!("{WEBSOCKET}Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n");
    let secret = b"\0must-not-arrive";
    let huge = [&[0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4][..], b"\0must-not-arrive"].concat();
    let cases = [
        ([&[0x82, secret.len() as u8][..], secret].concat(), "masked"),
        (frame(0xc2, secret), "extension"),
        (frame(0x83, secret), "no frame of kind 3"),
        (frame(0x82, b"\x01must-not-arrive"), "stream 1, which this side has not"),
        (frame(0x82, b"\x09must-not-arrive"), "stream 9, which this side has not"),
        (frame(0x82, b"\xff\0"), "stream 255, which this side has not"),
        (frame(0x82, b"\x04{\"Width\":70000}"), "size of the terminal"),
        (huge, "are the most"),
    ];
    for (bytes, why) in cases {
        let (mut socket, head) = by_hand(&bob, &catch, &v4);
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket.write_all(&frame(0x82, b"\0fine ")).unwrap();
        wait_until("what is understood arrives", || fs::read_to_string(&catches).is_ok_and(|text| text == "fine "));
        socket.write_all(&bytes).unwrap();
        let mut told = Vec::new();
        let _ = socket.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("bartizan: from the client: ") && told.contains(why), "{why}: {told}");
        assert_eq!(fs::read_to_string(&catches).unwrap(), "fine ", "{why}");
        fs::remove_file(&catches).unwrap();
    }
    // By SPDY there is no stream yet on which to say it.
    let spdy = "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n";
    for bytes in [
        &b"\x00\x00\x00\x05\x00\x00\x00\x04data"[..],
        b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x80\x03\x00\x01\x00\xff\xff\xff",
    ] {
        let (mut socket, head) = by_hand(&bob, &catch, spdy);
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket.write_all(bytes).unwrap();
        let mut told = Vec::new();
        let _ = socket.read_to_end(&mut told);
        assert!(told.is_empty(), "{told:?}");
    }
    let recorded = casts(&site).concat();
    for why in ["masked", "are the most", "was not opened", "another version"] {
        wait_until("it is in the recording", || casts(&site).iter().any(|cast| cast.contains(why)));
    }
    assert!(!recorded.contains("must-not-arrive"));
    // Input that was not asked for.
    let (mut socket, _) = by_hand(&bob, "exec?command=sleep&command=1000&stdout=true", &v4);
    socket.write_all(&frame(0x82, b"\0x")).unwrap();
    let mut told = Vec::new();
    let _ = socket.read_to_end(&mut told);
    assert!(String::from_utf8_lossy(&told).contains("input comes, and none was asked for"));
    everything_verifies(&site);
}

#[test]
fn a_server_that_is_not_understood_shows_nothing() {
    let (site, bob) = site();
    bob.kubectl(&["annotate", "pod", "web", "-n", "shop", "frames=broken"]).ok();
    let v5 = format!("{WEBSOCKET}Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
    let spdy = "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n";
    for more in [v5.as_str(), spdy] {
        let (mut socket, _) = by_hand(&bob, "exec?command=cat&stdout=true", more);
        let mut told = Vec::new();
        let _ = socket.read_to_end(&mut told);
        assert!(!String::from_utf8_lossy(&told).contains("hostile"), "{told:?}");
    }
    wait_until("it is in the recording", || casts(&site).iter().filter(|cast| cast.contains("from the API server: ")).count() == 2);
    let done = bob.kubectl(&exec(&[], &["cat"]));
    assert!(done.code() != 0 && !done.text().contains("hostile"), "{done}");
}

#[test]
fn protocols_that_cannot_be_recorded_are_refused_by_name() {
    let (site, bob) = site();
    let path = "exec?command=id&stdout=true";
    for (more, words) in [
        (
            format!("{WEBSOCKET}Sec-WebSocket-Protocol: base64.channel.k8s.io\r\n"),
            "over WebSocket those are v5.channel.k8s.io and v4.channel.k8s.io",
        ),
        (WEBSOCKET.to_owned(), "over WebSocket those are"),
        ("Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n".to_owned(), "over SPDY those are"),
        ("Upgrade: SPDY/3.1\r\n".to_owned(), "over SPDY those are"),
        ("Upgrade: tcp\r\n".to_owned(), "WebSocket or SPDY/3.1"),
    ] {
        let (mut socket, head) = by_hand(&bob, path, &more);
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
        let mut body = [0; 2048];
        let count = socket.read(&mut body).unwrap();
        let body = String::from_utf8_lossy(&body[..count]).into_owned();
        assert!(body.contains(words), "{body}");
    }
    let (code, status) = bob.ask(&["-X", "POST", &bob.at(&format!("/api/v1/namespaces/shop/pods/web/{path}"))]);
    assert!(code == "403" && status["message"].as_str().unwrap().contains("need an upgrade"), "{status}");
    assert!(site.server.asked().iter().all(|seen| !seen["url"].as_str().unwrap().contains("/exec")));
}

#[test]
fn a_process_is_attached_to_by_a_terminal_and_debugged_from_a_container_beside_it() {
    let (site, bob) = site();
    let overrides = r#"--overrides={"spec":{"containers":[{"name":"term","image":"nginx","tty":true,"stdin":true}]}}"#;
    bob.kubectl(&["run", "term", "--image=nginx", "-n", "shop", overrides]).ok();
    let [new, old] = kubectls();
    let debug = ["debug", "web", "-n", "shop", "-it", "--image=busybox", "--container=shell", "--profile=general"];
    for (word, program, arguments) in [
        ("by-new", &new, &["attach", "-it", "term", "-n", "shop"][..]),
        ("by-old", &old, &["attach", "-it", "term", "-n", "shop"]),
        ("debugging", &new, &debug),
    ] {
        let terminal = Terminal::open(&bob.visitor.dir, &typed(&bob, program, arguments), 90, 20);
        terminal.wait_for("attached");
        terminal.line(word);
        terminal.wait_for(word);
        terminal.press(&["C-d"]);
        terminal.wait_for("[ended with 0]");
        let cast = cast_with(&site, word);
        assert!(said(&cast, "r").contains("90x20"), "{cast}");
    }
    let audited = site.audited();
    assert!(audited.contains("ephemeralcontainers") && audited.contains("k8s.attach"), "{audited}");
    everything_verifies(&site);
}

#[test]
fn whoever_does_not_read_holds_up_nobody_else_and_memory_is_bounded() {
    use std::process::Stdio;
    let (site, bob) = site();
    let before = site.world.bastion.memory();
    let [new, old] = kubectls();
    let mut slow = [&new, &old].map(|program| {
        let mut command = bob.command(program, &exec(&[], &["sh", "-c", "head -c 200000000 /dev/zero; echo"]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Guarded::spawn(command)
    });
    // Both have begun, and nobody reads on.
    let mut first = [0; 1000];
    slow.iter_mut().for_each(|one| one.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap());
    let many: Vec<_> = (0..20)
        .map(|n| {
            let (word, program) = (format!("one-of-many-{n}"), [&new, &old][n % 2]);
            let command = bob.command(program, &exec(&[], &["echo", &word]));
            std::thread::spawn(move || assert_eq!(Run::new(command).within(120).finish().ok().text().trim(), word))
        })
        .collect();
    many.into_iter().for_each(|one| one.join().unwrap());
    let grown = site.world.bastion.memory().saturating_sub(before);
    assert!(grown < 96 << 10, "{grown} KiB more");
    slow.iter_mut().for_each(Guarded::kill);
    everything_verifies(&site);
}

#[test]
fn a_stream_ends_when_policy_no_longer_allows_it() {
    let (site, bob) = site();
    let log = bob.visitor.dir.join("streams");
    let [new, _] = kubectls();
    let mut process = Guarded::logged(bob.command(&new, &exec(&[], &["sh", "-c", "echo runs; exec sleep 1000"])), &log);
    wait_until("it runs", || fs::read_to_string(&log).unwrap().contains("runs"));
    let without = format!(
        "{POLICIES}{COMMANDS}\n@id(\"not-today\") forbid (principal, action == Action::\"connect\", resource == Target::\"prod\");"
    );
    site.world.put_in_force("test.cedar", &without);
    assert!(process.wait(Duration::from_secs(30)).is_some_and(|ended| !ended.success()));
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("bartizan: the session was ended"), "{told}");
}

#[test]
fn a_disk_that_fills_ends_the_stream_and_lets_no_request_through() {
    let site = Site::on_a_small_disk(POLICIES);
    let bob = site.person("bob");
    bob.kubectl(&["run", "web", "--image=nginx", "-n", "shop"]).ok();
    let [new, _] = kubectls();
    let flood = "i=0; while :; do i=$((i+1)); echo seen-$i. $(head -c 3000 /dev/urandom | base64 -w0); done";
    let done = Run::new(bob.command(&new, &exec(&[], &["bash", "-c", flood]))).within(120).finish();
    assert!(done.code() != 0 && done.text().contains("seen-1.") && done.err.contains("record"), "{}", done.err);
    let asked = site.server.asked().len();
    let (code, status) = bob.ask(&[&bob.at("/api/v1/namespaces/shop/pods")]);
    assert!(code != "200" && status["message"].as_str().is_none_or(|message| message.contains("record")), "{code} {status}");
    assert_eq!(site.server.asked().len(), asked, "what cannot be recorded reaches nobody");
}
