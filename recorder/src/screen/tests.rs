use super::*;
use proptest::prelude::*;

fn screen(text: &str) -> Screen {
    let mut screen = Screen::new(Some((20, 5))).unwrap();
    screen.apply(&Event::output(text.as_bytes()), u64::MAX).unwrap();
    screen
}

fn grid(screen: &Screen) -> Grid {
    let mut grid = Grid::default();
    screen.draw(&mut grid);
    grid
}

#[test]
fn text_and_colours_become_cells() {
    let grid = grid(&screen("hi \x1b[1;31mred\x1b[0m \x1b[48;2;1;2;3m漢\r\nnext"));
    assert_eq!(grid.text(), ["hi red 漢", "next", "", "", ""]);
    assert_eq!(grid.cursor(), Some((4, 1)));
    let row: Vec<&Cell> = grid.rows().next().unwrap().iter().collect();
    assert_eq!((row[3].style.foreground, row[3].style.bold), (Some(Colour::Indexed(1)), true));
    assert_eq!((row[7].width, row[8].width), (2, 0));
    assert_eq!(row[7].style.background, Some(Colour::Rgb(1, 2, 3)));
}

#[test]
fn a_resize_changes_the_grid() {
    let mut screen = screen("hello");
    screen.apply(&Event::Resize { cols: 10, rows: 2 }, u64::MAX).unwrap();
    let grid = grid(&screen);
    assert_eq!((grid.cols(), grid.rows().len()), (10, 2));
}

#[test]
fn an_absurd_size_is_cropped() {
    let mut screen = screen("hello");
    screen.apply(&Event::Resize { cols: u16::MAX, rows: u16::MAX }, u64::MAX).unwrap();
    screen.apply(&Event::Resize { cols: 0, rows: 0 }, u64::MAX).unwrap();
    let grid = grid(&screen);
    assert_eq!((grid.cols(), grid.rows().len()), (1, 1));
}

#[test]
fn a_session_without_a_terminal_is_shown_in_lines() {
    let mut screen = Screen::new(None).unwrap();
    screen.apply(&Event::output(&b"one\ntwo\n"[..]), u64::MAX).unwrap();
    assert_eq!(grid(&screen).text()[..2], ["one", "two"]);
}

#[test]
fn what_costs_too_much_is_not_fed() {
    let mut screen = screen("kept");
    let bomb = "\x1b[2J".repeat(60_000);
    assert_eq!(screen.apply(&Event::output(bomb.as_bytes()), 1_000_000), Err(TooDear));
    assert_eq!(grid(&screen).text()[0], "kept");
}

#[test]
fn a_model_that_panics_leaves_a_blank_screen() {
    let mut screen = screen("before");
    screen.run(0, 1, |_, _| panic!("a bug of the model")).unwrap();
    assert_eq!(grid(&screen).text(), vec![""; 24]);
}

/// Pieces that, put together, reach most of what a terminal does.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{0,12}".prop_map(String::from),
        1 => "[漢字é🎈\u{301}]{0,4}".prop_map(String::from),
        1 => proptest::sample::select(vec!["\r\n", "\r", "\n", "\t", "\x08", "\x1b[?1049h", "\x1b[?1049l", "\x1b7", "\x1b8",
            "\x1b[?6h", "\x1b[?7l", "\x1b[?25l", "\x1b(0", "\x0e", "\x0f", "\x1b[4h", "\x1bM", "\x1bc", "\x1b#8", "\x1bH", "\x1b[3g", "\x1b[5W", "\x1b]0;x"])
            .prop_map(String::from),
        2 => (proptest::sample::select("ABCDEFGHIJKLMPSTXZ@`abdefgrm".chars().collect::<Vec<_>>()), 0u16..40, 0u16..40)
            .prop_map(|(last, one, two)| format!("\x1b[{one};{two}{last}")),
        1 => (proptest::sample::select("ABCDEFGHIJKLMPSTXZ@`abdefgm".chars().collect::<Vec<_>>()), 0u16..2000)
            .prop_map(|(last, one)| format!("\x1b[{one}{last}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_restored_screen_goes_on_as_the_first_would(
        before in proptest::collection::vec(piece(), 0..25),
        after in proptest::collection::vec(piece(), 0..8),
        cut in 0usize..6,
    ) {
        let before = before.concat();
        // Ends inside a character or a sequence as often as not.
        let bytes = &before.as_bytes()[..before.len().saturating_sub(cut)];
        let mut first = Screen::new(Some((20, 5))).unwrap();
        first.apply(&Event::output(bytes), u64::MAX).unwrap();
        let snapshot = first.snapshot();
        let mut second = Screen::restore(&snapshot).unwrap();
        prop_assert_eq!(grid(&first), grid(&second));
        let rest = [&before.as_bytes()[bytes.len()..], after.concat().as_bytes()].concat();
        for screen in [&mut first, &mut second] {
            screen.apply(&Event::output(&rest[..]), u64::MAX).unwrap();
        }
        prop_assert_eq!(grid(&first), grid(&second));
    }
}

#[test]
fn tab_stops_of_its_own_survive_a_restore() {
    let mut first = screen(" aaaaA000Aa \x1bH0AAAAA0Aaa ");
    let snapshot = first.snapshot();
    let mut second = Screen::restore(&snapshot).unwrap();
    assert_eq!(grid(&first), grid(&second));
    for screen in [&mut first, &mut second] {
        screen.apply(&Event::output(&b"A0A0A\t"[..]), u64::MAX).unwrap();
    }
    assert_eq!(grid(&first).cursor(), grid(&second).cursor());
}
