//! What this version does not carry is refused by name: the client reads what, the audit log keeps it, nothing passes.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::harness::{Guarded, Run, Visitor, WAYS, Way, World, free_port, ssh_agent, wait_until};

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

fn audited(world: &World, words: &str) {
    let tail = || world.bastion.run(["audit", "tail", "--json"]).ok().text();
    wait_until(&format!("`{words}` in the audit log"), || tail().contains(words));
}

#[test]
fn a_forward_to_anything_but_a_target_is_refused_and_audited() {
    let (world, alice) = alice();
    let secret = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = secret.local_addr().unwrap().port().to_string();
    for host in ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1"] {
        let done = alice.ssh(["-W", &format!("{host}:{port}"), "bastion"]).finish().refused();
        assert!(done.err.contains("is not a target"), "{host}: {done}");
    }
    for way in WAYS {
        let local = free_port();
        let command = alice.on_command(way, "web-1", &["-N", "-L", &format!("{local}:127.0.0.1:{port}")], "");
        let log = alice.dir.join(format!("forward-{way:?}.log"));
        let _forward = Guarded::logged(command, &log);
        wait_until("the client listens", || TcpStream::connect(("127.0.0.1", local)).is_ok());
        let mut through = TcpStream::connect(("127.0.0.1", local)).unwrap();
        through.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = Vec::new();
        let _ = through.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{way:?}: {answer:?}");
        wait_until("the client says why", || std::fs::read_to_string(&log).unwrap().contains("administratively prohibited"));
    }
    secret.set_nonblocking(true).unwrap();
    assert!(secret.accept().is_err(), "the forward reached its destination");
    audited(&world, "direct-tcpip");
}

#[test]
fn a_dynamic_forward_opens_nothing() {
    let (_world, alice) = alice();
    let local = free_port();
    let _forward = Guarded::logged(alice.openssh("ssh", ["-N", "-D", &local.to_string(), "bastion"]), &alice.dir.join("socks.log"));
    wait_until("the client listens", || TcpStream::connect(("127.0.0.1", local)).is_ok());
    let mut curl = Command::new("curl");
    curl.args(["-s", "-m", "10", "--socks5-hostname", &format!("127.0.0.1:{local}"), "http://127.0.0.1:1/"]);
    Run::new(curl).finish().refused();
}

#[test]
fn a_remote_forward_is_refused_and_audited() {
    let (world, alice) = alice();
    for way in WAYS {
        for what in ["0:127.0.0.1:9", "/tmp/bartizan-test-socket:127.0.0.1:9"] {
            let done = alice.on_target(way, &["-o", "ExitOnForwardFailure=yes", "-R", what], "echo in").finish().refused();
            assert!(done.err.contains("remote port forwarding failed") || done.err.contains("remote forward"), "{way:?} {what}: {done}");
        }
    }
    audited(&world, "tcpip-forward");
    audited(&world, "streamlocal-forward");
}

#[test]
fn the_agent_is_not_forwarded_and_the_session_says_so() {
    let (world, alice) = alice();
    let socket = alice.dir.join("agent.sock");
    let _agent = ssh_agent(Command::new("ssh-agent"), &socket);
    for way in WAYS {
        // Without an agent of its own, ssh asks for no forwarding.
        let agent = format!("IdentityAgent={}", socket.display());
        let done = alice.on_target(way, &["-A", "-o", &agent], "echo \"[$SSH_AUTH_SOCK]\"").ok();
        assert_eq!(done.text(), "[]\n", "{way:?}");
        assert!(done.err.contains("agent forwarding is not allowed here"), "{way:?}: {done}");
    }
    audited(&world, "agent forwarding");
}

#[test]
fn x11_is_not_forwarded_and_the_session_says_so() {
    let (world, alice) = alice();
    for way in WAYS {
        let mut command = alice.on_command(way, "web-1", &["-X", "-o", "XAuthLocation=/bin/true"], "echo \"[$DISPLAY]\"");
        command.env("DISPLAY", "127.0.0.1:77");
        let done = Run::new(command).finish();
        assert!(done.text() == "[]\n" || !done.status.success(), "{way:?}: {done}");
        assert!(done.err.contains("X11 forwarding"), "{way:?}: {done}");
    }
    audited(&world, "X11 forwarding");
}

#[test]
fn a_tunnel_device_is_refused_and_audited() {
    let (world, alice) = alice();
    // A client that may not open a tun device here gives up before it asks; asyncssh asks without one.
    let script = "
import asyncio, asyncssh, sys
async def main():
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='x', known_hosts=None, config=None, client_keys=['id'], agent_path=None) as c:
        try:
            await c.open_tun()
            print('opened')
        except asyncssh.ChannelOpenError as error:
            print('refused')
asyncio.run(main())
";
    assert_eq!(alice.python(script).ok().text(), "refused\n");
    audited(&world, "tun@openssh.com");
}

#[test]
fn an_unknown_subsystem_of_the_bastion_is_refused() {
    let (_world, alice) = alice();
    alice.ssh(["-s", "bastion", "no-such-thing"]).finish().refused();
    for way in [Way::At, Way::Jump] {
        alice.on_target(way, &["-s"], "no-such-thing").finish().refused();
    }
}
