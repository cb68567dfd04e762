//! What is typed: recorded only where policy asks for it, never a secret, and seen only by those who may see it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::evidence::{files, ids};
use crate::harness::{Control, Run, Setup, Terminal, Visitor, Way, World};
use crate::recordings_far_away::bartizan;

/// What bob types is recorded; he may look at his own sessions, and admins at what was typed too.
const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("use-the-target")
permit (principal, action in [Action::"connect", Action::"ssh.exec", Action::"ssh.shell"], resource);

@id("developers-are-recorded-whole") @record("input")
permit (principal in Group::"corp/developers", action in [Action::"ssh.exec", Action::"ssh.shell"], resource);

@id("admins-audit")
permit (principal in Group::"corp/admins", action in [Action::"replay", Action::"export", Action::"view_input"], resource);

@id("one-sees-ones-own")
permit (principal, action in [Action::"replay", Action::"export"], resource is Recording) when { resource in principal };
"#;

/// Reads a password as programs do that ask for one: echo off, then on.
const ASK: &str = r#"stty -echo; printf 'Password: '; read -r it; stty echo; printf '\ngot %s\n' ${#it}"#;

/// Shows the first two characters and no more.
const HALF: &str = r#"printf 'Code: '; stty -echo -icanon; a=$(head -c 2); printf %s "$a"; stty icanon; read -r b; stty echo; printf '\nhalf %s\n' $((${#a}+${#b}))"#;

/// A full-screen program that asks for something.
const FULL: &str = r#"printf '\033[?1049h\033[2J\033[10;5HPassword: '; stty -echo; read -r it; stty echo; printf '\033[12;5H%s' "${it//?/*}"; printf '\033[?1049l'; echo full ${#it}"#;

const SECRETS: [&str; 6] =
    ["hunter2-at-a-prompt", "swordfish-from-read", "pasted-nightingale", "half-shown-wren", "full-screen-crane", "guessed-wrong-once"];

fn world() -> World {
    World::with(Setup { policies: Some(POLICIES), ..Setup::default() })
}

/// A shell in which secrets are typed in every way, and commands that are none.
fn typed(world: &World, who: &Visitor) -> String {
    let home = world.target.home("deploy");
    for (name, script) in [("ask", ASK), ("half", HALF), ("full", FULL)] {
        fs::write(home.join(name), script).unwrap();
    }
    let terminal = Terminal::open(&world.dir(), &who.line(Way::At, "-t", "bash --norc"), 100, 30);
    let after = |line: &str, prompt: &str, secret: &str, done: &str| {
        terminal.line(line);
        terminal.wait_for(prompt);
        terminal.line(secret);
        terminal.wait_for(done);
    };
    // Until ssh is there, what is typed ends with what the terminal here makes of Enter.
    terminal.wait_for("$ ");
    terminal.line("PS1='ready> '; echo visible-$((40+2))");
    terminal.wait_for("visible-42");
    after("bash ask", "Password: ", SECRETS[0], "got 19");
    after("read -s -p 'PIN: ' pin; echo; echo pin ${#pin}", "PIN: ", SECRETS[1], "pin 19");
    terminal.line("clear; bash ask");
    terminal.wait_for("Password: ");
    terminal.paste(SECRETS[2]);
    terminal.press(&["Enter"]);
    terminal.wait_for("got 18");
    after("clear; bash half", "Code: ", SECRETS[3], "half 15");
    after("clear; bash full", "Password: ", SECRETS[4], "full 17");
    terminal.line("clear; bash ask");
    terminal.wait_for("Password: ");
    terminal.type_in(SECRETS[5]);
    terminal.press(&["C-u"]);
    terminal.line("x");
    terminal.wait_for("got 1");
    terminal.line("echo the-last-$((6*7))");
    terminal.wait_for("the-last-42");
    terminal.line("exit");
    terminal.wait_for("[ended with 0]");
    ids(world).pop().unwrap()
}

fn folder(world: &World, id: &str) -> PathBuf {
    let heads = files(&world.dir().join("state/recordings"), "head.json");
    heads.into_iter().find(|head| head.parent().unwrap().ends_with(id)).unwrap().parent().unwrap().to_owned()
}

fn holds(dir: &Path, words: &str) -> Option<PathBuf> {
    // A socket holds nothing that could be read.
    files(dir, "")
        .into_iter()
        .filter(|file| file.is_file())
        .find(|file| fs::read(file).unwrap().windows(words.len()).any(|part| part == words.as_bytes()))
}

#[test]
fn what_is_typed_without_an_echo_is_in_no_file_and_the_rest_is_recorded() {
    let world = world();
    let bob = world.visitor("bob");
    let id = typed(&world, &bob);
    world.bastion.run(["recordings", "verify", &id]).ok();
    let run = |arguments: &[&str]| world.bastion.run(arguments.iter().copied()).ok().text();
    let whole = run(&["recordings", "export", "--input", "--exact", "--v3", &id]);
    let keys: String = whole
        .lines()
        .skip(1)
        .filter_map(|line| serde_json::from_str::<(f64, String, String)>(line).ok())
        .filter(|event| event.1 == "i")
        .map(|event| event.2)
        .collect();
    for line in ["echo visible-$((40+2))\r", "bash ask\r", "echo the-last-$((6*7))\r", "clear; bash full\r"] {
        assert!(keys.contains(line), "{line}: {keys}");
    }
    assert!(keys.matches("‹hidden›\r").count() >= 5, "{keys}");
    // All bytes of all files, those of recordings decoded as well.
    run(&["recordings", "search", "--input", "visible"]);
    let decoded = [whole, run(&["recordings", "export", &id]), run(&["recordings", "cat", &id])].concat();
    for secret in SECRETS {
        assert!(!decoded.contains(secret), "{secret} is in what was recorded");
        assert_eq!(holds(&world.dir().join("state"), secret), None, "{secret}");
    }
    assert!(folder(&world, &id).join("c1.brec").exists());
    assert!(!run(&["recordings", "export", &id]).contains("\"i\""), "what was typed is given only where it is asked for");
}

#[test]
fn what_was_typed_is_seen_by_those_only_who_may_see_it() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let terminal = Terminal::open(&world.dir(), &bob.line(Way::Jump, "-t", "bash --norc"), 100, 30);
    terminal.line("echo pelican-$((40+2))");
    terminal.wait_for("pelican-42");
    terminal.line("exit");
    terminal.wait_for("[ended with 0]");
    let id = ids(&world).pop().unwrap();

    let (mut admin, mut owner) = (Control::open(&alice), Control::open(&bob));
    let names = |answer: &serde_json::Value| {
        let files = answer["ok"]["files"].as_array().unwrap_or_else(|| panic!("{answer}"));
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let open = |input: bool| json!({ "session": id, "purpose": "replay", "input": input });
    let opened = owner.ask("recording.open", open(false));
    assert!(!names(&opened).contains(&"c1.brec".to_owned()) && opened["ok"]["view_input"] == false, "{opened}");
    let read = json!({ "session": id, "file": "c1.brec", "offset": 0, "length": 100 });
    assert_eq!(owner.ask("recording.read", read.clone())["error"]["code"], 1);
    let refused = owner.ask("recording.open", open(true));
    assert!(refused["error"]["message"].as_str().unwrap().contains("view_input"), "{refused}");
    assert_eq!(owner.ask("search", json!({ "query": "echo pelican", "kind": "input" }))["ok"], json!([]));

    let opened = admin.ask("recording.open", open(false));
    assert!(!names(&opened).contains(&"c1.brec".to_owned()) && opened["ok"]["view_input"] == true, "{opened}");
    assert!(names(&admin.ask("recording.open", open(true))).contains(&"c1.brec".to_owned()));
    assert!(admin.ask("recording.read", read.clone())["ok"]["data"].as_str().unwrap().len() > 100);
    assert_eq!(admin.ask("search", json!({ "query": "echo pelican", "kind": "input" }))["ok"][0]["session"], id.as_str());
    // What is taken away is gone at once.
    world.write_policies(&POLICIES.replace(", Action::\"view_input\"]", "]"));
    world.bastion.reload();
    crate::harness::wait_until("the new policies", || admin.ask("recording.read", read.clone())["error"]["code"] == 1);

    let typed = bartizan(&bob, &["recordings", "export", "--input", &id]);
    assert!(typed.code() == 1 && typed.err.contains("view_input") && typed.out.is_empty(), "{typed}");
    assert!(bartizan(&bob, &["recordings", "export", &id]).ok().text().contains("pelican-42"));
    let key = world.dir().join("state/keys/recordings.pub");
    let verified = bartizan(&bob, &["recordings", "verify", "--key", key.to_str().unwrap(), &id]).ok();
    assert!(verified.text().contains("not in this copy"), "{verified}");
}

#[test]
fn what_is_typed_is_not_recorded_unless_policy_asks_for_it_or_without_a_terminal() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let terminal = Terminal::open(&world.dir(), &alice.line(Way::At, "-t", "bash --norc"), 100, 30);
    terminal.line("exit");
    terminal.wait_for("[ended with 0]");
    let of_alice = ids(&world).pop().unwrap();
    assert!(!folder(&world, &of_alice).join("c1.brec").exists());
    let mut command = bob.on_command(Way::At, "web-1", &["-T"], "cat");
    command.env("LC_ALL", "C");
    Run::new(command).input("piped-in-secret\n").ok();
    let of_bob = ids(&world).pop().unwrap();
    assert!(!folder(&world, &of_bob).join("c1.brec").exists());
    let told = world.bastion.run(["recordings", "export", &of_bob]).ok().text();
    assert!(told.contains("input is not recorded: the session has no terminal"), "{told}");
}
