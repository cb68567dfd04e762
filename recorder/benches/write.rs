//! Measures the recorder alone: bytes per second in, latency of a keystroke, bytes per second verified, read and
//! exported, time of a jump in a dense recording. Prints a table; asserts nothing. Run: `cargo bench -p bartizan-recorder`,
//! with the name of a directory on the file system to measure as its argument.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bartizan_recorder::{
    CastVersion, Event, Grid, Head, Identities, Now, Reason, Recipients, Recording, Recordings, Replay, Terminal, Writer, export_cast,
    verify,
};

const MIB: usize = 1 << 20;

/// How many times smaller all is. Without `--bench`, which `cargo bench` gives and `cargo test --benches` does not, it only shows that
/// this runs; a quick measurement is between.
fn small() -> usize {
    match std::env::args().any(|argument| argument == "--bench") {
        false => 500,
        true if std::env::var("BARTIZAN_BENCH").is_ok_and(|asked| asked == "quick") => 8,
        true => 1,
    }
}

fn main() {
    let place = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let root = place.map_or_else(tempfile::tempdir, tempfile::tempdir_in).expect("a directory to write in");
    let key = ed25519_dalek::SigningKey::generate(&mut rand::rng());
    let bench = Bench { recordings: Recordings::new(root.path(), key), number: 0 };
    bench.run();
    drop(root);
}

struct Bench {
    recordings: Recordings,
    number: u64,
}

fn now(at_us: u64) -> Now {
    Now { at_us, wall_us: 1_795_348_800_000_000 + at_us as i64 }
}

impl Bench {
    fn run(mut self) {
        let kinds = [("log lines", log_lines()), ("noise", noise()), ("programs", programs()), ("zeros", vec![0; 64 * MIB / small()])];
        let (clear, encrypted) = (self.recordings.clone(), self.recordings.clone().encrypting_to(Some(recipients())));
        for (name, data) in &kinds {
            for size in [16 * 1024, 32 * 1024, 256 * 1024] {
                for recordings in [&clear, &encrypted] {
                    self.recordings = recordings.clone();
                    self.bulk(name, data, size);
                }
            }
        }
        for recordings in [clear, encrypted] {
            println!("{}", if recordings.encrypts() { "encrypted:" } else { "in the clear:" });
            self.recordings = recordings;
            self.keystrokes();
            self.shell();
            // Larger ones are asked for, to see how what is done with them grows; it grows alike when they are encrypted.
            let asked: usize = std::env::var("BARTIZAN_BENCH_RECORDING_GB").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
            let most = if self.recordings.encrypts() { 1 } else { asked };
            for megabytes in [100, 1_000, 10_000].into_iter().filter(|megabytes| *megabytes <= most * 1_000) {
                self.dense(megabytes * 1_000_000 / small());
            }
        }
    }

    fn writer(&mut self, terminal: bool) -> Writer {
        self.number += 1;
        let terminal = terminal.then(|| Terminal { cols: 120, rows: 40, term: "xterm-256color".into() });
        let head = Head {
            client: "SSH-2.0-OpenSSH_10.0".into(),
            command: None,
            first_key: String::new(),
            input_key: String::new(),
            groups: Vec::new(),
            kind: "ssh.shell".into(),
            login: None,
            number: self.number,
            policy_digest: String::new(),
            principal: "corp/alice".into(),
            recipients: Vec::new(),
            server: "bench".into(),
            session: format!("01JD{:022}", self.number).parse().unwrap(),
            source_address: "192.0.2.1".into(),
            started_us: 1_795_348_800_000_000,
            tags: Default::default(),
            target: "web-1".into(),
            terminal,
            version: 0,
        };
        self.recordings.create(&head, &mut rand::rng()).unwrap()
    }

    fn how(&self) -> &'static str {
        if self.recordings.encrypts() { "encrypted" } else { "clear" }
    }

    /// 128 MiB in appends of `size`, at the pace they can be written.
    fn bulk(&mut self, name: &str, data: &[u8], size: usize) {
        let mut writer = self.writer(false);
        let (began, cpu) = (Instant::now(), on_cpu());
        let mut written = 0;
        while written < 128 * MIB / small() {
            for part in data.chunks(size) {
                let at = now(began.elapsed().as_micros() as u64);
                writer.append(at, &[Event::output(part)]).unwrap();
                written += part.len();
            }
        }
        let took = began.elapsed();
        let stored = writer.bytes();
        writer.finish(now(took.as_micros() as u64), Reason::Closed, None).unwrap();
        let ratio = written as f64 / stored as f64;
        let (rate, alone) = (rate(written, took), rate(written, on_cpu() - cpu));
        let how = self.how();
        tell(&format!("write {name}, {how}, in {} KiB", size / 1024), "MB/s", rate, None);
        println!(
            "write {name:10} {how:9} in {:>3} KiB   {rate:>6.0} MB/s   {alone:>6.0} MB per CPU second   {ratio:>6.2} : 1",
            size / 1024
        );
        std::fs::remove_dir_all(writer.dir()).unwrap();
    }

    /// One hour of typing at five keys a second, each echoed.
    fn keystrokes(&mut self) {
        let mut writer = self.writer(true);
        let text = b"ls -l /var/log | grep -v systemd; tail -n 20 /var/log/syslog; cd /etc && git diff HEAD~3 ";
        let mut times = Vec::new();
        for key in 0..18_000u64 {
            let at = now(key * 200_000);
            let echo = [text[key as usize % text.len()]];
            let began = Instant::now();
            writer.append(at, &[Event::output(&echo[..])]).unwrap();
            times.push(began.elapsed());
            if key % 5 == 0 {
                writer.tick(at).unwrap();
            }
        }
        let stored = writer.bytes();
        println!("keystroke  {}   {} bytes an hour", spread(&mut times), stored);
        let what = format!("a keystroke waits for its record, p50, {}", self.how());
        tell(&what, "µs", at(&times, 500).as_secs_f64() * 1e6, Some(("at_most", 50.0)));
    }

    /// An hour of a real shell: programs that are there everywhere, run one after another, what they print as it came, typed and
    /// looked at for twenty seconds each.
    fn shell(&mut self) {
        let lines = [
            "ls -l /etc",
            "ps aux",
            "df -h",
            "cat /etc/passwd",
            "ls -lR /usr/share/doc | head -n 200",
            "env",
            "uptime",
            "cat /proc/meminfo",
            "mount",
            "ls --color=always /usr/bin | head -n 300",
            "dmesg | tail -n 40",
            "find /usr/lib -name '*.so' | head -n 100",
            "id",
            "date",
        ];
        let printed: Vec<Vec<u8>> = lines.iter().map(|line| run(line)).collect();
        let mut writer = self.writer(true);
        let (mut at_us, mut bytes) = (0, 0);
        for turn in 0..180 / small().min(60) {
            let line = lines[turn % lines.len()];
            for key in line.bytes() {
                at_us += 150_000;
                writer.append(now(at_us), &[Event::output(&[key][..])]).unwrap();
            }
            for part in printed[turn % lines.len()].chunks(4096) {
                at_us += 2_000;
                writer.append(now(at_us), &[Event::output(part)]).unwrap();
                bytes += part.len();
            }
            bytes += line.len();
            // A second at a time, as the recorder is told it.
            let until = (turn as u64 + 1) * 20_000_000;
            while at_us < until {
                at_us += 1_000_000;
                writer.tick(now(at_us)).unwrap();
            }
        }
        writer.finish(now(at_us), Reason::Closed, None).unwrap();
        println!("a shell    {} bytes an hour for {bytes} bytes printed: {:.2} : 1", writer.bytes(), bytes as f64 / writer.bytes() as f64);
        let what = format!("an hour of a busy shell, {}", self.how());
        tell(&what, "MB", writer.bytes() as f64 / 1e6, Some(("at_most", 1.0)));
    }

    /// So much of coloured lines on a terminal, 1 GB an hour: verify, read, export, jump.
    fn dense(&mut self, size: usize) {
        let mut writer = self.writer(true);
        let data = coloured_lines();
        let mut written = 0;
        let (mut at_us, mut ticks) = (0, Vec::new());
        while written < size {
            for part in data.chunks(16 * 1024) {
                // 1 GB in an hour, and a tick a second.
                at_us += 59_000;
                writer.append(now(at_us), &[Event::output(part)]).unwrap();
                written += part.len();
                if at_us / 1_000_000 != (at_us - 59_000) / 1_000_000 {
                    let began = on_cpu();
                    writer.tick(now(at_us)).unwrap();
                    ticks.push(on_cpu() - began);
                }
            }
        }
        println!("tick       {} on a core", spread(&mut ticks));
        let began = Instant::now();
        writer.finish(now(at_us), Reason::Closed, None).unwrap();
        println!("dense recording: {written} bytes of output, {} stored, finished in {:?}", writer.bytes(), began.elapsed());
        self.read(writer.dir(), written);
        std::fs::remove_dir_all(writer.dir()).unwrap();
    }

    fn read(&self, dir: &Path, written: usize) {
        let stored = std::fs::metadata(dir.join("c0.brec")).unwrap().len() as usize;
        let began = on_cpu();
        let report = verify(dir, &[self.recordings.public_key()], &mut |_| ());
        let took = on_cpu() - began;
        grows(&format!("verify, {}", self.how()), written, "s", took.as_secs_f64());
        println!(
            "verify     {:>7.0} MB stored, {:>7.0} MB of output per CPU second ({})",
            rate(stored, took),
            rate(written, took),
            report.outcome()
        );
        tell(&format!("verify, {}, output of a CPU second", self.how()), "MB/s", rate(written, took), Some(("at_least", 500.0)));
        let recording = Recording::open(dir).unwrap();
        let recording = if recording.is_encrypted() { recording.unlock(&identities()).unwrap() } else { recording };
        let began = on_cpu();
        let mut events = recording.events().unwrap();
        while let Some(event) = events.next_event().unwrap() {
            black_box(&event);
        }
        println!("read       {:>7.0} MB per CPU second", rate(written, on_cpu() - began));
        // More than a minute for each GB, however many there are.
        if written < 200_000_000 {
            let began = on_cpu();
            export_cast(&recording, CastVersion::V2, false, &mut std::io::sink(), &mut |_| ()).unwrap();
            println!("export     {:>7.0} MB per CPU second", rate(written, on_cpu() - began));
        }
        let began = Instant::now();
        let mut replay = Replay::open(&recording).unwrap();
        println!("open       {:?}", began.elapsed());
        let began = on_cpu();
        replay.advance(replay.duration_us() / 50).unwrap();
        println!("play       {:>7.0} MB per CPU second", rate(written / 50, on_cpu() - began));
        let (mut times, mut grid, mut exact) = (Vec::new(), Grid::default(), 0);
        for hop in 0..200u64 {
            let to = replay.duration_us() * (hop * 7919 % 200) / 200;
            let began = on_cpu();
            replay.seek(to).unwrap();
            replay.draw(&mut grid);
            times.push(on_cpu() - began);
            exact += u64::from(replay.is_exact());
        }
        println!("seek       {} on a core   {exact} of 200 exact", spread(&mut times));
        let what = format!("a jump in {} MB, p99, {}", written / 1_000_000, self.how());
        let millis = at(&times, 990).as_secs_f64() * 1e3;
        tell(&what, "ms", millis, Some(("at_most", 100.0)));
        grows(&format!("a jump, p99, {}", self.how()), written, "ms", millis);
    }
}

/// What a program prints, with the line ends of a terminal.
fn run(line: &str) -> Vec<u8> {
    let done = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8_lossy(&done.stdout).replace('\n', "\r\n").into_bytes()
}

fn identities() -> Identities {
    Identities::parse(&KEYS.0, None).unwrap()
}

fn recipients() -> Recipients {
    Recipients::parse([&KEYS.1]).unwrap()
}

static KEYS: std::sync::LazyLock<(String, String)> = std::sync::LazyLock::new(|| {
    let (identity, recipient) = Identities::generate();
    (identity.to_string(), recipient)
});

/// Time this thread was on a core: on a machine that others use too, what a figure is worth comparing by.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    format!("p50 {:?}   p99 {:?}   most {:?}", at(times, 500), at(times, 990), at(times, 1000))
}

/// The time at so many thousandths of those that were sorted.
fn at(times: &[Duration], part: usize) -> Duration {
    times[(times.len() * part / 1000).min(times.len() - 1)]
}

/// A point of a plot of `tests/bench/run`.
fn grows(plot: &str, written: usize, unit: &str, value: f64) {
    let point =
        serde_json::json!({ "area": "recorder", "plot": plot, "x_unit": "GB", "x": written as f64 / 1e9, "y_unit": unit, "y": value });
    println!("BENCH {point}");
}

/// A line for `tests/bench/run`.
fn tell(what: &str, unit: &str, value: f64, goal: Option<(&str, f64)>) {
    let met = goal.map(|(way, goal)| if way == "at_most" { value <= goal } else { value >= goal });
    let goal = goal.map(|(way, goal)| serde_json::json!({ way: goal }));
    let row = serde_json::json!({ "area": "recorder", "what": what, "unit": unit, "ours": [value], "goal": goal, "met": met });
    println!("BENCH {row}");
}

fn log_lines() -> Vec<u8> {
    let mut out = Vec::new();
    let mut state = 1u64;
    while out.len() < 64 * MIB / small() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let line = format!(
            "Nov 22 12:{:02}:{:02} web-{} nginx[{}]: 192.0.2.{} - \"GET /orders/{} HTTP/1.1\" {} {}\n",
            state >> 20 & 31,
            state >> 26 & 31,
            state >> 30 & 7,
            state >> 33 & 0x7fff,
            state >> 40 & 255,
            state >> 12 & 0xfffff,
            [200, 200, 200, 304, 404][(state >> 50) as usize % 5],
            state >> 44 & 0xffff,
        );
        out.extend_from_slice(line.as_bytes());
    }
    out
}

fn coloured_lines() -> Vec<u8> {
    let log = log_lines();
    let lines = log.split(|byte| *byte == b'\n').take(100_000);
    lines.enumerate().flat_map(|(number, line)| [format!("\x1b[3{}m", number % 8).as_bytes(), line, b"\x1b[0m\r\n"].concat()).collect()
}

fn noise() -> Vec<u8> {
    let mut out = vec![0; 64 * MIB / small()];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut out);
    out
}

/// Machine code: this program itself, over and over.
fn programs() -> Vec<u8> {
    let program = std::fs::read("/proc/self/exe").unwrap();
    program.iter().copied().cycle().take(64 * MIB / small()).collect()
}
