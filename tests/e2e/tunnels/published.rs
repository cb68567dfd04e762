//! Targets that a tunnel publishes from behind a NAT.

use std::process::Command;

use rustix::process::Signal;

use super::Site;
use super::site::end_of;
use crate::harness::{Run, Setup, wait_until};

/// A target that nobody can dial, which robots may use, and whom policy lets publish it.
fn site(permit: &str) -> Site {
    let policies = format!("{}\n{permit}", super::site::POLICIES.replace("Target::\"orders\"", "Target::\"shop\""));
    let mut site = Site::with(Setup { policies: Some(Box::leak(policies.into_boxed_str())), ..Setup::default() });
    // The address is what its certificate names; nothing is there that could be dialled.
    let target = site.server.target("shop", "route = \"reverse\"").replace(&format!("127.0.0.1:{}", site.server.port), "127.0.0.1:9");
    let file = site.world.dir().join("bartizan.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + &target).unwrap();
    site.world.bastion.kill();
    site.start_again();
    site
}

const PERMIT: &str =
    r#"@id("robots-publish") permit (principal in Group::"robots/robots", action == Action::"publish", resource == Target::"shop");"#;

#[test]
fn a_tunnel_publishes_a_target_and_another_reaches_it() {
    let site = site(PERMIT);
    let publication = format!("shop=127.0.0.1:{}", site.server.port);
    let mut publisher = site.tunnel_in(&site.seat("publisher"), &["--renew-after", "1s", "--publish", &publication]);
    publisher.wait_until_ready();
    let mut user = site.tunnel_in(&site.seat("user"), &["shop=0"]);
    user.wait_until_ready();
    let port = user.port("shop").to_string();
    let psql = |statement: &str| {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-p", &port, "-c", statement]);
        command
    };
    assert_eq!(Run::new(psql("SELECT customer FROM orders WHERE id = 7")).ok().text(), "customer 7\n");

    // A second one stands in for the first, which lets what it carries end.
    let mut other = site.tunnel_in(&site.seat("other"), &["--publish", &publication]);
    other.wait_until_ready();
    let log = publisher.log.with_file_name("sleeper");
    let sleeper = (crate::harness::Guarded::logged(psql("SELECT 'woke', pg_sleep(3)"), &log), log);
    super::site::wait_until_runs(&site.server, "pg_sleep(3)");
    publisher.signal(Signal::TERM);
    for _ in 0..5 {
        assert_eq!(Run::new(psql("SELECT 1")).ok().text(), "1\n");
    }
    let (good, said) = end_of(sleeper);
    assert!(good && said == "woke|\n", "{said}");
    assert_eq!(publisher.ended(), 0, "{}", publisher.said());
    other.signal(Signal::TERM);
    assert_eq!(other.ended(), 0, "{}", other.said());
    wait_until("nobody publishes it any more", || !Run::new(psql("SELECT 1")).finish().status.success());
}

#[test]
fn what_may_not_be_published_is_a_clear_end() {
    let site = site("");
    let mut command = site.command(&site.seat("service"));
    command.args(["--publish", "shop=127.0.0.1:1"]);
    let done = Run::new(command).finish();
    assert!(done.code() == 1 && done.err.contains("publish shop"), "{done}");
}
