//! Bastions that die, come back and are several.

use super::Site;
use super::site::end_of;
use crate::harness::{Run, wait_until};

#[test]
fn a_bastion_that_is_killed_and_starts_again_is_found_again_and_programs_wait_for_it() {
    let mut site = Site::start();
    let mut tunnel = site.tunnel("service", &[]);
    assert_eq!(tunnel.psql("SELECT 1").ok().text(), "1\n");
    let sleeper = tunnel.psql_beside("sleeper", "SELECT pg_sleep(100)");
    super::site::wait_until_runs(&site.server, "pg_sleep(100)");
    site.world.bastion.kill();
    // A stream that was open is over, and its program knows it.
    assert!(!end_of(sleeper).0);
    wait_until("it is not ready", || !tunnel.is_ready());
    let waiting = tunnel.psql_beside("waiting", "SELECT 'came through'");
    site.start_again();
    let (good, said) = end_of(waiting);
    assert!(good && said == "came through\n", "{said}");
    wait_until("it is ready again", || tunnel.is_ready());
}

#[test]
fn where_one_of_two_bastions_ends_no_call_fails() {
    let mut first = Site::start();
    let second = Site::start();
    let dir = first.seat("service");
    let mut command = first.command(&dir);
    command.args(["--bastion", &format!("127.0.0.1:{}", second.world.bastion.port), "--host-ca", &second.world.host_ca, "orders=0"]);
    let mut tunnel = super::Tunnel::start(&dir, command);
    tunnel.wait_until_ready();
    let statement = "INSERT INTO calls (body) VALUES ('x')";
    let call = |tunnel: &mut super::Tunnel| Run::new(tunnel.psql_command(statement)).ok();
    call(&mut tunnel);
    // The first is told to end and lets what runs there go on for a while; the calls from now on go to the second.
    let sleeper = tunnel.psql_beside("sleeper", "SELECT 'woke', pg_sleep(2)");
    super::site::wait_until_runs(&first.server, "pg_sleep(2)");
    first.world.bastion.ask_to_end();
    wait_until("the first drains", || first.world.bastion.log().contains("draining"));
    for _ in 0..20 {
        call(&mut tunnel);
    }
    let (good, said) = end_of(sleeper);
    assert!(good && said.ends_with("woke|\n"), "{said}");
    assert_eq!(first.world.bastion.ended(), 0);
    for _ in 0..5 {
        call(&mut tunnel);
    }
    let count = |site: &Site| site.server.ask("SELECT count(*) FROM calls").parse::<u32>().unwrap();
    assert_eq!((count(&first), count(&second)), (1, 25));
}
