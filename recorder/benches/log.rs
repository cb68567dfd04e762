//! What appending to a transparency log costs, by how many leaves come together: wall time with everything on disk, and the
//! folder's size afterwards. `cargo bench -p bartizan-recorder --bench log`.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

use std::path::Path;
use std::time::{Duration, Instant};

use bartizan_recorder::SigningKey;
use bartizan_recorder::tlog::{Leaf, TransparencyLog};

/// Without `--bench`, which `cargo bench` gives and `cargo test --benches` does not, all is so many times smaller: it only shows that
/// this runs.
fn small() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 1 } else { 500 }
}

fn main() {
    let root = tempfile::Builder::new().tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| ".".into())).unwrap();
    let mut log = TransparencyLog::open(root.path(), "bench/log", SigningKey::from_bytes(&[1; 32])).unwrap();
    let leaf = |seq: u64| Leaf::Audit { seq, hash: [7; 32] }.to_string();
    let many: Vec<String> = (0..100_000 / small() as u64).map(leaf).collect();
    let begun = Instant::now();
    log.append(&many).unwrap();
    println!("{:>6} leaves at once: {:?}", many.len(), begun.elapsed());
    for (together, rounds) in [(1, 200), (16, 200), (256, 100), (1_024, 50)] {
        let rounds = if small() > 1 { 2 } else { rounds };
        let mut times: Vec<Duration> = (0..rounds)
            .map(|round| {
                let leaves: Vec<String> = (0..together).map(|n| leaf(round * together + n)).collect();
                let begun = Instant::now();
                log.append(&leaves).unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("{together:>6} leaves together: p50 {:?}, p99 {:?}", at(50), at(99));
    }
    println!("{} leaves take {} bytes in {} files", log.checkpoint().size, size(root.path()).0, size(root.path()).1);
}

fn size(dir: &Path) -> (u64, u64) {
    let mut total = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let one = if entry.path().is_dir() { size(&entry.path()) } else { (entry.metadata().unwrap().len(), 1) };
        total = (total.0 + one.0, total.1 + one.1);
    }
    total
}
