use proptest::prelude::*;

use super::*;
use crate::safe::is_unsafe;

/// Everything that somebody else writes, in every field that can hold it.
fn poisoned(text: &str) -> Bastion {
    let principal = json!({ "id": format!("corp/{text}"), "kind": text, "groups": [text, text] });
    let mut request = approval("A1", "x", "12:03:31", "12:09:12", "waiting");
    let fields = ["target", "login", "action", "operation", "digest", "reason", "source"];
    for field in fields {
        request[field] = json!(text);
    }
    request["principal"] = principal.clone();
    request["needs"][0]["policy"] = json!(text);
    request["needs"][0]["reason"] = json!(text);
    request["reviews"][0]["reason"] = json!(text);
    let table = json!({ "table": text, "does": [text], "columns": [text] });
    let statement = json!({ "text": text, "statement": text, "summary": text, "tables": [table], "estimated_rows": 9 });
    request["outline"] = json!({ "kind": "sql", "in_transaction": true, "statements": [statement] });
    let mut live = session("S1", "x", text, text, "11:57:00");
    live["principal"] = principal;
    for field in ["source", "node", "login"] {
        live[field] = json!(text);
    }
    live["policies"] = json!([text]);
    live["frozen"] = json!({ "at": at("12:00:00"), "guard_rail": text });
    let mut tape = recording("R1", text, text, "09:12:00");
    for field in ["kind", "command", "reason", "source_address", "login"] {
        tape[field] = json!(text);
    }
    tape["tags"] = json!({ text: text });
    Bastion {
        approvals: vec![request],
        sessions: vec![live],
        targets: vec![json!({ "name": text, "kind": "ssh", "logins": [text], "tags": [text] }), json!({ "name": "x", "kind": text })],
        recordings: vec![tape],
        hits: vec![
            json!({ "session": text, "time": text, "at_us": 1, "principal": text, "target": text, "kind": text, "verdict": text, "text": text }),
        ],
        audit: vec![entry(1, "12:00:00", text, json!({ "by": text, "operation": text, text: { text: [text] } }))],
        proof: None,
    }
}

fn clean(world: &World) -> Result<(), TestCaseError> {
    for cell in &world.buffer().content {
        prop_assert!(!cell.symbol().chars().any(is_unsafe), "{:?}", cell.symbol());
    }
    Ok(())
}

/// Bad text: what acts on terminals, what deceives, and anything.
fn bad() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\u{1b}]52;c;aGk=\u{7}".to_owned()),
        Just("\u{1b}[2J\u{1b}[?1049h".to_owned()),
        Just("\u{9b}31m\u{90}q\u{9c}".to_owned()),
        Just("\u{202e}moc\u{2066}\u{200b}\u{feff}".to_owned()),
        Just("\r\n\t\u{8}\u{0}\u{7f}".to_owned()),
        Just("e\u{301}\u{302}\u{303}\u{304}\u{305}世界👩\u{200d}👩".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_cell_ever_holds_what_could_act_on_a_terminal(text in bad(), cols in 20u16..140, rows in 5u16..50) {
        let mut world = World::with(Settings::default(), poisoned(&text));
        world.size(cols, rows);
        for keys in ["1", "e", "esc", "a", "a", "esc", "D", "esc", "2", "enter", "esc", "3", "s", "esc", "4", "esc", "y", "5", "enter", "!", "esc", "?", "esc"] {
            world.press(keys);
            world.wait(500);
            clean(&world)?;
        }
        world.press("2");
        world.line(&json!({ "event": "watch", "session": "S1", "at_us": 1, "screen": { "cols": 30, "rows": 5, "text": text } }));
        world.press("enter");
        world.line(&json!({ "event": "watch", "session": "S1", "at_us": 1, "screen": { "cols": 30, "rows": 5, "text": text } }));
        world.line(&json!({ "event": "watch", "session": "S1", "at_us": 2, "output": text }));
        world.line(&json!({ "event": "watch", "session": "S1", "at_us": 2, "note": text }));
        world.line(&json!({ "event": "watch", "session": "S1", "at_us": 2, "operation": { "text": text, "verdict": text } }));
        clean(&world)?;
        world.send(Event::Connection(Connection::Lost { why: text.clone(), retry_in: None }));
        clean(&world)?;
        world.connect();
        world.line(&json!({ "id": 1_000, "error": { "code": 1, "message": text } }));
        world.send(Event::Returned(Err(text.clone())));
        world.send(Event::Paste(text.clone()));
        clean(&world)?;
        world.press("3 enter");
        let opened = crate::Replayed::Opened {
            session: "R1".into(),
            title: text.clone(),
            duration_us: 10,
            places: vec![bartizan_recorder::Place { at_us: 1, label: text.clone() }],
            weights: vec![1],
        };
        world.send(Event::Replay(opened));
        world.press("tab");
        clean(&world)?;
        world.send(Event::Replay(crate::Replayed::Failed { why: text }));
        clean(&world)?;
        for effect in &world.effects {
            if let Effect::Copy(copied) = effect {
                prop_assert!(!copied.chars().any(is_unsafe), "{copied:?}");
            }
        }
    }

    #[test]
    fn no_line_of_plain_mode_holds_what_could_act_on_a_terminal(text in bad()) {
        let mut world = World::with(Settings { plain: true, ..Settings::default() }, poisoned(&text));
        for line in ["inbox", "s1", "a1", "no", "live", "s2", "k2", "no", "recordings", "s3", "targets", "s4", "audit", "s6", "help", &text] {
            world.send(Event::Typed(line.to_owned()));
        }
        world.send(Event::Connection(Connection::Lost { why: text, retry_in: None }));
        for effect in &world.effects {
            if let Effect::Print(lines) = effect {
                prop_assert!(lines.split('\n').all(|line| !line.chars().any(is_unsafe)), "{lines:?}");
            }
        }
    }
}
