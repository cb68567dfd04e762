use super::*;
use crate::envelope::{sign, verify};
use ed25519_dalek::SigningKey;

/// A head as a shell session has it.
pub(crate) fn head(id: &str) -> Head {
    Head {
        client: "SSH-2.0-OpenSSH_10.0".into(),
        command: None,
        first_key: String::new(),
        input_key: String::new(),
        groups: vec!["corp/engineers".into()],
        kind: "ssh".into(),
        login: Some("deploy".into()),
        number: 7,
        policy_digest: "00ff".into(),
        principal: "corp/alice@example.com".into(),
        recipients: Vec::new(),
        server: "bastion.example.com".into(),
        session: id.parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: 1_795_348_800_000_000,
        tags: BTreeMap::from([("env".into(), "prod".into())]),
        target: "web-1".into(),
        terminal: Some(Terminal { cols: 80, rows: 24, term: "xterm-256color".into() }),
        version: VERSION,
    }
}

fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}

#[test]
fn a_signed_head_is_read_back() {
    let key = key();
    let head = head("01JD0000000000000000000001");
    let bytes = sign(&head, &key).unwrap();
    assert_eq!(verify::<Head>(&bytes, &key.verifying_key()).unwrap(), head);
    assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
}

#[test]
fn every_changed_byte_of_a_head_is_seen() {
    let key = key();
    let bytes = sign(&head("01JD0000000000000000000001"), &key).unwrap();
    for at in 0..bytes.len() {
        for change in [1, 0x20, 0x80] {
            let mut bad = bytes.clone();
            bad[at] ^= change;
            assert!(verify::<Head>(&bad, &key.verifying_key()).is_err(), "byte {at}");
        }
    }
}

#[test]
fn another_key_or_a_seal_in_place_of_a_head_is_refused() {
    let key = key();
    let bytes = sign(&head("01JD0000000000000000000001"), &key).unwrap();
    let other = SigningKey::generate(&mut rand::rng());
    assert_eq!(verify::<Head>(&bytes, &other.verifying_key()), Err(BadHead::Signature));
    assert_eq!(verify::<Seal>(&bytes, &key.verifying_key()), Err(BadHead::Signature));
}

#[test]
fn a_session_id_can_never_be_a_path() {
    for bad in [
        "",
        "../../../../../../etc/pass",
        "01JD000000000000000000000",
        "01jd0000000000000000000001",
        "81JD0000000000000000000001",
        "01JD000000000000000000000/",
        "01JD000000000000000000000U",
        "01JD00000000000000000000\u{e9}",
    ] {
        assert_eq!(bad.parse::<SessionId>(), Err(BadHead::SessionId), "{bad}");
    }
    assert!(serde_json::from_str::<SessionId>("\"../x\"").is_err());
}

#[test]
fn the_members_of_a_head_are_in_the_order_of_their_names() {
    let text = serde_json::to_string(&head("01JD0000000000000000000001")).unwrap();
    let value: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
}

#[test]
fn a_head_without_a_target_or_with_an_empty_terminal_is_refused() {
    let good = head("01JD0000000000000000000001");
    assert_eq!(good.check(), Ok(()));
    assert_eq!(Head { target: String::new(), ..good.clone() }.check(), Err(BadHead::Empty("target")));
    let terminal = Some(Terminal { cols: 0, rows: 24, term: String::new() });
    assert_eq!(Head { terminal, ..good.clone() }.check(), Err(BadHead::Terminal));
    assert_eq!(Head { started_us: -1, ..good }.check(), Err(BadHead::Time));
}
