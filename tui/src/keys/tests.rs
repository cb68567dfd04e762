use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

#[test]
fn every_key_of_the_table_is_a_key_and_does_one_thing_where_it_holds() {
    for binding in BINDINGS {
        assert_eq!(binding.chords().len(), binding.keys.len(), "{}: a key cannot be read", binding.name);
        assert!(!binding.does.is_empty() && !binding.keys.is_empty(), "{}", binding.name);
    }
    let (_, problems) = Keymap::new(&BTreeMap::new());
    assert!(problems.is_empty(), "{problems:?}");
    let names: std::collections::BTreeSet<&str> = BINDINGS.iter().map(|binding| binding.name).collect();
    assert_eq!(names.len(), BINDINGS.len(), "two bindings have one name");
}

#[test]
fn a_persons_own_keys_take_the_place_of_the_tables() {
    let own = BTreeMap::from([("approve".to_owned(), vec!["ctrl-y".to_owned(), "F5".to_owned()])]);
    let (map, problems) = Keymap::new(&own);
    assert!(problems.is_empty(), "{problems:?}");
    let found = |code, modifiers| map.find(&[On::Inbox], KeyEvent::new(code, modifiers)).map(|binding| binding.act);
    assert_eq!(found(KeyCode::Char('y'), KeyModifiers::CONTROL), Some(Act::Approve));
    assert_eq!(found(KeyCode::F(5), KeyModifiers::NONE), Some(Act::Approve));
    assert_eq!(found(KeyCode::Char('a'), KeyModifiers::NONE), None);
}

#[test]
fn a_key_that_is_none_is_said_and_changes_nothing() {
    let own = BTreeMap::from([
        ("approve".to_owned(), vec!["ctrl-".to_owned()]),
        ("fly".to_owned(), vec!["x".to_owned()]),
        ("deny".to_owned(), vec!["w".to_owned()]),
    ]);
    let (map, problems) = Keymap::new(&own);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(map.find(&[On::Inbox], KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE)).map(|b| b.act), Some(Act::Approve));
}

#[test]
fn chords_are_read_as_they_are_pressed_and_shown() {
    let chord = |text: &str| text.parse::<Chord>().unwrap();
    assert_eq!(chord("shift-left"), Chord::of(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT)));
    assert_eq!(chord("G"), Chord::of(KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT)));
    assert_eq!(chord("ctrl-p"), Chord::of(KeyEvent::new(KeyCode::Char('P'), KeyModifiers::CONTROL | KeyModifiers::SHIFT)));
    assert_eq!(chord("-"), Chord::of(KeyEvent::new(KeyCode::Char('-'), KeyModifiers::NONE)));
    assert_eq!(chord("shift-left").to_string(), "⇧←");
    assert!("shift-a".parse::<Chord>().is_err() && "F99".parse::<Chord>().is_err() && "".parse::<Chord>().is_err());
}

#[test]
fn the_manual_of_the_terminal_ui_has_these_keys() {
    let manual_page = include_str!("../../../man/bartizan-tui.1");
    assert!(manual_page.contains(&manual::manual()), "put this into man/bartizan-tui.1:\n{}", manual::manual());
}
