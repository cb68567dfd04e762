//! Recordings encrypted to auditors: they and no one else can read them, and anyone can still verify them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bartizan_recorder::{
    BadBody, CastVersion, Channel, Event, Exit, Grid, Identities, OpenError, Outcome, ReadError, Reason, Recipients, Recording, Recordings,
    Recovery, Replay, Report, UnlockError, Writer, export_cast, places, transcript, verify,
};
use common::{head, now, recordings};
use tempfile::TempDir;

/// What must not be found in any file.
const NEEDLE: &str = "correct horse battery staple";

struct Fixture {
    root: TempDir,
    recordings: Recordings,
    identities: Vec<Identities>,
}

impl Fixture {
    fn new() -> Self {
        let pairs: Vec<_> = (0..2).map(|_| Identities::generate()).collect();
        let recipients = Recipients::parse(pairs.iter().map(|(_, recipient)| recipient)).unwrap();
        let identities = pairs.iter().map(|(identity, _)| Identities::parse(identity, None).unwrap()).collect();
        let root = tempfile::tempdir().unwrap();
        let recordings = recordings(root.path()).encrypting_to(Some(recipients));
        Self { root, recordings, identities }
    }

    fn finished(&self) -> PathBuf {
        let mut writer = self.recordings.create(&head(), &mut rand::rng()).unwrap();
        record(&mut writer);
        writer.finish(now(121_000_000), Reason::Closed, Some(Exit::status(0))).unwrap();
        writer.dir().to_owned()
    }

    fn report(&self, dir: &Path) -> Report {
        verify(dir, &[self.recordings.public_key()], &mut |_| ())
    }

    fn unlocked(&self, dir: &Path) -> Recording {
        Recording::open(dir).unwrap().unlock(&self.identities[0]).unwrap()
    }
}

/// Two minutes over many chunks, by time and by size, on a terminal, with keyframes.
fn record(writer: &mut Writer) {
    for second in 0..120u64 {
        let text = format!("\x1b[3{}m{NEEDLE} {second}{}\r\n", second % 8, " and so on".repeat((second * 97 % 2000) as usize));
        let events = [Event::output(text.as_bytes()), Event::marker(NEEDLE), Event::operation(format!(r#"{{"text":"{NEEDLE}"}}"#))];
        writer.append(now(second * 1_000_000), &events).unwrap();
        writer.tick(now(second * 1_000_000 + 1)).unwrap();
    }
}

fn events(recording: &Recording) -> Result<Vec<(u64, Event<'static>)>, ReadError> {
    recording.events().unwrap().owned().map(|timed| timed.map(|timed| (timed.at_us, timed.event))).collect()
}

fn text_of(recording: &Recording) -> Vec<u8> {
    let mut out = Vec::new();
    transcript(recording, &mut out, &mut |_| ()).unwrap();
    out
}

/// The same session recorded in the clear.
fn clear() -> (TempDir, Recording) {
    let root = tempfile::tempdir().unwrap();
    let mut writer = recordings(root.path()).create(&head(), &mut rand::rng()).unwrap();
    record(&mut writer);
    writer.finish(now(121_000_000), Reason::Closed, Some(Exit::status(0))).unwrap();
    let recording = Recording::open(writer.dir()).unwrap();
    (root, recording)
}

#[test]
fn every_recipient_reads_exactly_what_was_recorded() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let (_root, clear) = clear();
    for identity in &fixture.identities {
        let recording = Recording::open(&dir).unwrap().unlock(identity).unwrap();
        assert!(recording.is_encrypted() && !recording.is_locked());
        assert_eq!(events(&recording).unwrap(), events(&clear).unwrap());
        assert_eq!(text_of(&recording), text_of(&clear));
        assert_eq!(places(&recording, &mut |_| ()).unwrap(), places(&clear, &mut |_| ()).unwrap());
        let cast = |recording: &Recording| {
            let mut out = Vec::new();
            export_cast(recording, CastVersion::V2, false, &mut out, &mut |_| ()).unwrap();
            out
        };
        assert_eq!(cast(&recording), cast(&clear));
        same_screens(&recording, &clear);
    }
}

fn same_screens(one: &Recording, other: &Recording) {
    let (mut one, mut other) = (Replay::open(one).unwrap(), Replay::open(other).unwrap());
    let (mut left, mut right) = (Grid::default(), Grid::default());
    for to_us in [119_000_000, 3_000_000, 77_500_000, 31_000_000, 0, u64::MAX] {
        one.seek(to_us).unwrap();
        other.seek(to_us).unwrap();
        one.draw(&mut left);
        other.draw(&mut right);
        assert_eq!(left.text(), right.text(), "{to_us}");
        assert!(one.is_exact());
    }
}

#[test]
fn no_file_shows_what_was_recorded() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let shown = |dir: &Path| {
        fs::read_dir(dir).unwrap().any(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes())
        })
    };
    assert!(!shown(&dir));
    let (_root, clear) = clear();
    assert!(shown(clear.dir()), "the test would not see it");
}

#[test]
fn who_is_no_recipient_reads_nothing() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let locked = Recording::open(&dir).unwrap();
    assert!(locked.is_locked());
    assert!(matches!(events(&locked), Err(ReadError::Body { bad: BadBody::Encrypted, .. })));
    assert!(transcript(&locked, &mut std::io::sink(), &mut |_| ()).is_err());
    assert!(matches!(places(&locked, &mut |_| ()), Err(OpenError::Read(ReadError::Body { .. }))));
    let stranger = Identities::parse(&Identities::generate().0, None).unwrap();
    assert_eq!(locked.unlock(&stranger).unwrap_err(), UnlockError::NotForYou);
    let (_root, clear) = clear();
    assert_eq!(clear.unlock(&stranger).unwrap_err(), UnlockError::Clear);
}

#[test]
fn anyone_verifies_with_the_public_key_alone() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let report = fixture.report(&dir);
    assert_eq!(report.outcome(), Outcome::Good, "{report:#?}");
    assert!(report.checks.iter().any(|check| check.name == "keys" && check.detail.contains("2 recipients")));
}

#[test]
fn a_wrapped_key_that_was_changed_or_removed_is_seen_and_the_recording_still_readable() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let keys = dir.join("keys.age");
    let good = fs::read(&keys).unwrap();
    let changed = [&good[..good.len() - 1], &[good[good.len() - 1] ^ 1]].concat();
    fs::write(&keys, changed).unwrap();
    assert_eq!(fixture.report(&dir).outcome(), Outcome::Tampered);
    fs::remove_file(&keys).unwrap();
    assert_eq!(fixture.report(&dir).outcome(), Outcome::Tampered);
    assert_eq!(events(&fixture.unlocked(&dir)).unwrap().len(), 360);
    fs::write(&keys, good).unwrap();
    assert_eq!(fixture.report(&dir).outcome(), Outcome::Good);
}

#[test]
fn a_recording_in_the_clear_cannot_be_passed_off_with_keys() {
    let (root, clear) = clear();
    fs::write(clear.dir().join("keys.age"), "x").unwrap();
    assert_eq!(verify(clear.dir(), &[recordings(root.path()).public_key()], &mut |_| ()).outcome(), Outcome::Tampered);
}

/// Where each frame begins and ends, and its kind.
fn frames(bytes: &[u8]) -> Vec<(usize, usize, u8)> {
    let mut all = Vec::new();
    let mut at = 8;
    while let Some(len) = bytes.get(at..at + 4) {
        let end = at + 28 + u32::from_le_bytes(len.try_into().unwrap()) as usize;
        all.push((at, end, bytes[at + 4]));
        at = end;
    }
    all
}

/// Makes the checksum of the frame at `at` fit again, as whoever tampers would.
fn mend(bytes: &mut [u8], (at, end, _): (usize, usize, u8)) {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 24]), &bytes[at + 28..end]);
    bytes[at + 24..at + 28].copy_from_slice(&sum.to_le_bytes());
}

fn undecryptable(recording: &Recording) -> bool {
    matches!(events(recording), Err(ReadError::Body { bad: BadBody::Undecryptable, .. }))
}

#[test]
fn a_body_that_was_changed_exchanged_or_brought_from_elsewhere_does_not_decrypt() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let path = dir.join("c0.brec");
    let good = fs::read(&path).unwrap();
    let bodies: Vec<_> = frames(&good).into_iter().filter(|frame| frame.2 == 1).collect();
    for place in [28, 31, 32, 40] {
        let mut bad = good.clone();
        bad[bodies[5].0 + place] ^= 1;
        mend(&mut bad, bodies[5]);
        fs::write(&path, &bad).unwrap();
        assert!(undecryptable(&fixture.unlocked(&dir)), "byte {place}");
        assert_eq!(fixture.report(&dir).outcome(), Outcome::Tampered);
    }
    // Two bodies of the same length change places.
    let other = Fixture::new();
    let foreign = fs::read(other.finished().join("c0.brec")).unwrap();
    let same_length = |all: &[u8], frame: &(usize, usize, u8)| {
        let found = frames(all).into_iter().find(|one| one.2 == 1 && one.0 != frame.0 && one.1 - one.0 == frame.1 - frame.0);
        found.map(|one| all[one.0 + 28..one.1].to_vec())
    };
    let mut tried = 0;
    for frame in &bodies {
        for body in [same_length(&good, frame), same_length(&foreign, frame)].into_iter().flatten() {
            let mut bad = good.clone();
            bad[frame.0 + 28..frame.1].copy_from_slice(&body);
            mend(&mut bad, *frame);
            fs::write(&path, &bad).unwrap();
            assert!(undecryptable(&fixture.unlocked(&dir)));
            tried += 1;
        }
    }
    assert!(tried > 2, "{tried}");
}

#[test]
fn an_encrypted_recording_cut_anywhere_is_read_up_to_there() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let path = dir.join("c0.brec");
    let good = fs::read(&path).unwrap();
    let whole = events(&fixture.unlocked(&dir)).unwrap();
    for len in (0..good.len()).step_by(good.len() / 40).skip(1) {
        fs::write(&path, &good[..len]).unwrap();
        let read: Vec<_> =
            fixture.unlocked(&dir).events().unwrap().owned().map_while(Result::ok).map(|timed| (timed.at_us, timed.event)).collect();
        assert_eq!(read, whole[..read.len()]);
        assert_eq!(fixture.report(&dir).outcome(), Outcome::Tampered, "a sealed recording cut at {len}");
    }
}

#[test]
fn a_crash_is_recovered_without_any_private_key() {
    for torn in [0, 7] {
        let fixture = Fixture::new();
        let mut writer = fixture.recordings.create(&head(), &mut rand::rng()).unwrap();
        record(&mut writer);
        let dir = writer.dir().to_owned();
        drop(writer);
        let path = dir.join("c0.brec");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - torn]).unwrap();
        fs::remove_file(dir.join("keys.age")).unwrap();
        // Another process, which was never told of the recipients.
        let all = recordings(fixture.root.path()).recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        assert!(matches!(all[0].recovery, Recovery::Closed { .. }), "{all:?}");
        let report = fixture.report(&dir);
        assert_eq!(report.outcome(), Outcome::Good, "{report:#?}");
        let recording = fixture.unlocked(&dir);
        assert!(events(&recording).unwrap().len() >= 357);
        let channel = &recording.seal().unwrap().channels[0];
        assert!(channel.events > 300 && channel.output_bytes > 10_000, "as of the last commit: {channel:?}");
    }
}

#[test]
fn a_recording_that_crashed_before_anything_was_written_is_closed() {
    for len in [0, 3, 8, 20] {
        let fixture = Fixture::new();
        let writer = fixture.recordings.create(&head(), &mut rand::rng()).unwrap();
        let dir = writer.dir().to_owned();
        drop(writer);
        let path = dir.join("c0.brec");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..len]).unwrap();
        fixture.recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap();
        let report = fixture.report(&dir);
        assert_eq!(report.outcome(), Outcome::Good, "{len}: {report:#?}");
        assert!(events(&fixture.unlocked(&dir)).unwrap().is_empty());
    }
}

#[test]
fn a_recording_whose_files_lie_elsewhere_is_read_and_sought() {
    let fixture = Fixture::new();
    let dir = fixture.finished();
    let (head, seal) = (fs::read(dir.join("head.json")).unwrap(), fs::read(dir.join("seal.json")).unwrap());
    let bytes = fs::read(dir.join("c0.brec")).unwrap();
    let len = bytes.len() as u64;
    let recording = Recording::remote(&head, Some(&seal), Channel::new(bytes), len).unwrap().unlock(&fixture.identities[1]).unwrap();
    assert_eq!(recording.bytes().unwrap(), len);
    same_screens(&recording, &fixture.unlocked(&dir));
}

#[test]
fn an_openssh_key_serves_as_identity_with_and_without_a_passphrase() {
    let keys = tempfile::tempdir().unwrap();
    for passphrase in ["", "four words and more"] {
        let path = keys.path().join(format!("key{}", passphrase.len()));
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f"]).arg(&path).status().unwrap();
        assert!(made.success());
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let root = tempfile::tempdir().unwrap();
        let recordings = recordings(root.path()).encrypting_to(Some(Recipients::parse([public]).unwrap()));
        let mut writer = recordings.create(&head(), &mut rand::rng()).unwrap();
        writer.append(now(1), &[Event::output(&b"seen"[..])]).unwrap();
        let private = fs::read_to_string(&path).unwrap();
        let identities = if passphrase.is_empty() {
            Identities::parse(&private, None).unwrap()
        } else {
            assert_eq!(Identities::parse(&private, None).unwrap_err(), UnlockError::Passphrase);
            assert_eq!(Identities::parse(&private, Some("wrong")).unwrap_err(), UnlockError::WrongPassphrase);
            Identities::parse(&private, Some(passphrase)).unwrap()
        };
        let recording = Recording::open(writer.dir()).unwrap().unlock(&identities).unwrap();
        assert_eq!(events(&recording).unwrap(), [(1, Event::output(&b"seen"[..]))]);
        assert_eq!(recording.head().recipients.len(), 1);
    }
}

/// Debian's age reads what we wrapped: nothing about `keys.age` is ours alone.
#[test]
fn the_age_program_unwraps_the_key() {
    let (identity, recipient) = Identities::generate();
    let root = tempfile::tempdir().unwrap();
    let recordings = recordings(root.path()).encrypting_to(Some(Recipients::parse([recipient]).unwrap()));
    let writer = recordings.create(&head(), &mut rand::rng()).unwrap();
    let path = root.path().join("identity");
    fs::write(&path, identity.as_str()).unwrap();
    let out = match Command::new("age").arg("-d").arg("-i").arg(&path).arg(writer.dir().join("keys.age")).output() {
        Ok(out) => out,
        // The program is not part of this crate's set-up; `tests/run` has it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => panic!("{error}"),
    };
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(said.starts_with(&format!("bartizan-session-key-1 {} ", common::ID)), "{said}");
}
