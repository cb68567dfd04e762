use std::process::Command;

use super::*;

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn who() -> PrincipalId {
    "corp/alice@example.com".parse().unwrap()
}

fn said(by: &PrincipalId) -> Said<'_> {
    Said {
        approval: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
        digest: DIGEST,
        approve: true,
        for_seconds: Some(600),
        reason: "looks \u{1b}right",
        approver: by,
        at: "2026-11-27T08:00:00Z".parse().unwrap(),
    }
}

/// Signs as a user would, with OpenSSH's own program.
fn sign(dir: &std::path::Path, namespace: &str, text: &str) -> String {
    let (key, file) = (dir.join("id"), dir.join("text"));
    if !key.exists() {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
        assert!(made.success());
    }
    std::fs::write(&file, text).unwrap();
    let _ = std::fs::remove_file(dir.join("text.sig"));
    let done = Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(&key).arg(&file).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    std::fs::read_to_string(dir.join("text.sig")).unwrap()
}

fn fingerprint(dir: &std::path::Path) -> String {
    let text = std::fs::read_to_string(dir.join("id.pub")).unwrap();
    PublicKey::from_openssh(&text).unwrap().fingerprint(HashAlg::Sha256).to_string()
}

#[test]
fn what_is_signed_is_one_line_of_canonical_json() {
    let by = who();
    let expected = concat!(
        r#"{"answer":"approve","approval":"01ARZ3NDEKTSV4RRFFQ69G5FAV","approver":"corp/alice@example.com","at":"2026-11-27T08:00:00Z","#,
        r#""digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","for_seconds":600,"reason":"looks \u001bright"}"#
    );
    assert_eq!(said(&by).challenge(), expected);
}

#[test]
fn a_signature_of_opensshs_own_program_is_right_for_exactly_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let by = who();
    let said = said(&by);
    let signature = sign(dir.path(), NAMESPACE, &said.challenge());
    let key = fingerprint(dir.path());
    assert_eq!(said.check(&signature, &key), Ok(()));
    let other: PrincipalId = "corp/mallory".parse().unwrap();
    for changed in [
        Said { approve: false, ..said },
        Said { for_seconds: None, ..said },
        Said { for_seconds: Some(6000), ..said },
        Said { reason: "", ..said },
        Said { digest: "00", ..said },
        Said { approver: &other, ..said },
        Said { approval: "01ARZ3NDEKTSV4RRFFQ69G5FAW".parse().unwrap(), ..said },
        Said { at: "2026-11-27T08:00:01Z".parse().unwrap(), ..said },
    ] {
        assert!(changed.check(&signature, &key).unwrap_err().contains("fit"), "{changed:?}");
    }
}

#[test]
fn a_signature_for_something_else_or_by_somebody_else_or_none_at_all_is_refused() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let by = who();
    let said = said(&by);
    let foreign = sign(dir.path(), "file", &said.challenge());
    let key = fingerprint(dir.path());
    assert!(said.check(&foreign, &key).is_err(), "another namespace");
    let others = sign(elsewhere.path(), NAMESPACE, &said.challenge());
    assert!(said.check(&others, &key).unwrap_err().contains("logged in with"));
    for bad in ["", "x", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", &"A".repeat(1 << 20)] {
        assert!(said.check(bad, &key).is_err());
    }
    let whole = sign(dir.path(), NAMESPACE, &said.challenge());
    for cut in (0..whole.len()).step_by(7) {
        assert!(said.check(&whole[..cut], &key).is_err(), "{cut}");
    }
}

#[test]
fn a_security_key_has_to_have_been_touched() {
    assert!(was_touched(&[0, 0, 1, 0, 0, 0, 9]));
    assert!(was_touched(&[5, 0, 0, 0, 9]), "verified as well");
    for bytes in [&[0, 0, 0, 0, 0, 0, 9][..], &[4, 0, 0, 0, 9], &[1, 0, 0], &[]] {
        assert!(!was_touched(bytes), "{bytes:?}");
    }
}

/// The entry of an answer that was signed, and where its key is.
fn signed_entry(dir: &std::path::Path) -> serde_json::Value {
    let by = who();
    let said = said(&by);
    let signature = sign(dir, NAMESPACE, &said.challenge());
    serde_json::json!({
        "kind": "approval.reviewed", "approval": said.approval, "by": by, "approve": true, "reason": said.reason, "valid_seconds": 600,
        "source": "127.0.0.1", "digest": DIGEST, "signature": signature, "signed_by": fingerprint(dir), "signed_at": said.at,
    })
}

#[test]
fn a_signed_answer_in_the_log_is_checked_again_and_every_change_of_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let entry = signed_entry(dir.path());
    assert_eq!(check_entry(&entry), Ok(()));
    for (field, value) in [
        ("approve", false.into()),
        ("reason", "looks wrong".into()),
        ("valid_seconds", 601.into()),
        ("by", "corp/mallory".into()),
        ("approval", "01ARZ3NDEKTSV4RRFFQ69G5FAW".into()),
        ("digest", "00".into()),
        ("signed_at", "2026-11-27T08:00:01Z".into()),
        ("signed_by", "SHA256:x".into()),
        ("signature", "nothing".into()),
        ("digest", serde_json::Value::Null),
    ] {
        let mut changed = entry.clone();
        changed[field] = value;
        let why = check_entry(&changed).unwrap_err();
        assert!(why.contains("signature of") || why.contains("cannot be read"), "{field}: {why}");
    }
    let mut unsigned = entry;
    unsigned.as_object_mut().unwrap().remove("signature");
    assert_eq!(check_entry(&unsigned), Ok(()), "what is not signed has no signature to be wrong");
}
