//! Commands, bytes and keystrokes by way of the bastion, beside `ssh -J` by way of a local sshd to the same sshd.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::POLICIES;
use crate::disks::BREAK_GLASS;
use crate::harness::{
    Goal, Guarded, Row, Run, Setup, Target, Visitor, WAYS, Way, World, asked, figure, is_bench, quantile, sized, wait_until_within,
};

/// Both sides agree on the same keys and ciphers.
const SAME: [&str; 2] = ["-o", "KexAlgorithms=curve25519-sha256"];

/// The bastion, and an sshd that does nothing but pass `ssh -J` on.
struct Site {
    world: World,
    alice: Visitor,
    jump: Target,
    peer: PathBuf,
}

impl Site {
    fn start() -> Self {
        Self::with(POLICIES, "")
    }

    fn with(policies: &'static str, more: &str) -> Self {
        let world = World::with(Setup {
            policies: Some(policies),
            more: more.to_owned(),
            limits: "sessions = 1000\nhalf_open = 1000\nhalf_open_per_address = 1000",
            ..Setup::default()
        });
        world.target.configure(|text| text.replace("MaxStartups 100", "MaxStartups 1000"));
        let alice = world.visitor("alice");
        let jump = Target::start(&world.dir().join("jump"));
        jump.configure(|text| text.replace("MaxStartups 100", "MaxStartups 1000"));
        let peer = alice.dir.join("peer_config");
        let host = |name: &str, target: &Target| {
            format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User deploy\n  IdentityFile {}\n",
                target.port,
                target.account_key().display()
            )
        };
        let text = format!(
            "{}{}Host *\n  IdentitiesOnly yes\n  IdentityAgent none\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
            host("jump", &jump),
            host("web-1", &world.target)
        );
        fs::write(&peer, text).unwrap();
        Self { world, alice, jump, peer }
    }

    /// By way of the bastion.
    fn ours(&self, way: Way, options: &[&str], line: &str) -> Command {
        self.alice.on_command(way, "web-1", options, line)
    }

    /// Puts 64 MiB of text on the target; how long so many times of it are, and the line that shows them. As a recording sees it,
    /// neither zeros nor noise: lines of text.
    fn text(&self, pieces: u64) -> (u64, String) {
        let piece = self.world.target.home("deploy").join("piece");
        let mut make = Command::new("sh");
        make.args(["-c", &format!("head -c {} /dev/urandom | base64 | head -c {} > {}", 48 << 20, 64 << 20, piece.display())]);
        Run::new(make).ok();
        (pieces * fs::metadata(&piece).unwrap().len(), format!("for n in $(seq {pieces}); do cat piece; done"))
    }

    /// By way of the plain sshd.
    fn theirs(&self, options: &[&str], line: &str) -> Command {
        let mut command = self.alice.command("ssh", ["-F"]);
        command.arg(&self.peer).args(["-J", "jump"]).args(options).args(["--", "web-1", line]);
        command
    }
}

fn seconds(command: Command) -> f64 {
    let begun = Instant::now();
    Run::new(command).within(300).ok();
    begun.elapsed().as_secs_f64()
}

fn of(way: Way) -> &'static str {
    match way {
        Way::At | Way::Percent => "LOGIN@TARGET",
        Way::Jump => "-J",
    }
}

#[test]
fn a_command_beside_a_jump_by_sshd() {
    let site = Site::start();
    let rounds = sized(1, 4, 8 * asked("BARTIZAN_BENCH_ROUNDS", 5));
    for (way, goal) in WAYS.into_iter().zip([0.35, 0.45]) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(1e3 * seconds(site.ours(way, &SAME, "true")));
            theirs.push(1e3 * seconds(site.theirs(&SAME, "true")));
        }
        let what = format!("ssh true, by {}", of(way));
        Row { area: "ssh", what, unit: "ms", ours, beside: "ssh -J", theirs, goal: Goal::AtMost(goal) }.tell();
    }
}

/// MiB per second through a session, away from the target or to it.
fn bulk(mut command: Command, size: u64, input: Option<&fs::File>) -> f64 {
    let err = tempfile::tempfile().unwrap();
    command.stdin(input.map_or_else(Stdio::null, |file| file.try_clone().unwrap().into())).stdout(Stdio::piped());
    command.stderr(err);
    let begun = Instant::now();
    let mut running = Guarded::spawn(command);
    let mut out = running.child.stdout.take().unwrap();
    let (mut buffer, mut read) = (vec![0; 1 << 18], 0);
    loop {
        match out.read(&mut buffer).unwrap() {
            0 => break,
            some => read += u64::try_from(some).unwrap(),
        }
    }
    let took = begun.elapsed().as_secs_f64();
    assert!(running.wait(Duration::from_secs(60)).unwrap().success());
    assert!(input.is_some() || read == size, "{read} of {size} bytes came");
    #[allow(clippy::cast_precision_loss, reason = "a speed")]
    let mebibytes = size as f64 / f64::from(1 << 20);
    mebibytes / took
}

#[test]
fn bytes_beside_a_jump_by_sshd() {
    use std::io::Seek;
    let site = Site::start();
    let (rounds, pieces, ciphers): (usize, u64, &[&str]) = if is_bench() {
        (
            asked("BARTIZAN_BENCH_ROUNDS", 5),
            u64::try_from(asked("BARTIZAN_BENCH_MIB", 1024)).unwrap() / 64,
            sized(&[], &["aes128-gcm@openssh.com"], &["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"]),
        )
    } else {
        (1, 1, &["aes128-gcm@openssh.com"])
    };
    let (size, away) = site.text(pieces);
    let piece = site.world.target.home("deploy").join("piece");
    let whole = site.alice.dir.join("whole");
    let mut make = Command::new("sh");
    make.args(["-c", &format!("for n in $(seq {pieces}); do cat {}; done > {}", piece.display(), whole.display())]);
    Run::new(make).within(120).ok();
    let mut whole = fs::File::open(whole).unwrap();
    for cipher in ciphers {
        let options = ["-c", cipher];
        for (way, goal) in WAYS.into_iter().zip([1.8, 1.3]) {
            for upward in [false, true] {
                let line = if upward { "cat > /dev/null" } else { &away };
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                for _ in 0..rounds {
                    for (command, seen) in [(site.ours(way, &options, line), &mut ours), (site.theirs(&options, line), &mut theirs)] {
                        whole.rewind().unwrap();
                        seen.push(bulk(command, size, upward.then_some(&whole)));
                    }
                }
                let what = format!(
                    "{} MiB {} by {}, {}",
                    size >> 20,
                    if upward { "up" } else { "down" },
                    of(way),
                    cipher.split('@').next().unwrap()
                );
                Row { area: "ssh", what, unit: "MiB/s", ours, beside: "ssh -J", theirs, goal: Goal::AtLeast(goal) }.tell();
            }
        }
    }
}

/// A session whose far end gives back each byte that it gets.
struct Echo {
    child: Guarded,
}

impl Echo {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut echo = Self { child: Guarded::spawn(command) };
        // The terminal is raw once the first word has come.
        let (mut seen, mut one) = (Vec::new(), [0]);
        while !seen.ends_with(b"ready") {
            echo.pipes().stdout.as_mut().unwrap().read_exact(&mut one).unwrap();
            seen.push(one[0]);
        }
        echo
    }

    fn pipes(&mut self) -> &mut Child {
        &mut self.child.child
    }

    /// The same of so many, with a pause before each.
    fn strokes(mut self, count: usize) -> Vec<f64> {
        let paused = |_| {
            std::thread::sleep(Duration::from_millis(2));
            self.stroke()
        };
        (0..count).map(paused).collect()
    }

    /// Milliseconds until a keystroke is back.
    fn stroke(&mut self) -> f64 {
        let begun = Instant::now();
        let pipes = self.pipes();
        pipes.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        let mut one = [0];
        pipes.stdout.as_mut().unwrap().read_exact(&mut one).unwrap();
        begun.elapsed().as_secs_f64() * 1e3
    }
}

#[test]
fn a_keystroke_beside_a_jump_by_sshd() {
    let site = Site::start();
    let line = "stty raw -echo; printf ready; exec cat";
    // One process that writes a line five times a second: what is measured is the way there, not how fast a machine can fork.
    let busy_line = r#"exec perl -e '$| = 1; while (1) { print scalar(localtime), "\n"; select(undef, undef, undef, 0.2) }'"#;
    let (strokes, busy) = sized((5, 2), (500, 40), (1_000, asked("BARTIZAN_BENCH_BUSY", 200)));
    for busy in [0, busy] {
        // One side's crowd at a time: each pays for its own.
        let measured = |ours: bool| {
            let start = |options: &[&str], line: &str| if ours { site.ours(Way::At, options, line) } else { site.theirs(options, line) };
            let crowd: Vec<Guarded> = (0..busy)
                .map(|n| {
                    let log = site.alice.dir.join(format!("busy-{ours}-{n}"));
                    let process = Guarded::logged(start(&["-tt"], busy_line), &log);
                    if n % 8 == 7 || n + 1 == busy {
                        wait_until_within(60, "the busy sessions run", || fs::metadata(&log).is_ok_and(|file| file.len() > 0));
                    }
                    process
                })
                .collect();
            let seen = Echo::start(start(&["-tt"], line)).strokes(strokes);
            drop(crowd);
            seen
        };
        let (mut ours, mut theirs) = (measured(true), measured(false));
        for (share, goal) in [(0.5, 1.0), (0.99, 1.5)] {
            let what = format!("keystroke to echo, p{}, {} busy sessions", share * 100.0, busy);
            let (ours, theirs) = (vec![quantile(&mut ours, share)], vec![quantile(&mut theirs, share)]);
            Row { area: "ssh", what, unit: "ms", ours, beside: "ssh -J", theirs, goal: Goal::AtMost(goal) }.tell();
        }
    }
    assert!(site.jump.logins() > 0, "nobody came by way of the plain sshd");
}

#[test]
fn what_recording_costs() {
    // Whoever has filled the recording of a session goes on without.
    let (on, off) = (Site::start(), Site::with(BREAK_GLASS, "\n[recordings]\nsession_mib = 1\n"));
    let strokes = sized(5, 500, 1_000);
    let (rounds, pieces) = if is_bench() {
        (asked("BARTIZAN_BENCH_ROUNDS", 5), u64::try_from(asked("BARTIZAN_BENCH_MIB", 1024)).unwrap() / 64)
    } else {
        (1, 1)
    };
    let sides = [&on, &off].map(|site| (site, site.text(pieces)));
    let mut speeds = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((site, (size, away)), seen) in sides.iter().zip(&mut speeds) {
            seen.push(bulk(site.ours(Way::At, &["-c", "aes128-gcm@openssh.com"], away), *size, None));
        }
    }
    let [ours, theirs] = speeds;
    let what = "bytes down by LOGIN@TARGET, aes128-gcm, recorded".to_owned();
    Row { area: "ssh", what, unit: "MiB/s", ours, beside: "unrecorded", theirs, goal: Goal::AtLeast(0.95) }.tell();
    // Both print the same before they echo, which fills the one recording that is to be full.
    let line = "stty raw -echo; head -c 4000000 /dev/urandom | base64 -w 70 | tr r R; printf ready; exec cat";
    let [mut recorded, mut unrecorded] = [&on, &off].map(|site| Echo::start(site.ours(Way::At, &["-tt"], line)).strokes(strokes));
    let added = quantile(&mut recorded, 0.5) - quantile(&mut unrecorded, 0.5);
    figure("ssh", "recording adds to a keystroke, p50", "ms", added, Some(0.05));
    let list = off.world.bastion.run(["recordings", "list", "--json"]).ok().json();
    assert!(list.as_array().unwrap().iter().all(|one| one["bytes"].as_u64().unwrap() < 3 << 20), "it was recorded all the same: {list}");
}
