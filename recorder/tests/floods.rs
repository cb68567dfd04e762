//! Whatever a program prints is in the recording byte for byte, holds, and can be exported: floods, noise, pictures, thousands of
//! window sizes, characters cut anywhere. `BARTIZAN_TEST_FULL=1` makes the flood 4 GB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::io::Write;

use bartizan_recorder::*;
use common::{head, now, recordings};
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A recording under way, and the hash of what was put into it.
struct Tape {
    root: tempfile::TempDir,
    writer: Writer,
    at_us: u64,
    hash: Sha256,
    bytes: u64,
}

/// Throws away what is written and counts it.
#[derive(Default)]
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Tape {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let writer = recordings(root.path()).create(&head(), &mut rand::rng()).unwrap();
        Self { root, writer, at_us: 0, hash: Sha256::new(), bytes: 0 }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.at_us += 500;
        self.writer.append(now(self.at_us), &[Event::output(bytes)]).unwrap();
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.at_us += 500;
        self.writer.append(now(self.at_us), &[Event::Resize { cols, rows }]).unwrap();
    }

    /// Ends it; then it holds, and every byte is in it. Gives the recording.
    fn finish(mut self) -> (tempfile::TempDir, Recording) {
        let seal = self.writer.finish(now(self.at_us + 1), Reason::Closed, None).unwrap();
        assert_eq!(seal.channels[0].output_bytes, self.bytes);
        let dir = self.writer.dir().to_owned();
        let report = verify(&dir, &[recordings(self.root.path()).public_key()], &mut |_| ());
        assert_eq!(report.outcome(), Outcome::Good, "{report:#?}");
        let recording = Recording::open(dir).unwrap();
        let mut hash = Sha256::new();
        let mut events = recording.events().unwrap();
        while let Some(timed) = events.next_event().unwrap() {
            if let Event::Output(bytes) = &timed.event {
                hash.update(bytes);
            }
        }
        assert_eq!(hash.finalize(), self.hash.finalize(), "what comes out is not what went in");
        (self.root, recording)
    }
}

fn full() -> bool {
    std::env::var_os("BARTIZAN_TEST_FULL").is_some()
}

/// All of it as asciicast, every line of which must be one.
fn cast(recording: &Recording) -> String {
    let mut out = Vec::new();
    export_cast(recording, CastVersion::V2, false, &mut out, &mut |_| ()).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut last = 0.0;
    for line in text.lines().skip(1) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event.as_array().unwrap().len() == 3 && event[0].as_f64().unwrap() >= last, "{line}");
        last = event[0].as_f64().unwrap();
    }
    text
}

#[test]
fn a_flood_of_yes_is_recorded_whole_in_flat_memory_and_is_small() {
    let mut tape = Tape::new();
    let block = b"y\r\n".repeat(20_000);
    let wanted: u64 = if full() { 4 << 30 } else { 96 << 20 };
    while tape.bytes < wanted {
        tape.output(&block);
    }
    let bytes = tape.writer.bytes();
    assert!(bytes < wanted / 50, "{bytes} bytes for {wanted}");
    let (_root, recording) = tape.finish();
    let mut count = Count::default();
    transcript(&recording, &mut count, &mut |_| ()).unwrap();
    assert!(count.0 > wanted / 4, "{}", count.0);
}

#[test]
fn random_bytes_are_recorded_whole_and_cost_little_more_than_themselves() {
    let mut tape = Tape::new();
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    let wanted: u64 = if full() { 1 << 30 } else { 24 << 20 };
    let mut block = vec![0; 150_000];
    while tape.bytes < wanted {
        rng.fill_bytes(&mut block);
        tape.output(&block);
    }
    // Keyframes of a screen full of noise come on top.
    let bytes = tape.writer.bytes();
    assert!(bytes < wanted + wanted / 8, "{bytes} bytes for {wanted}");
    let (_root, recording) = tape.finish();
    let mut count = Count::default();
    export_cast(&recording, CastVersion::V3, true, &mut count, &mut |_| ()).unwrap();
    assert!(count.0 > wanted);
}

#[test]
fn ten_thousand_window_sizes_are_all_there() {
    let mut tape = Tape::new();
    for number in 0..10_000u32 {
        tape.resize(1 + (number * 7 % 500) as u16, 1 + (number * 13 % 200) as u16);
        if number % 10 == 0 {
            tape.output(format!("size {number}\r\n").as_bytes());
        }
    }
    let (_root, recording) = tape.finish();
    let sizes = recording.events().unwrap().owned().filter(|timed| matches!(timed.as_ref().unwrap().event, Event::Resize { .. }));
    assert_eq!(sizes.count(), 10_000);
    assert_eq!(cast(&recording).lines().filter(|line| line.contains("\"r\"")).count(), 10_000);
    let mut replay = Replay::open(&recording).unwrap();
    for at_us in [0, 1_000_000, 4_999_999, 2_345_678] {
        replay.seek(at_us).unwrap();
        let mut grid = Grid::default();
        replay.draw(&mut grid);
        assert!(!grid.text().is_empty());
    }
}

#[test]
fn characters_cut_between_reads_come_out_whole_and_what_is_none_comes_out_marked() {
    let text = "äöü €uro 漢字 🎈 ".repeat(20);
    let mut tape = Tape::new();
    for byte in text.as_bytes() {
        tape.output(&[*byte]);
    }
    tape.output(b"\r\n\xff\xfe\xc3(\xf0\x9f\x8e\x80\xe2\x82");
    tape.output(b"|end\r\n");
    let (_root, recording) = tape.finish();
    let shown: String = cast(&recording)
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event[1] == "o")
        .map(|event| event[2].as_str().unwrap().to_owned())
        .collect();
    assert!(shown.starts_with(&text), "{shown}");
    assert!(shown.contains("\u{fffd}\u{fffd}\u{fffd}(🎀\u{fffd}|end"), "{shown:?}");
    assert_eq!(shown.matches('\u{fffd}').count(), 4);
}

#[test]
fn pictures_and_other_screens_are_kept_and_the_screen_is_right_at_any_time() {
    let mut tape = Tape::new();
    tape.output(b"before\r\n");
    let picture = [&b"\x1bPq#0;2;0;0;0"[..], &b"#0!80~-".repeat(40_000), b"\x1b\\"].concat();
    for part in picture.chunks(9_999) {
        tape.output(part);
    }
    let main = tape.at_us;
    tape.output(b"\x1b[?1049h\x1b[2J\x1b[Hanother screen");
    let other = tape.at_us;
    tape.output(b"\x1b[?1049l behind");
    let back = tape.at_us;
    let (_root, recording) = tape.finish();
    let mut replay = Replay::open(&recording).unwrap();
    let mut grid = Grid::default();
    for (at_us, there, gone) in [(back, "before", "another"), (other, "another screen", "before"), (main, "before", "another")] {
        replay.seek(at_us).unwrap();
        replay.draw(&mut grid);
        let text = grid.text().join("\n");
        assert!(text.contains(there) && !text.contains(gone) && !text.contains("#0!80"), "at {at_us}: {text}");
    }
    assert!(!cast(&recording).contains("#0!80"), "pictures are not for another person's terminal");
}
