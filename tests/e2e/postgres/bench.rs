//! How fast statements and rows pass, beside a plain `ssh -L` to an sshd and beside no tunnel at all. Every test run takes a glance,
//! which shows that it works; `tests/bench/postgres` measures. Nothing here asserts on time.

use std::collections::BTreeMap;

use crate::harness::{Goal, Row, Run, Visitor, asked, chosen, fixture, is_bench, plain_forward, sized};

use super::Site;
use super::clients::pg_bin;
use super::site::{TABLES, Tunnel};

/// Admins (alice) may everything; of developers (bob) two columns of `big` are masked.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("developers-may-everything")
permit (principal in Group::"corp/developers", action, resource);
@id("emails") @mask("email")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.big.email");
@id("cards") @mask("last4")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.big.card");
"#;

/// How pgbench asks.
pub(crate) const MODES: [&str; 3] = ["simple", "extended", "prepared"];

/// How much is measured.
struct Size {
    seconds: String,
    rounds: usize,
    clients: &'static [&'static str],
    scale: &'static str,
    rows: u64,
}

impl Size {
    fn asked() -> Self {
        let clients: &[&str] = sized(&["2"], &["8"], &["1", "8", "32"]);
        if !is_bench() {
            return Self { seconds: "1".to_owned(), rounds: 1, clients, scale: "1", rows: 1_000 };
        }
        let (seconds, rounds) = (asked("BARTIZAN_BENCH_SECONDS", 10).to_string(), asked("BARTIZAN_BENCH_ROUNDS", 5));
        let rows = u64::try_from(asked("BARTIZAN_BENCH_ROWS", 10_000_000)).unwrap();
        Self { seconds, rounds, clients, scale: "10", rows }
    }
}

/// A way to the server: where pgbench connects to for it.
pub(crate) struct Way {
    name: &'static str,
    port: u16,
}

impl Way {
    pub(crate) fn at(name: &'static str, port: u16) -> Self {
        Self { name, port }
    }
}

/// The tables that pgbench works on, made by it straight in the server at `port`.
pub(crate) fn make_tables(alice: &Visitor, port: u16, scale: &str) {
    let mut make = alice.command(pg_bin("pgbench"), ["-i", "-q", "-s", scale, "-U", "app", "-h", "127.0.0.1", "-p"]);
    make.arg(port.to_string()).arg("orders").env("PGPASSWORD", crate::harness::PASSWORD);
    Run::new(make).within(300).ok();
}

/// Transactions per second.
pub(crate) fn pgbench(alice: &Visitor, way: &Way, arguments: &[&str]) -> f64 {
    let mut command = alice.command(pg_bin("pgbench"), ["-n", "-U", "app", "-h", "127.0.0.1", "-p"]);
    command.arg(way.port.to_string()).args(arguments).arg("orders");
    command.env("PGPASSWORD", crate::harness::PASSWORD).env("PGSSLMODE", "disable");
    let done = Run::new(command).within(300).ok();
    let line = done.text().lines().find_map(|line| line.strip_prefix("tps = ").map(str::to_owned)).unwrap_or_else(|| panic!("{done}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn statements_pass_beside_plain_ssh() {
    let size = Size::asked();
    let site = Site::with(POLICIES, "tls = \"disable\"", TABLES);
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (tunnel, masked) = (site.tunnel(&alice), site.tunnel(&bob));
    let (plain, _plain) = plain_forward(&site.world.target, &alice, site.server.port);
    let ways = [
        Way::at("direct", site.server.port),
        Way::at("ssh -L", plain),
        Way::at("bastion", tunnel.port),
        // What the names in a statement mean matters there: the catalogs are looked at before each.
        Way::at("bastion, masked", masked.port),
    ];
    make_tables(&alice, site.server.port, size.scale);
    let mut figures: BTreeMap<(&str, &str, &str), Vec<Vec<f64>>> = BTreeMap::new();
    for _ in 0..size.rounds {
        for script in ["select-only", "tpcb-like"] {
            for mode in MODES {
                for clients in size.clients {
                    if !chosen(&format!("{script}, {mode}, {clients} clients")) {
                        continue;
                    }
                    let all = figures.entry((script, mode, clients)).or_insert_with(|| vec![Vec::new(); ways.len()]);
                    for (way, seen) in ways.iter().zip(all) {
                        // Nothing is held against these: once for each script and mode is enough.
                        let enough = match way.name {
                            "direct" => size.clients.last(),
                            "bastion, masked" => size.clients.get(size.clients.len() / 2),
                            _ => Some(clients),
                        };
                        if enough != Some(clients) {
                            continue;
                        }
                        let before = site.world.bastion.processor_seconds();
                        let tps = pgbench(&alice, way, &["-b", script, "-M", mode, "-c", clients, "-j", "2", "-T", &size.seconds]);
                        let each = (site.world.bastion.processor_seconds() - before) / (tps * size.seconds.parse::<f64>().unwrap());
                        eprintln!(
                            "{script} {mode} {clients} {}: {tps:.0} tps, {:.0} us of the bastion's processors each",
                            way.name,
                            each * 1e6
                        );
                        seen.push(tps);
                    }
                }
            }
        }
    }
    for ((script, mode, clients), mut all) in figures {
        assert!(all.iter().flatten().all(|tps| *tps > 0.0));
        let (masked, ours, plain, direct) = (all.pop().unwrap(), all.pop().unwrap(), all.pop().unwrap(), all.pop().unwrap());
        let what = format!("pgbench {script}, {mode}, {clients} clients");
        Row {
            area: "postgres",
            what: what.clone(),
            unit: "tps",
            ours: ours.clone(),
            beside: "ssh -L",
            theirs: plain.clone(),
            goal: Goal::AtLeast(1.0),
        }
        .tell();
        if !masked.is_empty() {
            Row {
                area: "postgres",
                what: format!("{what}, something masked"),
                unit: "tps",
                ours: masked,
                beside: "ssh -L",
                theirs: plain,
                goal: Goal::Told,
            }
            .tell();
        }
        if !direct.is_empty() {
            Row { area: "postgres", what, unit: "tps", ours, beside: "direct", theirs: direct, goal: Goal::Told }.tell();
        }
    }
    println!("the server is PostgreSQL {}", site.server.ask("SHOW server_version"));
}

/// How long all rows of `big` take, in seconds, and how many bytes they are.
fn drained(visitor: &Visitor, tunnel: &Tunnel) -> (f64, u64) {
    let mut drain = visitor.command("python3", [fixture("postgres/drain.py")]);
    drain.arg(tunnel.port.to_string()).arg("SELECT id, email, card, note FROM big");
    let text = Run::new(drain).within(900).ok().text();
    let mut words = text.split_whitespace();
    (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
}

#[test]
fn masked_rows_pass_beside_unmasked_ones() {
    let size = Size::asked();
    let site = Site::with(POLICIES, "tls = \"disable\"", TABLES);
    let rows = size.rows;
    site.server.ask(&format!(
        "CREATE TABLE big AS SELECT n AS id, 'person' || n || '@example.com' AS email, lpad(n::text, 16, '4') AS card, 'note ' || n AS note \
         FROM generate_series(1, {rows}) n; GRANT SELECT ON big TO app; ANALYZE big"
    ));
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let (open, masked) = (site.tunnel(&alice), site.tunnel(&bob));
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        one.push(drained(&alice, &open).0);
        let (seconds, bytes) = drained(&bob, &masked);
        assert!(bytes > rows * 40);
        two.push(seconds);
    }
    // What matters is how fast the rows come.
    let rates =
        |seconds: Vec<f64>| -> Vec<f64> { seconds.into_iter().map(|seconds| f64::from(u32::try_from(rows).unwrap()) / seconds).collect() };
    let what = format!("{rows} rows with two masked columns");
    Row { area: "postgres", what, unit: "rows/s", ours: rates(two), beside: "unmasked", theirs: rates(one), goal: Goal::AtLeast(0.7) }
        .tell();
}
