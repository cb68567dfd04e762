//! Secrets of HTTP targets, which open sessions take up too, and keys for SSH targets.

use std::fs;
use std::process::Command;

use super::replace;
use crate::harness::{Guarded, Run, Setup, Way, World, fixture, free_port, keygen, wait_for_line, wait_until};

#[test]
fn an_open_session_takes_up_a_new_token_and_a_refused_request_is_sent_again_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (token, wanted, log) = (folder.path().join("token"), folder.path().join("wanted"), folder.path().join("server.log"));
    for file in [&token, &wanted] {
        fs::write(file, "Bearer planted-first").unwrap();
    }
    let mut python = Command::new("python3");
    python.arg(fixture("http/guarded.py")).arg(&wanted);
    let mut server = Guarded::logged(python, &log);
    let port: u16 = wait_for_line(&log, "READY ", &mut server).parse().unwrap();
    let target = |name: &str, source: &str| {
        format!(
            "\n[[target]]\nname = \"{name}\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{port}\"\nheaders = {{ Authorization = {source} }}\n"
        )
    };
    let print = format!("{{ exec = [\"cat\", \"{}\"], keep = \"1h\" }}", token.display());
    let more = target("by-file", &format!("{{ file = \"{}\" }}", token.display())) + &target("by-program", &print);
    let world = World::with(Setup { more, ..Setup::default() });
    let alice = world.visitor("alice");
    let (file, program) = (free_port(), free_port());
    let mut command = alice.openssh("ssh", ["-N", "-o", "ExitOnForwardFailure=yes"]);
    command.args(["-L", &format!("{file}:by-file:80"), "-L", &format!("{program}:by-program:80"), "bastion"]);
    let _ssh = Guarded::logged(command, &alice.dir.join("ssh.log"));
    wait_until("the forward is open", || std::net::TcpStream::connect(("127.0.0.1", program)).is_ok());
    // Two requests on one connection, and so in one session, with the change between them.
    let twice = |port: u16, options: &[&str]| {
        let url = format!("http://127.0.0.1:{port}/");
        let mut curl = alice.command("curl", ["--silent", "--show-error", "--max-time", "60", "--rate", "20/m"]);
        curl.args(options).args([&url, &url]).env("NO_PROXY", "*");
        let before = fs::read_to_string(&log).unwrap().lines().count();
        let done = std::thread::spawn(move || Run::new(curl).ok().text());
        wait_until("the first answer", || fs::read_to_string(&log).unwrap().lines().count() > before);
        done
    };
    for (port, first, second) in [(file, "planted-first", "planted-second"), (program, "planted-second", "planted-third")] {
        assert_eq!(fs::read_to_string(&wanted).unwrap(), format!("Bearer {first}"));
        let done = twice(port, &[]);
        for file in [&token, &wanted] {
            replace(file, &format!("Bearer {second}"));
        }
        assert_eq!(done.join().unwrap(), "welcome welcome ");
    }
    // The program's is kept for an hour: only the server's refusal can have had it fetched.
    assert!(fs::read_to_string(&log).unwrap().contains("ANSWERED 401 GET"));
    // A server that takes nothing is asked once more at most, and its own answer is what the client reads.
    replace(&wanted, "Bearer planted-other");
    let before = fs::read_to_string(&log).unwrap().lines().count();
    let mut curl = alice.command("curl", ["--silent", "--max-time", "60", "--data", "body", &format!("http://127.0.0.1:{program}/")]);
    curl.env("NO_PROXY", "*");
    assert_eq!(Run::new(curl).ok().text(), "refused body");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count() - before, 1);
    assert!(!world.bastion.log().contains("planted"), "{}", world.bastion.log());
}

#[test]
fn a_key_that_was_replaced_opens_an_ssh_target_at_once() {
    let world = World::start();
    let alice = world.visitor("alice");
    let login = || alice.on(Way::At, "web-key", &[], "echo in");
    assert_eq!(login().ok().text(), "in\n");
    let key = world.target.account_key();
    let next = world.dir().join("next");
    keygen(&next, "ed25519");
    fs::copy(next.with_extension("pub"), key.with_extension("pub")).unwrap();
    let why = login().finish().refused().err;
    assert!(why.contains("refused the bastion's credential"), "{why}");
    replace(&key, &fs::read_to_string(&next).unwrap());
    assert_eq!(login().ok().text(), "in\n");
    replace(&key, "planted, and no key at all");
    let why = login().finish().refused().err;
    assert!(why.contains("no credential") && !why.contains("planted"), "{why}");
    fs::remove_file(&key).unwrap();
    let why = login().finish().refused().err;
    assert!(why.contains(&format!("cannot be read from file {}", key.display())), "{why}");
    assert!(!world.bastion.log().contains("planted"), "{}", world.bastion.log());
}
