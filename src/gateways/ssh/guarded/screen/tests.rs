//! What is drawn is shown to a model of a terminal, asciinema's.

use proptest::prelude::*;

use super::*;

/// A terminal of this width and what it shows.
struct Model(avt::Terminal);

impl Model {
    fn new(columns: usize) -> Self {
        Self(avt::Terminal::new(columns, 80).unwrap())
    }

    fn shows(&self) -> (Vec<String>, Option<(usize, usize)>) {
        let lines = self.0.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
        (lines, self.0.cursor().position())
    }
}

fn text(before: &str, after: &str) -> Text {
    let mut text = Text::new(format!("{before}{after}"));
    while text.before().len() > before.len() {
        text.left();
    }
    text
}

proptest! {
    /// Whatever was shown before, the screen shows the line as if it had been drawn at once.
    #[test]
    fn a_changed_line_looks_like_one_that_was_drawn_afresh(
        columns in 8..24_u32,
        steps in proptest::collection::vec(("[a-z漢é\t\n\u{200b}]{0,40}", "[a-z漢\n]{0,12}", any::<bool>()), 1..12),
    ) {
        let mut model = Model::new(usize::try_from(columns).unwrap());
        let mut screen = Screen::new(columns, false);
        let mut last = String::new();
        for (before, after, grows) in steps {
            let line = if grows { text(&format!("{last}{before}"), "") } else { text(&before, &after) };
            line.whole().clone_into(&mut last);
            if last.len() > 300 {
                break;
            }
            model.0.feed(screen.draw("me@it:~$ ", &line));
            let mut fresh = Model::new(usize::try_from(columns).unwrap());
            fresh.0.feed(Screen::new(columns, false).draw("me@it:~$ ", &line));
            prop_assert_eq!(model.shows(), fresh.shows());
        }
        let below = screen.leave();
        model.0.feed(&below);
        prop_assert_eq!(model.shows().1.unwrap().0, 0, "the next thing begins a line");
    }
}

#[test]
fn the_cursor_stands_where_the_text_is_edited_even_at_the_edge() {
    let table = [
        ("abc", "def", vec!["$ abcdef"], (5, 0)),
        ("abcdef", "", vec!["$ abcdef"], (0, 1)),
        ("abcdef", "gh", vec!["$ abcdef", "gh"], (0, 1)),
        ("abcde漢", "", vec!["$ abcde", "漢"], (2, 1)),
        ("a\nb", "c", vec!["$ a", "> bc"], (3, 1)),
        ("\t", "x", vec!["$     x"], (6, 0)),
    ];
    for (before, after, lines, cursor) in table {
        let mut model = Model::new(8);
        model.0.feed(Screen::new(8, false).draw("$ ", &text(before, after)));
        let (shown, at) = model.shows();
        assert_eq!(
            (&shown[..lines.len()], at),
            (&lines[..].iter().map(ToString::to_string).collect::<Vec<_>>()[..], Some(cursor)),
            "{before:?}"
        );
    }
}

#[test]
fn dangerous_characters_are_drawn_escaped() {
    let mut screen = Screen::new(80, false);
    let drawn = screen.draw("$ ", &Text::new("echo \u{202e}gnp.exe \u{200d}\u{a0}x"));
    assert!(drawn.contains("\\u{202e}") && drawn.contains("\\u{200d}") && !drawn.contains(['\u{202e}', '\u{200d}']), "{drawn}");
}

#[test]
fn a_plain_terminal_gets_no_escape_sequences() {
    let mut screen = Screen::new(80, true);
    let mut all = screen.draw("$ ", &Text::new("abc"));
    all += &screen.draw("$ ", &Text::new("abcd"));
    all += &screen.draw("$ ", &Text::new("ab"));
    all += &screen.draw("$ ", &text("", "ab"));
    all += &screen.leave();
    assert_eq!(all, "$ abcd\x08 \x08\x08 \x08\r\n$ ab\r\n");
}

#[test]
fn a_typed_character_costs_its_own_bytes() {
    let mut screen = Screen::new(80, false);
    screen.draw("$ ", &Text::new("ech"));
    assert_eq!(screen.draw("$ ", &Text::new("echo")), "o");
}

#[test]
fn after_a_resize_the_line_stands_as_in_the_new_width() {
    let mut screen = Screen::new(10, false);
    let line = text("abcdefghijklmnop", "q");
    screen.draw("$ ", &line);
    screen.resize(20);
    let out = screen.lift() + &screen.draw("$ ", &line);
    let mut model = Model::new(20);
    // The terminal has wrapped it anew by itself.
    model.0.feed("$ abcdefghijklmnopq\x08");
    model.0.feed(&out);
    let (shown, at) = model.shows();
    assert_eq!((shown[0].as_str(), shown[1].as_str(), at), ("$ abcdefghijklmnopq", "", Some((18, 0))));
}
