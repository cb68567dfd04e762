//! What the tests from outside share: a head, a moment, a key that is always the same.

use bartizan_recorder::{Head, Now, Recordings, SigningKey, Terminal};

pub const ID: &str = "01JD0000000000000000000001";

pub fn recordings(root: &std::path::Path) -> Recordings {
    Recordings::new(root, SigningKey::from_bytes(&[7; 32]))
}

pub fn now(at_us: u64) -> Now {
    Now { at_us, wall_us: 1_795_348_800_000_000 + at_us as i64 }
}

pub fn head() -> Head {
    Head {
        client: "SSH-2.0-OpenSSH_10.0".into(),
        command: None,
        first_key: String::new(),
        input_key: String::new(),
        groups: vec!["corp/engineers".into()],
        kind: "ssh.shell".into(),
        login: Some("deploy".into()),
        number: 7,
        policy_digest: "00ff".into(),
        principal: "corp/ålice \"quoted\"".into(),
        recipients: Vec::new(),
        server: "bastion.example.com".into(),
        session: ID.parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: 1_795_348_800_000_000,
        tags: [("env".into(), "prod".into())].into(),
        target: "web-1".into(),
        terminal: Some(Terminal { cols: 80, rows: 24, term: "xterm-256color".into() }),
        version: 0,
    }
}
