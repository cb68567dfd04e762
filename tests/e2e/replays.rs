//! A hostile recording is played, printed and exported on the auditor's terminal: none of what it holds reaches that.

use std::fs;

use crate::evidence::ids;
use crate::harness::{Terminal, Way, World, wait_until};

/// Clipboard, title, link, device strings, queries, an unterminated string, a bomb.
const EVIL: &[u8] = b"begin\r\n\x1b]52;c;RVZJTA==\x07\x1b]0;RVZJTA\x07\x1b]8;;http://RVZJTA/\x1b\\link\x1b]8;;\x1b\\\r\n\x1bP+qRVZJTA\x1b\\\x1b_GRVZJTA\x1b\\\
\x1b[c\x1b[>c\x1b[6n\x1b[5n\x1b[21t\x1b[?1003h\x1b[?2004h\x05A\x1b[2147483647b\r\nlast words\r\n\xc2\x9d52;c;RVZJTA\xc2\x9c\x1b]0;RVZJTA";

/// What would act on a terminal, or tell that something that acts came through.
fn harmless(bytes: &[u8], what: &str) {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let strings: [&[u8]; 8] = [b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\xc2\x9d", b"\xc2\x90", b"\xc2\x9b"];
    let queries: [&[u8]; 9] =
        [b"\x1b[c", b"\x1b[>c", b"\x1b[6n", b"\x1b[5n", b"\x1b[21t", b"\x1b[?1003h", b"\x1b[?2004h", b"\x05", b"\x07"];
    for needle in strings.into_iter().chain(queries) {
        assert!(!has(needle), "{what}: {needle:?} came through");
    }
    assert!(!has(b"RVZJTA"), "{what}: what a terminal would have kept to itself is shown");
}

/// Every byte that the player sends to the terminal, until its user has seen the last words and quits.
fn played(world: &World, id: &str) -> Vec<u8> {
    let (program, config) = (env!("CARGO_BIN_EXE_bartizan"), world.dir().join("bartizan.toml"));
    let line = format!("read -r _; HOME={} {program} --config {} recordings play --speed 50 {id}", world.dir().display(), config.display());
    let terminal = Terminal::open(&world.dir(), &line, 100, 30);
    let copy = world.dir().join(format!("played-{id}"));
    terminal.copy_to(&copy);
    terminal.press(&["Enter"]);
    let screen = terminal.wait_for("last words");
    assert!(screen.contains(id) && screen.contains("link") && screen.contains("AAAA"), "{screen}");
    terminal.press(&["q"]);
    terminal.wait_for("[ended with 0]");
    wait_until("the end of the copy", || fs::read(&copy).unwrap().ends_with(b"[ended with 0]\r\n"));
    fs::read(&copy).unwrap()
}

#[test]
fn a_hostile_recording_that_is_played_printed_or_exported_does_nothing_to_the_terminal() {
    let world = World::start();
    let alice = world.visitor("alice");
    fs::write(world.target.home("deploy").join("evil"), EVIL).unwrap();
    // With a terminal and without.
    for options in [&["-tt"][..], &[]] {
        alice.on_target(Way::At, options, "cat evil").ok();
    }
    let all = ids(&world);
    assert_eq!(all.len(), 2);
    for id in &all {
        let played = played(&world, id);
        harmless(&played, "play");
        let cat = world.bastion.run(["recordings", "cat", id]).ok();
        assert!(cat.text().contains("last words"));
        harmless(&cat.out, "cat");
        assert!(cat.out.iter().all(|byte| *byte >= b' ' || b"\n\t".contains(byte)), "cat: {cat}");
        for v3 in [None, Some("--v3")] {
            let export = world.bastion.run(["recordings", "export", id].into_iter().chain(v3)).ok();
            harmless(&export.out, "export");
            let shown: String = export
                .text()
                .lines()
                .skip(1)
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .filter(|event| event[1] == "o")
                .map(|event| event[2].as_str().unwrap().to_owned())
                .collect();
            assert!(shown.contains("last words"), "{shown:?}");
            harmless(shown.as_bytes(), "what an exported recording prints");
        }
        // The evidence itself is untouched.
        let exact = world.bastion.run(["recordings", "export", "--exact", id]).ok().text();
        assert!(exact.contains("]52;c;RVZJTA=="), "{exact}");
    }
}
