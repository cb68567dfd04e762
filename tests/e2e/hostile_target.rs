//! A target that does not keep to the protocol: the visitor reads a sentence, the bastion stays small and serves others.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Guarded, Setup, Visitor, WAYS, Way, World, fixture, keygen, repository, wait_for_line, wait_until};

/// A bastion with the target `bad` beside the usual ones, and somebody who may reach it.
struct Trap {
    world: World,
    alice: Visitor,
    dir: PathBuf,
    _target: Guarded,
    _folder: tempfile::TempDir,
}

fn trap(attack: &str) -> Trap {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let key = keygen(&dir.join("hostkey"), "ed25519");
    let mut command = Command::new(repository(".deps/venv/bin/python"));
    command.arg(fixture("hostile/target.py")).arg(attack).arg(&dir);
    let log = dir.join("log");
    let mut target = Guarded::logged(command, &log);
    let port = wait_for_line(&log, "READY ", &mut target);
    let more = format!(
        "\n[[target]]\nname = \"bad\"\nkind = \"ssh\"\naddress = \"127.0.0.1:{port}\"\nlogins = [\"deploy\"]\nhost_key = \"{key}\"\ncredential = \"certificate\"\n"
    );
    let world = World::with(Setup { more, ..Setup::default() });
    let alice = world.visitor("alice");
    Trap { world, alice, dir, _target: target, _folder: folder }
}

impl Trap {
    /// What the target noted.
    fn seen(&self) -> String {
        fs::read_to_string(self.dir.join("seen")).unwrap_or_default()
    }

    /// The session at the bad target ends with a sentence, and another at a good one is as before.
    fn is_survived(&self) {
        let before = self.world.bastion.memory();
        for way in WAYS {
            let done = self.alice.on(way, "bad", &[], "true").within(90).finish().refused();
            assert!(done.err.contains("bad"), "{way:?}: {done}");
            assert_eq!(self.alice.on_target(way, &[], "echo well").ok().text(), "well\n");
        }
        let grown = self.world.bastion.memory().saturating_sub(before);
        assert!(grown < 48 << 10, "{grown} KiB more than before");
        assert!(!self.world.bastion.log().contains("panicked"), "{}", self.world.bastion.log());
    }
}

#[test]
fn a_target_that_says_nothing_is_given_up_on() {
    trap("silence").is_survived();
}

#[test]
fn a_version_line_or_a_greeting_without_end_is_not_read_to_its_end() {
    for attack in ["endless_version_line", "endless_lines"] {
        let trap = trap(attack);
        trap.is_survived();
        wait_until("the target noticed", || trap.seen().contains("ended"));
        assert!(!trap.seen().contains("taken"), "{attack}");
    }
}

#[test]
fn a_packet_of_four_gigabytes_from_a_target_ends_its_connection() {
    let trap = trap("endless_packet");
    trap.is_survived();
    wait_until("the target noticed", || trap.seen().contains("ended"));
}

#[test]
fn the_bastion_offers_targets_strict_key_exchange_and_nothing_weak() {
    let trap = trap("key_exchange");
    trap.alice.on(Way::At, "bad", &[], "true").finish().refused();
    let seen = trap.seen();
    let offered = |what: &str| seen.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{seen}")).to_owned();
    assert!(offered("kex: ").contains("kex-strict-c-v00@openssh.com"), "{seen}");
    for weak in ["sha1", "group1-", "group14-sha1"] {
        assert!(!offered("kex: ").contains(weak) && !offered("mac up: ").contains(weak), "{weak}: {seen}");
    }
    assert!(!offered("host key: ").split(',').any(|name| name == "ssh-rsa" || name == "ssh-dss"), "{seen}");
    for direction in ["up", "down"] {
        assert!(!offered(&format!("cipher {direction}: ")).split(',').any(|name| name.contains("cbc") || name == "none"), "{seen}");
        assert_eq!(offered(&format!("compression {direction}: ")), "none", "{seen}");
    }
}

#[test]
fn a_target_gets_no_channel_to_the_bastion_or_behind_it() {
    let trap = trap("opens_channels");
    assert_eq!(trap.alice.on(Way::At, "bad", &[], "true").finish().text(), "done\n");
    assert!(trap.seen().contains("opened 0 of 5"), "{}", trap.seen());
}

#[test]
fn a_target_that_ignores_the_window_is_cut_off() {
    let trap = trap("ignores_the_window");
    let before = trap.world.bastion.memory();
    // A reader that takes nothing, so that the window stays shut.
    let mut command = trap.alice.on_command(Way::At, "bad", &["-n"], "true");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let _stalled = Guarded::spawn(command);
    wait_until("the target was cut off", || !trap.seen().is_empty());
    assert!(trap.seen().contains("ended"), "{}", trap.seen());
    let grown = trap.world.bastion.memory().saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB more than before");
}

#[test]
fn messages_for_channels_that_a_target_made_up_do_nothing() {
    let trap = trap("output_of_a_stranger");
    let done = trap.alice.on(Way::At, "bad", &[], "true").finish();
    assert!(!done.text().contains("hacked"), "{done}");
    assert_eq!(trap.alice.on_target(Way::At, &[], "echo well").ok().text(), "well\n");
}

/// INIT and some requests: REALPATH of home, OPEN twice, READ of four bytes.
fn sftp_requests() -> Vec<u8> {
    let string = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let open = |id: u8, name: &str| [&[3, 0, 0, 0, id][..], &string(name), &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
    let read = [&[5, 0, 0, 0, 9][..], &string("h"), &[0; 8], &[0, 0, 0, 4]].concat();
    let packets = [vec![1, 0, 0, 0, 3], open(1, "/a"), open(2, "/b"), read];
    packets.iter().flat_map(|packet| [&u32::try_from(packet.len()).unwrap().to_be_bytes()[..], packet].concat()).collect()
}

#[test]
fn an_sftp_server_that_keeps_to_nothing_ends_its_own_session_with_a_sentence() {
    for attack in
        ["sftp_of_another_version", "sftp_oversize", "sftp_to_nobody", "sftp_of_another_kind", "sftp_cut_short", "sftp_one_handle"]
    {
        let trap = trap(attack);
        for way in WAYS {
            let done = trap.alice.on(way, "bad", &["-s"], "sftp").input(sftp_requests()).within(60).finish().refused();
            assert!(done.err.contains("the target broke the SFTP protocol"), "{attack} {way:?}: {done}");
            assert_eq!(trap.alice.on_target(way, &[], "echo well").ok().text(), "well\n");
        }
        assert!(!trap.world.bastion.log().contains("panicked"));
    }
}

#[test]
fn a_listed_name_that_leads_out_of_the_folder_and_data_nobody_asked_for_do_not_reach_the_client() {
    let trap = trap("sftp_slashes");
    let (options, destination) = Way::At.name("deploy", "bad");
    let arguments = [&options[..], &["-b".into(), "-".into(), destination]].concat();
    let done = crate::harness::Run::new(trap.alice.openssh("sftp", arguments)).input("-ls -a /\n").finish();
    assert!(trap.seen().contains("asked 12") && !done.text().contains("evil"), "{done}");
}

#[test]
fn a_target_that_dies_with_files_open_ends_the_session_and_the_recording_says_which() {
    let trap = trap("sftp_dies");
    let done = trap.alice.on(Way::At, "bad", &["-s"], "sftp").input(sftp_requests()).finish().refused();
    let list = || trap.world.bastion.run(["recordings", "list", "--json", "--kind", "ssh.sftp"]).ok().json()[0].clone();
    wait_until("the recording is sealed", || list()["sealed"] == true);
    let text = trap.world.bastion.run(["recordings", "cat", list()["id"].as_str().unwrap()]).ok().text();
    for words in ["sftp.read /a", "sftp.close /a (the session ended before it was closed)"] {
        assert!(text.contains(words), "{words}:\n{text}\n{}\n{done}", trap.seen());
    }
}
