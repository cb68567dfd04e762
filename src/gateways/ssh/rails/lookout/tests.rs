use proptest::prelude::*;
use regex::Regex;

use super::*;

fn rail(name: &str, pattern: &str, action: RailAction) -> Rail {
    Rail { name: name.into(), pattern: Regex::new(pattern).unwrap(), action, message: None }
}

fn lookout(rails: Vec<Rail>) -> Lookout {
    Lookout::new(rails, Some((80, 24))).unwrap()
}

fn names(lookout: &mut Lookout, text: &str) -> Vec<String> {
    lookout.look(&Event::output(text.as_bytes())).0.into_iter().map(|trip| trip.rail).collect()
}

#[test]
fn without_a_guard_rail_nothing_is_drawn() {
    assert!(Lookout::new(Vec::new(), Some((80, 24))).is_none());
}

#[test]
fn the_same_line_triggers_once_and_another_again() {
    let mut lookout = lookout(vec![rail("key", "BEGIN [A-Z]+ KEY", RailAction::Alert), rail("rm", "rm -rf", RailAction::Freeze)]);
    assert_eq!(names(&mut lookout, "$ cat id\r\n"), [""; 0]);
    assert_eq!(names(&mut lookout, "-----BEGIN \x1b[1mRSA\x1b[0m KEY"), ["key"]);
    // The line goes on, is drawn again, and once more elsewhere.
    assert_eq!(names(&mut lookout, "-----\r\n"), [""; 0]);
    assert_eq!(names(&mut lookout, "-----BEGIN RSA KEY-----\r\n\x1b[9;1H-----BEGIN RSA KEY-----\r\n"), [""; 0]);
    assert_eq!(names(&mut lookout, "-----BEGIN EC KEY-----; rm -rf"), ["key", "rm"]);
}

#[test]
fn an_alert_is_given_so_often_at_most_and_a_freeze_always() {
    let mut lookout = lookout(vec![rail("a", "number", RailAction::Alert), rail("f", "number", RailAction::Freeze)]);
    let mut count = HashMap::new();
    for n in 0..300 {
        for name in names(&mut lookout, &format!("{n} number\r\n")) {
            *count.entry(name).or_insert(0) += 1;
        }
    }
    assert_eq!((count["a"], count["f"]), (MOST, 300));
}

#[test]
fn other_guard_rails_look_at_the_same_screen() {
    let mut lookout = lookout(vec![rail("a", "one", RailAction::Alert)]);
    assert_eq!(names(&mut lookout, "one\r\ntw"), ["a"]);
    lookout.replace(vec![rail("a", "one", RailAction::Alert), rail("b", "two", RailAction::Freeze)]);
    assert_eq!(names(&mut lookout, "o\r\none"), ["b"]);
}

#[test]
fn what_is_kept_of_a_line_is_short_and_printable_and_holds_what_was_found() {
    let long = format!("{}SECRET{}", "é".repeat(500), "x".repeat(500));
    let shown = excerpt(&long, long.find("SECRET").unwrap());
    assert!(shown.contains("SECRET") && shown.chars().count() <= EXCERPT + 2, "{shown}");
    assert!(shown.starts_with('…') && shown.ends_with('…'));
    assert_eq!(excerpt("a SECRET", 2), "a SECRET");
    assert_eq!(excerpt("\u{202e}SECRET", 3), "\\u{202e}SECRET");
    let trip = Trip { rail: "key".into(), action: RailAction::Freeze, message: None, line: "a SECRET".into() };
    assert_eq!(trip.mark(), "guard rail \"key\" (freeze): a SECRET");
}

proptest! {
    #[test]
    fn a_pattern_is_found_wherever_its_text_is_cut_with_any_colours_between(
        colours in proptest::collection::vec("(\x1b\\[[0-9;]{0,9}m)?", 23),
        cuts in proptest::collection::vec(0..400_usize, 0..6),
        before in "[ -~]{0,200}(\r\n)?",
    ) {
        let letters = "BEGIN OPENSSH PRIVATE KEY".chars();
        let drawn: String = letters.zip(colours.iter().chain(std::iter::repeat(&String::new()))).map(|(letter, colour)| format!("{colour}{letter}")).collect();
        let text = format!("{before}{drawn}\r\n");
        let mut lookout = lookout(vec![rail("key", "BEGIN OPENSSH PRIVATE KEY", RailAction::Freeze)]);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut % text.len()).chain([0, text.len()]).collect();
        places.sort_unstable();
        let mut found = Vec::new();
        for pair in places.windows(2) {
            found.extend(names(&mut lookout, &text[pair[0]..pair[1]]));
        }
        prop_assert_eq!(found, ["key"]);
    }
}
