//! Damaged and invented recordings, given to everything that reads: nothing panics, and nothing changed passes for good.
//! Only built for tests.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::testing::{Tape, command, now, shell};
use crate::{CastVersion, Event, Grid, Recording, Replay, export_cast, places, transcript, verify};

/// What may be done to a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
    Replace(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        4 => (any::<usize>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<usize>().prop_map(Damage::Cut),
        1 => (any::<usize>(), 1usize..200).prop_map(|(at, len)| Damage::Remove(at, len)),
        1 => (any::<usize>(), 1usize..200).prop_map(|(at, len)| Damage::Repeat(at, len)),
        1 => (any::<usize>(), bytes()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => bytes().prop_map(Damage::Replace),
    ]
}

impl Damage {
    fn apply(&self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        let place = |at: usize| at % good.len().max(1);
        match self {
            Self::Flip(at, bits) => bytes[place(*at)] ^= bits,
            Self::Cut(at) => bytes.truncate(place(*at)),
            Self::Remove(at, len) => drop(bytes.drain(place(*at)..(place(*at) + len).min(good.len()))),
            Self::Repeat(at, len) => {
                let part = good[place(*at)..(place(*at) + len).min(good.len())].to_vec();
                bytes.splice(place(*at)..place(*at), part);
            }
            Self::Insert(at, more) => drop(bytes.splice(place(*at)..place(*at), more.iter().copied())),
            Self::Replace(more) => bytes.clone_from(more),
        }
        bytes
    }
}

/// A recording with something of everything in it.
fn recorded(terminal: bool, sealed: bool) -> Tape {
    let mut tape = if terminal { shell() } else { command() };
    for second in 0..70u64 {
        let text = format!("\x1b[3{}msecond {second} ü{}\r\n", second % 8, " and so on".repeat(second as usize));
        let events = [Event::output(text.as_bytes()), Event::marker("m"), Event::operation(r#"{"text":"x"}"#)];
        tape.writer.append(now(second * 1_000_000), &events).unwrap();
        tape.writer.tick(now(second * 1_000_000 + 1)).unwrap();
    }
    if sealed {
        tape.finish(71_000_000);
    }
    tape
}

/// Everything that reads, reads.
fn read_all(dir: &Path) {
    let Ok(recording) = Recording::open(dir) else { return };
    for version in [CastVersion::V2, CastVersion::V3] {
        let mut out = Vec::new();
        let _ = export_cast(&recording, version, false, &mut out, &mut |_| ());
        assert!(out.ends_with(b"\n"), "every line is whole");
    }
    let _ = transcript(&recording, &mut std::io::sink(), &mut |_| ());
    let _ = places(&recording, &mut |_| ());
    let Ok(mut replay) = Replay::open(&recording) else { return };
    let mut grid = Grid::default();
    for to_us in [60_000_000, 1_000_000, u64::MAX, 35_000_000] {
        let _ = replay.seek(to_us);
        replay.draw(&mut grid);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn nothing_that_reads_panics_and_nothing_changed_passes_for_good(
        damages in proptest::collection::vec((0usize..3, damage()), 1..3), terminal: bool, sealed: bool,
    ) {
        let tape = recorded(terminal, sealed);
        let mut changed = false;
        for (file, damage) in &damages {
            let path = tape.dir().join(["c0.brec", "head.json", "seal.json"][*file]);
            let Ok(good) = fs::read(&path) else { continue };
            let bad = damage.apply(&good);
            changed |= bad != good;
            fs::write(&path, bad).unwrap();
        }
        let report = verify(&tape.dir(), &[tape.recordings.public_key()], &mut |_| ());
        prop_assert!(report.exit_code() != 0 || (sealed && !changed), "{:#?}", report);
        read_all(&tape.dir());
        let tape = tape.crash();
        tape.recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        read_all(&tape.dir);
    }
}
