//! Recordings whose time is over go by themselves: by the tags of their targets, and never one that is held.

use std::fs;

use bartizan_recorder::{Event, Head, Hold, Now, Reason, Recordings, SigningKey};

use crate::evidence::ids;
use crate::harness::{World, wait_until};

/// An ended recording of five minutes' past ages ago, of a target with the tag `env`.
pub(crate) fn old(world: &World, number: u64, env: &str) -> (String, std::path::PathBuf) {
    let session = format!("01JD000000000000000000000{number}");
    let head = Head {
        client: String::new(),
        command: Some("true".into()),
        first_key: String::new(),
        input_key: String::new(),
        groups: Vec::new(),
        kind: "ssh.exec".into(),
        login: Some("deploy".into()),
        number: 1000 + number,
        policy_digest: String::new(),
        principal: "corp/alice@example.test".into(),
        recipients: Vec::new(),
        server: "bastion".into(),
        session: session.parse().unwrap(),
        source_address: "192.0.2.7".into(),
        started_us: 1_700_000_000_000_000,
        tags: [("env".into(), env.into())].into(),
        target: "web-1".into(),
        terminal: None,
        version: 0,
    };
    let recordings = Recordings::new(world.dir().join("state/recordings"), SigningKey::from_bytes(&[7; 32]));
    let mut writer = recordings.create(&head, &mut rand::rng()).unwrap();
    let now = Now { at_us: 1, wall_us: head.started_us + 1 };
    writer.append(now, &[Event::output(&b"old\n"[..])]).unwrap();
    writer.finish(now, Reason::Closed, None).unwrap();
    (session, writer.dir().to_owned())
}

#[test]
fn what_is_due_goes_and_what_is_held_or_of_other_tags_or_fresh_stays() {
    let mut world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(crate::harness::Way::At, &["-n"], "true").ok();
    let fresh = ids(&world).pop().unwrap();
    let (due, _) = old(&world, 1, "test");
    let (held, held_dir) = old(&world, 2, "test");
    let (other, _) = old(&world, 3, "prod");
    let (unmentioned, _) = old(&world, 4, "lab");
    bartizan_recorder::hold(&held_dir, &Hold { by: "local:root".into(), reason: "case 4711".into(), since_us: 0 }).unwrap();
    let path = world.dir().join("bartizan.toml");
    let before = fs::read_to_string(&path).unwrap();
    let rules =
        "\n[[retention]]\ntags = { env = \"prod\" }\nkeep = \"forever\"\n\n[[retention]]\ntags = { env = \"test\" }\nkeep = \"1d\"\n";
    fs::write(&path, before + rules).unwrap();
    world.restart();
    wait_until("the sweep", || !ids(&world).contains(&due));
    let left = ids(&world);
    for stays in [&held, &other, &unmentioned, &fresh] {
        assert!(left.contains(stays), "{stays} is gone: {left:?}");
    }
    let audit = world.bastion.run(["audit", "tail", "--json", "-n", "100"]).ok().text();
    let entry = audit.lines().find(|line| line.contains("recording.deleted")).unwrap();
    assert!(entry.contains(&due) && entry.contains("\"number\":1001") && entry.contains("kept for 1 days"), "{entry}");
}
