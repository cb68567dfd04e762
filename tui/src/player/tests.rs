use bartizan_recorder::{Grid, Place};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

fn state() -> State {
    let places = vec![Place { at_us: 30_000_000, label: "exec id".into() }];
    State::new("alice  deploy@web-1  ✓ verified".into(), 60_000_000, places)
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(state, &Grid::default(), frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn time_goes_on_at_the_chosen_speed_and_stops_at_the_end() {
    let mut player = state();
    update(&mut player, key(KeyCode::Char('>')));
    assert_eq!(update(&mut player, Event::Tick { elapsed_us: 1_000_000, next_us: Some(50_000_000) }), [Effect::Advance(1_500_000)]);
    assert!(update(&mut player, Event::Tick { elapsed_us: 1, next_us: None }).is_empty());
    assert!(!player.playing);
}

#[test]
fn idle_time_is_skipped_only_when_asked() {
    let mut player = state();
    let tick = Event::Tick { elapsed_us: 1_000, next_us: Some(50_000_000) };
    assert_eq!(update(&mut player, tick.clone()), [Effect::Advance(1_000)]);
    update(&mut player, key(KeyCode::Char('i')));
    assert_eq!(update(&mut player, tick), [Effect::Advance(50_000_000)]);
}

#[test]
fn markers_and_tenths_are_jumped_to() {
    let mut player = state();
    assert_eq!(update(&mut player, key(KeyCode::Char(']'))), [Effect::Seek(30_000_000)]);
    assert_eq!(update(&mut player, key(KeyCode::Char('9'))), [Effect::Seek(54_000_000)]);
    assert_eq!(update(&mut player, key(KeyCode::Char('['))), [Effect::Seek(30_000_000)]);
}

#[test]
fn the_screen_fits_every_size() {
    let mut player = state();
    player.at_us = 20_000_000;
    insta::assert_snapshot!("player_80x24", screen(&player, 80, 24));
    insta::assert_snapshot!("player_40x10", screen(&player, 40, 10));
    player.help = true;
    insta::assert_snapshot!("player_help_80x24", screen(&player, 80, 24));
}

#[test]
fn every_binding_is_in_the_help() {
    let mut player = state();
    player.help = true;
    let shown = screen(&player, 80, 24);
    for binding in crate::BINDINGS.iter().filter(|binding| binding.on == crate::On::Replay) {
        assert!(shown.contains(binding.does), "{} is missing", binding.does);
    }
}

#[test]
fn text_is_found_and_gone_through() {
    let mut player = state();
    player.at_us = 20_000_000;
    update(&mut player, key(KeyCode::Char('/')));
    update(&mut player, Event::Paste("drop\n".into()));
    assert_eq!(update(&mut player, key(KeyCode::Enter)), [Effect::Find("drop ".into())]);
    let hits = [10, 30, 50].map(|second| Place { at_us: second * 1_000_000, label: String::new() });
    assert_eq!(update(&mut player, Event::Found(hits.to_vec())), [Effect::Seek(30_000_000)]);
    assert!(!player.playing);
    assert_eq!(update(&mut player, key(KeyCode::Char('n'))), [Effect::Seek(50_000_000)]);
    assert_eq!(update(&mut player, key(KeyCode::Char('n'))), [Effect::Seek(10_000_000)]);
    assert_eq!(update(&mut player, key(KeyCode::Char('N'))), [Effect::Seek(50_000_000)]);
    insta::assert_snapshot!("player_found_80x24", screen(&player, 80, 24));
}

#[test]
fn the_events_are_listed_and_gone_to() {
    let mut player = state();
    player.weights = vec![0, 5, 100, 2, 0, 7];
    player.places.push(Place { at_us: 45_000_000, label: "rm -r \u{1b}[2J /tmp/x".into() });
    for code in [KeyCode::Tab, KeyCode::Down] {
        update(&mut player, key(code));
    }
    assert_eq!(update(&mut player, key(KeyCode::Enter)), [Effect::Seek(45_000_000)]);
    insta::assert_snapshot!("player_events_80x24", screen(&player, 80, 24));
    update(&mut player, key(KeyCode::Esc));
    assert!(!player.events);
}

#[test]
fn one_event_back_stops_the_time() {
    let mut player = state();
    assert_eq!(update(&mut player, key(KeyCode::Char(','))), [Effect::StepBack]);
    assert!(!player.playing);
}

proptest! {
    #[test]
    fn no_storm_of_keys_leaves_the_recording_or_panics(codes in prop::collection::vec((any::<char>(), any::<bool>()), 0..60), width in 1u16..130, height in 1u16..40) {
        let mut player = state();
        for (c, shift) in codes {
            let modifiers = if shift { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            for code in [KeyCode::Char(c), KeyCode::Left, KeyCode::Right] {
                update(&mut player, Event::Key(KeyEvent::new(code, modifiers)));
            }
            let next_us = Some(player.at_us + 10);
            update(&mut player, Event::Tick { elapsed_us: 40_000, next_us });
            prop_assert!(player.at_us <= player.duration_us);
        }
        screen(&player, width, height);
    }
}
