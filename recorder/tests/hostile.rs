//! What a hostile target printed is in the evidence as it was, and in nothing that is shown: each way out is read byte by byte
//! by a reader that knows nothing of how it is made harmless.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(unreachable_pub, missing_docs, reason = "a test")]

mod common;

use bartizan_recorder::*;
use common::{head, now, recordings};

/// What makes a terminal answer, keep, hand on, or work for ever; and a word that must not come through with it.
const ATTACKS: &[&[u8]] = &[
    b"\x1b]52;c;RVZJTA==\x07",
    b"\x1b]52;c;RVZJTA==\x1b\\",
    b"\x1b]0;RVZJTA\x07",
    b"\x1b]2;RVZJTA\x9c",
    b"\x1b]8;;http://RVZJTA/\x1b\\",
    b"\x1b]1337;SetUserVar=RVZJTA=\x07",
    b"\x1b]777;notify;RVZJTA;x\x07",
    b"\x1bPRVZJTA\x1b\\",
    b"\x1bP$qm\x1b\\",
    b"\x1bP+q524556\x1b\\",
    b"\x1bPq#0;2;0;0;0#0!999~RVZJTA\x1b\\",
    b"\x1b_GRVZJTA\x1b\\",
    b"\x1b^RVZJTA\x1b\\",
    b"\x1bXRVZJTA\x1b\\",
    b"\x1b[c\x1b[>c\x1b[=c\x1b[6n\x1b[?6n\x1b[5n\x1b[x\x1b[>q\x1bZ\x05",
    b"\x1b[21t\x1b[18t\x1b[14t\x1b[8;999;999t\x1b[3;0;0t",
    b"\x1b[?25$p\x1b[1;1;1;1;9;9*y",
    b"\x1b[5i\x1b[?5i\x1b[4i",
    b"\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h",
    b"\x1b[>4;2m\x1b[>1u\x1b[=31u\x1b=",
    b"\x1b[3J",
    b"A\x1b[2147483647b",
    b"A\x1b[99999999999999999999b",
    b"\x1b[65535S\x1b[65535T\x1b[65535L\x1b[65535@",
    b"\xc2\x9d52;c;RVZJTA\xc2\x9c",
    b"\xc2\x90RVZJTA\xc2\x9c",
    b"\xc2\x9b6n",
    // Never ended: what follows must not be taken for its end, nor it for what follows.
    b"\x1b]0;RVZJTA",
    b"\x1bPRVZJTA",
    b"\x1b[38;5;",
];

/// Writes a recording of all attacks, cut into reads at every `cut`th byte, each followed by a line of plain text.
fn record(terminal: bool, cut: usize) -> (tempfile::TempDir, Recording, Vec<u8>) {
    let root = tempfile::tempdir().unwrap();
    let mut head = head();
    head.command = Some("cat \x1b]0;RVZJTA\x07".to_owned());
    head.principal = "corp/\x1b]52;c;RVZJTA\x07".to_owned();
    if !terminal {
        head.terminal = None;
    }
    let mut writer = recordings(root.path()).create(&head, &mut rand::rng()).unwrap();
    let (mut at_us, mut all) = (0, Vec::new());
    for attack in ATTACKS {
        let whole = [attack, &b"\x1b\\\x18\r\nafter\r\n"[..]].concat();
        for part in whole.chunks(cut) {
            at_us += 1_000;
            writer.append(now(at_us), &[Event::output(part)]).unwrap();
        }
        all.extend(whole);
    }
    // The very last thing is a string that never ends.
    writer.append(now(at_us + 1), &[Event::output(&b"\x1b]0;RVZJTA"[..])]).unwrap();
    all.extend(b"\x1b]0;RVZJTA");
    writer.append(now(at_us + 2), &[Event::marker("\x1b]0;title\x07 marker"), Event::note("\x1b]0;title\x07 note")]).unwrap();
    writer.finish(now(at_us + 1_000_000), Reason::Closed, None).unwrap();
    let dir = writer.dir().to_owned();
    (root, Recording::open(dir).unwrap(), all)
}

/// Panics at the first byte sequence by which a terminal does more than draw. Knows ECMA-48 and nothing of this crate.
fn only_draws(text: &str, what: &str) {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let here = || chars[at.saturating_sub(20)..chars.len().min(at + 20)].iter().collect::<String>();
        match chars[at] {
            '\x1b' => {
                let kind = chars.get(at + 1).copied().unwrap_or_default();
                assert!(!"]PX^_Z=>".contains(kind), "{what}: {:?}", here());
                if kind == '[' {
                    let end = (at + 2..chars.len()).find(|end| ('@'..='~').contains(&chars[*end]));
                    let end = end.unwrap_or_else(|| panic!("{what}: a sequence without its end: {:?}", here()));
                    let inner: String = chars[at + 2..end].iter().collect();
                    assert!(!"cntqxyi".contains(chars[end]), "{what}: {:?}", here());
                    let numbers = inner.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok());
                    assert!(chars[end] == 'm' || numbers.clone().all(|number| number <= 1049), "{what}: {:?}", here());
                    assert!(!inner.contains(['>', '=', '<', '$', '*']), "{what}: {:?}", here());
                    at = end;
                } else {
                    at += 1;
                }
            }
            control if control.is_control() => assert!("\x08\t\n\x0b\x0c\r\x0e\x0f".contains(control), "{what}: {:?}", here()),
            _ => {}
        }
        at += 1;
    }
    assert!(!text.contains("RVZJTA"), "{what}: what a terminal would have kept to itself is shown");
}

fn cast(recording: &Recording, version: CastVersion, exact: bool) -> String {
    let mut out = Vec::new();
    export_cast(recording, version, exact, &mut out, &mut |_| ()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn no_way_out_lets_a_hostile_recording_act_however_its_bytes_were_read() {
    for (terminal, cut) in [(true, 1), (true, 3), (true, 1_000), (false, 1), (false, 1_000)] {
        let (_root, recording, all) = record(terminal, cut);
        for version in [CastVersion::V2, CastVersion::V3] {
            let text = cast(&recording, version, false);
            for line in text.lines() {
                assert!(!line.chars().any(char::is_control), "a control that JSON does not carry: {line:?}");
            }
            let mut shown = String::new();
            for line in text.lines().skip(1) {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                match event[1].as_str().unwrap() {
                    // What asciinema prints to the terminal.
                    "o" => shown.push_str(event[2].as_str().unwrap()),
                    code => assert!(!event[2].as_str().unwrap().contains('\x1b'), "{code}: {event}"),
                }
            }
            only_draws(&shown, &format!("terminal {terminal}, reads of {cut}, {version:?}"));
            assert!(shown.matches("after").count() >= ATTACKS.len() - 1, "plain text is lost");
        }
        let mut text = Vec::new();
        transcript(&recording, &mut text, &mut |_| ()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.chars().all(|next| !next.is_control() || next == '\n' || next == '\t'), "the transcript holds a control");
        assert!(text.contains("after") && !text.contains("RVZJTA=="), "{text}");
        assert!(text.len() < 2 << 20, "a bomb went off: {} bytes", text.len());

        let exact: Vec<u8> = recording
            .events()
            .unwrap()
            .owned()
            .filter_map(|timed| match timed.unwrap().event {
                Event::Output(bytes) => Some(bytes.into_owned()),
                _ => None,
            })
            .flatten()
            .collect();
        assert!(exact == all, "the evidence itself is untouched");
    }
}

#[test]
fn the_players_screen_holds_characters_only_at_every_moment() {
    let (_root, recording, _) = record(true, 7);
    let mut replay = Replay::open(&recording).unwrap();
    let mut grid = Grid::default();
    let mut seen = 0;
    while replay.step().unwrap().is_some() {
        replay.draw(&mut grid);
        for row in grid.text() {
            assert!(!row.chars().any(char::is_control), "{row:?}");
        }
        seen += 1;
    }
    assert!(seen > ATTACKS.len());
    for place in places(&recording, &mut |_| ()).unwrap() {
        assert!(!format!("{place:?}").contains('\x1b'));
    }
}
