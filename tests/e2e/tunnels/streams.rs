//! What goes through: ports, sockets, what the bastion refuses, and who does not read.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::site::wait_until_runs;
use super::{Site, Tunnel};
use crate::harness::{Guarded, Run, fixture, wait_until};

#[test]
fn a_service_with_a_token_in_a_file_uses_a_database_by_a_port_and_a_socket() {
    let site = Site::start();
    let dir = site.seat("service");
    // A path of a socket is short.
    let short = tempfile::tempdir().unwrap();
    let socket = short.path().join(".s.PGSQL.5432");
    let place = format!("orders=unix:{}", socket.display());
    let mut tunnel = site.tunnel_in(&dir, &["orders=0", &place]);
    tunnel.wait_until_ready();
    assert_eq!(tunnel.psql("SELECT customer FROM orders WHERE id = 7").ok().text(), "customer 7\n");

    let file = fs::symlink_metadata(&socket).unwrap();
    assert!(file.file_type().is_socket() && file.permissions().mode() & 0o777 == 0o600, "{:o}", file.permissions().mode());
    assert_eq!(fs::read_dir(short.path()).unwrap().count(), 1, "something is left beside the socket");
    let mut psql = Command::new("psql");
    psql.args(["-X", "-At", "-U", "app", "-d", "orders", "-c", "SELECT 1", "-h"]).arg(short.path());
    assert_eq!(Run::new(psql).ok().text(), "1\n");

    // The bastion knows who it is: by a certificate, which it had for its token.
    let issued = site.audited("certificate.issued");
    assert!(issued.iter().any(|entry| entry.to_string().contains("robots/ci")), "{issued:?}");
    let logins = site.audited("login.succeeded");
    let methods: Vec<&str> = logins.iter().filter_map(|entry| entry["method"].as_str()).collect();
    assert!(methods.contains(&"token") && methods.contains(&"certificate"), "{logins:?}");

    tunnel.signal(Signal::TERM);
    assert_eq!(tunnel.ended(), 0, "{}", tunnel.said());
    assert!(!socket.exists(), "the socket is left behind");
    let token = fs::read_to_string(dir.join("token")).unwrap();
    assert!(!tunnel.said().contains(token.trim()), "the token stands in the log");
}

#[test]
fn a_socket_that_is_left_over_is_replaced_and_nothing_else_is() {
    let site = Site::start();
    let short = tempfile::tempdir().unwrap();
    let path = short.path().join("s");
    let place = format!("orders=unix:{}", path.display());
    let refused = |name: &str, words: &str| {
        let mut command = site.command(&site.seat(name));
        command.arg(&place);
        let done = Run::new(command).finish();
        assert!(done.code() == 3 && done.err.contains(words), "{done}");
    };
    fs::write(&path, "precious").unwrap();
    refused("file", "which is no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    let other = UnixListener::bind(&path).unwrap();
    refused("live", "somebody answers there");
    drop(UnixStream::connect(&path).unwrap());
    drop(other);

    let mut tunnel = site.tunnel_in(&site.seat("stale"), &[&place]);
    tunnel.wait_until_ready();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn what_the_bastion_refuses_is_told_to_the_program_and_the_tunnel_goes_on() {
    let site = Site::start();
    let mut tunnel = site.tunnel_in(&site.seat("service"), &["orders=0", "web-1=0", "nothing=0"]);
    tunnel.wait_until_ready();
    let done = tunnel.psql("TRUNCATE orders").finish().refused();
    assert!(done.err.contains("robots-empty-nothing") && done.err.contains("Orders are kept."), "{done}");
    let mut first = |target: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", tunnel.port(target))).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut said = [0; 4];
        let read = stream.read(&mut said).unwrap();
        said[..read].to_vec()
    };
    // SSH targets answer as by `-J`; where there is no target, the connection ends at once.
    assert_eq!(first("web-1"), b"SSH-");
    assert_eq!(first("nothing"), b"");
    tunnel.wait_for("the bastion refused a stream");
    assert!(tunnel.is_ready());
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    assert_eq!(tunnel.figure("bartizan_tunnel_streams_total{target=\"nothing\",outcome=\"refused\"}"), 1.0);
}

#[test]
fn a_program_that_does_not_read_holds_up_nobody_else_and_takes_little_memory() {
    let site = Site::start();
    let mut tunnel = site.tunnel("service", &[]);
    let port = tunnel.port("orders");
    let mut lazy: Vec<Guarded> = (0..8).map(|n| does_not_read(&tunnel, port, n)).collect();
    wait_until_runs(&site.server, "repeat");
    for _ in 0..5 {
        assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", tunnel.process.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 150 << 10, "{peak} KiB");
    assert!(lazy.iter_mut().all(Guarded::runs));
}

/// A client of PostgreSQL that asks for 200 MB and reads none of it.
fn does_not_read(tunnel: &Tunnel, port: u16, n: usize) -> Guarded {
    const SCRIPT: &str = "
import socket, sys, time
sys.path.insert(0, sys.argv[2])
from wire import message, startup, until
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.sendall(startup())
until(s, b'Z')
s.sendall(message(b'Q', b\"SELECT repeat('x', 1000) FROM generate_series(1, 200000)\\0\"))
time.sleep(120)
";
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT, &port.to_string()]).arg(fixture("postgres")).env("PYTHONDONTWRITEBYTECODE", "1");
    Guarded::logged(python, &tunnel.log.with_file_name(format!("lazy-{n}.log")))
}

#[test]
fn connections_beyond_the_limit_wait_and_none_is_lost() {
    let site = Site::start();
    let mut tunnel = site.tunnel("service", &["--streams", "3"]);
    let all: Vec<_> = (1..=12).map(|n| tunnel.psql_command(&format!("SELECT {n}, pg_sleep(0.2)"))).collect();
    let all: Vec<_> = all.into_iter().map(|command| std::thread::spawn(move || Run::new(command).ok().text())).collect();
    for (n, one) in all.into_iter().enumerate() {
        assert_eq!(one.join().unwrap(), format!("{}|\n", n + 1));
    }
    wait_until("no stream is open", || tunnel.figure("bartizan_tunnel_streams_open{target=\"orders\"}") == 0.0);
    assert_eq!(tunnel.figure("bartizan_tunnel_streams_total{target=\"orders\",outcome=\"opened\"}"), 12.0);
}

#[test]
fn what_a_program_says_before_it_goes_arrives_and_what_it_hears_is_whole() {
    let site = Site::start();
    let mut tunnel = site.tunnel("service", &[]);
    // Half of the connection is closed by the program: the answer still comes.
    let sum = tunnel.psql("COPY (SELECT repeat('y', 1000) FROM generate_series(1, 20000)) TO STDOUT").ok().out.len();
    assert_eq!(sum, 1001 * 20_000);
    let mut stream = TcpStream::connect(("127.0.0.1", tunnel.port("orders"))).unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"N", "the answer to SSLRequest");
    // Whoever only looks whether somebody listens leaves nothing behind.
    for _ in 0..20 {
        drop(TcpStream::connect(("127.0.0.1", tunnel.port("orders"))).unwrap());
    }
    wait_until("no stream is open", || tunnel.figure("bartizan_tunnel_streams_open{target=\"orders\"}") == 0.0);
    let opened = tunnel.figure("bartizan_tunnel_streams_total{target=\"orders\",outcome=\"opened\"}");
    assert!(opened >= 20.0, "{opened}");
}
