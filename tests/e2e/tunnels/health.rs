//! What a tunnel says of itself: over HTTP, and to systemd.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use super::{Site, Tunnel};
use crate::harness::wait_until;

#[test]
fn health_readiness_and_metrics_are_told_over_http() {
    let mut site = Site::start();
    site.world.bastion.kill();
    let mut tunnel = site.tunnel_in(&site.seat("service"), &["--wait", "1s", "orders=0"]);
    assert_eq!(tunnel.page("/healthz"), (200, "ok\n".to_owned()));
    tunnel.wait_for("trying again");
    let (code, sentence) = tunnel.page("/readyz");
    assert!(code == 503 && sentence.contains("cannot be reached"), "{code} {sentence}");
    assert_eq!(tunnel.figure("bartizan_tunnel_connected"), 0.0);
    tunnel.psql("SELECT 1").finish().refused();
    // It began before its bastion did, which is no reason to end.
    site.start_again();
    tunnel.wait_until_ready();
    let (code, sentence) = tunnel.page("/readyz");
    assert!(code == 200 && sentence.contains("as robots/ci"), "{code} {sentence}");
    assert_eq!(tunnel.figure("bartizan_tunnel_connected"), 1.0);
    assert!(tunnel.figure("bartizan_tunnel_certificate_expires_seconds") > 1e9);
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    assert_eq!(tunnel.page("/elsewhere").0, 404);
}

#[test]
fn a_systemd_that_takes_nothing_keeps_it_neither_from_its_work_nor_from_its_end() {
    let site = Site::start();
    let dir = site.seat("service");
    let short = tempfile::tempdir().unwrap();
    let path = short.path().join("notify");
    // Bound and never read: after a few words there is room for no more.
    let _socket = UnixDatagram::bind(&path).unwrap();
    let mut command = site.command(&dir);
    command.arg("orders=0").env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    let mut tunnel = Tunnel::start(&dir, command);
    tunnel.wait_until_ready();
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    wait_until("there is no room", || full.send_to(b"STATUS=full", &path).is_err_and(|e| e.kind() == ErrorKind::WouldBlock));
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    assert!(tunnel.is_ready());
    tunnel.signal(Signal::TERM);
    assert_eq!(tunnel.ended(), 0);
}

#[test]
fn systemd_hears_that_it_is_ready_how_it_is_and_that_it_stops() {
    let site = Site::start();
    let dir = site.seat("service");
    let short = tempfile::tempdir().unwrap();
    let path = short.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut heard = String::new();
    let mut hear_until = |words: &str| {
        while !heard.contains(words) {
            let mut message = [0; 4096];
            let read = socket.recv(&mut message).unwrap_or_else(|error| panic!("no {words}: {error}; heard:\n{heard}"));
            heard.push_str(std::str::from_utf8(&message[..read]).unwrap());
        }
        std::mem::take(&mut heard)
    };
    let mut command = site.command(&dir);
    command.arg("orders=0").env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut tunnel = Tunnel::start(&dir, command);
    hear_until("READY=1");
    hear_until("WATCHDOG=1");
    tunnel.wait_until_ready();
    assert!(tunnel.is_ready());
    tunnel.signal(Signal::TERM);
    hear_until("STOPPING=1");
    assert_eq!(tunnel.ended(), 0);
}
