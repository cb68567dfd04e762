//! A power cut loses nothing that was put on disk, which the bastion does every 250 ms: shown on a real ext4, of which a moment is
//! taken as a power cut would leave it, while recordings are being written. Needs root and a loop device.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::print_stderr, unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bartizan_recorder::{Event, Outcome, Recording, Recovery, verify};
use common::{head, now, recordings};

/// An ext4 in a file, mounted until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(image: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The disk as it is at one moment: two readings with nothing written in between.
fn moment(image: &Path) -> Vec<u8> {
    for _ in 0..500 {
        let (one, two) = (fs::read(image).unwrap(), fs::read(image).unwrap());
        if one == two {
            return one;
        }
    }
    panic!("the disk never stands still");
}

fn last_line(recording: &Recording) -> u64 {
    let events = recording.events().unwrap().owned().map(|timed| timed.unwrap().event.data().into_owned());
    let lines = events.filter_map(|data| String::from_utf8(data).ok());
    lines.filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).max().unwrap_or(0)
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_synced() {
    if !rustix::process::getuid().is_root() {
        eprintln!("not run: mounting a disk needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    let disk = Disk::mount(&image, &folder.path().join("disk"));
    let root = disk.0.join("recordings");
    fs::create_dir(&root).unwrap();

    let (recorded, synced, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let all = recordings(&root);
    let mut writer = all.create(&head(), &mut rand::rng()).unwrap();
    let writing = {
        let (recorded, stop) = (Arc::clone(&recorded), Arc::clone(&stop));
        std::thread::spawn(move || {
            for line in 1u64.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let text = format!("line {line} {}\r\n", line.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                writer.append(now(line * 3_000), &[Event::output(text.as_bytes())]).unwrap();
                recorded.store(line, Ordering::SeqCst);
                writer.tick(now(line * 3_000)).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    // As the bastion's own thread does it.
    let syncing = {
        let (recorded, synced, stop) = (Arc::clone(&recorded), Arc::clone(&synced), Arc::clone(&stop));
        let all = all.clone();
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let before = recorded.load(Ordering::SeqCst);
                all.sync().unwrap();
                synced.store(before, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(250));
            }
        })
    };
    let cuts = if std::env::var_os("BARTIZAN_TEST_FULL").is_some() { 60 } else { 6 };
    let mut moments = Vec::new();
    for cut in 0..cuts {
        std::thread::sleep(Duration::from_millis(300 + cut * 17 % 250));
        let sure = synced.load(Ordering::SeqCst);
        moments.push((sure, moment(&image)));
    }
    stop.store(true, Ordering::SeqCst);
    writing.join().unwrap();
    syncing.join().unwrap();
    drop(disk);

    let mut last = 0;
    for (cut, (sure, bytes)) in moments.into_iter().enumerate() {
        let after = folder.path().join("after");
        fs::write(&after, bytes).unwrap();
        let disk = Disk::mount(&after, &folder.path().join(format!("after-{cut}")));
        let all = recordings(&disk.0.join("recordings"));
        let recovered = all.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        let [one] = &recovered[..] else { panic!("cut {cut}: {recovered:?}") };
        assert!(matches!(one.recovery, Recovery::Closed { .. }), "cut {cut}: {:?}", one.recovery);
        let kept = last_line(&Recording::open(&one.dir).unwrap());
        assert!(kept >= sure && sure >= last && sure > 0, "cut {cut}: kept {kept}, was on disk up to {sure}");
        let report = verify(&one.dir, &[all.public_key()], &mut |_| ());
        assert_eq!(report.outcome(), Outcome::Good, "cut {cut}: {report:#?}");
        last = sure;
    }
}
