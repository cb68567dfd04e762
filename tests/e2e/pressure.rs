//! Bulk, full duplex, and a reader that stalls: nothing deadlocks, nothing grows, nobody else waits.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Guarded, Visitor, WAYS, Way, World, full};

fn alice() -> (World, Visitor) {
    let world = World::start();
    let alice = world.visitor("alice");
    (world, alice)
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect()
}

#[test]
fn a_full_duplex_cat_of_many_megabytes_comes_back_byte_for_byte() {
    let (world, alice) = alice();
    let sent = bytes(if full() { 200 << 20 } else { 48 << 20 });
    for way in WAYS {
        for options in [&[][..], &["-o", "RekeyLimit=4M"]] {
            let done = alice.on_target(way, options, "cat").input(sent.clone()).within(280).ok();
            assert!(done.out == sent, "{way:?} {options:?}: {} of {} bytes", done.out.len(), sent.len());
        }
    }
    let memory = world.bastion.memory();
    assert!(memory < 200 << 10, "{memory} KiB are held after the transfer");
}

#[test]
fn a_stalled_reader_neither_grows_memory_nor_stops_the_others_of_its_connection() {
    let (world, alice) = alice();
    for way in WAYS {
        let socket = alice.dir.join(format!("mux-{way:?}"));
        let path = format!("ControlPath={}", socket.display());
        let master = alice.on_command(way, "web-1", &["-M", "-N", "-o", &path], "");
        let _master = Guarded::logged(master, &alice.dir.join("master.log"));
        crate::harness::wait_until("the master's socket", || socket.exists());

        let mut stalled = alice.on_command(way, "web-1", &["-o", &path], "cat /dev/zero");
        stalled.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut stalled = Guarded::spawn(stalled);
        let mut out = stalled.child.stdout.take().unwrap();
        let mut some = vec![0; 1 << 20];
        out.read_exact(&mut some).unwrap();
        let before = world.bastion.memory();

        let end = Instant::now() + Duration::from_secs(if full() { 30 } else { 4 });
        while Instant::now() < end {
            assert_eq!(alice.on_target(way, &["-o", &path], "echo alive").within(10).ok().text(), "alive\n", "{way:?}");
        }
        let bulk = alice.on_target(way, &["-o", &path], "head -c 8000000 /dev/zero | tr '\\0' x").within(60).ok();
        assert_eq!(bulk.out.len(), 8_000_000);
        let grown = world.bastion.memory().saturating_sub(before);
        assert!(grown < 64 << 10, "{way:?}: {grown} KiB more than before the stall");

        // The stalled one goes on where it was.
        out.read_exact(&mut some).unwrap();
        assert!(some.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn a_target_that_reads_nothing_stalls_only_its_own_channel() {
    let (world, alice) = alice();
    let mut flood = alice.on_command(Way::At, "web-1", &[], "sleep 600");
    flood.stdin(std::fs::File::open("/dev/zero").unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let _flood = Guarded::spawn(flood);
    std::thread::sleep(Duration::from_secs(2));
    let before = world.bastion.memory();
    for _ in 0..5 {
        alice.on_target(Way::At, &[], "true").ok();
    }
    let grown = world.bastion.memory().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more");
}

#[test]
fn a_client_that_vanishes_leaves_no_session_behind() {
    let (world, alice) = alice();
    for way in WAYS {
        let mut reader = alice.on_command(way, "web-1", &["-n"], "cat /dev/zero");
        reader.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut reader = Guarded::spawn(reader);
        let mut some = vec![0; 1 << 16];
        reader.child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        reader.kill();
    }
    let list = || world.bastion.run(["sessions", "list", "--json"]).ok().json();
    crate::harness::wait_until("both sessions are over", || list().as_array().unwrap().is_empty());
    world.bastion.run(["recordings", "verify"]).ok();
}
