use proptest::prelude::*;

use super::*;

/// What can be done to a line, and the same on a list of characters with a place in it.
type Act = (&'static str, fn(&mut Text), fn(&mut Vec<char>, &mut usize));

const ACTS: &[Act] = &[
    ("left", Text::left, |_, at| *at = at.saturating_sub(1)),
    ("right", Text::right, |line, at| *at = (*at + 1).min(line.len())),
    ("end", Text::end, |line, at| *at = line.len()),
    ("backspace", Text::backspace, |line, at| {
        if *at > 0 {
            *at -= 1;
            line.remove(*at);
        }
    }),
    ("delete", Text::delete, |line, at| {
        if *at < line.len() {
            line.remove(*at);
        }
    }),
    ("line start", Text::line_start, |line, at| {
        while *at > 0 && line[*at - 1] != '\n' {
            *at -= 1;
        }
    }),
    ("line end", Text::line_end, |line, at| {
        while *at < line.len() && line[*at] != '\n' {
            *at += 1;
        }
    }),
    ("word left", Text::word_left, |line, at| {
        while *at > 0 && !line[*at - 1].is_alphanumeric() {
            *at -= 1;
        }
        while *at > 0 && line[*at - 1].is_alphanumeric() {
            *at -= 1;
        }
    }),
    ("word right", Text::word_right, |line, at| {
        while *at < line.len() && !line[*at].is_alphanumeric() {
            *at += 1;
        }
        while *at < line.len() && line[*at].is_alphanumeric() {
            *at += 1;
        }
    }),
    (
        "cut word before",
        |text| drop(text.cut_word_before()),
        |line, at| {
            while *at > 0 && line[*at - 1].is_whitespace() {
                *at -= 1;
                line.remove(*at);
            }
            while *at > 0 && !line[*at - 1].is_whitespace() {
                *at -= 1;
                line.remove(*at);
            }
        },
    ),
    (
        "cut line after",
        |text| drop(text.cut_line_after()),
        |line, at| {
            while *at < line.len() && line[*at] != '\n' {
                line.remove(*at);
            }
        },
    ),
    (
        "cut line before",
        |text| drop(text.cut_line_before()),
        |line, at| {
            while *at > 0 && line[*at - 1] != '\n' {
                *at -= 1;
                line.remove(*at);
            }
        },
    ),
];

proptest! {
    /// Of characters that do not join, so that a character is what a person sees.
    #[test]
    fn it_is_edited_as_a_list_of_characters_is(steps in proptest::collection::vec((0..ACTS.len() + 8, "[a-cé漢 \n-]"), 0..60)) {
        let (mut text, mut line, mut at) = (Text::default(), Vec::new(), 0_usize);
        for (step, typed) in steps {
            match ACTS.get(step) {
                Some((name, act, model)) => {
                    act(&mut text);
                    model(&mut line, &mut at);
                    prop_assert_eq!(text.whole(), line.iter().collect::<String>(), "{}", name);
                }
                None => {
                    prop_assert!(text.insert(&typed));
                    line.splice(at..at, typed.chars());
                    at += typed.chars().count();
                }
            }
            prop_assert_eq!(text.before(), line[..at].iter().collect::<String>());
        }
    }
}

#[test]
fn characters_of_several_code_points_are_one() {
    let mut text = Text::new("ae\u{301}👍🏽");
    text.backspace();
    assert_eq!(text.whole(), "ae\u{301}");
    text.left();
    assert_eq!((text.before(), text.after()), ("a", "e\u{301}"));
    text.delete();
    assert_eq!(text.whole(), "a");
}

#[test]
fn there_is_no_room_for_more_than_the_longest_line() {
    let mut text = Text::default();
    assert!(text.insert(&"x".repeat(LONGEST)));
    assert!(!text.insert("y"));
    assert_eq!(text.whole().len(), LONGEST);
}

#[test]
fn the_cursor_moves_between_the_lines_of_a_command() {
    let mut text = Text::new("long line\nab\nlonger");
    assert!(text.up());
    assert_eq!(text.before(), "long line\nab");
    assert!(text.up());
    assert_eq!(text.before(), "lo");
    assert!(!text.up());
    assert!(text.down() && text.down());
    assert_eq!(text.after(), "nger");
    assert!(!text.down());
}

#[test]
fn transposing_swaps_the_characters_around_the_cursor() {
    let mut text = Text::new("ab");
    text.transpose();
    assert_eq!(text.whole(), "ba");
    text.left();
    text.left();
    text.transpose();
    assert_eq!(text.whole(), "ba");
}
