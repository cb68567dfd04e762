use super::*;

/// The example of the note package of Go's checksum database.
#[test]
fn another_programs_note_and_key_are_read() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = NoteKey::parse(text).unwrap();
    assert_eq!(key.to_string(), text);
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    assert!(open(note, &key).unwrap().starts_with("If you think"));
    assert_eq!(open(&note.replace("answer", "answers"), &key), Err(BadNote::Signature));
}

fn note() -> (SigningKey, String, Checkpoint) {
    let key = SigningKey::from_bytes(&[3; 32]);
    let checkpoint = Checkpoint { origin: "bastion.example.com/log".into(), size: 17, root: [9; 32] };
    (key.clone(), checkpoint.sign(&key).unwrap(), checkpoint)
}

#[test]
fn a_checkpoint_verifies_with_its_key_and_every_byte() {
    let (key, note, checkpoint) = note();
    let named = NoteKey::log(&checkpoint.origin, key.verifying_key()).unwrap();
    assert_eq!(verify_note(&note, &named), Ok(checkpoint));
    for at in 0..note.len() {
        let mut bad = note.clone().into_bytes();
        bad[at] ^= 1;
        if let Ok(bad) = String::from_utf8(bad) {
            assert!(verify_note(&bad, &named).is_err(), "byte {at}");
        }
    }
    let other = NoteKey::log("other", key.verifying_key()).unwrap();
    assert!(verify_note(&note, &other).is_err());
}

#[test]
fn a_cosignature_says_when_and_stands_beside_the_logs_signature() {
    let (key, note, checkpoint) = note();
    let witness = SigningKey::from_bytes(&[4; 32]);
    let whole = format!("{note}{}", cosign(&note, "witness.example.org", &witness, 1_795_348_800).unwrap());
    let named = NoteKey::witness("witness.example.org", witness.verifying_key()).unwrap();
    assert_eq!(verify_cosignature(&whole, &named), Ok(1_795_348_800));
    assert_eq!(NoteKey::parse(&named.to_string()), Ok(named.clone()));
    assert_eq!(verify_note(&whole, &NoteKey::log(&checkpoint.origin, key.verifying_key()).unwrap()), Ok(checkpoint));
    assert_eq!(verify_cosignature(&note, &named), Err(BadNote::Signature));
    assert_eq!(verify_cosignature(&whole.replace("\n17\n", "\n18\n"), &named), Err(BadNote::Signature));
}
