use bartizan_recorder::tlog::TransparencyLog;

use super::*;

fn log(dir: &Path, leaves: &[&str]) -> TransparencyLog {
    let mut log = TransparencyLog::open(dir, "bastion.test/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    log.append(leaves).unwrap();
    log
}

fn open(dir: &Path, key: &NoteKey) -> Witness {
    Witness::open(dir, Some("witness.test"), std::slice::from_ref(key), [9; 32]).unwrap()
}

fn ask(witness: &Witness, log: &TransparencyLog, old: u64) -> Answer {
    let proof = log.prove_consistency(old, log.checkpoint().size).unwrap();
    witness.add_checkpoint(Asking { old, proof, note: log.note().unwrap() }.body().as_bytes(), 1_795_348_800)
}

#[test]
fn a_log_that_grows_is_cosigned_also_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (root.path().join("log"), root.path().join("witness"));
    let mut log = log(&here, &["one", "two"]);
    let key = log.public_key().unwrap();
    let witness = open(&there, &key);
    let first = ask(&witness, &log, 0);
    assert_eq!(first.status, 200, "{}", first.body);
    let note = format!("{}{}", log.note().unwrap(), first.body);
    assert_eq!(verify_cosignature(&note, witness.public_key()), Ok(1_795_348_800));
    assert_eq!(witness.checkpoint(&key.fingerprint()).body, note);
    assert_eq!(ask(&witness, &log, 2).status, 200, "the same checkpoint again");
    drop(witness);
    log.append(&["three"]).unwrap();
    let witness = Witness::open(&there, None, &[key], [1; 32]).unwrap();
    assert_eq!(witness.public_key().name(), "witness.test");
    assert_eq!((ask(&witness, &log, 0).status, ask(&witness, &log, 0).body.as_str()), (409, "2\n"));
    assert_eq!(ask(&witness, &log, 2).status, 200);
}

#[test]
fn a_log_that_was_set_back_forked_or_rewritten_is_refused_also_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let genuine = log(&root.path().join("a"), &["one", "two", "three"]);
    let there = root.path().join("witness");
    let key = genuine.public_key().unwrap();
    assert_eq!(ask(&open(&there, &key), &genuine, 0).status, 200);
    let witness = open(&there, &key);
    let back = log(&root.path().join("b"), &["one", "two"]);
    assert_eq!(ask(&witness, &back, 0), Answer::has(Some(genuine.checkpoint())));
    assert_eq!(ask(&witness, &back, 2).status, 409);
    let forked = log(&root.path().join("c"), &["one", "two", "3"]);
    assert_eq!(ask(&witness, &forked, 3), Answer::has(Some(genuine.checkpoint())));
    let rewritten = log(&root.path().join("d"), &["one", "2", "three", "four"]);
    assert_eq!(ask(&witness, &rewritten, 3).status, 422);
    assert_eq!(witness.checkpoint(&key.fingerprint()).body.lines().nth(1), Some("3"), "a refusal changed what it knows");
}

#[test]
fn strangers_and_garbage_are_refused_by_the_status_that_the_protocol_has() {
    let root = tempfile::tempdir().unwrap();
    let genuine = log(&root.path().join("a"), &["one"]);
    let witness = open(&root.path().join("witness"), &genuine.public_key().unwrap());
    for body in ["", "old 0\n\n", "old 0\n\nx\n", "old x\n\nbastion.test/log\n1\nAAAA\n\n"] {
        assert_eq!(witness.add_checkpoint(body.as_bytes(), 0).status, 400, "{body:?}");
    }
    assert_eq!(witness.add_checkpoint(&[0xff; 100], 0).status, 400);
    let stranger = TransparencyLog::open(&root.path().join("b"), "other/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    assert_eq!(ask(&witness, &stranger, 0).status, 404);
    let forger = TransparencyLog::open(&root.path().join("c"), "bastion.test/log", SigningKey::from_bytes(&[8; 32])).unwrap();
    assert_eq!(ask(&witness, &forger, 0).status, 403);
    let too_old = Asking { old: 2, proof: vec![], note: genuine.note().unwrap() };
    assert_eq!(witness.add_checkpoint(too_old.body().as_bytes(), 0).status, 400);
    let with_proof = Asking { old: 0, proof: vec![[0; 32]], note: genuine.note().unwrap() };
    assert_eq!(witness.add_checkpoint(with_proof.body().as_bytes(), 0).status, 422);
    assert_eq!(witness.checkpoint("00000000").status, 404);
}

#[test]
fn a_witness_that_lost_its_memory_or_its_name_does_not_start() {
    let root = tempfile::tempdir().unwrap();
    let genuine = log(&root.path().join("a"), &["one"]);
    let (there, key) = (root.path().join("witness"), genuine.public_key().unwrap());
    let logs = [key.clone()];
    assert!(matches!(Witness::open(&there, None, &logs, [9; 32]), Err(WitnessError::Name(_))));
    let witness = open(&there, &key);
    assert_eq!(ask(&witness, &genuine, 0).status, 200);
    assert!(matches!(Witness::open(&there, None, &logs, [9; 32]), Err(WitnessError::Io { .. })), "two run from one folder");
    drop(witness);
    assert!(matches!(Witness::open(&there, Some("other"), &logs, [9; 32]), Err(WitnessError::Name(_))));
    let path = there.join("logs").join(key.fingerprint());
    let note = fs::read_to_string(&path).unwrap();
    fs::write(&path, note.replace("\n1\n", "\n0\n")).unwrap();
    assert!(matches!(Witness::open(&there, None, &logs, [9; 32]), Err(WitnessError::Damaged { .. })));
}
