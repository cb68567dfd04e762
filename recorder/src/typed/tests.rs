use super::*;

/// A session in which keys and output come as told.
struct Session {
    typed: Typed,
    recorded: String,
}

impl Session {
    fn new() -> Self {
        Self { typed: Typed::new(80), recorded: String::new() }
    }

    fn keep(&mut self, events: Vec<Event<'static>>) -> &mut Self {
        for event in events {
            self.recorded.push_str(&String::from_utf8_lossy(&event.data()));
        }
        self
    }

    fn keys(&mut self, text: &str) -> &mut Self {
        let events = self.typed.typed(text.as_bytes());
        self.keep(events)
    }

    fn shows(&mut self, text: &str) -> &mut Self {
        let events = self.typed.shown(text.as_bytes());
        self.keep(events)
    }

    /// Typed key by key, each echoed at once.
    fn echoed(&mut self, text: &str) -> &mut Self {
        for next in text.chars() {
            self.keys(&next.to_string()).shows(&next.to_string());
        }
        self
    }

    fn ends(&mut self) -> String {
        let events = self.typed.finish();
        self.keep(events);
        std::mem::take(&mut self.recorded)
    }
}

#[test]
fn a_line_that_was_echoed_is_recorded_as_it_was_typed() {
    let mut session = Session::new();
    session.shows("$ ").echoed("ls -l").keys("\r").shows("\r\nfile\r\n$ ").echoed("id").keys("\r").shows("\r\nuid=0\r\n$ ");
    assert_eq!(session.ends(), "ls -l\rid\r");
}

#[test]
fn a_line_without_an_echo_is_hidden_and_has_no_length() {
    for secret in
        ["x", "hunter2", "correct horse battery staple", &"long".repeat(1500), "päss wörd", "pass\x7f\x7fword", "one\ttwo", "a\x1b[Ab"]
    {
        let mut session = Session::new();
        session.shows("$ ").echoed("sudo id").keys("\r").shows("\r\n[sudo] password for alice: ");
        session.keys(secret).keys("\r").shows("\r\nuid=0\r\n$ ").echoed("exit").keys("\r").shows("\r\n");
        assert_eq!(session.ends(), "sudo id\r‹hidden›\rexit\r", "{secret}");
    }
}

#[test]
fn a_pasted_secret_is_hidden_and_a_pasted_command_is_not() {
    let mut session = Session::new();
    session.shows("Password: ").keys("hunter2\r").shows("\r\n$ ");
    session.keys("\x1b[200~echo one two\x1b[201~").shows("\x1b[7mecho one two\x1b[27m").keys("\r").shows("\r\n\x1b[?2004l\rone two\r\n$ ");
    // Several lines at once, echoed only then.
    session.keys("first\rsecond\r").shows("first\r\n").shows("second\r\n");
    assert_eq!(session.ends(), "‹hidden›\r\x1b[200~echo one two\x1b[201~\rfirst\rsecond\r");
}

#[test]
fn an_echo_in_part_or_in_disguise_hides_all_of_the_line() {
    for echo in ["hun", "*******", "h u n t e r 2", "hunter", "unter2", "2retnuh", "HUNTER2"] {
        let mut session = Session::new();
        session.shows("Password: ").keys("hunter2").shows(echo).keys("\r").shows("\r\n$ ");
        assert_eq!(session.ends(), "‹hidden›\r", "{echo}");
    }
}

#[test]
fn what_stood_there_before_is_no_echo() {
    let mut session = Session::new();
    session.shows("Type the password hunter2").keys("hunter2\r").shows("\r\n");
    assert_eq!(session.ends(), "‹hidden›\r");
}

#[test]
fn what_is_rubbed_out_is_not_recorded_even_if_the_rest_is() {
    let mut session = Session::new();
    session.shows("Password: ").keys("hunter2\x15").shows("\r\n$ ").echoed("ls").keys("\r").shows("\r\n");
    assert_eq!(session.ends(), "ls\r");
    session.shows("$ ").echoed("lx").keys("\x7f").shows("\x08 \x08").echoed("s").keys("\r").shows("\r\n");
    assert_eq!(session.ends(), "ls\r");
}

#[test]
fn a_password_that_no_line_feed_follows_does_not_hide_what_comes_next() {
    let mut session = Session::new();
    session.shows("PIN: ").keys("1234\r").shows("ok $ ").echoed("ls").keys("\r").shows("\r\nfile\r\n");
    assert_eq!(session.ends(), "‹hidden›\rls\r");
}

#[test]
fn completion_and_cursor_keys_are_recorded_with_the_line_they_are_in() {
    let mut session = Session::new();
    session.shows("$ ").echoed("cat /e").keys("\t").shows("tc/").echoed("pas").keys("\t").shows("swd ").keys("\r").shows("\r\nroot\r\n");
    assert_eq!(session.ends(), "cat /e\tpas\t\r");
}

#[test]
fn a_line_longer_than_the_terminal_is_wide_is_one_line() {
    let mut session = Session::new();
    let long = "echo ".to_owned() + &"0123456789".repeat(12);
    session.shows("$ ");
    for (at, next) in long.chars().enumerate() {
        // As readline does at the right margin.
        let wrap = if (at + 3) % 80 == 0 { " \r" } else { "" };
        session.keys(&next.to_string()).shows(&format!("{next}{wrap}"));
    }
    session.keys("\r").shows("\r\n");
    assert_eq!(session.ends(), format!("{long}\r"));
}

#[test]
fn what_is_typed_into_a_full_screen_program_is_hidden_and_spoils_nothing_behind_it() {
    let mut session = Session::new();
    session.shows("$ ").echoed("vim x").keys("\r").shows("\r\n\x1b[?1049h\x1b[2J\x1b[H~\r\n~");
    session.keys(":X").shows("\x1b[24;1H:X").keys("\r").shows("\x1b[24;1HEnter key: ").keys("hunter2\r").shows("*******");
    session.keys("ihello\x1b:q!\r").shows("\x1b[1;1Hhello\x1b[?1049l\r\n$ ");
    session.echoed("ls").keys("\r").shows("\r\n");
    let recorded = session.ends();
    assert!(recorded.starts_with("vim x\r") && recorded.ends_with("ls\r") && !recorded.contains("hunter2"), "{recorded}");
}

#[test]
fn keys_that_nobody_waits_for_enter_with_are_recorded_where_they_were_shown() {
    let mut session = Session::new();
    session.shows("Go on? [y/n] ").echoed("y").shows("\r\ndone\r\n$ ").echoed("ls").keys("\r").shows("\r\n");
    assert_eq!(session.ends(), "yls\r");
}

#[test]
fn a_redrawn_line_is_an_echo() {
    let mut session = Session::new();
    // As a shell that colours while one types.
    session.shows("$ ").keys("l").shows("l").keys("s").shows("\x08\x1b[32mls\x1b[39m\x1b[K").keys("\r").shows("\r\n");
    assert_eq!(session.ends(), "ls\r");
}

#[test]
fn signs_that_end_a_line_are_recorded() {
    let mut session = Session::new();
    session.shows("$ ").echoed("sleep 9").keys("\x03").shows("^C\r\n$ ").keys("\x04").shows("exit\r\n");
    assert_eq!(session.ends(), "sleep 9\x03\x04");
    session.shows("Password: ").keys("hunt\x03").shows("\r\n$ ");
    assert_eq!(session.ends(), "‹hidden›\x03");
}

proptest::proptest! {
    #[test]
    fn nothing_is_recorded_that_was_not_shown(secret in "[a-zA-Z0-9 !-~äö]{4,40}", noise in "[\\x00-\\x7f]{0,80}", at in 0usize..80) {
        let mut session = Session::new();
        session.shows("Password: ");
        let cut = noise.floor_char_boundary(at);
        proptest::prop_assume!(!noise.contains(&secret));
        session.keys(&secret).shows(&noise[..cut]).keys("\r").shows(&noise[cut..]).shows("\r\n");
        let recorded = session.ends();
        proptest::prop_assert!(!recorded.contains(&secret), "{recorded:?}");
    }

    #[test]
    fn no_storm_of_bytes_panics(storm in proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..40)), 0..40)) {
        let mut typed = Typed::new(10);
        for (is_key, bytes) in storm {
            drop(if is_key { typed.typed(&bytes) } else { typed.shown(&bytes) });
        }
        drop(typed.finish());
    }
}
