use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
    Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

fn find(world: &World, text: &str) -> (u16, u16) {
    let screen = world.screen();
    let (y, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).unwrap();
    let before = line.split(text).next().unwrap();
    (u16::try_from(before.chars().count()).unwrap(), u16::try_from(y).unwrap())
}

#[test]
fn a_filter_shows_what_passes_as_it_is_typed_and_esc_takes_it_back() {
    let mut world = World::on(Screen::Live);
    world.press("/");
    world.type_in("user:alice target:db-*");
    world.sees("alice@example.com");
    world.sees_not("bob@example.com");
    world.press("enter");
    world.sees("/ user:alice target:db-*");
    world.press("esc");
    world.sees("bob@example.com");
    world.press("/");
    world.type_in("-sftp");
    world.press("esc");
    world.sees("carol@example.com");
}

#[test]
fn a_filter_of_recordings_and_audit_is_asked_of_the_bastion() {
    let mut world = World::on(Screen::Audit);
    world.press("/");
    world.type_in("user:alice verdict:deny since:7d text:rm");
    world.press("enter");
    let asked = world.requests("audit").last().unwrap()["filter"].clone();
    assert_eq!((&asked["principal"], &asked["verdict"], &asked["text"]), (&json!("alice"), &json!("deny"), &json!("rm")));
    assert!(asked["since"].as_str().unwrap().starts_with("2026-11-15T"));
    world.press("3 /");
    world.type_in("target:db-* kind:pg");
    world.press("enter");
    let asked = (*world.requests("recordings").last().unwrap()).clone();
    assert_eq!((&asked["target"], &asked["kind"]), (&json!("db-*"), &json!("postgres")));
}

#[test]
fn older_entries_are_fetched_and_new_ones_followed() {
    let mut world = World::on(Screen::Audit);
    world.bastion.audit = (0..200).map(|n| entry(88_000 - n, "10:00:00", "decision", json!({}))).collect();
    world.press("r m");
    assert_eq!(world.requests("audit").last().unwrap()["before"], 87_801);
    let asked = world.requests("audit").len();
    world.press("F");
    world.wait(2_100);
    world.wait(2_100);
    assert_eq!(world.requests("audit").len(), asked + 3);
    world.press("F");
    world.wait(5_000);
    assert_eq!(world.requests("audit").len(), asked + 3);
}

#[test]
fn the_palette_does_what_its_words_say_and_completes() {
    let mut world = World::new();
    world.wait(1_000);
    world.press("ctrl-p");
    world.type_in("den");
    world.press("tab");
    world.sees(": deny");
    world.press("enter");
    world.sees("Deny root@db-prod-3");
    world.press("esc :");
    world.type_in("live");
    world.press("enter");
    assert_eq!(world.state.screen, Screen::Live);
    world.press(":");
    world.type_in("theme mono");
    world.press("enter");
    assert_eq!(world.state.settings.theme, crate::ThemeName::Mono);
}

#[test]
fn the_mouse_selects_scrolls_and_changes_screens_and_never_decides() {
    let mut world = World::new();
    let (x, y) = find(&world, "ci-bot@");
    world.send(mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    assert_eq!(world.state.inbox.list.rows.selected().unwrap().raw(), "A2");
    world.wait(1_000);
    world.press("a");
    world.wait(1_000);
    for row in 0..32 {
        world.send(mouse(MouseEventKind::Down(MouseButton::Left), 5, row));
        world.send(mouse(MouseEventKind::ScrollDown, 5, row));
    }
    assert!(world.state.overlay.is_some() && world.requests("approval.answer").is_empty());
    world.press("esc");
    let (x, y) = find(&world, "5 Audit");
    world.send(mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    assert_eq!(world.state.screen, Screen::Audit);
    let (x, y) = find(&world, "decision");
    world.send(mouse(MouseEventKind::ScrollDown, x, y));
    assert_eq!(world.state.audit.list.rows.at(), 2);
}

#[test]
fn a_click_on_the_timeline_goes_there() {
    let mut world = World::on(Screen::Recordings);
    world.press("enter");
    let opened = crate::Replayed::Opened {
        session: "R1".into(),
        title: "x".into(),
        duration_us: 100_000_000,
        places: Vec::new(),
        weights: Vec::new(),
    };
    world.send(Event::Replay(opened));
    world.effects.clear();
    let (x, y) = find(&world, "─────");
    world.send(mouse(MouseEventKind::Down(MouseButton::Left), x + 40, y));
    let Some(Effect::Replay(crate::ReplayOrder::Seek(at))) = world.effects.last() else { panic!("{:?}", world.effects) };
    assert!((20_000_000..80_000_000).contains(at), "{at}");
}

#[test]
fn a_list_of_ten_thousand_is_walked_from_end_to_end() {
    let sessions = (0..10_000).map(|n| session(&format!("S{n:05}"), "alice", "web-12", "shell", "11:00:00")).collect();
    let bastion = Bastion { sessions, ..Bastion::default() };
    let mut world = World::with(Settings::default(), bastion);
    world.press("2 G");
    assert_eq!(world.state.live.list.rows.at(), 9_999);
    world.sees("▌");
    world.press("g ctrl-d");
    assert!(world.state.live.list.rows.at() > 3);
    world.line(&json!({ "event": "session", "session": session("NEW", "zoe", "web-12", "shell", "12:00:00") }));
    assert_eq!(world.state.live.list.rows.len(), 10_001);
}

#[test]
fn keys_can_be_set_and_the_help_shows_them() {
    let keys = std::collections::BTreeMap::from([("deny".to_owned(), vec!["X".to_owned()]), ("fly".to_owned(), vec!["y".to_owned()])]);
    let mut world = World::with(Settings { keys, ..Settings::default() }, Bastion::busy());
    assert_eq!(world.state.problems().len(), 1);
    world.wait(1_000);
    world.press("D");
    assert!(world.state.overlay.is_none());
    world.press("X");
    assert!(world.state.overlay.is_some());
    world.press("esc ?");
    world.sees("X               deny");
}

#[test]
fn the_settings_of_a_file_are_checked() {
    let good: Settings =
        serde_json::from_value(json!({ "theme": "truecolour", "keys": { "deny": ["X"] }, "idle_lock_seconds": 300 })).unwrap();
    assert_eq!((good.theme, good.bell), (crate::ThemeName::Truecolour, true));
    assert!(serde_json::from_value::<Settings>(json!({ "theem": "x" })).is_err());
    assert!(serde_json::from_value::<Settings>(json!({ "can_sign": true })).is_err(), "the host's are not the file's");
}

#[test]
fn it_is_drawn_again_only_when_something_changed() {
    let mut world = World::new();
    world.wait(1_000);
    world.state.take_dirty();
    world.wait(100);
    assert!(!world.state.take_dirty());
    world.wait(1_000);
    assert!(world.state.take_dirty(), "the clock shows another second");
    world.press("j");
    assert!(world.state.take_dirty());
}

#[test]
fn a_proof_that_does_not_hold_is_told_and_raises_an_alarm() {
    let mut world = World::on(Screen::Audit);
    world.bastion.proof = Some(json!({
        "entry": 88_412, "line": "{\"prev\":\"00\",\"seq\":88412}", "proof": "c2sp.org/tlog-proof@v1\nindex 0\n\nnote",
        "key": "bastion.example.com+00000000+AQ==", "witnesses": ["\u{1b}[2J"],
    }));
    world.press("p");
    assert_eq!(world.requests("audit.proof").last().unwrap()["entry"], 88_412);
    world.sees("it does not hold");
    world.press("!");
    world.sees("The proof of #88412");
}
