//! The audit log over the control protocol: with filters, page by page, and only what policy lets the caller read.

use bartizan_recorder::tlog::{NoteKey, verify_entry};
use serde_json::{Value, json};

use super::world;
use crate::harness::{Control, Way, World, wait_until};

fn entries(control: &mut Control, request: Value) -> Vec<Value> {
    let answer = control.ask("audit", request);
    answer["ok"]["entries"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

/// Admins read what is about anybody but dora.
fn read_by_admins(world: &World) {
    let text = super::POLICIES.to_owned()
        + "@id(\"admins-read\") permit (principal in Group::\"corp/admins\", action == Action::\"audit\", resource);\n\
           @id(\"not-about-dora\") forbid (principal, action == Action::\"audit\", resource == User::\"corp/dora@example.test\");\n";
    world.put_in_force("test.cedar", &text);
}

#[test]
fn it_is_read_with_filters_and_page_by_page_as_far_as_policy_lets() {
    let world = world();
    read_by_admins(&world);
    let (alice, bob, dora) = (world.visitor("alice"), world.visitor("bob"), world.visitor("dora"));
    for n in 0..3 {
        bob.on_target(Way::At, &["-n"], &format!("echo needle-{n}")).ok();
    }
    bob.on(Way::At, "web-ca", &["-n"], "echo elsewhere").ok();
    dora.on_target(Way::At, &["-n"], "echo of-dora").ok();

    let over = || world.bastion.run(["sessions", "list", "--json"]).ok().json() == json!([]);
    wait_until("all are over", over);
    let mut control = Control::open(&alice);
    let me = "corp/bob@example.test";
    // Each filter takes what fits and nothing else.
    let of_bob = entries(&mut control, json!({ "filter": { "principal": me } }));
    assert!(of_bob.len() > 8 && of_bob.iter().all(|one| one["principal"] == me || one["by"] == me), "{of_bob:?}");
    let seqs: Vec<u64> = of_bob.iter().map(|one| one["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a > b), "newest first: {seqs:?}");
    let decisions =
        entries(&mut control, json!({ "filter": { "principal": me, "kind": "decision", "verdict": "allow", "text": "NEEDLE" } }));
    assert_eq!(decisions.iter().filter(|one| one["action"] == "ssh.exec").count(), 3, "{decisions:?}");
    assert!(decisions.iter().all(|one| one["operation"].as_str().unwrap().contains("needle")), "{decisions:?}");
    let elsewhere = entries(&mut control, json!({ "filter": { "target": "web-ca" } }));
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|one| one["target"] == "web-ca"), "{elsewhere:?}");
    let sessions = entries(&mut control, json!({ "filter": { "kind": "session" } }));
    assert!(!sessions.is_empty() && sessions.iter().all(|one| one["kind"].as_str().unwrap().starts_with("session.")), "{sessions:?}");
    assert_eq!(entries(&mut control, json!({ "filter": { "kind": "sess" } })), Vec::<Value>::new(), "no half names");
    let moment = decisions[1]["at"].clone();
    let since = entries(&mut control, json!({ "filter": { "text": "needle", "kind": "decision", "since": moment } }));
    let until = entries(&mut control, json!({ "filter": { "text": "needle", "kind": "decision", "until": moment } }));
    assert!(since.iter().all(|one| one["at"].as_str() >= moment.as_str()) && until.iter().all(|one| one["at"].as_str() < moment.as_str()));
    assert_eq!(since.iter().chain(&until).filter(|one| one["action"] == "ssh.exec").count(), 3, "{since:?} {until:?}");
    // Page by page it is the same list, without gaps and none twice.
    let (mut paged, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = entries(&mut control, json!({ "limit": 3, "before": before, "filter": { "principal": me } }));
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = last["seq"].clone();
        paged.extend(page);
    }
    assert_eq!(paged, of_bob);
    // What policy does not let her read is not there, under whatever filter; what is her own is.
    for request in [json!({ "filter": { "text": "of-dora" } }), json!({ "filter": { "principal": "corp/dora@example.test" } })] {
        let found = entries(&mut control, request);
        assert!(found.iter().all(|one| one["by"] == "corp/alice@example.test"), "{found:?}");
    }
    let mut of_her_own = Control::open(&dora);
    assert!(!entries(&mut of_her_own, json!({ "filter": { "text": "of-dora", "kind": "decision" } })).is_empty());
    let all = entries(&mut Control::open(&bob), json!({ "limit": 10_000 }));
    assert!(!all.is_empty() && all.iter().all(|one| one["principal"] == me || one["by"] == me), "{all:?}");
    // It is written down who read, and for what.
    let read = entries(&mut control, json!({ "filter": { "kind": "audit.read" } }));
    assert!(read.iter().any(|one| one["filter"].as_str().unwrap().contains("of-dora")), "{read:?}");
    for bad in [json!({ "filter": { "verdict": "maybe" } }), json!({ "limit": -1 }), json!({ "filter": { "since": "yesterday" } })] {
        assert_eq!(control.ask("audit", bad.clone())["error"]["code"], 2, "{bad}");
    }
    assert_eq!(entries(&mut control, json!({ "limit": 0 })), Vec::<Value>::new());
    let answer = control.ask("audit", json!({ "limit": 1 }));
    assert_eq!(answer["ok"]["checkpoint"].as_str().map(str::len), Some(64), "{answer}");
}

#[test]
fn an_entry_is_proved_to_whom_policy_lets_read_it_and_to_nobody_else() {
    let world = world();
    read_by_admins(&world);
    let (alice, bob, dora) = (world.visitor("alice"), world.visitor("bob"), world.visitor("dora"));
    dora.on_target(Way::At, &["-n"], "echo of-dora").ok();
    let (mut control, mut of_bob, mut of_dora) = (Control::open(&alice), Control::open(&bob), Control::open(&dora));
    let own = entries(&mut of_dora, json!({ "limit": 1 }))[0]["seq"].clone();
    let of_bobs = entries(&mut control, json!({ "limit": 1, "filter": { "principal": "corp/bob@example.test" } }))[0]["seq"].clone();
    let mut proof = Value::Null;
    wait_until("the log has it", || {
        proof = control.ask("audit.proof", json!({ "entry": of_bobs }))["ok"].clone();
        proof.is_object()
    });
    let key = std::fs::read_to_string(world.dir().join("state/keys/tlog.vkey")).unwrap();
    assert_eq!(proof["key"], key.trim());
    let (line, text, key) = (proof["line"].as_str().unwrap(), proof["proof"].as_str().unwrap(), NoteKey::parse(key.trim()).unwrap());
    let proven = verify_entry(line.as_bytes(), text, &key).unwrap();
    assert_eq!(proven.seq, of_bobs.as_u64().unwrap());
    assert!(
        world.bastion.run(["audit", "export"]).ok().text().lines().any(|exported| exported == line),
        "it is the line of the log: {line}"
    );
    // Another line, or the same with one letter changed, is not what the log has.
    let forged = line.replacen("bob@example.test", "bot@example.test", 1);
    assert!(forged != line && verify_entry(forged.as_bytes(), text, &key).is_err());
    // dora's own is hers; for others it is as if it were not there.
    wait_until("the log has hers too", || of_dora.ask("audit.proof", json!({ "entry": own }))["ok"].is_object());
    for (who, entry) in [(&mut control, &own), (&mut of_bob, &own), (&mut of_dora, &json!(9_999_999))] {
        let refused = who.ask("audit.proof", json!({ "entry": entry }));
        assert!(refused["error"]["message"].as_str().unwrap().contains("that you may read"), "{refused}");
    }
    assert_eq!(control.ask("audit.proof", json!({}))["error"]["code"], 2);
}
