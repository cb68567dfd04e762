use std::sync::Arc;

use bartizan_recorder::Event;
use tokio::sync::Notify;

use super::*;
use crate::record::watcher::{Look, Sight, Watchable, Watcher};

fn place(size: Option<(u16, u16)>) -> Watchable {
    Watchable { feed: Arc::new(Feed::new(size)), reel: std::sync::Weak::new() }
}

fn print(place: &Watchable, text: &str) {
    place.feed.publish(1, &[Piece::Output(text.as_bytes().to_vec().into())]);
}

/// Looks until there is nothing more, drawing where that is wanted.
fn all(watcher: &mut Watcher) -> Vec<Sight> {
    let mut seen = Vec::new();
    for _ in 0..1000 {
        match watcher.look() {
            Look::Nothing => return seen,
            Look::Show(shown) => seen.extend(shown.into_iter().map(|(_, sight)| sight)),
            Look::Draw(draw) => draw.run(),
        }
    }
    panic!("it never ends: {} sights", seen.len());
}

#[test]
fn who_joins_has_the_screen_first_and_then_what_comes() {
    let (place, notify) = (place(None), Arc::new(Notify::new()));
    print(&place, "before\n");
    let mut watcher = place.watch(&notify);
    let seen = all(&mut watcher);
    assert!(matches!(&seen[..], [Sight::Screen(80, 24, text)] if text.contains("before")), "{seen:?}");
    print(&place, "one\n");
    print(&place, "two\n");
    place.feed.publish(2, &[Piece::Event(Event::note("a note").into_owned())]);
    let seen = all(&mut watcher);
    assert_eq!(seen, [Sight::Output("one\r\ntwo\r\n".into()), Sight::Note("a note".into())]);
    place.feed.end("enough");
    assert_eq!(all(&mut watcher), [Sight::End("enough".into())]);
    assert!(all(&mut watcher).is_empty());
}

#[test]
fn who_falls_behind_has_the_screen_again_and_memory_stays_the_same() {
    let (place, notify) = (place(Some((80, 24))), Arc::new(Notify::new()));
    let mut watcher = place.watch(&notify);
    all(&mut watcher);
    for _ in 0..1000 {
        print(&place, &"x".repeat(10_000));
        assert!(place.feed.lock().bytes <= RING + 11_000, "the ring grew");
    }
    let seen = all(&mut watcher);
    assert!(matches!(seen.first(), Some(Sight::Screen(..))), "{seen:?}");
    let shown: usize = seen.iter().map(|sight| if let Sight::Output(text) = sight { text.len() } else { 0 }).sum();
    assert!(shown <= RING, "{shown}");
}

#[test]
fn one_screen_is_drawn_for_all_who_wait_for_it() {
    let (place, notify) = (place(Some((80, 24))), Arc::new(Notify::new()));
    let mut crowd: Vec<_> = (0..50).map(|_| place.watch(&notify)).collect();
    let mut draws = Vec::new();
    for watcher in &mut crowd {
        match watcher.look() {
            Look::Draw(draw) => draws.push(draw),
            Look::Nothing => {}
            Look::Show(_) => panic!("nobody has drawn it"),
        }
    }
    assert_eq!(draws.len(), 1);
    for draw in draws {
        draw.run();
    }
    for watcher in &mut crowd {
        assert!(matches!(watcher.look(), Look::Show(_)));
    }
}

#[test]
fn a_screen_whose_drawer_left_is_drawn_by_another() {
    let (place, notify) = (place(Some((80, 24))), Arc::new(Notify::new()));
    let (mut one, mut two) = (place.watch(&notify), place.watch(&notify));
    assert!(matches!(one.look(), Look::Draw(_)));
    assert!(matches!(two.look(), Look::Draw(_)), "the first was dropped undone");
}

#[test]
fn nobody_who_watches_costs_a_ring_only_while_they_do() {
    let (place, notify) = (place(Some((80, 24))), Arc::new(Notify::new()));
    print(&place, "x");
    assert_eq!(place.feed.lock().ring.len(), 0);
    let watcher = place.watch(&notify);
    print(&place, "x");
    let kept = |place: &Watchable| place.feed.lock().ring.len();
    assert_eq!((kept(&place), place.watchers()), (1, 1));
    drop(watcher);
    assert_eq!((kept(&place), place.watchers()), (0, 0));
}

#[test]
fn who_joins_is_shown_the_latest_operations_once() {
    let (place, notify) = (place(Some((80, 24))), Arc::new(Notify::new()));
    for number in 0..40 {
        let json = format!("{{\"text\":\"line {number}\"}}");
        place.feed.publish(number, &[Piece::Event(Event::operation(json).into_owned())]);
    }
    let mut watcher = place.watch(&notify);
    let operations = |seen: &[Sight]| seen.iter().filter(|sight| matches!(sight, Sight::Operation(_))).count();
    assert_eq!(operations(&all(&mut watcher)), OPERATIONS);
    for _ in 0..60 {
        print(&place, &"x".repeat(10_000));
    }
    assert_eq!(operations(&all(&mut watcher)), 0);
}

#[test]
fn what_is_kept_of_a_session_without_a_terminal_is_bounded() {
    let place = place(None);
    for _ in 0..1000 {
        print(&place, &"y".repeat(100_000));
        print(&place, "z");
    }
    let inner = place.feed.lock();
    assert!(inner.tail_bytes <= TAIL && inner.tail.len() < 300, "{} in {}", inner.tail_bytes, inner.tail.len());
}
