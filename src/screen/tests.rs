use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEventKind};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::*;

fn keys(bytes: &[u8]) -> Vec<Event> {
    Keyboard::default().read(bytes)
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn keys_are_read_and_sequences_may_come_in_pieces() {
    assert_eq!(keys(b"a\r\x1b[A"), [key(KeyCode::Char('a')), key(KeyCode::Enter), key(KeyCode::Up)]);
    assert_eq!(keys(b"\x1bOB\x1b[5~\x1b[15~"), [key(KeyCode::Down), key(KeyCode::PageUp), key(KeyCode::F(5))]);
    let mut keyboard = Keyboard::default();
    for byte in "\u{1b}[1;2C€".bytes() {
        let wanted = match byte {
            b'C' => vec![Event::Key(KeyEvent::new(KeyCode::Right, KeyModifiers::SHIFT))],
            0xac => vec![key(KeyCode::Char('€'))],
            _ => Vec::new(),
        };
        assert_eq!(keyboard.read(&[byte]), wanted);
    }
}

#[test]
fn escape_is_a_key_only_when_nothing_follows() {
    let mut keyboard = Keyboard::default();
    assert!(keyboard.read(b"\x1b").is_empty());
    assert_eq!(keyboard.wait(), Some(std::time::Duration::from_millis(40)));
    assert_eq!(keyboard.silence(), Some(key(KeyCode::Esc)));
    assert_eq!(keyboard.wait(), None);
    // No and yes at once is no.
    assert_eq!(keys(b"\x1b\r"), [key(KeyCode::Esc)]);
    assert_eq!(keys(b"\x1by"), [Event::Key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::ALT))]);
    // Alt with what else begins a sequence or a reply.
    for (letter, typed) in [('[', b"\x1b["), (']', b"\x1b]"), ('P', b"\x1bP"), ('O', b"\x1bO")] {
        assert!(keyboard.read(typed).is_empty());
        assert_eq!(keyboard.silence(), Some(Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::ALT))));
    }
}

#[test]
fn a_terminal_that_is_asked_for_its_colours_is_heard_and_no_key_is_lost() {
    let hears = |depth, pieces: &[&[u8]]| {
        let mut listening = Listening::on(depth);
        pieces.iter().filter(|piece| listening.take(piece)).count()
    };
    let (yes, no, end) = (&b"\x1bP1+r524742=382f382f38\x1b\\"[..], &b"\x1bP0+r524742\x1b\\"[..], &b"\x1b[?64;1;22c"[..]);
    assert_eq!(hears(Depth::Indexed, &[b"j", yes, end, yes]), 1);
    assert_eq!(hears(Depth::Indexed, &[&yes[..9], &yes[9..]]), 1, "in pieces");
    assert_eq!(hears(Depth::Indexed, &[b"\x1bP1+r5463\x1b\\"]), 1);
    assert_eq!(hears(Depth::Indexed, &[no, end, yes]), 0, "what comes after the end is no answer");
    assert_eq!(hears(Depth::Indexed, &[&[b'x'; 5000], yes]), 0);
    for depth in [Depth::None, Depth::Sixteen, Depth::True] {
        assert_eq!(hears(depth, &[yes]), 0, "{depth:?} was not asked");
    }
    assert_eq!(keys(&[b"j", yes, no, end, b"k"].concat()), [key(KeyCode::Char('j')), key(KeyCode::Char('k'))]);
}

#[test]
fn what_a_terminal_says_by_itself_is_no_key() {
    for reply in [
        &b"\x1b[12;40R"[..],
        b"\x1b[?64;1;2;6;9;15;22c",
        b"\x1b[>1;10;0c",
        b"\x1b[?2026;2$y",
        b"\x1b[8;24;80t",
        b"\x1b]11;rgb:0000/0000/0000\x1b\\",
        b"\x1b]lyyyy\r\x07",
        b"\x1bP1+r524742=38\x1b\\",
        b"\x1b_Gi=1;OK\x1b\\",
        b"\x1b^y\r\x1b\\",
        b"\x1bXy\r\x1b\\",
    ] {
        let mut keyboard = Keyboard::default();
        assert_eq!(keyboard.read(reply), [], "{reply:?}");
        assert_eq!(keyboard.read(b"q"), [key(KeyCode::Char('q'))], "{reply:?}");
        // Cut off anywhere it is none either.
        for cut in 3..reply.len() {
            let mut keyboard = Keyboard::default();
            assert_eq!(keyboard.read(&reply[..cut]), [], "{reply:?} up to {cut}");
            assert_eq!(keyboard.silence(), None, "{reply:?} up to {cut}");
        }
    }
}

#[test]
fn a_paste_is_one_event_and_no_keys() {
    assert_eq!(keys(b"\x1b[200~ay\r\x1b[A\x1b[201~b"), [Event::Paste("ay\r\x1b[A".into()), key(KeyCode::Char('b'))]);
    let mut long = b"\x1b[200~".to_vec();
    long.extend(vec![b'y'; 1 << 20]);
    long.extend(b"\x1b[201~");
    let [Event::Paste(text)] = &keys(&long)[..] else { panic!("a paste is a paste") };
    assert_eq!(text.len(), 64 << 10);
    // One that does not end is never typed.
    let mut keyboard = Keyboard::default();
    assert_eq!(keyboard.read(&long[..500]), []);
    assert_eq!(keyboard.silence(), None);
    assert_eq!(keys(b"\x1b[201~"), []);
}

#[test]
fn the_mouse_is_read_in_both_forms() {
    for bytes in [&b"\x1b[<0;5;3M"[..], b"\x1b[M %#"] {
        let [Event::Mouse(mouse)] = keys(bytes)[..] else { panic!("{bytes:?}") };
        assert_eq!((mouse.column, mouse.row), (4, 2));
        assert!(matches!(mouse.kind, MouseEventKind::Down(_)));
    }
}

#[test]
fn a_size_is_made_sane() {
    assert_eq!(Size::clamped(0, 0), Size { columns: 20, rows: 5 });
    assert_eq!(Size::clamped(u32::MAX, 70_000), Size { columns: 500, rows: 200 });
    assert_eq!(Size::clamped(80, 24), Size { columns: 80, rows: 24 });
}

#[test]
fn the_number_of_colours_is_what_the_client_says_and_never_the_servers_business() {
    let depth = |term: &str, set: &[(&str, &str)]| {
        Depth::of(term, |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    };
    assert_eq!(depth("xterm-256color", &[]), Depth::Indexed);
    assert_eq!(depth("xterm-256color", &[("COLORTERM", "truecolor")]), Depth::True);
    assert_eq!(depth("xterm-256color", &[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
    assert_eq!(depth("xterm-256color", &[("NO_COLOR", "")]), Depth::Indexed);
    assert_eq!(depth("linux", &[]), Depth::Sixteen);
    assert_eq!(depth("vt100", &[]), Depth::None);
    assert_eq!(depth("xterm-kitty", &[]), Depth::True);
    assert_eq!(Depth::Indexed.fit(Color::Rgb(255, 0, 0)), Color::Indexed(196));
    assert_eq!(Depth::Sixteen.fit(Color::Rgb(250, 5, 5)), Color::Indexed(9));
    assert_eq!(Depth::Sixteen.fit(Color::Indexed(196)), Color::Indexed(9));
    assert_eq!(Depth::None.fit(Color::Red), Color::Reset);
    assert_eq!(Depth::True.fit(Color::Rgb(1, 2, 3)), Color::Rgb(1, 2, 3));
}

fn painted(depth: Depth, line: &Line<'_>) -> String {
    let mut terminal = Terminal::new(Painter::new(Size::clamped(40, 5), depth)).unwrap();
    terminal.draw(|frame| frame.render_widget(line, frame.area())).unwrap();
    String::from_utf8(terminal.backend_mut().take()).unwrap()
}

#[test]
fn each_session_has_its_own_colours() {
    let line = Line::from(Span::styled("x", Style::new().fg(Color::Rgb(255, 0, 0)).bg(Color::Blue).add_modifier(Modifier::BOLD)));
    assert!(painted(Depth::True, &line).contains("\u{1b}[0;1;38;2;255;0;0;44mx"));
    assert!(painted(Depth::Indexed, &line).contains("\u{1b}[0;1;38;5;196;44mx"));
    assert!(painted(Depth::Sixteen, &line).contains("\u{1b}[0;1;91;44mx"));
    assert!(painted(Depth::None, &line).contains("\u{1b}[0;1mx"));
}

#[test]
fn a_frame_is_whole_and_shows_what_was_drawn() {
    let mut terminal = Terminal::new(Painter::new(Size::clamped(40, 5), Depth::Indexed)).unwrap();
    let mut model = avt::Terminal::new(40, 5).unwrap();
    model.feed([std::str::from_utf8(ENTER).unwrap()]);
    for text in ["hello wide 世界 x", "e\u{301} and │ ▌ — “q”", "gone"] {
        terminal.draw(|frame| frame.render_widget(Line::from(text), frame.area())).unwrap();
        let frame = String::from_utf8(terminal.backend_mut().take()).unwrap();
        assert!(frame.starts_with("\u{1b}[?2026h") && frame.ends_with("\u{1b}[?2026l"), "{frame:?}");
        model.feed([&frame]);
        let shown = model.screen().line(0).unwrap().text();
        assert_eq!(shown.trim_end().replace('\u{301}', ""), text.replace('\u{301}', ""));
    }
    terminal.backend_mut().resize(Size::clamped(60, 10));
    terminal.draw(|frame| assert_eq!((frame.area().width, frame.area().height), (60, 10))).unwrap();
    assert!(terminal.backend_mut().take().len() > 20);
    assert!(terminal.backend_mut().take().is_empty(), "nothing painted is nothing sent");
}

/// Whether `bytes` holds nothing but text and the sequences that this room makes.
fn is_tame(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap();
    let pattern = concat!(
        r"\x1b\[(\?(2026|1049|2004|1000|1002|1006|25)[hl]|2J|0J|[0-9]{1,3};[0-9]{1,3}H",
        r"|0(;([1-57-9]|[34][0-7]|9[0-7]|10[0-7]|[34]8;5;[0-9]{1,3}|[34]8;2;[0-9]{1,3};[0-9]{1,3};[0-9]{1,3}))*m)"
    );
    let rest = regex::Regex::new(pattern).unwrap().replace_all(text, "");
    !rest.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

proptest! {
    #[test]
    fn no_bytes_make_the_keyboard_panic_or_keep_memory(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut keyboard = Keyboard::default();
        for piece in &pieces {
            for event in keyboard.read(piece) {
                if let Event::Key(KeyEvent { code: KeyCode::Char(c), .. }) = event {
                    prop_assert!(!c.is_control());
                }
            }
        }
        keyboard.silence();
        prop_assert_eq!(keyboard.wait(), None);
        prop_assert_eq!(keyboard.read(b"q"), [key(KeyCode::Char('q'))]);
    }

    #[test]
    fn bytes_that_look_like_sequences_do_not_either(pieces in prop::collection::vec(prop::sample::select(vec![
        "\u{1b}", "[", "O", "]", "P", "_", "200~", "201~", "\u{1b}[200~", "\u{1b}[201~", "\u{1b}\\", "\u{7}", "M", "<", "0;1;1", "?", ">", "u", "R",
        "m", "1;", "999999", "\r", "y", "a", ";", ":", "~", "c", "\u{1b}[M", "\u{18}", "é", "世",
    ]), 0..60)) {
        let mut keyboard = Keyboard::default();
        for piece in &pieces {
            keyboard.read(piece.as_bytes());
        }
        keyboard.silence();
        prop_assert_eq!(keyboard.read(b"q"), [key(KeyCode::Char('q'))]);
    }

    #[test]
    fn nothing_in_a_cell_acts_on_the_terminal(text in any::<String>(), sequences in prop::collection::vec(prop::sample::select(vec![
        "\u{1b}[2J", "\u{1b}]52;c;eA==\u{7}", "\u{9b}5n", "\u{90}x\u{9c}", "\u{202e}", "\r\n", "\u{7}", "\u{1b}[21t", "\u{feff}",
    ]), 0..6)) {
        let line = format!("{}{text}{}", sequences.concat(), sequences.concat());
        for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
            // Past ratatui's own filter, as a careless widget might.
            let cells: Vec<_> = line.chars().map(|c| { let mut cell = Cell::default(); cell.set_symbol(&c.to_string()).set_fg(Color::Rgb(1, 2, 3)); cell }).collect();
            let mut painter = Painter::new(Size::clamped(40, 5), depth);
            painter.draw((0..40).zip(&cells).map(|(x, cell)| (x, 0, cell))).unwrap();
            prop_assert!(is_tame(&painter.take()));
            let mut terminal = Terminal::new(painter).unwrap();
            terminal.draw(|frame| frame.render_widget(Line::from(line.as_str()), frame.area())).unwrap();
            let frame = terminal.backend_mut().take();
            prop_assert!(is_tame(&frame), "{:?}", String::from_utf8_lossy(&frame));
        }
        prop_assert!(is_tame(ENTER) && is_tame(LEAVE));
    }
}
