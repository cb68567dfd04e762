//! The verifier in contrib, which shares no code with this crate, comes to the same result on every kind of recording.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::print_stdout, unreachable_pub, missing_docs, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bartizan_recorder::tlog::{TransparencyLog, verify_proof};
use bartizan_recorder::{Event, Exit, Identities, Reason, Recipients, Report, SigningKey, verify};
use common::{head, now, recordings};
use tempfile::TempDir;

struct Fixture {
    _root: TempDir,
    dir: PathBuf,
    key: bartizan_recorder::VerifyingKey,
}

impl Fixture {
    /// A recording over several chunks, with keyframes, index and commits; ended or recovered or left as it was.
    fn new(end: End) -> Self {
        Self::recorded(end, None)
    }

    /// The same with what was typed beside it.
    fn typed(recipients: Option<Recipients>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let recordings = recordings(root.path()).encrypting_to(recipients);
        let mut writer = recordings.create_with_input(&head(), &mut rand::rng()).unwrap();
        for second in 0..45u64 {
            writer.append(now(second * 1_000_000), &[Event::output(&b"$ "[..])]).unwrap();
            writer.append_input(now(second * 1_000_000), &[Event::Input(b"ls -l /srv\r"[..].into())]).unwrap();
            writer.tick(now(second * 1_000_000 + 1)).unwrap();
        }
        let dir = writer.dir().to_owned();
        writer.finish(now(46_000_000), Reason::Closed, None).unwrap();
        Self { _root: root, dir, key: recordings.public_key() }
    }

    fn encrypted(end: End) -> Self {
        let recipients = [Identities::generate().1, Identities::generate().1];
        Self::recorded(end, Some(Recipients::parse(recipients).unwrap()))
    }

    fn recorded(end: End, recipients: Option<Recipients>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let recordings = recordings(root.path()).encrypting_to(recipients);
        let mut writer = recordings.create(&head(), &mut rand::rng()).unwrap();
        for second in 0..45u64 {
            let line = format!("second {second} of the session, in green \x1b[32m{}\x1b[0m\r\n", "x".repeat(second as usize * 40));
            writer.append(now(second * 1_000_000), &[Event::output(line.as_bytes()), Event::stderr(&b"\xff"[..])]).unwrap();
            writer.tick(now(second * 1_000_000 + 1)).unwrap();
        }
        let dir = writer.dir().to_owned();
        match end {
            End::Finished => drop(writer.finish(now(46_000_000), Reason::Closed, Some(Exit::status(0))).unwrap()),
            End::Running => drop(writer),
            End::Recovered { torn } => {
                drop(writer);
                let path = dir.join("c0.brec");
                let good = fs::read(&path).unwrap();
                fs::write(path, &good[..good.len() - torn]).unwrap();
                assert_eq!(recordings.recover(1_795_349_000_000_000, &|_| true, &mut rand::rng()).unwrap().len(), 1);
            }
        }
        Self { _root: root, dir, key: recordings.public_key() }
    }

    fn channel(&self) -> PathBuf {
        self.dir.join("c0.brec")
    }

    /// Exit codes of the verifier in contrib and of this crate's.
    fn codes(&self) -> (i32, i32) {
        let (code, _, report) = self.verified();
        (code, i32::from(report.exit_code()))
    }

    /// Exit code and words of the verifier in contrib, and this crate's report.
    fn verified(&self) -> (i32, String, Report) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-recording.py");
        let key = hex::encode(self.key.as_bytes());
        let out = Command::new("python3").arg(script).args(["--key", &key]).arg(&self.dir).output().unwrap();
        let code = out.status.code().unwrap();
        assert!([0, 1, 3].contains(&code) && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        (code, String::from_utf8(out.stdout).unwrap(), verify(&self.dir, &[self.key], &mut |_| ()))
    }
}

enum End {
    Finished,
    Running,
    Recovered { torn: usize },
}

#[test]
fn both_agree_on_what_is_good_and_what_is_incomplete() {
    assert_eq!(Fixture::new(End::Finished).codes(), (0, 0));
    assert_eq!(Fixture::new(End::Running).codes(), (3, 3));
    let unsealed = Fixture::new(End::Finished);
    fs::remove_file(unsealed.dir.join("seal.json")).unwrap();
    assert_eq!(unsealed.codes(), (3, 3));
}

#[test]
fn both_agree_on_what_was_typed() {
    let recipients = [Identities::generate().1, Identities::generate().1];
    for recipients in [None, Some(Recipients::parse(recipients).unwrap())] {
        let fixture = Fixture::typed(recipients);
        assert_eq!(fixture.codes(), (0, 0), "{:?}", fixture.verified());
        let path = fixture.dir.join("c1.brec");
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 20) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, bad).unwrap();
            assert_eq!(fixture.codes(), (1, 1), "byte {at}");
        }
        fs::copy(fixture.channel(), &path).unwrap();
        assert_eq!(fixture.codes(), (1, 1));
        fs::remove_file(&path).unwrap();
        assert_eq!(fixture.codes(), (1, 1));
    }
}

#[test]
fn both_say_of_a_recovered_recording_that_it_is_good_and_how_much_was_cut() {
    for torn in [0, 5] {
        let fixture = Fixture::new(End::Recovered { torn });
        let kept_aside = fs::metadata(fixture.dir.join("c0.cut")).map_or(0, |cut| cut.len());
        assert_eq!(kept_aside > 0, torn > 0);
        let (code, words, report) = fixture.verified();
        assert_eq!((code, report.exit_code()), (0, 0), "{words}{report:#?}");
        let detail = &report.checks.iter().find(|check| check.name == "recovery").unwrap().detail;
        assert!(
            detail.contains("recovered after a crash") && detail.contains(&format!(" {kept_aside} bytes of a torn last write were cut")),
            "{detail}"
        );
        assert!(words.contains(detail), "{words}");
    }
}

#[test]
fn both_see_a_recovered_recording_changed_or_unsealed() {
    let fixture = Fixture::new(End::Recovered { torn: 5 });
    let good = fs::read(fixture.channel()).unwrap();
    for at in (0..good.len()).step_by(good.len() / 8).chain([good.len() - 300, good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(fixture.channel(), bad).unwrap();
        assert_eq!(fixture.codes(), (1, 1), "byte {at}");
    }
    fs::write(fixture.channel(), good).unwrap();
    fs::remove_file(fixture.dir.join("seal.json")).unwrap();
    assert_eq!(fixture.codes(), (3, 3));
}

#[test]
fn both_agree_on_flipped_bits_everywhere() {
    for name in ["c0.brec", "head.json", "seal.json"] {
        let fixture = Fixture::new(End::Finished);
        let path = fixture.dir.join(name);
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 8) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&path, bad).unwrap();
            assert_eq!(fixture.codes(), (1, 1), "byte {at} of {name}");
        }
    }
}

#[test]
fn both_agree_on_a_running_recording_that_was_cut_or_changed() {
    let fixture = Fixture::new(End::Running);
    let good = fs::read(fixture.channel()).unwrap();
    for len in (0..good.len()).step_by(good.len() / 8) {
        fs::write(fixture.channel(), &good[..len]).unwrap();
        assert_eq!(fixture.codes(), (3, 3), "cut to {len}");
    }
    for at in (8..good.len() * 9 / 10).step_by(good.len() / 8) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(fixture.channel(), bad).unwrap();
        assert_eq!(fixture.codes(), (1, 1), "byte {at}");
    }
}

#[test]
fn both_agree_on_splices_and_strangers() {
    let (one, other) = (Fixture::new(End::Finished), Fixture::new(End::Finished));
    fs::copy(one.channel(), other.channel()).unwrap();
    assert_eq!(other.codes(), (1, 1));
    fs::write(one.dir.join("c1.brec"), "").unwrap();
    assert_eq!(one.codes(), (1, 1));
    let longer = Fixture::new(End::Finished);
    fs::write(longer.channel(), [fs::read(longer.channel()).unwrap(), vec![0; 40]].concat()).unwrap();
    assert_eq!(longer.codes(), (1, 1));
    let renamed = Fixture::new(End::Finished);
    let away = renamed.dir.with_file_name("01JD0000000000000000000002");
    fs::rename(&renamed.dir, &away).unwrap();
    assert_eq!(Fixture { dir: away, ..renamed }.codes(), (1, 1));
}

#[test]
fn both_verify_what_neither_can_read() {
    assert_eq!(Fixture::encrypted(End::Finished).codes(), (0, 0));
    assert_eq!(Fixture::encrypted(End::Running).codes(), (3, 3));
    assert_eq!(Fixture::encrypted(End::Recovered { torn: 9 }).codes(), (0, 0));
    let (code, words, report) = Fixture::encrypted(End::Finished).verified();
    let detail = &report.checks.iter().find(|check| check.name == "keys").unwrap().detail;
    assert!(code == 0 && words.contains(detail), "{words}");
}

#[test]
fn both_see_an_encrypted_recording_changed_and_its_wrapped_key_too() {
    let fixture = Fixture::encrypted(End::Finished);
    for name in ["c0.brec", "keys.age"] {
        let path = fixture.dir.join(name);
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 9) {
            let mut bad = good.clone();
            bad[at] ^= 16;
            fs::write(&path, bad).unwrap();
            assert_eq!(fixture.codes(), (1, 1), "{name} byte {at}");
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(fixture.codes(), (0, 0));
    let keys = fs::read(fixture.dir.join("keys.age")).unwrap();
    fs::remove_file(fixture.dir.join("keys.age")).unwrap();
    assert_eq!(fixture.codes(), (1, 1));
    let clear = Fixture::new(End::Finished);
    fs::write(clear.dir.join("keys.age"), keys).unwrap();
    assert_eq!(clear.codes(), (1, 1));
}

#[test]
fn both_agree_on_what_is_in_a_log() {
    let root = tempfile::tempdir().unwrap();
    let mut log = TransparencyLog::open(&root.path().join("log"), "example.com/log", SigningKey::from_bytes(&[9; 32])).unwrap();
    let leaves: Vec<String> = (0..300).map(|number| format!("leaf {number}")).collect();
    log.append(&leaves).unwrap();
    let key = log.public_key().unwrap();
    let both = |proof: &str, leaf: &str| {
        let (one, other) = (root.path().join("proof"), root.path().join("leaf"));
        fs::write(&one, proof).unwrap();
        fs::write(&other, leaf).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-recording.py");
        let out = Command::new("python3")
            .arg(script)
            .arg("--log-key")
            .arg(key.to_string())
            .arg("--inclusion")
            .args([one, other])
            .output()
            .unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        (out.status.code().unwrap() == 0, verify_proof(proof, leaf.as_bytes(), &key).is_ok())
    };
    for index in [0, 255, 256, 299] {
        let proof = log.proof(index).unwrap();
        assert_eq!(both(&proof, &leaves[index as usize]), (true, true), "{index}");
        assert_eq!(both(&proof, "another leaf"), (false, false), "{index}");
        assert_eq!(both(&proof.replace(&format!("index {index}\n"), "index 17\n"), &leaves[index as usize]), (false, false), "{index}");
        assert_eq!(both(&proof.replace("\n300\n", "\n301\n"), &leaves[index as usize]), (false, false), "{index}");
    }
}
