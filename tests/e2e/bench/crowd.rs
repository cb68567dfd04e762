//! What many sessions and many targets cost: memory and descriptors of each when they are idle, the time of a word when they are, and what is given
//! back when they close.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::POLICIES;
use super::swarm::{Far, Swarm};
use crate::harness::{Setup, Way, World, asked, figure, median, point, quantile, sized};

const LIMITS: &str = "sessions = 30000\nconnections = 30000\nhalf_open = 2000\nhalf_open_per_address = 2000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_cost_little() {
    let far = Far::start().await;
    let world = World::with(Setup { policies: Some(POLICIES), limits: LIMITS, more: far.section(), ..Setup::default() });
    let alice = world.visitor("alice");
    let swarm = Arc::new(Swarm::of(&alice, world.bastion.port));
    // The first of all warm caches and pools.
    drop(swarm.shells("deploy@far", 4, 4).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let most = asked("BARTIZAN_BENCH_SESSIONS", 10_000);
    let steps: &[usize] = sized(&[8], &[100, 1_000], &[100, 1_000, 2_500, 5_000, 10_000]);
    let (memory, descriptors) = (world.bastion.memory(), world.bastion.descriptors());
    let mut held = Vec::new();
    #[allow(clippy::cast_precision_loss, reason = "figures")]
    for step in steps.iter().copied().filter(|step| *step <= most) {
        let (before, begun) = (held.len(), Instant::now());
        held.extend(swarm.shells("deploy@far", step - before, 32).await);
        let rate = (step - before) as f64 / begun.elapsed().as_secs_f64();
        // What is idle has nothing to flush any more.
        tokio::time::sleep(Duration::from_secs(sized(1, 2, 5))).await;
        let count = ("idle sessions", step as f64);
        let each = world.bastion.memory().saturating_sub(memory) as f64 / step as f64;
        point("scale", "memory of an idle session", count, ("KiB", each));
        point(
            "scale",
            "descriptors of an idle session",
            count,
            ("descriptors", (world.bastion.descriptors() - descriptors) as f64 / step as f64),
        );
        point("scale", "sessions opened, two ends and the bastion on this machine", count, ("1/s", rate));
        let mut words = Vec::new();
        for shell in held.iter_mut().take(200) {
            let begun = Instant::now();
            shell.echoes().await;
            words.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        point("scale", "a word and back in one of them", count, ("ms", median(&mut words)));
        if [1_000, 10_000].contains(&step) {
            figure("scale", &format!("memory of each of {step} idle sessions"), "KiB", each, Some(80.0));
        }
    }
    let full = world.bastion.memory();
    drop(held);
    let end = Instant::now() + Duration::from_secs(120);
    while world.bastion.descriptors() > descriptors + 50 {
        assert!(Instant::now() < end, "sessions that are over keep their descriptors");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(sized(0, 3, 10))).await;
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    figure("scale", "memory kept of it after all have closed", "share", world.bastion.memory() as f64 / full as f64, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_sessions_wait_little_for_each_other() {
    let far = Far::start().await;
    let world = World::with(Setup { policies: Some(POLICIES), limits: LIMITS, more: far.section(), ..Setup::default() });
    let alice = world.visitor("alice");
    let swarm = Arc::new(Swarm::of(&alice, world.bastion.port));
    let (steps, seconds): (&[usize], u64) = sized((&[8], 1), (&[10, 300], 4), (&[10, 100, 300, 1_000], 10));
    let mut held = Vec::new();
    for step in steps {
        held.extend(swarm.shells("deploy@far", step - held.len(), 32).await);
        let (began, spent) = (Instant::now(), world.bastion.processor_seconds());
        // Each says a word a second and waits until it is back; they do not all speak at once.
        let talks = held.into_iter().enumerate().map(|(n, mut shell)| {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(n as u64 * 997 % 1_000)).await;
                let mut words = Vec::new();
                let mut beat = tokio::time::interval(Duration::from_secs(1));
                while began.elapsed() < Duration::from_secs(seconds) {
                    beat.tick().await;
                    let said = Instant::now();
                    shell.echoes().await;
                    words.push(said.elapsed().as_secs_f64() * 1e3);
                }
                (shell, words)
            })
        });
        let (mut still, mut words) = (Vec::new(), Vec::new());
        for talk in talks.collect::<Vec<_>>() {
            let (shell, said) = talk.await.unwrap();
            still.push(shell);
            words.extend(said);
        }
        #[allow(clippy::cast_precision_loss, reason = "figures")]
        let count = ("active sessions", *step as f64);
        let share = (world.bastion.processor_seconds() - spent) / began.elapsed().as_secs_f64();
        assert!(words.len() >= *step, "{} words of {step} sessions", words.len());
        point("scale", "a word and back while all speak, p50", count, ("ms", quantile(&mut words, 0.5)));
        point("scale", "a word and back while all speak, p99", count, ("ms", quantile(&mut words, 0.99)));
        point("scale", "processors of the bastion while all speak", count, ("processors", share));
        held = still;
    }
}

#[test]
fn a_long_catalogue_costs_little() {
    let steps: &[usize] = sized(&[10], &[10, 10_000], &[10, 100, 1_000, 10_000]);
    for step in steps {
        let section = |n: usize| {
            format!(
                "\n[[target]]\nname = \"many-{n}\"\nkind = \"http\"\nupstream = \"http://192.0.2.{}:8080\"\ntags = {{ env = \"prod\", n = \"{}\" }}\n",
                n % 250,
                n % 10
            )
        };
        let mut world = World::with(Setup { policies: Some(POLICIES), more: (0..*step).map(section).collect(), ..Setup::default() });
        let alice = world.visitor("alice");
        let begun = Instant::now();
        world.restart();
        alice.point_to(world.bastion.port);
        #[allow(clippy::cast_precision_loss, reason = "figures")]
        let (count, memory) = (("targets", *step as f64), world.bastion.memory() as f64);
        point("scale", "start until it listens", count, ("ms", begun.elapsed().as_secs_f64() * 1e3));
        point("scale", "memory of a bastion that has just started", count, ("KiB", memory));
        let time = |what: &str, run: &dyn Fn()| {
            let mut seen: Vec<f64> = (0..5)
                .map(|_| {
                    let begun = Instant::now();
                    run();
                    begun.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            point("scale", what, count, ("ms", median(&mut seen)));
        };
        time("ssh true with a long catalogue", &|| drop(alice.on_target(Way::At, &[], "true").ok()));
        time("ssh bastion targets", &|| {
            let listed = alice.ssh(["bastion", "targets"]).ok().text();
            assert!(listed.contains("web-1"), "{listed}");
        });
    }
}
