//! What the audit log says came of statements: as many as the client counted and the server did, by which policies, how much, how long,
//! and where in the recording they stand.

use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::harness::{Bastion, Guarded, Run, Visitor, wait_until, wait_until_within};

use super::Site;
use super::clients::pg_bin;
use super::site::Tunnel;

/// A site whose server counts statements itself.
fn counted() -> Site {
    let mut site = Site::start();
    site.server.restart_with("shared_preload_libraries = 'pg_stat_statements'");
    site.server.psql("orders", &["-c", "CREATE EXTENSION pg_stat_statements"]).ok();
    site
}

/// Kinds of statement that ended, as the audit log tells them, each with its session and principal.
fn calls(site: &Site) -> Vec<(Value, Value)> {
    let text = site.world.bastion.run(["audit", "export", "--kind", "calls.ended"]).ok().text();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone());
    entries
        .flat_map(|entry| entry["calls"].as_array().unwrap().iter().map(|one| (entry.clone(), one.clone())).collect::<Vec<_>>())
        .collect()
}

/// Over all kinds whose text begins so: how many, failed, unfinished, rows.
fn sum(calls: &[(Value, Value)], begins: &str) -> [u64; 4] {
    let fitting = calls.iter().filter(|(_, one)| one["operation"].as_str().unwrap().starts_with(begins));
    let counts = fitting.map(|(_, one)| ["times", "failed", "unfinished", "rows"].map(|key| one[key].as_u64().unwrap_or(0)));
    counts.fold([0; 4], |sum, one| std::array::from_fn(|n| sum[n] + one[n]))
}

fn pgbench(visitor: &Visitor, tunnel: &Tunnel, script: &str, arguments: &[&str]) {
    let file = visitor.dir.join("script.sql");
    fs::write(&file, script).unwrap();
    let mut command = visitor.command(pg_bin("pgbench"), ["-n", "-U", "app", "-h", "127.0.0.1", "-p", &tunnel.port.to_string(), "-f"]);
    command.arg(&file).args(arguments).arg("orders").env("PGSSLMODE", "disable");
    Run::new(command).within(120).ok();
}

#[test]
fn the_end_of_each_statement_is_counted_as_client_and_server_count_it() {
    let site = counted();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    // Other values each time, as text and prepared; the client says how many.
    let update = "\\set id random(1, 100)\nUPDATE orders SET amount = amount + :id WHERE id = :id;\n";
    pgbench(&bob, &tunnel, update, &["-t", "40", "-c", "2"]);
    pgbench(
        &bob,
        &tunnel,
        "\\set id random(1, 100)\nSELECT customer, amount FROM orders WHERE id = :id;\n",
        &["-M", "prepared", "-t", "75"],
    );
    // Several in one text, of which one fails: what is behind it is not begun.
    let done =
        tunnel.psql(&bob, &["-c", "INSERT INTO notes (body) VALUES ('a'); SELECT 1 / (amount - amount) FROM orders; TABLE notes"]).finish();
    assert!(done.err.contains("division by zero"), "{done}");
    // Data in and out, and what policy refuses.
    let copied = "line of text\n".repeat(1_000);
    tunnel.ask(&bob, &format!("COPY notes (body) FROM STDIN;\n{copied}\\.\nCOPY (SELECT body FROM notes) TO STDOUT;\n")).ok();
    let done = tunnel.ask(&bob, "SELECT * FROM payroll;");
    assert!(done.err.contains("nobody-reads-payroll"), "{done}");
    // One that is cancelled.
    let done = tunnel.psql(&bob, &["-c", "SET statement_timeout = 200", "-c", "SELECT 'long', pg_sleep(60)"]).finish();
    assert!(done.err.contains("statement timeout"), "{done}");

    let live = || site.world.bastion.run(["sessions", "list", "--live", "--json"]).ok().json();
    wait_until("the sessions are over", || live().as_array().unwrap().is_empty());
    let calls = calls(&site);
    let server = |begins: &str| {
        let of_app = "FROM pg_stat_statements s JOIN pg_roles r ON r.oid = userid WHERE rolname = 'app'";
        let told = site.server.ask(&format!("SELECT coalesce(sum(calls), 0) {of_app} AND query LIKE '{begins}%'"));
        told.parse::<u64>().unwrap()
    };
    assert_eq!(sum(&calls, "UPDATE orders"), [80, 0, 0, 0], "{calls:#?}");
    assert_eq!(sum(&calls, "SELECT customer"), [75, 0, 0, 75]);
    for begins in ["UPDATE orders", "SELECT customer", "INSERT INTO notes", "COPY notes", "COPY (SELECT"] {
        let [times, failed, unfinished, _] = sum(&calls, begins);
        assert_eq!((times - failed - unfinished, times > 0), (server(begins), true), "{begins}: {calls:#?}");
    }
    assert_eq!(sum(&calls, "SELECT 1 /"), [1, 1, 0, 0]);
    assert_eq!(sum(&calls, "TABLE notes"), [1, 0, 1, 0]);
    assert_eq!(sum(&calls, "SELECT 'long'"), [1, 1, 0, 0]);
    assert_eq!(sum(&calls, "SELECT * FROM payroll"), [0; 4], "what was refused was no call");
    // Equal ones stand together, whatever their values.
    let updates: Vec<_> = calls.iter().filter(|(_, one)| one["operation"].as_str().unwrap().starts_with("UPDATE orders")).collect();
    assert_eq!(updates.len(), 2, "one for each session: {updates:#?}");
    let (entry, one) = updates[0];
    assert_eq!((entry["principal"].as_str(), entry["target"].as_str()), (Some("corp/bob@example.test"), Some("orders")), "{entry}");
    assert!(entry["groups"].to_string().contains("corp/developers") && entry["session"].is_string(), "{entry}");
    assert_eq!(
        (one["statement"].as_str(), one["policies"].to_string().contains("developers-read-and-write")),
        (Some("update"), true),
        "{one}"
    );
    assert!(one["duration_us"].as_u64() >= one["longest_us"].as_u64() && one["longest_us"].as_u64() > Some(0), "{one}");
    // Sizes: what was copied, at least, and not much besides.
    let bytes = |begins: &str, key: &str| {
        let (_, one) = calls.iter().find(|(_, one)| one["operation"].as_str().unwrap().starts_with(begins)).unwrap();
        one[key].as_u64().unwrap()
    };
    let size = copied.len() as u64;
    assert!((size..2 * size).contains(&bytes("COPY notes", "bytes_in")), "{calls:#?}");
    assert!((size..2 * size).contains(&bytes("COPY (SELECT", "bytes_out")), "{calls:#?}");

    // The report adds up the same.
    let report = site.world.bastion.run(["least-privilege", "report", "--principal", "corp/bob@example.test", "--json"]).ok().json();
    let told = &report["principals"][0]["targets"].as_array().unwrap().iter().find(|on| on["target"] == "orders").unwrap()["calls"];
    let all = sum(&calls, "");
    assert_eq!((told["ended"].as_u64(), told["failed"].as_u64()), (Some(all[0]), Some(all[1] + all[2])), "{told}");
}

#[test]
fn a_statement_is_found_in_the_recording_where_the_audit_log_says() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let update = "UPDATE orders SET amount = 1 WHERE id = 1;";
    tunnel.ask(&bob, &format!("SELECT pg_sleep(3);\n{update}\nSELECT pg_sleep(2);\n{update}\n"));
    let found = || calls(&site).into_iter().find(|(_, one)| one["statement"] == "update");
    wait_until("it is written", || found().is_some());
    let (entry, one) = found().unwrap();
    let cast = site.world.bastion.run(["recordings", "export", entry["session"].as_str().unwrap()]).ok().text();
    let events = cast.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_update = |event: &Value| event[1] == "o" && event[2].as_str().unwrap().contains("UPDATE orders");
    let at: Vec<f64> = events.filter(is_update).map(|event| event[0].as_f64().unwrap() * 1_000.0).collect();
    assert_eq!(at.len(), 2, "{cast}");
    let said = ["recording_ms", "recording_until_ms"].map(|key| one[key].as_u64().unwrap() as f64);
    assert!(said[0] >= 3_000.0 && said[1] >= said[0] + 2_000.0, "{one}");
    assert!((said[0] - at[0]).abs() < 1_000.0 && (said[1] - at[1]).abs() < 1_000.0, "{one}, {at:?}");
}

#[test]
fn what_a_long_session_does_is_written_while_it_goes_on_and_a_crash_loses_no_decision() {
    let mut site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let (mut idle, mut input) = Guarded::fed(tunnel.psql_command(&bob, &["-f", "-"]), &bob.dir.join("idle.log"));
    input.write_all(b"UPDATE orders SET amount = 2 WHERE id = 2;\n").unwrap();
    // Nothing else is done in it, and it stays.
    wait_until_within(100, "it is written", || sum(&calls(&site), "UPDATE orders")[0] == 1);
    assert!(idle.runs());
    site.world.bastion.kill();
    site.world.bastion = Bastion::start(&site.world.dir());
    assert_eq!(sum(&calls(&site), "UPDATE orders"), [1, 0, 0, 0]);
    site.world.bastion.run(["audit", "verify"]).ok();
}
