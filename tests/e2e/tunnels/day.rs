//! A service's day, in a minute: a real program makes calls all the time, while tokens rotate, certificates are renewed, policies are
//! read again, bastions end, die and come back, and the database's password changes. No call fails, and nobody but the targets counts.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Site, Tunnel, token_in};
use crate::harness::{Bastion, Guarded, Provider, Setup, fixture, full, repository, wait_for_line, wait_until_within};

/// Robots may use both targets.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("robots-use-orders")
permit (
  principal in Group::"robots/robots",
  action in [Action::"connect", Action::"pg.read", Action::"pg.write", Action::"pg.set", Action::"pg.call"],
  resource in Target::"orders"
);

@id("robots-use-billing")
permit (principal in Group::"robots/robots", action in [Action::"connect", Action::"http.GET"], resource in Target::"billing");
"#;

#[test]
fn a_service_makes_calls_for_a_day_of_renewals_restarts_and_rotations_and_none_fails() {
    // As many renewals as a day has with certificates of a quarter of an hour, or as many as a minute has room for.
    let seconds = if full() { 150 } else { 45 };
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked.ndjson");
    let mut node = Command::new("node");
    node.arg(fixture("http/server.mjs")).arg(&asked);
    let log = folder.path().join("server.log");
    let mut server = Guarded::logged(node, &log);
    let http: u16 = wait_for_line(&log, "READY ", &mut server).parse().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, crate::harness::PASSWORD).unwrap();
    let billing = format!("\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{http}/api\"\n");
    let setup = || Setup { policies: Some(POLICIES), server: "drain_timeout = \"2s\"", ..Setup::default() };
    let mut first = Site::by_password_in(&password, &billing, setup());
    let mut second = first.another(&password, &billing, setup());

    let dir = first.seat("service");
    let mut command = first.command(&dir);
    command.args(["--bastion", &format!("127.0.0.1:{}", second.bastion.port), "--host-ca", &second.host_ca]);
    command.args(["--renew-after", "1s", "orders=0", "billing=0"]);
    let mut tunnel = Tunnel::start(&dir, command);
    tunnel.wait_until_ready();

    let mut python = Command::new(repository(".deps/venv/bin/python"));
    python.arg(fixture("tunnel/service.py"));
    python.args([tunnel.port("orders").to_string(), tunnel.port("billing").to_string(), seconds.to_string()]);
    let said = dir.join("service.log");
    let mut service = Guarded::logged(python, &said);
    wait_for_line(&said, "READY ", &mut service);

    let (first_dir, second_dir) = (first.world.dir(), second.dir());
    let begun = Instant::now();
    let over = AtomicBool::new(false);
    let rotations = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| rotate(&first.world.provider, &dir.join("token"), &over));
        let part = |share: f64| {
            let at = begun + Duration::from_secs(seconds).mul_f64(share);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
        };
        part(0.1);
        first.world.bastion.reload();
        // The one that is used ends as it does for an update, and comes back.
        part(0.2);
        let port = first.world.bastion.port;
        first.world.bastion.ask_to_end();
        assert_eq!(first.world.bastion.ended(), 0);
        // The other dies, at once, while it is in use.
        part(0.4);
        first.world.bastion = Bastion::start(&first_dir);
        assert_eq!(first.world.bastion.port, port);
        second.bastion.kill();
        part(0.6);
        second.bastion = Bastion::start(&second_dir);
        // The database's password changes, on the server and where the bastions read it.
        part(0.75);
        first.server.psql("postgres", &["-c", "ALTER ROLE app PASSWORD 'a new one'"]).ok();
        token_in(&password, "a new one");
        // Whoever changes it ends the sessions that began with the old one.
        let ended = first.server.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'");
        assert_ne!(ended, "0");
        wait_until_within(seconds + 60, "the day is over", || !service.runs());
        over.store(true, Ordering::SeqCst);
        rotating.join().unwrap()
    });

    let text = fs::read_to_string(&said).unwrap();
    let told: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap_or_else(|error| panic!("{error}: {text}"));
    for kind in ["postgres", "http"] {
        assert_eq!(told[kind]["failed"], serde_json::json!([]), "{kind}: {told}\n{}", tunnel.said());
        assert!(told[kind]["calls"].as_u64().unwrap() > 4 * seconds, "{kind}: {told}");
    }
    // Counted by whom it was asked of.
    let calls = |kind: &str| told[kind]["calls"].as_u64().unwrap();
    let stored = first.server.ask("SELECT count(*), min(id), max(id) FROM calls");
    assert_eq!(stored, format!("{0}|1|{0}", calls("postgres")), "{told}");
    let arrived: BTreeSet<u64> = fs::read_to_string(&asked).unwrap().lines().map(number).collect();
    assert_eq!(arrived, (1..=calls("http")).collect(), "{told}");
    assert!(rotations > 5, "{rotations}");
    let renewed = tunnel.figure("bartizan_tunnel_renewals_total{outcome=\"in-place\"}");
    assert!(renewed >= seconds as f64 / 3.0, "{renewed} renewals in {seconds} s");
    eprintln!("{told}, {rotations} tokens, {renewed} renewals in place");
}

/// A new token every other second, until it is over; how many there were.
fn rotate(provider: &Provider, file: &std::path::Path, over: &AtomicBool) -> u32 {
    let mut rotations = 0;
    while !over.load(Ordering::SeqCst) {
        token_in(file, &provider.service_token());
        rotations += 1;
        std::thread::sleep(Duration::from_secs(2));
    }
    rotations
}

/// The number of the call that the server was asked for.
fn number(line: &str) -> u64 {
    let seen: Value = serde_json::from_str(line).unwrap();
    let url = seen["url"].as_str().unwrap();
    url.rsplit_once("call=").unwrap_or_else(|| panic!("{url}")).1.parse().unwrap()
}
