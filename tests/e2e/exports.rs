//! Copies of recordings: a page that plays itself in a real browser, a transcript, and copies without what rules name.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::evidence::ids;
use crate::harness::{Run, Way, World, repository};

/// A world with one finished recording of `line`, and its id.
fn recorded(line: &str) -> (World, String) {
    let world = World::start();
    let alice = world.visitor("alice");
    alice.on_target(Way::At, &["-n"], line).ok();
    let id = ids(&world).pop().unwrap();
    (world, id)
}

fn play(page: &Path, expected: &str) -> crate::harness::Done {
    let mut player = Command::new("node");
    player.arg(repository("tests/fixtures/play/play.mjs")).arg(page).arg(expected);
    Run::new(player).within(120).finish()
}

#[test]
fn a_page_plays_itself_in_a_browser_and_asks_for_nothing() {
    let (world, id) = recorded("printf '\\033[1mbold-%s\\033[0m \\303\\244 </script><b>\\n' shown");
    let page = world.dir().join("page.html");
    world.bastion.run(["recordings", "export", "--html", "--output", page.to_str().unwrap(), &id]).ok();
    play(&page, "bold-shown ä </script><b>").ok();
    let unseen = play(&page, "never-printed");
    assert!(unseen.code() == 1 && unseen.err.contains("played to its end"), "{unseen}");
    // The judge would see it if the page asked for something.
    let curious = fs::read_to_string(&page).unwrap().replace("<h1>", "<img src=\"http://127.0.0.1:9/x\"><h1>");
    fs::write(world.dir().join("curious.html"), curious).unwrap();
    let asks = play(&world.dir().join("curious.html"), "bold-shown");
    assert!(asks.code() == 1 && asks.err.contains("more than itself"), "{asks}");
}

#[test]
fn a_transcript_and_an_export_are_told_apart_in_the_audit_log() {
    let (world, id) = recorded("printf 'plain \\033[31mred\\033[0m\\n'");
    let text = world.bastion.run(["recordings", "export", "--text", &id]).ok().text();
    assert!(text.contains("plain red") && !text.contains('\u{1b}'), "{text}");
    world.bastion.run(["recordings", "export", "--v3", "--exact", &id]).ok();
    let audit = world.bastion.run(["audit", "tail", "--json", "-n", "100"]).ok().text();
    for format in ["\"format\":\"text\"", "\"format\":\"asciicast v3 exact\""] {
        assert!(audit.contains(format), "{format}: {audit}");
    }
    let both = world.bastion.run(["recordings", "export", "--text", "--html", &id]).finish();
    assert_eq!(both.code(), 2, "{both}");
}

#[test]
fn a_redacted_copy_says_what_was_taken_out_of_which_recording_and_the_recording_stays() {
    let (world, id) = recorded("echo customer KD-123456 pays with 4111 1111 1111 1111; echo alice@example.com; echo stays");
    let dir = world.dir();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    fs::write(
        path("rules.toml"),
        "[[rule]]\nname = \"customers\"\nregex = 'KD-\\d{6}'\n\n[[rule]]\nclass = \"credit-card\"\n\n[[rule]]\nclass = \"iban\"\n",
    )
    .unwrap();
    for (format, name) in [(None, "copy.cast"), (Some("--v3"), "copy.v3.cast"), (Some("--text"), "copy.txt"), (Some("--html"), "copy.html")]
    {
        let out = path(name);
        let mut arguments = vec!["recordings", "export", "--redact", "rules.toml", "--output", &out];
        arguments.extend(format);
        arguments.push(&id);
        let rules = path("rules.toml");
        arguments[3] = &rules;
        let told = world.bastion.run(arguments).ok();
        let copy = fs::read_to_string(&out).unwrap();
        assert!(!copy.contains("KD-1") && !copy.contains("4111") && copy.contains("stays") && copy.contains("alice@example.com"), "{told}");
        let manifest: serde_json::Value = serde_json::from_str(&fs::read_to_string(format!("{out}.manifest.json")).unwrap()).unwrap();
        let met = manifest["rules"]["met"].as_array().unwrap();
        assert_eq!(
            met.iter().map(|rule| rule["name"].clone()).collect::<Vec<_>>(),
            [json!("customers"), json!("credit-card"), json!("iban")]
        );
        assert!(met[0]["hits"].as_u64() > Some(0) && met[1]["hits"].as_u64() > Some(0) && met[2]["hits"] == 0, "{manifest}");
        assert_eq!(manifest["original"]["session"], id.as_str());
        let seal = crate::evidence::files(&dir.join("state/recordings"), "seal.json").pop().unwrap();
        let sum = |file: &str| {
            let mut command = Command::new("sha256sum");
            command.arg(file);
            Run::new(command).ok().text().split(' ').next().unwrap().to_owned()
        };
        assert_eq!(manifest["original"]["seal_sha256"], sum(seal.to_str().unwrap()));
        assert_eq!(manifest["derived"]["sha256"], sum(&out));
    }
    world.bastion.run(["recordings", "verify", &id]).ok();
    assert!(world.bastion.run(["recordings", "cat", &id]).ok().text().contains("KD-123456"), "the recording stays");
    for (rules, says) in
        [("[[rule]]\nclass = \"emails\"\n", "credit-card"), ("[[rule]]\nregex = '('\n", "rule 1"), ("[[rules]]\n", "rules"), ("", "rule")]
    {
        fs::write(path("rules.toml"), rules).unwrap();
        let (rules, out) = (path("rules.toml"), path("none.cast"));
        let bad = world.bastion.run(["recordings", "export", "--redact", &rules, "--output", &out, &id]).finish();
        assert!(bad.code() == 2 && bad.err.contains(says) && !Path::new(&out).exists(), "{bad}");
    }
}
