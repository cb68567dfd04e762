//! Measures what looking at lines as they are drawn costs: megabytes per second of several kinds of output, and how that compares
//! with writing the same into a recording. Prints a table; asserts nothing. Run: `cargo bench -p bartizan-recorder --bench drawn`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bartizan_recorder::{DrawnLines, Event, Head, Now, Recordings, SigningKey, Terminal, Writer};

const MIB: usize = 1 << 20;

fn main() {
    println!("{:<34} {:>12} {:>14} {:>14}", "output, 120 by 40", "drawn MB/s", "recorded MB/s", "priced ns/byte");
    for (name, data) in [
        ("log lines", repeated("2026-11-22T10:11:12Z web-1 app[4711]: GET /orders/4711 200 12 ms 5321 bytes\r\n")),
        ("yes", repeated("y\r\n")),
        ("one line without an end", repeated("abcdefghij klmnop ")),
        ("coloured words", repeated("\x1b[01;32m\x1b[Kbin\x1b[m\x1b[K  \x1b[01;34mlib\x1b[0m  etc\r\n")),
        ("a full-screen program", screens()),
        ("made to be dear: wiping", repeated("x\x1b[2J")),
        ("made to be dear: jumping", repeated("x\x1b[H")),
    ] {
        let (drawn, priced) = drawn(&data);
        println!("{name:<34} {:>12.1} {:>14.1} {priced:>14.1}", rate(data.len(), drawn), rate(data.len(), recorded(&data)));
    }
}

/// Without `--bench`, which `cargo bench` gives and `cargo test --benches` does not, all is so many times smaller: it only shows that
/// this runs.
fn small() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 1 } else { 500 }
}

/// Bytes of each kind of output.
fn size() -> usize {
    8 * MIB / small()
}

fn rate(bytes: usize, taken: Duration) -> f64 {
    bytes as f64 / 1e6 / taken.as_secs_f64()
}

fn repeated(text: &str) -> Vec<u8> {
    text.as_bytes().iter().copied().cycle().take(size()).collect()
}

/// Rows redrawn here and there, as an editor or a process list does.
fn screens() -> Vec<u8> {
    let mut text = String::new();
    for n in 0.. {
        let _ = write!(text, "\x1b[{};{}H\x1b[1;3{}mprocess {n} of the list\x1b[0m and its state \x1b[K", n % 40 + 1, n % 17 + 1, n % 8);
        if text.len() >= size() {
            break;
        }
    }
    text.into_bytes()
}

/// How long drawing takes, with two plain searches in each line, and what it was priced at per byte.
fn drawn(data: &[u8]) -> (Duration, f64) {
    let mut lines = DrawnLines::new(Some((120, 40))).unwrap();
    let (mut found, mut cost) = (0_u64, 0_u64);
    let begun = Instant::now();
    for piece in data.chunks(1024) {
        cost += lines.push(&Event::output(piece), &mut |line| {
            found += u64::from(line.contains("PRIVATE KEY")) + u64::from(line.contains("password:"));
        });
    }
    assert_eq!(found, 0);
    (begun.elapsed(), cost as f64 / 2.0 / data.len() as f64)
}

fn recorded(data: &[u8]) -> Duration {
    let root = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(root.path(), SigningKey::generate(&mut rand::rng()));
    let mut writer = writer(&recordings);
    let begun = Instant::now();
    for (n, piece) in (0..).zip(data.chunks(32 << 10)) {
        writer.append(Now { at_us: n, wall_us: 0 }, &[Event::output(piece)]).unwrap();
    }
    begun.elapsed()
}

fn writer(recordings: &Recordings) -> Writer {
    let head = Head {
        client: "SSH-2.0-OpenSSH_10.0".into(),
        command: None,
        first_key: String::new(),
        input_key: String::new(),
        groups: Vec::new(),
        kind: "ssh.shell".into(),
        login: None,
        number: 1,
        policy_digest: String::new(),
        principal: "corp/alice".into(),
        recipients: Vec::new(),
        server: "bench".into(),
        session: "01JD0000000000000000000001".parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: 1_795_348_800_000_000,
        tags: [].into(),
        target: "web-1".into(),
        terminal: Some(Terminal { cols: 120, rows: 40, term: "xterm-256color".into() }),
        version: 0,
    };
    recordings.create(&head, &mut rand::rng()).unwrap()
}
