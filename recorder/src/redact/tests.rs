use super::*;
use crate::cast::{CastVersion, ExportError, export_cast_redacted};
use crate::event::Event;
use crate::testing::{Tape, command, now, shell};

fn rules(patterns: &[&str], classes: &[&str]) -> Redaction {
    let mut redaction = Redaction::default();
    patterns.iter().for_each(|pattern| redaction.add_pattern("pattern", pattern).unwrap());
    classes.iter().for_each(|class| redaction.add_class(class).unwrap());
    redaction
}

fn exported(tape: &Tape, redaction: &mut Redaction) -> Result<String, ExportError> {
    let mut out = Vec::new();
    export_cast_redacted(&tape.recording(), CastVersion::V2, redaction, &mut out, &mut |_| ())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn what_a_rule_names_is_masked_however_it_was_split() {
    let mut tape = shell();
    for (at, part) in ["his card is 41", "11 11\x1b[1m11 1", "\x1b[0m111 1", "111.\r\nno card: 4111 1111 1111 1112\r\n"].iter().enumerate()
    {
        tape.writer.append(now(at as u64), &[Event::output(part.as_bytes())]).unwrap();
    }
    let mut redaction = rules(&[], &["credit-card"]);
    let cast = exported(&tape, &mut redaction).unwrap();
    assert!(cast.contains("his card is ██") && !cast.contains("his card is 4") && cast.contains("4111 1111 1111 1112"), "{cast}");
    assert_eq!(redaction.hits().collect::<Vec<_>>(), [("credit-card", 1)]);
    // Nothing but what was masked has another length.
    assert!(cast.contains("\\u001b[1m██"), "{cast}");
}

#[test]
fn classes_are_what_they_are_called_and_nothing_else() {
    for (class, yes, no) in [
        ("email", "alice@example.com", "alice@example"),
        ("ipv4", "192.0.2.77", "1.2.3"),
        ("ipv6", "2001:db8::1", "12:30:45"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 01"),
        ("jwt", "eyJhbGciOiJub25l.eyJzdWIiOiJhIn0.sig", "eyJ.x.y"),
        ("aws-key", "AKIAIOSFODNN7EXAMPLE", "AKIA1234"),
        ("bearer-token", "Bearer abcdefgh12345678", "bearer of news"),
        ("assignment", "DB_PASSWORD=\"a b c\"", "the password is long"),
    ] {
        let mut redaction = rules(&[], &[class]);
        let masked = redaction.masked(&format!("<{yes}> {no}\n"));
        assert!(masked.starts_with("<█") && masked.ends_with(&format!("{no}\n")), "{class}: {masked}");
        assert_eq!(redaction.hits().next(), Some((class, 1)), "{class}");
    }
    assert!(Redaction::default().add_class("nonsense").unwrap_err().contains("credit-card"));
    assert!(Redaction::default().add_pattern("x", "a*").is_err() && Redaction::default().add_pattern("x", "(").is_err());
}

#[test]
fn a_private_key_is_masked_from_its_first_line_to_its_last() {
    let mut tape = command();
    let key = b"before\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\nbehind\n";
    tape.writer.append(now(1), &[Event::output(&key[..])]).unwrap();
    let cast = exported(&tape, &mut rules(&[], &["private-key"])).unwrap();
    assert!(cast.contains("before") && cast.contains("behind") && !cast.contains("b3Blb") && !cast.contains("PRIVATE"), "{cast}");
}

#[test]
fn operations_notes_and_input_are_masked_too_and_stay_json() {
    let mut tape = command();
    let events = [
        Event::operation(r#"{"action":"ssh.exec","text":"login --user alice@example.com","verdict":"allow"}"#),
        Event::note("alice@example.com left"),
        Event::environment("MAIL", "alice@example.com"),
        Event::Input(b"alice@example.com\r"[..].into()),
    ];
    tape.writer.append(now(1), &events).unwrap();
    let cast = exported(&tape, &mut rules(&[], &["email"])).unwrap();
    assert!(!cast.contains("alice@example.com"), "{cast}");
    for line in cast.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_copy_that_still_shows_what_a_rule_names_is_refused() {
    let mut tape = shell();
    // On the screen it is one word; in the stream its parts are lines apart.
    let drawn = b"\x1b[5;1Hsecret-\x1b[6;1Hother line\r\n\x1b[5;8Hword\r\n\x1b[9;1H";
    tape.writer.append(now(1), &[Event::output(&drawn[..])]).unwrap();
    let refused = exported(&tape, &mut rules(&["secret-word"], &[]));
    assert!(matches!(refused, Err(ExportError::StillShown { .. })), "{refused:?}");
}
