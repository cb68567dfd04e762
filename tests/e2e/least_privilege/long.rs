//! A report over a long log: every entry counts, and it needs no more memory than over a short one.

use std::process::Command;
use std::time::Instant;

use bartizan::audit::{AuditLog, Entry};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::harness::{Run, Setup, World, bartizan, full};

use super::{BROAD, WHO};

/// Runs a program and prints the most memory that it had, in KiB, as its last line of errors.
const MEASURED: &str = "
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(ended)
";

/// What one round of a service's work leaves in the log; every `SESSION`th entry is about another session.
fn entry(number: u64) -> Entry {
    let session = format!("01KB12V3M4SJ2W0Y8D{:08}", number / 8 % 100_000_000);
    let facts = |about: serde_json::Value| json!({ "authenticated_at": "2026-01-01T00:00:00Z", "about": about });
    let decision = |action: &str, target: &str, login: Option<&str>, about: serde_json::Value| {
        json!({
            "kind": "decision", "principal": WHO, "principal_kind": "service", "target": target, "login": login, "action": action,
            "operation": format!("{action} {number}"), "verdict": "allow", "policies": ["robots-may-everything"], "reason": "",
            "source": "10.0.0.1", "session": session, "groups": ["robots/robots"], "facts": facts(about),
        })
    };
    let http = |path: String| json!({ "http": { "method": "GET", "path": path } });
    let value = match number % 8 {
        0 => decision("connect", "billing", None, json!("nothing")),
        1..=3 => decision("http.GET", "billing", None, http(format!("/orders/{}", number % 500))),
        4 => json!({
            "kind": "call.ended", "session": session, "principal": WHO, "principal_kind": "service", "target": "billing", "request": number,
            "operation": "GET /orders/1", "policies": ["robots-may-everything"], "status": 200, "bytes_in": 0, "bytes_out": 100,
            "duration_ms": 3, "recording_ms": 5, "cut": null,
        }),
        5 => decision("http.POST", "billing", None, json!({ "http": { "method": "POST", "path": "/orders" } })),
        6 => json!({
            "kind": "session.closed", "session": session, "number": number, "seal": null, "principal": WHO, "target": "billing",
            "bytes_in": 1, "bytes_out": 2, "exit_status": null, "reason": "the client left", "duration_ms": 12,
        }),
        _ => decision("ssh.exec", "web-1", Some("deploy"), json!({ "command": { "text": "uptime -p", "words": ["uptime", "-p"] } })),
    };
    serde_json::from_value(value).unwrap()
}

/// Appends so many to the log of a bastion that does not run.
fn append(world: &World, from: u64, to: u64) {
    let state = world.dir().join("state");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let log = AuditLog::open(&state, "bastion", [0; 32], Timestamp::now()).unwrap();
        let begins = Timestamp::now() - SignedDuration::from_hours(24);
        for chunk in (from..to).step_by(1_000) {
            let some = (chunk..to.min(chunk + 1_000)).map(|number| {
                // Each its own moment: what has one moment and one session is one judgement.
                log.append(entry(number), begins + SignedDuration::from_millis(i64::try_from(number).unwrap()))
            });
            for written in futures_util::future::join_all(some).await {
                written.unwrap();
            }
        }
    });
}

/// The report, the seconds of processor time and the KiB of memory that it took.
fn report(world: &World) -> (serde_json::Value, f64, u64) {
    let bartizan = bartizan(&world.dir());
    let mut command = Command::new("python3");
    command.args(["-c", MEASURED]).arg(bartizan.get_program()).args(bartizan.get_args());
    command.args(["least-privilege", "report", "--service", WHO, "--json"]);
    for (key, value) in bartizan.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let done = Run::new(command).within(900).ok();
    let figures: Vec<f64> = done.err.lines().last().unwrap().split(' ').map(|text| text.parse().unwrap()).collect();
    (done.json(), figures[0], figures[1] as u64)
}

#[test]
fn a_report_over_a_long_log_counts_every_entry_and_needs_no_more_memory_than_over_a_short_one() {
    let (short, long) = if full() { (100_000, 1_000_000) } else { (4_000, 40_000) };
    let mut world = World::with(Setup { policies: Some(BROAD), ..Setup::default() });
    let billing = "\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:9/api\"\n";
    let file = world.dir().join("bartizan.toml");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + billing).unwrap();
    world.bastion.ask_to_end();
    world.bastion.ended();
    let begun = Instant::now();
    let mut memory = Vec::new();
    for (from, to) in [(0, short), (short, long)] {
        append(&world, from, to);
        let (report, seconds, kib) = report(&world);
        let targets = report["principals"][0]["targets"].as_array().unwrap();
        let on = targets.iter().find(|on| on["target"] == "billing").unwrap();
        assert_eq!(on["uses"].as_u64(), Some(to / 8 * 5), "{on}");
        assert_eq!(on["calls"]["ended"].as_u64(), Some(to / 8), "{on}");
        assert!(report["scope"]["entries"].as_u64().unwrap() > to);
        eprintln!(
            "{to} entries: {seconds:.1} s of processor time, {} MiB, {:.1} s into the test",
            kib / 1024,
            begun.elapsed().as_secs_f64()
        );
        memory.push(kib);
    }
    assert!(memory[1] < memory[0] + (32 << 10), "{memory:?} KiB");
}
