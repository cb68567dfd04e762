//! Logins by certificate as fast as they go, beside an sshd that trusts an authority; and whether somebody still gets in while
//! half-open connections pour in.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::POLICIES;
use super::swarm::Swarm;
use crate::harness::{Goal, Row, Run, Setup, Way, World, asked, figure, median, sized};

const LIMITS: &str = "half_open = 2000\nhalf_open_per_address = 2000";

/// Logins a second, `at_once` in flight.
async fn rate(swarm: &Arc<Swarm>, user: &'static str, count: usize, at_once: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(count));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (swarm, left) = (Arc::clone(swarm), Arc::clone(&left));
            tokio::spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    drop(swarm.log_in(user).await);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let count = count as f64;
    count / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_beside_an_sshd() {
    let world = World::with(Setup { policies: Some(POLICIES), limits: LIMITS, ..Setup::default() });
    world.target.configure(|text| text.replace("MaxStartups 100", "MaxStartups 2000"));
    let alice = world.visitor("alice");
    // An authority of the sshd's own, which says that alice's key is `deploy`.
    let authority = crate::harness::keygen(&alice.dir.join("peer_ca"), "ed25519");
    world.target.trust(&authority);
    fs::copy(alice.dir.join("id.pub"), alice.dir.join("peer.pub")).unwrap();
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-s"])
        .arg(alice.dir.join("peer_ca"))
        .args(["-I", "alice", "-n", "deploy", "-V", "-5m:+1h"])
        .arg(alice.dir.join("peer.pub"));
    Run::new(sign).ok();
    let ours = Arc::new(Swarm::of(&alice, world.bastion.port));
    let theirs = Arc::new(Swarm::with(&alice.key(), &alice.dir.join("peer-cert.pub"), world.target.port));
    let (rounds, count) = sized((1, 8), (1, 250), (asked("BARTIZAN_BENCH_ROUNDS", 5), 1_000));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        here.push(rate(&ours, "alice", count, 16).await);
        there.push(rate(&theirs, "deploy", count, 16).await);
    }
    let what = format!("logins by certificate, {count} in a storm of 16");
    Row { area: "storms", what, unit: "1/s", ours: here, beside: "sshd", theirs: there, goal: Goal::AtLeast(2.0) }.tell();
}

#[test]
fn somebody_gets_in_through_a_flood_of_half_open_connections() {
    let world = World::with(Setup { policies: Some(POLICIES), limits: "login_grace = \"5s\"", ..Setup::default() });
    let alice = world.visitor("alice");
    let tries = sized(2, 10, 20);
    let time = || {
        let seen: Vec<f64> = (0..tries)
            .map(|_| {
                let begun = Instant::now();
                alice.on_target(Way::At, &[], "true").ok();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        seen
    };
    let (mut calm, stop, knocks) = (time(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    // The flood comes from another address of the loopback network; alice's own has its places.
    let flood = std::thread::spawn({
        let (stop, knocks, port) = (Arc::clone(&stop), Arc::clone(&knocks), world.bastion.port);
        move || {
            let mut held = std::collections::VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                if let Ok(stream) = from_elsewhere(port) {
                    knocks.fetch_add(1, Ordering::Relaxed);
                    held.push_back(stream);
                }
                if held.len() > 1_000 {
                    held.pop_front();
                }
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    let before = world.bastion.memory();
    let mut stormy = time();
    let grown = world.bastion.memory().saturating_sub(before);
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert!(knocks.load(Ordering::Relaxed) > 100, "there was no flood");
    println!("{} half-open connections came", knocks.load(Ordering::Relaxed));
    let (calm, stormy) = (median(&mut calm), median(&mut stormy));
    Row {
        area: "storms",
        what: "ssh true while half-open connections pour in".into(),
        unit: "ms",
        ours: vec![stormy],
        beside: "in calm",
        theirs: vec![calm],
        goal: Goal::Told,
    }
    .tell();
    #[allow(clippy::cast_precision_loss, reason = "a figure")]
    figure("storms", "memory that the flood added", "KiB", grown as f64, None);
}

fn from_elsewhere(port: u16) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into())?;
    socket.connect_timeout(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into(), Duration::from_secs(1))?;
    Ok(socket.into())
}
