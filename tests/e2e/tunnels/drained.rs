//! How a tunnel ends.

use std::net::TcpStream;

use rustix::process::Signal;

use super::Site;
use super::site::{end_of, wait_until_runs};

#[test]
fn on_sigterm_open_streams_end_by_themselves_and_no_new_one_begins() {
    let site = Site::start();
    let mut tunnel = site.tunnel("service", &[]);
    let port = tunnel.port("orders");
    let sleeper = tunnel.psql_beside("sleeper", "SELECT 'woke', pg_sleep(3)");
    wait_until_runs(&site.server, "pg_sleep(3)");
    tunnel.signal(Signal::TERM);
    tunnel.wait_for("draining");
    crate::harness::wait_until("it does not listen any more", || TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(tunnel.page("/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(tunnel.page("/healthz").0, 200);
    let (good, said) = end_of(sleeper);
    assert!(good && said == "woke|\n", "{said}");
    assert_eq!(tunnel.ended(), 0, "{}", tunnel.said());
}

#[test]
fn a_stream_that_does_not_end_in_time_is_cut_off_and_the_exit_code_says_so() {
    let site = Site::start();
    let mut tunnel = site.tunnel("patient", &["--drain", "1s"]);
    let sleeper = tunnel.psql_beside("sleeper", "SELECT pg_sleep(100)");
    wait_until_runs(&site.server, "pg_sleep(100)");
    tunnel.signal(Signal::TERM);
    assert_eq!(tunnel.ended(), 3, "{}", tunnel.said());
    assert!(tunnel.said().contains("1 streams were still open"), "{}", tunnel.said());
    assert!(!end_of(sleeper).0);

    // Who is in a hurry says it twice.
    let mut tunnel = site.tunnel("hurried", &["--drain", "100s"]);
    let _sleeper = tunnel.psql_beside("sleeper", "SELECT pg_sleep(101)");
    wait_until_runs(&site.server, "pg_sleep(101)");
    tunnel.signal(Signal::INT);
    tunnel.wait_for("draining");
    tunnel.signal(Signal::INT);
    assert_eq!(tunnel.ended(), 3, "{}", tunnel.said());
}
