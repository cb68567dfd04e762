use super::*;

/// The request selected that alice made, and time for it to be read.
fn at_alice() -> World {
    let mut world = World::new();
    assert_eq!(world.state.inbox.list.rows.selected().unwrap().raw(), "A1", "the nearest deadline is first");
    world.wait(1_000);
    world
}

fn answers(world: &World) -> Vec<&Value> {
    world.requests("approval.answer")
}

#[test]
fn an_approval_takes_a_key_a_look_and_enter() {
    let mut world = at_alice();
    world.press("enter enter esc a");
    assert!(answers(&world).is_empty());
    world.sees("Approve root@db-prod-3 for corp/alice@example.com, 30 min? ssh.exec: systemctl restart postgresql");
    world.wait(500);
    world.press("enter");
    let sent = answers(&world)[0];
    assert_eq!((&sent["approval"], &sent["answer"], &sent["for_seconds"]), (&json!("A1"), &json!("approve"), &Value::Null));
    let mut done = world.bastion.approvals[0].clone();
    (done["state"], done["until"], done["ended_at"]) = (json!("approved"), json!(at("12:34:31")), json!(at("12:04:33")));
    let id = sent["id"].clone();
    world.line(&json!({ "id": id, "ok": done }));
    world.sees("Approved: root@db-prod-3 for corp/alice@example.com");
    world.sees("✓ approved");
    world.press("a");
    world.wait(500);
    world.press("enter");
    assert_eq!(answers(&world).len(), 1, "what is decided is not decided again");
}

#[test]
fn enter_right_behind_the_question_is_no_yes() {
    let mut world = at_alice();
    world.press("a enter");
    world.wait(200);
    world.press("enter");
    assert!(answers(&world).is_empty());
    world.wait(200);
    world.press("enter");
    assert_eq!(answers(&world).len(), 1);
}

#[test]
fn a_shorter_time_is_one_key() {
    let mut world = at_alice();
    world.press("a 2");
    world.sees("for corp/alice@example.com, 5 min?");
    world.wait(500);
    world.press("enter");
    assert_eq!(answers(&world)[0]["for_seconds"], 300);
}

#[test]
fn a_denial_has_a_reason_and_a_question() {
    let mut world = at_alice();
    world.press("D");
    world.type_in("no ticket");
    world.send(Event::Paste("\nsee\u{1b}[2J #4".into()));
    world.wait(500);
    world.sees("Deny root@db-prod-3 to corp/alice@example.com?");
    world.press("enter");
    let sent = answers(&world)[0];
    assert_eq!((&sent["answer"], &sent["reason"]), (&json!("deny"), &json!("no ticket see[2J #4")));
}

#[test]
fn esc_and_n_decide_nothing() {
    for way_out in ["esc", "n", "q"] {
        let mut world = at_alice();
        world.press("a");
        world.wait(500);
        world.press(way_out);
        world.press("enter enter");
        world.wait(500);
        world.press("enter");
        assert!(answers(&world).is_empty(), "{way_out}");
    }
}

#[test]
fn ones_own_request_is_not_ones_own_to_approve() {
    let mut world = at_alice();
    let at = world.state.inbox.list.rows.ids().position(|id| id.raw() == "A4").unwrap();
    world.state.inbox.list.rows.select(at);
    world.wait(500);
    for key in ["a", "w", "D"] {
        world.press(key);
        world.wait(500);
        world.press("enter esc");
        world.wait(500);
    }
    assert!(answers(&world).is_empty());
    world.press("W");
    world.sees("Take back your request for root@db-prod-3?");
    world.wait(500);
    world.press("enter");
    assert_eq!(answers(&world)[0]["answer"], "withdraw");
}

#[test]
fn a_row_that_has_just_changed_is_not_decided_about() {
    let mut world = at_alice();
    world.press("j");
    world.press("a");
    world.sees("The row has just changed");
    assert!(world.state.overlay.is_none());
    world.wait(400);
    world.press("a");
    assert!(world.state.overlay.is_some());
    world.press("esc k");
    world.wait(400);
    let mut changed = world.bastion.approvals[0].clone();
    changed["operation"] = json!("rm -rf /");
    world.line(&json!({ "event": "approval", "approval": changed }));
    world.press("a");
    assert!(world.state.overlay.is_none());
}

#[test]
fn a_question_goes_when_what_it_is_about_changes() {
    let mut world = at_alice();
    world.press("a");
    world.wait(500);
    let mut changed = world.bastion.approvals[0].clone();
    (changed["state"], changed["end_reason"]) = (json!("withdrawn"), json!("they left"));
    world.line(&json!({ "event": "approval", "approval": changed }));
    world.sees("It changed while you looked at it");
    world.press("enter");
    assert!(answers(&world).is_empty());
}

#[test]
fn what_others_decide_shows_in_place_and_new_requests_below() {
    let mut world = at_alice();
    let before: Vec<String> = world.state.inbox.list.rows.ids().map(ToString::to_string).collect();
    let mut decided = world.bastion.approvals[0].clone();
    (decided["state"], decided["ended_at"]) = (json!("denied"), json!(at("12:04:33")));
    world.line(&json!({ "event": "approval", "approval": decided }));
    world.line(&json!({ "event": "approval", "approval": approval("A0", "zoe", "12:04:33", "12:04:50", "waiting") }));
    let after: Vec<String> = world.state.inbox.list.rows.ids().map(ToString::to_string).collect();
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.last().unwrap(), "A0");
    assert_eq!(world.state.inbox.list.rows.selected().unwrap().raw(), "A1");
    world.sees("── 1 new (n)");
    world.sees("✗ denied");
    assert!(world.effects.contains(&Effect::Bell));
    world.press("n");
    world.sees_not("── 1 new (n)");
    assert_eq!(world.state.inbox.list.rows.ids().next().unwrap().raw(), "A0", "asked for, they go to their place");
}

#[test]
fn in_a_small_terminal_the_details_are_read_first() {
    let mut world = at_alice();
    world.size(40, 10);
    world.press("a");
    assert!(world.state.overlay.is_none());
    world.press("a");
    assert!(world.state.overlay.is_some());
}

#[test]
fn a_pasted_key_is_no_key() {
    let mut world = at_alice();
    world.send(Event::Paste("a\r\nD\r\nq".into()));
    world.wait(500);
    world.send(Event::Paste("\r".into()));
    assert!(answers(&world).is_empty() && world.state.overlay.is_none());
    world.press("a");
    world.wait(500);
    world.send(Event::Paste("\r\n\r\n".into()));
    assert!(answers(&world).is_empty());
}

/// As [`at_alice`], with a host that can sign; the policy wants it signed.
fn with_a_key(can_sign: bool) -> World {
    let mut bastion = Bastion::busy();
    bastion.approvals[0]["needs"][0]["signed"] = json!(true);
    let mut world = World::with(Settings { can_sign, ..Settings::default() }, bastion);
    world.wait(1_000);
    world
}

fn signature() -> Signature {
    Signature { text: "SSHSIG".into(), at: at("12:04:33") }
}

#[test]
fn a_decision_is_signed_where_a_key_is_at_hand() {
    let mut world = with_a_key(true);
    world.press("a 2");
    world.wait(500);
    world.press("enter");
    assert!(answers(&world).is_empty());
    world.sees("touch your key to sign");
    let order = ToSign {
        approval: "A1".into(),
        digest: "9b1f0c4d".into(),
        approve: true,
        for_seconds: Some(300),
        reason: String::new(),
        approver: ME.into(),
        key: "SHA256:mine".into(),
    };
    assert_eq!(world.effects.last(), Some(&Effect::Sign(Box::new(order))));
    world.press("enter");
    world.send(Event::Signed { approval: "A2".into(), signature: Ok(Some(signature())) });
    assert!(answers(&world).is_empty());
    world.send(Event::Signed { approval: "A1".into(), signature: Ok(Some(signature())) });
    let sent = answers(&world)[0];
    assert_eq!(
        (&sent["signature"], &sent["signed_at"], &sent["for_seconds"]),
        (&json!("SSHSIG"), &json!(at("12:04:33")), &json!(300)),
        "what is sent is what was signed"
    );
}

#[test]
fn what_has_to_be_signed_is_not_approved_where_no_key_is_and_what_to_type_is_said() {
    let mut world = with_a_key(false);
    world.sees("corp/sre-leads, signed; 0 given");
    world.press("a");
    world.sees("It wants your signature, and no key is here: bartizan approvals approve A1 --bastion bastion.example.com");
    world.wait(500);
    world.press("enter");
    assert!(answers(&world).is_empty());
    // No is no, signed or not.
    world.press("esc D");
    world.wait(500);
    world.press("enter");
    assert_eq!(answers(&world)[0]["answer"], "deny");
}

#[test]
fn a_signature_that_fails_or_comes_too_late_decides_nothing() {
    let mut world = with_a_key(true);
    world.press("a");
    world.wait(500);
    world.press("enter esc");
    world.send(Event::Signed { approval: "A1".into(), signature: Ok(Some(signature())) });
    world.press("a");
    world.wait(500);
    world.press("enter");
    world.send(Event::Signed { approval: "A1".into(), signature: Err("no touch".into()) });
    world.sees("Not signed, so nothing was decided: no touch");
    assert!(answers(&world).is_empty());
}

#[test]
fn escape_and_a_letter_in_one_go_are_what_they_would_be_one_by_one() {
    let alt = |letter| Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::ALT));
    let mut world = at_alice();
    world.press("a");
    world.wait(500);
    world.send(alt('2'));
    assert!(world.state.overlay.is_none() && answers(&world).is_empty());
    assert_eq!(world.state.screen, Screen::Live);
    world.press("/");
    world.type_in("bob");
    world.send(alt('1'));
    assert_eq!((world.state.screen, world.state.overlay.is_none()), (Screen::Inbox, true));
    // Where the letter with Alt is somebody's own key, it is that.
    let own = std::collections::BTreeMap::from([("help".to_owned(), vec!["alt-2".to_owned()])]);
    let mut world = World::with(Settings { keys: own, ..Settings::default() }, Bastion::busy());
    world.send(alt('2'));
    assert_eq!(world.state.screen, Screen::Inbox);
    assert!(world.state.overlay.is_some());
}

#[test]
fn approve_and_watch_watches_once_it_is_approved() {
    let mut world = at_alice();
    world.press("w");
    world.wait(500);
    world.press("enter");
    assert!(world.requests("session.watch").is_empty());
    let id = answers(&world)[0]["id"].clone();
    let done = world.bastion.approvals[0].clone();
    world.line(&json!({ "id": id, "ok": done }));
    assert_eq!(world.requests("session.watch")[0]["session"], "SA1");
    assert_eq!(world.state.screen, Screen::Live);
}

#[test]
fn a_session_is_ended_by_key_reason_and_enter() {
    let mut world = World::on(Screen::Live);
    world.press("K");
    world.sees("End the session of corp/bob@example.com on deploy@web-12 at once?");
    world.type_in("policy");
    world.press("esc K");
    world.wait(500);
    world.type_in("too long");
    world.press("enter");
    assert_eq!(world.requests("session.end")[0]["reason"], "too long");
    assert_eq!(world.requests("session.end").len(), 1);
}
