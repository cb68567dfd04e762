//! How fast statements pass by `bartizan tunnel`, with policy and recording on and all of it encrypted, beside pgbouncer without any
//! tunnel. Every test run takes a glance; nothing here asserts on time.

use std::ffi::OsStr;
use std::path::Path;

use super::Site;
use crate::harness::{Goal, Guarded, PASSWORD, Row, asked, daemon, free_port, is_bench, passable_folder, sized};
use crate::postgres::bench::{MODES, Way, make_tables, pgbench};

/// A pgbouncer before the server at `port`, with as many connections as a bench wants.
fn pgbouncer(here: &Path, port: u16) -> (u16, Guarded) {
    let own = free_port();
    let text = format!(
        "[databases]\norders = host=127.0.0.1 port={port} user=app password='{PASSWORD}'\n\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\npool_mode = session\n\
         default_pool_size = 64\nserver_tls_sslmode = disable\n"
    );
    let file = here.join("pgbouncer.ini");
    std::fs::write(&file, text).unwrap();
    // It does not run as root.
    let user: &[&OsStr] = if rustix::process::geteuid().is_root() { &["-u".as_ref(), "nobody".as_ref()] } else { &[] };
    let process = daemon("pgbouncer", &[user, &[file.as_os_str()]].concat(), &here.join("pgbouncer.log"), own);
    (own, process)
}

#[test]
fn statements_by_a_tunnel_pass_beside_pgbouncer() {
    let (seconds, rounds, clients) =
        if is_bench() { (asked("BARTIZAN_BENCH_SECONDS", 10), asked("BARTIZAN_BENCH_ROUNDS", 5), "8") } else { (1, 1, "2") };
    let site = Site::start();
    let alice = site.world.visitor("alice");
    make_tables(&alice, site.server.port, if is_bench() { "10" } else { "1" });
    let folder = passable_folder();
    let (bouncer, _bouncer) = pgbouncer(folder.path(), site.server.port);
    let mut tunnel = site.tunnel("bench", &[]);
    let ways = [Way::at("pgbouncer", bouncer), Way::at("tunnel", tunnel.port("orders"))];
    for script in ["select-only", "tpcb-like"] {
        for mode in MODES.into_iter().skip(sized(0, 2, 0)) {
            let [mut theirs, mut ours] = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                let arguments = ["-b", script, "-M", mode, "-c", clients, "-j", "2", "-T", &seconds.to_string()];
                let [a, b] = ways.each_ref().map(|way| pgbench(&alice, way, &arguments));
                theirs.push(a);
                ours.push(b);
            }
            let what = format!("pgbench {script}, {mode}, {clients} clients, by a tunnel");
            Row { area: "postgres", what, unit: "tps", ours, beside: "pgbouncer", theirs, goal: Goal::AtLeast(1.0) }.tell();
        }
    }
}
