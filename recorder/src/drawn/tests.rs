use proptest::prelude::*;

use super::*;

/// Everything shown while `pieces` are drawn.
fn shown(size: (u16, u16), pieces: &[&[u8]]) -> Vec<String> {
    let mut lines = DrawnLines::new(Some(size)).unwrap();
    let mut seen = Vec::new();
    for piece in pieces {
        lines.push(&Event::output(*piece), &mut |line| seen.push(line.to_owned()));
    }
    seen
}

fn sees(size: (u16, u16), bytes: &str, words: &str) -> bool {
    shown(size, &[bytes.as_bytes()]).iter().any(|line| line.contains(words))
}

#[test]
fn a_line_is_seen_though_it_is_wiped_overwritten_or_scrolled_away_in_the_same_read() {
    for ending in ["\x1b[2J", "\x1b[2K", "\rxxxxxxxx", "\x1b[H\x1b[J", "\x1bc", "\x08\x08\x08\x1b[K", "\x1b[?1049h", &"\r\n".repeat(50)] {
        assert!(sees((80, 24), &format!("a SECRET{ending}"), "a SECRET"), "{ending:?}");
    }
}

#[test]
fn what_cursor_moves_put_together_is_seen() {
    for drawing in [
        "SE  ET\x1b[1;3HCR",
        "T\x1b[1;1H\x1b[@E\x1b[1;1H\x1b[@R\x1b[1;1H\x1b[@C\x1b[1;1H\x1b[@E\x1b[1;1H\x1b[@S",
        "SECXXXRET\x1b[1;4H\x1b[3P",
        "\x1b[5;9HET\x1b[5;7HCR\x1b[5;5HSE",
        "\x1b[4hSET\x1b[1;3HCRE",
        "\x1b[?1049h\x1b[3;3HSECRET\x1b[?1049l",
        "SE\x1b]0;title\x07CR\x1b[6nET",
    ] {
        assert!(sees((80, 24), drawing, "SECRET"), "{drawing:?}");
    }
    assert!(sees((80, 24), "x\x1b[7b", "xxxxxxxx"));
    assert!(sees((80, 24), "ab\x1b[1m漢字\x1b[m\x1b[1;3H漢", "ab漢字"));
}

#[test]
fn a_line_without_an_end_is_seen_whole_on_a_window_of_any_size() {
    for size in [(1, 1), (3, 2), (80, 1), (80, 24), (1000, 500)] {
        let text = format!("{}SECRET{}", "a".repeat(9_000), "b".repeat(9_000));
        assert!(sees(size, &text, "aSECRETb"), "{size:?}");
    }
}

#[test]
fn a_session_without_a_terminal_is_read_by_lines() {
    let mut lines = DrawnLines::new(None).unwrap();
    let mut seen = Vec::new();
    for event in [Event::output(&b"one\ntw"[..]), Event::stderr(&b"o\nthree\n"[..])] {
        lines.push(&event, &mut |line| seen.push(line.to_owned()));
    }
    assert_eq!(seen, ["one", "tw", "two", "three"]);
}

#[test]
fn a_new_size_of_the_window_moves_what_is_drawn_then() {
    let mut lines = DrawnLines::new(Some((80, 24))).unwrap();
    let mut seen = Vec::new();
    for event in [Event::output(&b"0123456789SEC"[..]), Event::Resize { cols: 10, rows: 5 }, Event::output(&b"RET"[..])] {
        lines.push(&event, &mut |line| seen.push(line.to_owned()));
    }
    assert_eq!(seen.last().unwrap(), "0123456789SECRET");
    assert_eq!(lines.cells(), 50);
}

#[test]
fn dear_drawing_is_priced_as_dear() {
    let mut lines = DrawnLines::new(Some((200, 50))).unwrap();
    let mut cost = |text: &[u8]| lines.push(&Event::output(text), &mut |_| ());
    let plain = cost(&[b'x'; 400]);
    assert!(cost(&b"\x1b[2J".repeat(100)) > 50 * plain);
    assert!(cost(&b"x\x1b[H".repeat(100)) > plain);
}

/// Sequences that draw nothing, and some that are dropped.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        4 => "\x1b\\[[0-9]{0,3}(;[0-9]{1,3}){0,3}m",
        1 => Just("\x1b]0;title\x07".to_owned()),
        1 => Just("\x1b[?25l".to_owned()),
        1 => Just("\x1b[6n".to_owned()),
        1 => Just("\0\x07".to_owned()),
    ]
}

/// The bytes, cut where `cuts` say.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    places.sort_unstable();
    places.windows(2).filter_map(|pair| bytes.get(pair[0]..pair[1])).collect()
}

proptest! {
    #[test]
    fn words_are_seen_wherever_they_are_cut_and_whatever_colours_are_between(
        size in (1_u16..120, 1_u16..40),
        before in "[ -~é漢\r\n]{0,300}",
        words in "[A-Zé]{2,12}",
        noises in proptest::collection::vec(noise(), 12),
        after in "[ -~\r\n]{0,300}",
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut text = before;
        for (letter, noise) in words.chars().zip(&noises) {
            text.push_str(noise);
            text.push(letter);
        }
        text.push_str(&after);
        let seen = shown(size, &cut(text.as_bytes(), &cuts)).iter().any(|line| line.contains(&words));
        prop_assert!(seen, "{:?} was not seen in {:?}", words, text);
    }

    #[test]
    fn words_drawn_in_any_order_are_seen(order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(), cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        let words = "PASSWORD";
        let mut text = String::from("\x1b[2J");
        for at in order {
            text.push_str(&format!("\x1b[7;{}H{}", at + 20, &words[at..=at]));
        }
        let seen = shown((80, 24), &cut(text.as_bytes(), &cuts));
        prop_assert!(seen.iter().any(|line| line.contains(words)));
    }

    #[test]
    fn nothing_that_is_drawn_makes_it_fail_or_show_a_control(bytes in proptest::collection::vec(any::<u8>(), 0..2000), size in (1_u16..90, 1_u16..30)) {
        for line in shown(size, &[&bytes]) {
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
