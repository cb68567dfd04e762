//! What a visitor may cost, before and after authentication.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Setup, Way, World, wait_until};

fn limited(limits: &'static str) -> World {
    World::with(Setup { limits, ..Setup::default() })
}

/// A TCP connection that has read the bastion's version line, or none when the bastion closed it first.
fn knock(port: u16) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut start = [0; 4];
    (stream.read_exact(&mut start).is_ok() && &start == b"SSH-").then_some(stream)
}

fn closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_silent_connection_is_closed_after_the_login_grace() {
    let world = limited("login_grace = \"1s\"");
    assert!(closed(knock(world.bastion.port).unwrap()));
    let mut speaks = knock(world.bastion.port).unwrap();
    speaks.write_all(b"SSH-2.0-slow\r\n").unwrap();
    assert!(closed(speaks));
    // Who is logged in stays.
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &[], "sleep 2.5; echo still").ok();
}

#[test]
fn a_waiting_device_login_outlives_the_login_grace() {
    let world = limited("login_grace = \"1s\"");
    let alice = world.stranger("alice");
    let key = std::fs::read(alice.dir.join("id.pub")).unwrap();
    let done = alice.with_device_code(&["bastion", "cert"], &key, |url| {
        std::thread::sleep(Duration::from_secs(3));
        world.provider.walk(url, "alice");
    });
    assert!(done.ok().text().contains("-cert-v01@openssh.com"));
}

#[test]
fn one_address_gets_so_many_half_open_connections_and_no_more() {
    let world = limited("half_open_per_address = 3\nlogin_grace = \"600s\"");
    let mut held: Vec<TcpStream> = (0..3).map(|_| knock(world.bastion.port).unwrap()).collect();
    assert!(knock(world.bastion.port).is_none(), "a fourth was let in");
    held.pop();
    wait_until("a place is free again", || knock(world.bastion.port).is_some());
}

#[test]
fn the_half_open_limit_of_all_addresses_holds_too() {
    let world = limited("half_open = 2\nlogin_grace = \"600s\"");
    let _held: Vec<TcpStream> = (0..2).map(|_| knock(world.bastion.port).unwrap()).collect();
    assert!(knock(world.bastion.port).is_none());
}

#[test]
fn too_many_authentication_attempts_end_the_connection() {
    let world = limited("authentication_attempts = 4");
    let alice = world.stranger("alice");
    let script = "
import paramiko, socket, sys
t = paramiko.Transport(socket.create_connection(('127.0.0.1', int(sys.argv[1]))))
t.start_client(timeout=10)
n = 0
try:
    while n < 50:
        n += 1
        try: t.auth_publickey('alice', paramiko.RSAKey.generate(1024) if n == 99 else paramiko.Ed25519Key(filename='id'))
        except paramiko.AuthenticationException:
            if not t.is_active(): break
except (paramiko.SSHException, EOFError, OSError): pass
print(n < 10)
";
    assert_eq!(alice.python(script).ok().text(), "True\n");
}

#[test]
fn a_connection_opens_so_many_channels_and_no_more() {
    let world = limited("channels = 5");
    let alice = world.visitor("alice");
    let script = "
import paramiko, sys
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', int(sys.argv[1]), username='deploy@web-1', key_filename='id', allow_agent=False, look_for_keys=False)
held = []
try:
    for n in range(50): held.append(c.get_transport().open_session())
except paramiko.ChannelException as error: print(len(held), error.code)
held[0].exec_command('echo works')
print(held[0].makefile().read().decode().strip())
";
    // 4 is SSH_OPEN_RESOURCE_SHORTAGE (RFC 4254 section 5.1).
    assert_eq!(alice.python(script).ok().text(), "5 4\nworks\n");
}

#[test]
fn so_many_sessions_run_at_once_and_no_more() {
    let world = limited("sessions = 2");
    let alice = world.visitor("alice");
    let hold = |n: u32| {
        let log = alice.dir.join(format!("hold-{n}.log"));
        let session = crate::harness::Guarded::logged(alice.on_command(Way::At, "web-1", &["-n"], "echo begun; sleep 600"), &log);
        wait_until("it has begun", || std::fs::read_to_string(&log).unwrap_or_default().contains("begun"));
        session
    };
    let held = [hold(1), hold(2)];
    let done = alice.on_target(Way::At, &[], "true").finish().refused();
    assert!(done.err.contains("sessions"), "{done}");
    drop(held);
    wait_until("there is room again", || alice.on_target(Way::At, &[], "true").finish().status.success());
}

#[test]
fn waiting_logins_are_bounded() {
    let world = limited("waiting_logins = 1");
    let first = world.stranger("first");
    let key = std::fs::read(first.dir.join("id.pub")).unwrap();
    let second = world.stranger("second");
    let done = first.with_device_code(&["bastion", "cert"], &key, |url| {
        let done = second.with_device_code(&["bastion", "cert"], &key, |_| ()).refused();
        assert!(done.err.contains("Too many logins"), "{done}");
        world.provider.walk(url, "alice");
    });
    done.ok();
}
