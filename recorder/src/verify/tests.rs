use super::*;
use crate::Event;
use crate::frame::{HEADER_LEN, MAGIC};
use crate::testing::{Tape, command, now, shell};
use ed25519_dalek::SigningKey;

/// A session with several commits and an index, ended.
fn recorded() -> Tape {
    let mut tape = shell();
    for second in 0..40 {
        let line = format!("line {second}: the quick brown fox jumps over the lazy dog\r\n");
        tape.writer.append(now(second * 1_000_000), &[Event::output(line.as_bytes())]).unwrap();
        tape.writer.tick(now(second * 1_000_000 + 500_000)).unwrap();
    }
    tape
}

fn ended() -> Tape {
    let mut tape = recorded();
    tape.finish(41_000_000);
    tape
}

fn report(tape: &Tape) -> Report {
    verify(&tape.dir(), &[tape.recordings.public_key()], &mut |_| ())
}

fn channel(tape: &Tape) -> std::path::PathBuf {
    tape.dir().join("c0.brec")
}

#[test]
fn a_finished_recording_is_good() {
    let report = report(&ended());
    assert_eq!(report.outcome(), Outcome::Good, "{report:#?}");
    assert_eq!(report.exit_code(), 0);
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["head", "frames", "commits", "end", "seal"]);
    assert!(report.checks[2].detail.starts_with("7 commits"), "{}", report.checks[2].detail);
}

#[test]
fn an_empty_recording_is_good() {
    let mut tape = command();
    tape.finish(0);
    assert_eq!(report(&tape).outcome(), Outcome::Good);
}

#[test]
fn a_running_recording_is_incomplete() {
    let report = report(&recorded());
    assert_eq!(report.exit_code(), 3, "{report:#?}");
}

#[test]
fn every_flipped_byte_of_a_sealed_recording_is_tampering() {
    let tape = ended();
    let good = fs::read(channel(&tape)).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(channel(&tape), &bad).unwrap();
        let report = report(&tape);
        assert_eq!(report.exit_code(), 1, "byte {at}: {report:#?}");
    }
}

#[test]
fn a_byte_changed_with_its_checksum_mended_is_tampering() {
    let tape = ended();
    let mut bytes = fs::read(channel(&tape)).unwrap();
    let body = MAGIC.len() + HEADER_LEN;
    let head: [u8; HEADER_LEN] = bytes[MAGIC.len()..body].try_into().unwrap();
    let (header, _) = crate::frame::Header::decode(&head).unwrap();
    bytes[body + header.len as usize - 3] = b'X';
    let mended = header.encode(&bytes[body..body + header.len as usize]);
    bytes[MAGIC.len()..body].copy_from_slice(&mended);
    fs::write(channel(&tape), &bytes).unwrap();
    let report = report(&tape);
    assert_eq!(report.exit_code(), 1);
    let frames = report.checks.iter().find(|check| check.name == "frames").unwrap();
    assert!(frames.detail.contains("what was signed is not what stands before it"), "{}", frames.detail);
}

#[test]
fn every_truncation_of_a_sealed_recording_is_tampering() {
    let tape = ended();
    let good = fs::read(channel(&tape)).unwrap();
    for len in (0..good.len()).step_by(7) {
        fs::write(channel(&tape), &good[..len]).unwrap();
        assert_eq!(report(&tape).exit_code(), 1, "length {len}");
    }
    fs::write(channel(&tape), [good.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(report(&tape).exit_code(), 1);
}

#[test]
fn frames_in_another_order_are_tampering() {
    let tape = ended();
    let good = fs::read(channel(&tape)).unwrap();
    let len = |at: usize| HEADER_LEN + u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
    let first = MAGIC.len();
    let second = first + len(first);
    let third = second + len(second);
    let swapped = [&good[..first], &good[second..third], &good[first..second], &good[third..]].concat();
    fs::write(channel(&tape), swapped).unwrap();
    assert_eq!(report(&tape).exit_code(), 1);
}

#[test]
fn a_recording_spliced_into_another_session_is_tampering() {
    let (one, other) = (ended(), ended());
    fs::copy(channel(&one), channel(&other)).unwrap();
    assert_eq!(report(&other).exit_code(), 1);
    fs::copy(one.dir().join("seal.json"), other.dir().join("seal.json")).unwrap();
    assert_eq!(report(&other).exit_code(), 1);
    let mut other = ended();
    fs::copy(one.dir().join("seal.json"), other.dir().join("seal.json")).unwrap();
    other.recordings = one.recordings.clone();
    assert_eq!(report(&other).exit_code(), 1);
}

#[test]
fn a_removed_seal_is_seen() {
    let tape = ended();
    fs::remove_file(tape.dir().join("seal.json")).unwrap();
    assert_eq!(report(&tape).exit_code(), 3);
}

#[test]
fn a_past_that_was_signed_again_is_tampering() {
    // Whoever holds the deployment's key, but not the wiped epoch keys, writes a shorter past and signs what they can.
    let tape = ended();
    let (genuine, forged) = (tape, recorded());
    let seal = forged_seal(&genuine, &forged);
    fs::copy(channel(&forged), channel(&genuine)).unwrap();
    fs::write(genuine.dir().join("seal.json"), seal).unwrap();
    let report = report(&genuine);
    assert_eq!(report.exit_code(), 1, "{report:#?}");
}

/// A seal for the frames of `forged`, signed with the deployment key of `genuine`.
fn forged_seal(genuine: &Tape, forged: &Tape) -> Vec<u8> {
    let mut seal = genuine.recording().seal().unwrap().clone();
    seal.channels[0].bytes = fs::metadata(channel(forged)).unwrap().len();
    envelope::sign(&seal, &genuine.recordings.shared.key).unwrap()
}

#[test]
fn another_deployments_key_does_not_do_and_an_earlier_key_does() {
    let tape = ended();
    let other = SigningKey::generate(&mut rand::rng()).verifying_key();
    assert_eq!(verify(&tape.dir(), &[other], &mut |_| ()).exit_code(), 1);
    let keys = [other, tape.recordings.public_key()];
    assert_eq!(verify(&tape.dir(), &keys, &mut |_| ()).exit_code(), 0);
}

#[test]
fn a_channel_file_that_nothing_names_is_tampering() {
    let tape = ended();
    fs::write(tape.dir().join("c1.brec"), MAGIC).unwrap();
    assert_eq!(report(&tape).exit_code(), 1);
}

#[test]
fn a_bit_flipped_in_the_middle_of_a_running_recording_is_tampering_and_a_torn_end_is_not() {
    let tape = recorded();
    let good = fs::read(channel(&tape)).unwrap();
    for at in (MAGIC.len()..good.len() / 2).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(channel(&tape), &bad).unwrap();
        assert_eq!(report(&tape).exit_code(), 1, "byte {at}");
    }
    for cut in 1..60 {
        fs::write(channel(&tape), &good[..good.len() - cut]).unwrap();
        assert_eq!(report(&tape).exit_code(), 3, "cut {cut}");
    }
}

#[test]
fn a_recording_shown_inside_a_recording_is_not_taken_for_frames() {
    let inner = fs::read(channel(&recorded())).unwrap();
    let mut tape = command();
    let noise: Vec<u8> = inner.iter().copied().cycle().take(inner.len()).collect();
    tape.writer.append(now(1), &[Event::output(&noise[..])]).unwrap();
    let len = fs::metadata(channel(&tape)).unwrap().len();
    fs::OpenOptions::new().write(true).open(channel(&tape)).unwrap().set_len(len - 1).unwrap();
    assert_eq!(report(&tape).exit_code(), 3);
}

#[test]
fn the_progress_reaches_the_end() {
    let tape = ended();
    let mut last = 0;
    let _ = verify(&tape.dir(), &[tape.recordings.public_key()], &mut |bytes| last = bytes);
    assert_eq!(last, fs::metadata(channel(&tape)).unwrap().len());
}
