use std::time::Duration;

use super::*;

#[test]
fn while_the_connection_is_lost_it_says_so_and_nothing_is_decided() {
    let mut world = World::new();
    world.wait(1_000);
    world.press("a");
    world.send(Event::Connection(Connection::Lost { why: "broken pipe".into(), retry_in: Some(Duration::from_secs(5)) }));
    world.sees("CONNECTION LOST (again in 5 s): broken pipe");
    assert!(world.state.overlay.is_none());
    world.wait(1_000);
    for key in ["a", "enter", "D", "enter", "W", "enter", "K", "enter"] {
        world.press(key);
        world.wait(500);
        world.press("esc");
    }
    assert!(world.requests("approval.answer").is_empty() && world.requests("session.end").is_empty());
    insta::assert_snapshot!("lost_120x32", world.screen());
    world.connect();
    world.sees_not("CONNECTION LOST");
    world.sees("The connection is there again");
    assert_eq!(world.requests("approvals").len(), 2, "what was missed is asked for");
}

#[test]
fn a_decision_on_its_way_when_the_connection_breaks_is_an_alarm() {
    let mut world = World::new();
    world.wait(1_000);
    world.press("a");
    world.wait(500);
    world.press("enter");
    world.send(Event::Connection(Connection::Lost { why: "reset".into(), retry_in: None }));
    world.press("!");
    world.sees("a decision was on its way");
}

#[test]
fn what_waited_before_a_break_and_is_not_listed_after_it_does_not_seem_to_wait() {
    let mut world = World::new();
    world.send(Event::Connection(Connection::Lost { why: "reset".into(), retry_in: None }));
    world.bastion.approvals.remove(0);
    world.connect();
    world.wait(1_000);
    assert_eq!(world.state.inbox.list.rows.selected().unwrap().raw(), "A1", "rows stay");
    world.press("a");
    assert!(world.state.overlay.is_none());
    world.sees("? unknown");
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    let mut world = World::with(Settings::default(), Bastion::default());
    world.send(Event::Connection(Connection::Lost { why: "x".into(), retry_in: None }));
    let before = world.sent.len();
    world.line(&json!({ "hello": { "version": 2 } }));
    assert_eq!(world.sent.len(), before);
    world.press("!");
    world.sees("version 2");
}

#[test]
fn lines_that_are_none_harm_nothing() {
    let mut world = World::new();
    for line in [
        "",
        "x",
        "{}",
        "[]",
        "{\"id\":1}",
        "{\"event\":\"approval\"}",
        "{\"event\":\"new\",\"x\":1}",
        "{\"id\":99,\"ok\":null}",
        "\u{1b}[2J",
    ] {
        world.send(Event::Line(line.into()));
    }
    world.sees("alice@example.com");
}

#[test]
fn a_watched_session_is_watched_again_after_a_break() {
    let mut world = World::on(Screen::Live);
    world.press("enter");
    world.send(Event::Connection(Connection::Lost { why: "reset".into(), retry_in: None }));
    world.connect();
    assert_eq!(world.requests("session.watch").len(), 2);
}

#[test]
fn after_a_time_without_keys_everything_is_hidden_and_nothing_decided() {
    let mut world = World::with(Settings { idle_lock_seconds: Some(60), ..Settings::default() }, Bastion::busy());
    world.press("a");
    world.wait(61_000);
    world.sees("Locked");
    world.sees_not("alice");
    world.press("a y j");
    world.press("enter");
    assert_eq!(world.effects.last(), Some(&Effect::Unlock));
    world.send(Event::Unlocked(Err("log in again".into())));
    world.sees("log in again");
    world.send(Event::Unlocked(Ok(())));
    world.sees("alice");
    assert!(world.requests("approval.answer").is_empty());
}

#[test]
fn a_clock_that_is_put_back_keeps_nothing_waiting() {
    let mut world = World::new();
    world.press("j");
    world.now = at("09:00:00");
    world.wait(0);
    world.wait(500);
    world.press("a");
    assert!(world.state.overlay.is_some());
}

#[test]
fn a_host_can_begin_with_a_recording_or_a_watched_session() {
    let settings = |open| Settings { open: Some(open), ..Settings::default() };
    let world = World::with(settings(crate::Opening::Replay("R9".into())), Bastion::busy());
    assert_eq!(world.effects, [Effect::Replay(crate::ReplayOrder::Open { session: "R9".into(), at_us: 0 })]);
    let mut world = World::with(settings(crate::Opening::Watch("S1".into())), Bastion::busy());
    assert_eq!(world.requests("session.watch")[0]["session"], "S1");
    world.send(Event::Connection(Connection::Lost { why: "x".into(), retry_in: None }));
    world.press("esc");
    world.connect();
    assert_eq!(world.requests("session.watch").len(), 1, "only at the beginning");
}
