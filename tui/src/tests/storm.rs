use proptest::prelude::*;

use super::*;
use crate::overlay::Overlay;

#[derive(Debug, Clone)]
enum Blow {
    Key(KeyCode, KeyModifiers),
    Wait(u16),
    Paste(String),
    Click(u16, u16),
    Wheel(u16, u16),
    Resize(u16, u16),
    Lose,
    Connect,
    Change(u8),
    Enter,
}

fn blow() -> impl Strategy<Value = Blow> {
    let code = prop_oneof![
        4 => prop::sample::select("aDKWRwfntosyevqrmFgGhjklzxixn/:?!123456789 .,[]<>-".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        2 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End,
            KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::SHIFT), 1 => Just(KeyModifiers::ALT)];
    prop_oneof![
        12 => (code, modifiers).prop_map(|(code, modifiers)| Blow::Key(code, modifiers)),
        3 => Just(Blow::Enter),
        4 => (0u16..1_500).prop_map(Blow::Wait),
        1 => "[a-z\r\n]{0,8}".prop_map(Blow::Paste),
        1 => (0u16..140, 0u16..50).prop_map(|(x, y)| Blow::Click(x, y)),
        1 => (0u16..140, 0u16..50).prop_map(|(x, y)| Blow::Wheel(x, y)),
        1 => (0u16..220, 0u16..70).prop_map(|(x, y)| Blow::Resize(x, y)),
        1 => Just(Blow::Lose),
        1 => Just(Blow::Connect),
        1 => any::<u8>().prop_map(Blow::Change),
    ]
}

/// What was asked last, if a question is open: whether it has been there long enough, and what it is about.
fn asked(world: &World) -> Option<(String, bool)> {
    match &world.state.overlay {
        Some(Overlay::Confirm(confirm)) => Some((confirm.id.to_string(), world.state.settled(Some(confirm.opened_at)))),
        _ => None,
    }
}

fn decisions(world: &World) -> usize {
    world.sent.iter().filter(|request| matches!(request["do"].as_str(), Some("approval.answer" | "session.end"))).count()
}

fn strike(world: &mut World, blow: Blow) {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mouse = |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    match blow {
        Blow::Key(code, modifiers) => world.send(Event::Key(KeyEvent::new(code, modifiers))),
        Blow::Enter => world.press("enter"),
        Blow::Wait(ms) => world.wait(ms.into()),
        Blow::Paste(text) => world.send(Event::Paste(text)),
        Blow::Click(x, y) => world.send(mouse(MouseEventKind::Down(MouseButton::Left), x, y)),
        Blow::Wheel(x, y) => world.send(mouse(MouseEventKind::ScrollDown, x, y)),
        Blow::Resize(cols, rows) => world.size(cols, rows),
        Blow::Lose => world.send(Event::Connection(Connection::Lost { why: "x".into(), retry_in: None })),
        Blow::Connect => world.connect(),
        Blow::Change(n) => {
            let mut changed = world.bastion.approvals[usize::from(n) % 4].clone();
            changed["state"] = json!(["waiting", "approved", "denied", "expired"][usize::from(n / 4) % 4]);
            world.line(&json!({ "event": "approval", "approval": changed }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_storm_panics_decides_without_a_question_or_leaves_no_way_out(blows in prop::collection::vec(blow(), 0..80)) {
        let mut world = World::new();
        for blow in blows {
            let (before, question) = (decisions(&world), asked(&world));
            let is_enter = matches!(blow, Blow::Enter | Blow::Key(KeyCode::Enter, _));
            strike(&mut world, blow.clone());
            if decisions(&world) > before {
                prop_assert_eq!(decisions(&world), before + 1);
                prop_assert!(is_enter, "{:?} decided", blow);
                let (about, was_read) = question.expect("nothing was asked");
                prop_assert!(was_read, "it was not there long enough");
                let sent = world.sent.iter().rev().find(|request| matches!(request["do"].as_str(), Some("approval.answer" | "session.end"))).unwrap();
                let id = sent["approval"].as_str().or(sent["session"].as_str()).unwrap();
                prop_assert_eq!(id, about);
                let own = id == "A4" && sent["answer"] != "withdraw" && sent["answer"] != "revoke";
                prop_assert!(!own, "one's own request was answered");
            }
            let rows = &crate::screens::listing(&world.state).rows;
            prop_assert!(rows.len() == 0 || rows.selected().is_some());
            world.buffer();
        }
        // Whatever is open: esc leads to the top, and q from there out.
        for _ in 0..12 {
            world.press("esc");
        }
        prop_assert!(world.state.overlay.is_none() && world.state.replay.is_none());
        world.effects.clear();
        world.press("q");
        prop_assert_eq!(world.effects.last(), Some(&Effect::Quit));
    }

    #[test]
    fn ctrl_c_ends_it_wherever_one_is(blows in prop::collection::vec(blow(), 0..30)) {
        let mut world = World::new();
        for blow in blows {
            strike(&mut world, blow);
        }
        world.effects.clear();
        world.press("ctrl-c");
        prop_assert_eq!(&world.effects[..], &[Effect::Quit][..]);
    }
}
