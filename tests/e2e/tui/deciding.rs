//! Decisions in the terminal UI as they happen between people: signed ones, two who must agree, requests that lapse or are taken back,
//! approvals that are revoked, a network that is cut, sessions that only go on while they are watched.

use std::time::Duration;

use serde_json::Value;

use super::{Held, POLICIES, Screen, world};
use crate::harness::{Guarded, Island, Setup, Visitor, Way, World, wait_until};

/// What says `refund` wants a signed yes, what says `payout` wants two.
const STRICT: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-answer") permit (principal in Group::"corp/admins", action in [Action::"approve", Action::"watch"], resource);
@id("signed-for") @approve("corp/admins") @signed
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*refund*" };
@id("two-of-us") @approve("corp/admins") @approvals("2")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*payout*" };
"#;

/// Everything of developers is moderated.
const MODERATED: &str = r#"
@id("all-get-certificates") permit (principal, action == Action::"issue", resource);
@id("run-commands") permit (principal, action in [Action::"connect", Action::"ssh.exec"], resource);
@id("admins-watch") permit (principal in Group::"corp/admins", action == Action::"watch", resource);
@id("watched") @moderated("corp/admins") forbid (principal in Group::"corp/developers", action == Action::"connect", resource);
"#;

fn world_of(policies: &'static str, wait: &str) -> World {
    World::with(Setup { policies: Some(policies), more: format!("\n[approvals]\nwait = \"{wait}\"\n"), ..Setup::default() })
}

#[test]
fn what_policy_wants_signed_is_signed_by_the_users_own_terminal_and_by_no_other() {
    let world = world_of(STRICT, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let mut held = Held::begin(&bob, &["-n"], "echo refund $((40 + 2))");
    // Over ssh the key is out of the bastion's reach.
    let far = Screen::tui(&alice);
    far.sees("corp/admins, signed; 0 given");
    far.decides("a");
    far.sees("It wants your signature, and no key is here: bartizan approvals approve");
    far.decides("Enter");
    far.terminal.press(&["C-c"]);
    far.sees("[ended with 0]");
    let own = Screen::own(&alice, "");
    own.sees("echo refund");
    own.decides("a");
    own.sees("Approve deploy@web-1");
    assert_eq!(world.target.logins(), 0, "nothing was approved yet");
    own.decides("Enter");
    assert_eq!(held.ends(), 0, "{}", held.said());
    assert!(held.said().contains("refund 42"), "{}", held.said());
    own.sees("corp/admins, signed; 1 given");
    own.terminal.press(&["C-c"]);
    own.sees("[ended with 0]");
    own.is_given_back();
    let log = world.bastion.run(["audit", "export"]).ok().text();
    let line = log.lines().find(|line| line.contains("approval.reviewed")).unwrap();
    let entry: Value = serde_json::from_str(line).unwrap();
    let entry = &entry["entry"];
    assert!(entry["signature"].as_str().unwrap().starts_with("-----BEGIN SSH SIGNATURE-----"), "{entry}");
    assert_eq!(entry["by"], "corp/alice@example.test");
    world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn two_who_must_agree_see_each_others_answers() {
    let world = world_of(STRICT, "5m");
    let (alice, dora, bob) = (world.visitor("alice"), world.visitor("dora"), world.visitor("bob"));
    let (first, second) = (Screen::tui(&alice), Screen::tui(&dora));
    let mut held = Held::begin(&bob, &["-n"], "echo payout $((40 + 2))");
    second.sees("needs 2 of corp/admins; 0 given");
    first.sees("echo payout");
    first.decides("a");
    first.sees("1 more needed then");
    first.decides("Enter");
    first.sees("needs 2 of corp/admins; 1 given");
    second.sees("needs 2 of corp/admins; 1 given");
    assert_eq!(world.target.logins(), 0, "one is not enough");
    first.decides("a");
    first.sees("You have answered that request already");
    second.decides("a");
    second.sees("Approve deploy@web-1");
    second.decides("Enter");
    assert_eq!(held.ends(), 0, "{}", held.said());
    assert!(held.said().contains("payout 42"), "{}", held.said());
    first.sees("✓ approved");
}

#[test]
fn requests_that_are_taken_back_say_so_where_they_stand() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let (screen, own) = (Screen::tui(&alice), Screen::tui(&bob));
    let mut held = Held::begin(&bob, &["-n"], "echo refund");
    own.sees("echo refund");
    screen.sees("echo refund");
    own.decides("W");
    own.sees("Take back your request for deploy@web-1?");
    own.decides("Enter");
    assert_ne!(held.ends(), 0, "{}", held.said());
    screen.sees("✗ withdrawn");
    // The caller goes away.
    let gone = Held::begin(&bob, &["-n"], "echo refund again");
    screen.sees("1 new (n)");
    screen.decides("n");
    screen.sees("refund again");
    drop(gone);
    screen.sees("✗ withdrawn");
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_request_that_nobody_answers_lapses_where_it_stands() {
    let world = world_of(POLICIES, "10s");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    // What is decided stays in the list.
    screen.terminal.press(&["f"]);
    screen.sees("f hides");
    let mut lapses = Held::begin(&bob, &["-n"], "echo refund late");
    assert_ne!(lapses.ends(), 0, "{}", lapses.said());
    screen.sees("refund late");
    screen.sees("✗ expired");
    screen.decides("a");
    screen.sees("That request is expired already");
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_terminal_left_alone_hides_everything_until_a_new_login() {
    let world = world();
    let alice = world.visitor("alice");
    let folder = alice.dir.join(".config/bartizan");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tui.toml"), "idle_lock_seconds = 15\n").unwrap();
    let logins = || world.bastion.run(["audit", "export"]).ok().text().matches("\"kind\":\"login.succeeded\"").count();
    let screen = Screen::own(&alice, "");
    let before = logins();
    let shown = screen.sees("Locked: nobody was here for a while.");
    assert!(before > 0 && !shown.contains("Inbox"), "{before} {shown}");
    screen.terminal.press(&["1"]);
    assert!(!screen.terminal.screen().contains("Inbox"));
    screen.terminal.press(&["Enter"]);
    screen.sees("Inbox");
    assert_eq!(logins(), before + 1);
    // Without a login that works it stays hidden.
    world.bastion.run(["lock", "corp/alice@example.test", "--reason", "gone"]).ok();
    screen.sees("Locked: nobody was here for a while.");
    screen.terminal.press(&["q"]);
    screen.sees("[ended with 0]");
    screen.is_given_back();
}

#[test]
fn a_revoke_stops_what_an_approval_allowed() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    let mut held = Held::begin(&bob, &["-n"], "echo refund; sleep 300");
    screen.sees("echo refund");
    screen.decides("a");
    screen.sees("Approve deploy@web-1");
    screen.decides("Enter");
    wait_until("it runs", || world.target.logins() == 1);
    screen.sees("✓ approved");
    screen.decides("R");
    screen.sees("Revoke deploy@web-1");
    std::thread::sleep(Duration::from_millis(700));
    screen.terminal.line("wrong account");
    assert_ne!(held.ends(), 0, "{}", held.said());
    screen.sees("✗ revoked");
    let log = world.bastion.run(["audit", "export"]).ok().text();
    assert!(log.contains("wrong account"), "{log}");
}

#[test]
fn an_approver_whose_network_is_cut_is_told_decides_nothing_and_goes_on_when_it_is_back() {
    let world = world_of(POLICIES, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let island = Island::open(&world.dir(), world.bastion.port);
    let there = Visitor { dir: alice.dir.clone(), port: island.port };
    there.point_to(island.port);
    let screen = Screen::own(&there, &island.prefix());
    let mut held = Held::begin(&bob, &["-n"], "echo refund $((40 + 2))");
    screen.sees("echo refund");
    island.cut();
    screen.sees("CONNECTION LOST");
    screen.decides("a");
    screen.sees("Nothing can be decided while the connection is lost");
    screen.decides("Enter");
    island.heal();
    screen.sees("The connection is there again");
    assert_eq!(world.target.logins(), 0);
    screen.decides("a");
    screen.sees("Approve deploy@web-1");
    screen.decides("Enter");
    assert_eq!(held.ends(), 0, "{}", held.said());
    assert!(held.said().contains("refund 42"), "{}", held.said());
    screen.decides("C-c");
    screen.sees("[ended with 0]");
    screen.is_given_back();
    screen.is_tame();
}

#[test]
fn a_moderated_session_is_marked_and_goes_on_while_it_is_watched() {
    let world = world_of(MODERATED, "5m");
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let screen = Screen::tui(&alice);
    let log = bob.dir.join("moderated.log");
    let line = "i=0; while sleep 0.5; do i=$((i+1)); echo tick-$i; done";
    let _session = Guarded::logged(bob.on_command(Way::At, "web-1", &["-n"], line), &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("it waits", || said().contains("begins when somebody does"));
    screen.terminal.press(&["2"]);
    screen.sees("stands still until somebody of corp/admins watches");
    screen.decides("Enter");
    screen.sees("tick-3");
    screen.terminal.press(&["Escape"]);
    wait_until("it stands still", || said().contains("stands still"));
    screen.sees("stands still until somebody of corp/admins watches");
    let seen = said();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(said(), seen, "nothing comes while nobody watches");
    // In lines, too.
    let list = world.bastion.run(["sessions", "list", "--json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    screen.terminal.press(&["C-c"]);
    screen.sees("[ended with 0]");
    let line = format!("cd {}; ssh -F {} -t bastion tui --plain", alice.dir.display(), alice.config().display());
    let plain = crate::harness::Terminal::open(&alice.dir, &line, 110, 30);
    plain.wait_for("Type help");
    plain.line("live");
    plain.wait_for("1 ▲, bob@example.test");
    plain.line("w1");
    plain.wait_for("| tick-");
    wait_until("it goes on", || said().len() > seen.len() + 100);
    plain.line("leave");
    wait_until("it stands still again", || said().matches("stands still").count() == 2);
    plain.line("quit");
    plain.wait_for("[ended with 0]");
}

#[test]
fn a_request_rings_the_approvers_terminal_and_nobody_elses() {
    let world = world();
    let (alice, bob) = (world.visitor("alice"), world.visitor("bob"));
    let (of_alice, of_bob) = (Screen::tui(&alice), Screen::tui(&bob));
    of_alice.sees("Inbox");
    of_bob.sees("Inbox");
    assert!(!of_alice.bytes().contains('\u{7}'), "nothing has happened yet");
    let _held = Held::begin(&bob, &["-n"], "echo refund");
    of_alice.sees("echo refund");
    wait_until("it rings", || of_alice.bytes().contains('\u{7}'));
    of_bob.sees("echo refund");
    assert!(!of_bob.bytes().contains('\u{7}'), "it is not his to answer");
}

#[test]
fn the_proof_of_an_entry_is_fetched_and_checked() {
    let text =
        POLICIES.to_owned() + "@id(\"admins-read\") permit (principal in Group::\"corp/admins\", action == Action::\"audit\", resource);\n";
    let world = world_of(Box::leak(text.into_boxed_str()), "5m");
    let alice = world.visitor("alice");
    let screen = Screen::tui(&alice);
    screen.terminal.press(&["5"]);
    screen.sees("Audit");
    screen.sees("login.succeeded");
    // An entry that was made this moment is in the transparency log a little later; until then the answer says so.
    wait_until("its proof is there", || {
        screen.terminal.press(&["p"]);
        std::thread::sleep(Duration::from_millis(500));
        screen.terminal.screen().contains("verified: leaf")
    });
    let shown = screen.sees("verified: leaf");
    assert!(shown.contains("signed by the log's key"), "{shown}");
    screen.terminal.press(&["C-c"]);
    screen.sees("[ended with 0]");
    screen.is_tame();
    let log = world.bastion.run(["audit", "export", "--kind", "audit.read"]).ok().text();
    assert!(log.contains("\\\"proof\\\""), "that it was asked for is written down: {log}");
}
