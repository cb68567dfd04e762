//! Paths as servers are known to read them, and fields at the places they can hide in.

use proptest::prelude::*;

use super::{Body, Masker, NotShown, Odd, Places, read};
use crate::Mask;

fn path(target: &str) -> Result<String, Odd> {
    read(target).map(|target| target.path)
}

#[test]
fn a_path_has_one_form() {
    for (target, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a//b///c", "/a/b/c"),
        ("//a", "/a"),
        ("/a/./b/.", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/%61dmin", "/admin"),
        ("/a%c3%a4", "/a%C3%A4"),
        ("/a%20b", "/a%20b"),
        ("/~joe/x_y-z", "/~joe/x_y-z"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a%3bv", "/a%3Bv"),
        ("/a/...", "/a/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a:b@c!$&'()*+,=d", "/a:b@c!$&'()*+,=d"),
        ("/a%25b", "/a%25b"),
    ] {
        assert_eq!(path(target).as_deref(), Ok(expected), "{target}");
    }
    let read = read("/a/../b?x=/../%zz&y=%2F").unwrap();
    assert_eq!((read.path.as_str(), read.query.as_str()), ("/b", "x=/../%zz&y=%2F"));
}

#[test]
fn what_servers_read_differently_is_refused() {
    for (target, expected) in [
        ("", Odd::NoPath),
        ("*", Odd::NoPath),
        ("a/b", Odd::NoPath),
        ("http://x/a", Odd::NoPath),
        ("/a%2fb", Odd::EncodedStructure),
        ("/a%5Cb", Odd::EncodedStructure),
        ("/a%00", Odd::EncodedStructure),
        ("/a%0d%0aX:1", Odd::EncodedStructure),
        ("/a%7f", Odd::EncodedStructure),
        ("/a\\b", Odd::RawByte),
        ("/a#b", Odd::RawByte),
        ("/a b", Odd::RawByte),
        ("/ä", Odd::RawByte),
        ("/a?b c", Odd::RawByte),
        ("/a?b#c", Odd::RawByte),
        ("/a?b\\c", Odd::RawByte),
        ("/a%", Odd::BadEncoding),
        ("/a%4", Odd::BadEncoding),
        ("/a%zz", Odd::BadEncoding),
        ("/..", Odd::AboveRoot),
        ("/a/../../b", Odd::AboveRoot),
        ("/%2e%2e/b", Odd::AboveRoot),
        ("/a/..;/admin", Odd::DotsWithParameter),
        ("/a/..;x=1/admin", Odd::DotsWithParameter),
        ("/a/.;/admin", Odd::DotsWithParameter),
        ("/a/..%3b/admin", Odd::DotsWithParameter),
        ("/a/%2e%2e;/admin", Odd::DotsWithParameter),
        ("/a/..%20/admin", Odd::DotsWithParameter),
    ] {
        assert_eq!(path(target), Err(expected), "{target}");
    }
    assert_eq!(path(&format!("/{}", "a".repeat(20_000))), Err(Odd::TooLong));
}

proptest! {
    #[test]
    fn what_is_read_once_is_read_the_same_again(target in "[/.%a-fA-F0-9;:?~ -]{0,40}") {
        if let Ok(once) = read(&format!("/{target}")) {
            let again = read(&format!("{}?{}", once.path, once.query)).unwrap();
            prop_assert_eq!(&again, &once);
            prop_assert!(!once.path.split('/').any(|part| part == "." || part == ".."));
            prop_assert!(!once.path.contains("//"));
        }
    }
}

/// What is shown of `text`, in pieces of `size`, where places that end with one of `hidden` are masked.
fn shown(text: &str, size: usize, hidden: &[(&str, Mask)], many: bool) -> Result<String, super::Unreadable> {
    judged(text, size, |place| hidden.iter().find(|(end, _)| place.ends_with(end)).map(|(_, mask)| *mask), many)
}

/// The same by what `judge` says of each place.
fn judged(text: &str, size: usize, judge: impl FnMut(&str) -> Option<Mask>, many: bool) -> Result<String, super::Unreadable> {
    let mut masker = Masker::new(judge, b"key".to_vec(), many);
    let mut shown = Vec::new();
    for piece in text.as_bytes().chunks(size) {
        masker.push(piece, &mut shown)?;
    }
    masker.finish(&mut shown)?;
    Ok(String::from_utf8(shown).unwrap())
}

#[test]
fn fields_are_hidden_wherever_they_stand() {
    let card =
        [("/card", Mask::Last4), ("/secret", Mask::Null), ("/*/mail", Mask::Email), ("/list/*", Mask::Redact), ("/a~1b", Mask::Null)];
    for (text, expected) in [
        (r#"{"card":"4111111111111111","x":1}"#, r#"{"card":"****1111","x":1}"#),
        (r#" { "card" : "4111111111111111" , "x" : [ ] } "#, r#" { "card" : "****1111" , "x" : [ ] } "#),
        (r#"{"a":{"card":"12345678"}}"#, r#"{"a":{"card":"****5678"}}"#),
        (r#"[{"mail":"ann@x.org"},{"mail":"bob@x.org"}]"#, r#"[{"mail":"a****@x.org"},{"mail":"b****@x.org"}]"#),
        (r#"{"secret":{"deep":[1,{"x":"y"}]},"z":2}"#, r#"{"secret":null,"z":2}"#),
        (r#"{"secret":[[],{}],"z":2}"#, r#"{"secret":null,"z":2}"#),
        (r#"{"secret":-1.5e3,"z":true}"#, r#"{"secret":null,"z":true}"#),
        (r#"{"secret":null,"z":null}"#, r#"{"secret":null,"z":null}"#),
        (r#"{"list":["a",1,{"b":2},[3]]}"#, r#"{"list":["[redacted]",null,null,null]}"#),
        (r#"{"c\u0061rd":"4111111111111111"}"#, r#"{"c\u0061rd":"****1111"}"#),
        (r#"{"card":"41111111111\u00311111"}"#, r#"{"card":"****1111"}"#),
        (r#"{"card":"a\"b\\1234567"}"#, r#"{"card":"****4567"}"#),
        (r#"{"a/b":"x","a":{"b":"y"}}"#, r#"{"a/b":null,"a":{"b":"y"}}"#),
        (r#"{"card":"1","card":"12345678"}"#, r#"{"card":"****","card":"****5678"}"#),
        (r#""plain""#, r#""plain""#),
        ("12", "12"),
        ("", ""),
    ] {
        for size in [1, 3, 1000] {
            assert_eq!(shown(text, size, &card, false).as_deref(), Ok(expected), "{text}");
        }
    }
    let lines = "{\"card\":\"12345678\"}\n{\"card\":\"87654321\"}\n";
    assert_eq!(shown(lines, 5, &card, true).as_deref(), Ok("{\"card\":\"****5678\"}\n{\"card\":\"****4321\"}\n"));
    assert!(shown(lines, 5, &card, false).is_err());
    assert_eq!(shown(r#""top""#, 2, &[("", Mask::Null)], false).as_deref(), Ok("null"));
}

#[test]
fn each_place_is_asked_about_once_whatever_is_left_out_of_an_item_or_stands_elsewhere_in_it() {
    let fields = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "secret"];
    let mut asked = Vec::new();
    let mut items: Vec<String> = Vec::new();
    for n in 0..400_usize {
        let mut some: Vec<_> = fields.iter().enumerate().filter(|(at, _)| (n * 7 + at * 13) % 5 < 3).map(|(_, name)| *name).collect();
        let turn = n / 100 % some.len().max(1);
        some.rotate_left(turn);
        items.push(format!("{{{}}}", some.iter().map(|name| format!("\"{name}\":{{\"x\":\"{n}\"}}")).collect::<Vec<_>>().join(",")));
    }
    let text = format!("{{\"items\":[{}]}}", items.join(","));
    let judge = |place: &str| {
        asked.push(place.to_owned());
        place.ends_with("/secret/x").then_some(Mask::Redact)
    };
    let shown = judged(&text, 1000, judge, false).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for item in value["items"].as_array_mut().unwrap() {
        if let Some(secret) = item.get_mut("secret") {
            secret["x"] = "[redacted]".into();
        }
    }
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    assert_eq!(asked.len(), 3 + 2 * fields.len(), "{asked:?}");
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 3 + 2 * fields.len());
}

#[test]
fn more_places_than_are_remembered_are_masked_all_the_same() {
    let text = |secret: &str| {
        let one = |n: usize| format!("\"k{n}\":{{\"secret\":{secret},\"other\":[\"x\"]}}");
        format!("{{{},{}}}", (0..6_000).map(one).collect::<Vec<_>>().join(","), one(5_999))
    };
    assert_eq!(shown(&text("\"s\""), 999, &[("/secret", Mask::Null)], false), Ok(text("null")));
}

#[test]
fn names_that_are_too_long_together_are_refused() {
    let name = "n".repeat(20_000);
    let deep = |depth: usize| format!("{}1{}", format!("{{\"{name}\":").repeat(depth), "}".repeat(depth));
    assert!(shown(&deep(3), 4096, &[], false).is_ok());
    assert!(shown(&deep(4), 4096, &[], false).is_err());
    assert!(shown(&format!("{{\"secret\":{}}}", deep(4)), 4096, &[("/secret", Mask::Null)], false).is_ok(), "nobody asks for places there");
}

#[test]
fn what_is_no_json_is_not_handed_on() {
    for text in [
        "{",
        "[1,]",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "1 2",
        "nul",
        "NaN",
        "01",
        "{\"a\":1,}",
        "]",
        "\u{feff}{}",
        "\"a",
        "\"\\",
        "callback({})",
        "<html>",
        "{\"a\":\"\n\"}",
        "{\"\\q\":1}",
        "[}",
        "{]",
        "--1",
        "{\"a\":1}}",
    ] {
        assert!(shown(text, 1, &[], false).is_err(), "{text}");
    }
    assert!(shown(&"[".repeat(300), 7, &[], false).is_err());
    let long = format!("{{\"card\":\"{}\"}}", "4".repeat(100_000));
    assert_eq!(shown(&long, 4096, &[("/card", Mask::Last4)], false).as_deref(), Ok("{\"card\":null}"));
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[a-z\"\\\\/é\u{1f600}\n]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec(("[ab/~\"]{0,3}", inner), 0..5).prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// The same by looking at the whole value.
fn hidden(value: &serde_json::Value, place: &str) -> serde_json::Value {
    if place.ends_with("/a") || place.ends_with("/b/*") {
        return serde_json::Value::Null;
    }
    match value {
        serde_json::Value::Array(items) => items.iter().map(|item| hidden(item, &format!("{place}/*"))).collect(),
        serde_json::Value::Object(fields) => {
            let field = |(name, value): (&String, &serde_json::Value)| {
                (name.clone(), hidden(value, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))))
            };
            serde_json::Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn any_value_is_masked_as_its_whole_would_be(value in values(), size in 1_usize..20, pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let shown = shown(&text, size, &[("/a", Mask::Null), ("/b/*", Mask::Null)], false).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), hidden(&value, ""));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut shown, mut masker) = (Vec::new(), Masker::new(|_: &str| Some(Mask::Null), Vec::new(), true));
        if masker.push(&bytes, &mut shown).is_ok() {
            let _ = masker.finish(&mut shown);
        }
    }
}

fn places(text: &str) -> Places {
    match Body::read(text.as_bytes()) {
        Ok(Body::Read(places)) => (*places).clone(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_body_is_laid_out_by_places() {
    let body = places(r#"{"a":1,"b":[{"c":"x","d":1.5},{"c":"y","d":-2.5e0}],"e~/f":null,"g":true,"h":{},"*":"star"}"#);
    let all: Vec<&str> = body.all.iter().map(String::as_str).collect();
    assert_eq!(all, ["", "/*", "/a", "/b", "/b/*", "/b/*/c", "/b/*/d", "/e~0~1f", "/g", "/h"]);
    assert_eq!(body.texts["/b/*/c"].iter().map(String::as_str).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((body.least["/a"], body.most["/a"], body.least["/b/*/d"], body.most["/b/*/d"]), (1, 1, -3, 2));
    assert_eq!((body.words["/g"].len(), body.words["/e~0~1f"].first().map(String::as_str)), (1, Some("null")));
    // Numbers are rounded away from what a limit would let pass, and never wrap.
    for (text, least, most) in [
        ("500.01", 500, 501),
        ("-0.5", -1, 0),
        ("1e3", 1_000, 1_000),
        ("1e300", i64::MAX, i64::MAX),
        ("-1e300", i64::MIN, i64::MIN),
        ("18446744073709551615", i64::MAX, i64::MAX),
        ("9223372036854775808", i64::MAX, i64::MAX),
        ("-9223372036854775809", i64::MIN, i64::MIN),
    ] {
        let body = places(text);
        assert_eq!((body.least[""], body.most[""]), (least, most), "{text}");
    }
    assert_eq!(Body::read(b""), Ok(Body::Absent));
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_not_shown() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"A":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"[{"x":{"b":1,"b":1}}]"#,
        "{} {}",
        "{}x",
        "{",
        " ",
        "\u{feff}{}",
        "nul",
        "01",
        "1e999",
        "{a:1}",
        "{\"a\":1,}",
        "\"\\ud800\"",
    ] {
        assert!(matches!(Body::read(text.as_bytes()), Err(NotShown::Ambiguous(_))), "{text}");
    }
    assert!(matches!(Body::read(b"\"\xff\""), Err(NotShown::Ambiguous(_))));
    assert!(matches!(Body::read("[".repeat(1_000).as_bytes()), Err(NotShown::Ambiguous(_))));
    let wide = format!("{{{}}}", (0..5_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
    assert!(matches!(Body::read(wide.as_bytes()), Err(NotShown::Ambiguous(_))));
    assert_eq!(Body::read("x".repeat(65_537).as_bytes()), Err(NotShown::TooLong));
}

proptest! {
    #[test]
    fn every_value_of_a_body_is_at_its_place(value in values()) {
        let text = serde_json::to_string(&value).unwrap();
        if let Ok(Body::Read(body)) = Body::read(text.as_bytes()) {
            let mut wanted = std::collections::BTreeSet::new();
            gather(&value, "", &mut wanted);
            prop_assert_eq!(&body.all, &wanted);
        }
    }

    #[test]
    fn any_bytes_are_a_body_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Body::read(&bytes);
    }
}

fn gather(value: &serde_json::Value, place: &str, into: &mut std::collections::BTreeSet<String>) {
    into.insert(place.to_owned());
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| gather(item, &format!("{place}/*"), into)),
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| gather(value, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), into))
        }
        _ => {}
    }
}
