//! Hours at mixed load: memory, descriptors and latency stay flat, and no audit entry is lost. A plain test run takes a few seconds of it.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::POLICIES;
use super::swarm::{Far, Swarm};
use crate::harness::{
    Guarded, Postgres, Run, Setup, Visitor, Way, World, asked, figure, free_port, is_bench, median, passable_folder, point, wait_until,
};

/// What each kind of work did until now.
#[derive(Default)]
struct Tally {
    done: AtomicUsize,
    /// Milliseconds since the last look.
    times: Mutex<Vec<f64>>,
}

impl Tally {
    fn count(&self, begun: Instant) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.times.lock().unwrap().push(begun.elapsed().as_secs_f64() * 1e3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mixed_load_leaves_nothing_behind() {
    let folder = passable_folder();
    let far = Far::start().await;
    let server = Postgres::start(
        None,
        &folder.path().join("server"),
        "orders",
        "CREATE TABLE orders AS SELECT generate_series(1, 100) AS id; GRANT ALL ON orders TO app;",
    );
    let web = free_port();
    std::fs::write(folder.path().join("index.html"), "x".repeat(4_000)).unwrap();
    let mut serve = Command::new("python3");
    serve.args(["-m", "http.server", &web.to_string(), "--bind", "127.0.0.1", "--directory"]).arg(folder.path());
    let _web = Guarded::logged(serve, &folder.path().join("web.log"));
    let more = format!(
        "{}{}\n[[target]]\nname = \"billing\"\nkind = \"http\"\nupstream = \"http://127.0.0.1:{web}\"\n",
        far.section(),
        server.target("orders", "")
    );
    // Certificates outlive the hour.
    let setup = Setup { policies: Some(POLICIES), more, ttl: Some("12h"), limits: "half_open_per_address = 200", ..Setup::default() };
    let world = World::with(setup);
    let alice = world.visitor("alice");
    let ((database, _a), (requests, _b)) = (alice.forward("orders:5432"), alice.forward("billing:80"));
    let swarm = Arc::new(Swarm::of(&alice, world.bastion.port));

    let stop = AtomicBool::new(false);
    let works: Vec<(&str, Tally)> = ["commands", "statements", "requests", "copies"].map(|name| (name, Tally::default())).into();
    let shells = AtomicUsize::new(0);
    let runtime = tokio::runtime::Handle::current();
    let seen = std::thread::scope(|scope| {
        for (name, tally) in &works {
            let (alice, stop) = (&alice, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    work(name, alice, database, requests);
                    tally.count(begun);
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(runtime.block_on(swarm.shells("deploy@far", 20, 4)));
                shells.fetch_add(20, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        let seen = watch(&world, &works);
        stop.store(true, Ordering::Relaxed);
        seen
    });

    // Each command, copy and shell is a session of its own, and each has its entries.
    let of = |name: &str| works.iter().find(|(work, _)| *work == name).unwrap().1.done.load(Ordering::Relaxed);
    let sessions = of("commands") + of("copies") + of("statements") + shells.load(Ordering::Relaxed);
    wait_until("the last sessions are over", || {
        let export = |kind: &str| world.bastion.run(["audit", "export", "--kind", kind]).within(300).ok().text().lines().count();
        let (opened, closed) = (export("session.opened"), export("session.closed"));
        opened >= sessions && closed + 4 >= opened
    });
    world.bastion.run(["audit", "verify"]).within(300).ok();
    println!("{sessions} sessions, {} requests", of("requests"));
    let third = seen.len() / 3;
    let middle = |part: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| median(&mut part.iter().map(which).collect::<Vec<_>>());
    let (early, late) = (&seen[..third.max(1)], &seen[seen.len() - third.max(1)..]);
    let (memory, descriptors) =
        (middle(late, |one| one.0) / middle(early, |one| one.0), middle(late, |one| one.1) - middle(early, |one| one.1));
    figure("soak", "memory in the last third, of that in the first", "share", memory, Some(1.2));
    figure("soak", "descriptors more in the last third than in the first", "count", descriptors, Some(20.0));
    if is_bench() {
        assert!(memory < 1.2 && descriptors < 20.0, "something grows: {seen:?}");
    }
}

fn work(name: &str, alice: &Visitor, database: u16, requests: u16) {
    match name {
        "commands" => drop(alice.on_target(Way::At, &[], "echo done").ok()),
        "statements" => {
            let mut psql =
                alice.command("psql", ["-XAtq", "-h", "127.0.0.1", "-U", "app", "-d", "orders", "-c", "SELECT count(*) FROM orders", "-p"]);
            psql.arg(database.to_string());
            assert_eq!(Run::new(psql).ok().text().trim(), "100");
        }
        "requests" => {
            let mut curl = alice.command("curl", ["-sf", "--noproxy", "*", "-o", "/dev/null"]);
            curl.arg(format!("http://127.0.0.1:{requests}/index.html"));
            drop(Run::new(curl).ok());
        }
        _ => {
            let to = alice.dir.join("passwd");
            let arguments = ["-q", "deploy@web-1@bastion:/etc/passwd", to.to_str().unwrap()];
            drop(Run::new(alice.openssh("scp", arguments)).ok());
        }
    }
}

/// Looks at the bastion until the time is over: memory in KiB, descriptors.
fn watch(world: &World, works: &[(&str, Tally)]) -> Vec<(f64, f64)> {
    let (whole, every) = if is_bench() { (60 * asked("BARTIZAN_BENCH_MINUTES", 60), 30) } else { (3, 1) };
    let begun = Instant::now();
    let mut seen = Vec::new();
    while begun.elapsed() < Duration::from_secs(whole.try_into().unwrap()) {
        std::thread::sleep(Duration::from_secs(every));
        #[allow(clippy::cast_precision_loss, reason = "figures")]
        let now = (world.bastion.memory() as f64, world.bastion.descriptors() as f64);
        let at = ("seconds", begun.elapsed().as_secs_f64());
        point("soak", "memory under mixed load", at, ("KiB", now.0));
        point("soak", "descriptors under mixed load", at, ("descriptors", now.1));
        for (name, tally) in works {
            let mut times = std::mem::take(&mut *tally.times.lock().unwrap());
            if !times.is_empty() {
                point("soak", &format!("{name} under mixed load"), at, ("ms", median(&mut times)));
            }
        }
        seen.push(now);
    }
    seen
}
