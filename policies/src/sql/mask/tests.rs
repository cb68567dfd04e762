//! Each mask on each type, in text and in binary, gives a value of that type that does not have the old one in it.

use super::*;

const KEY: &[u8] = b"a key of this deployment";
const TEXT: u32 = 25;

fn text(mask: Mask, type_oid: u32, value: &str) -> Option<String> {
    let shown = masked(mask, type_oid, Format::Text, Some(value.as_bytes()), KEY)?;
    Some(String::from_utf8(shown.into_owned()).expect("text is UTF-8"))
}

#[test]
fn texts_are_hidden_as_the_mask_says() {
    let cases = [
        (Mask::Null, "a@b.example", None),
        (Mask::Redact, "a@b.example", Some("[redacted]")),
        (Mask::Last4, "4000123412341234", Some("****1234")),
        (Mask::Last4, "1234567", Some("****")),
        (Mask::Last4, "äöüßäöüß", Some("****äöüß")),
        (Mask::Email, "alice@b.example", Some("a****@b.example")),
        (Mask::Email, "a@b.example", Some("****@b.example")),
        (Mask::Email, "no address", Some("****")),
        (Mask::Email, "@b", Some("****")),
    ];
    for (mask, value, shown) in cases {
        assert_eq!(text(mask, TEXT, value).as_deref(), shown, "{mask} {value}");
    }
    assert_eq!(masked(Mask::Redact, TEXT, Format::Text, None, KEY), None);
}

#[test]
fn a_hash_is_the_same_for_the_same_value_and_key_in_either_format() {
    let one = text(Mask::Hash, TEXT, "x").expect("a hash");
    assert_eq!((one.len(), text(Mask::Hash, TEXT, "x")), (32, Some(one.clone())));
    assert_ne!(text(Mask::Hash, TEXT, "y"), Some(one.clone()));
    assert_ne!(masked(Mask::Hash, TEXT, Format::Text, Some(b"x"), b"other").expect("a hash"), one.as_bytes());
    let forty_two = 42_i32.to_be_bytes();
    let binary = masked(Mask::Hash, 23, Format::Binary, Some(&forty_two), KEY).expect("a number");
    let number = i32::from_be_bytes(binary.as_ref().try_into().expect("four bytes"));
    assert_eq!(text(Mask::Hash, 23, "42"), Some(number.to_string()));
    let id = "0190163d-8694-739b-aea5-966c26f8ad91";
    let bytes = hex::decode(id.replace('-', "")).expect("hex");
    let binary = masked(Mask::Hash, 2950, Format::Binary, Some(&bytes), KEY).expect("a uuid");
    let shown = text(Mask::Hash, 2950, id).expect("a uuid");
    assert_eq!((shown.replace('-', ""), shown.len()), (hex::encode(&binary), 36));
    assert_eq!(shown.get(14..15), Some("8"));
}

#[test]
fn what_fits_no_type_becomes_null() {
    for (mask, type_oid) in [(Mask::Redact, 23), (Mask::Email, 2950), (Mask::Last4, 1082), (Mask::Hash, 1114), (Mask::Redact, 16)] {
        assert_eq!(text(mask, type_oid, "12345678"), None, "{mask} {type_oid}");
    }
}

#[test]
fn numbers_and_json_stay_what_they_are() {
    assert_eq!(text(Mask::Last4, 20, "4000123412341234").as_deref(), Some("1234"));
    assert_eq!(text(Mask::Last4, 23, "1234"), None);
    assert_eq!(text(Mask::Redact, 114, "{}").as_deref(), Some("\"[redacted]\""));
    let shown = masked(Mask::Redact, 3802, Format::Binary, Some(b"\x01{}"), KEY).expect("json");
    assert_eq!(shown.as_ref(), b"\x01\"[redacted]\"");
    // 400012341234 as PostgreSQL sends it: 4000, 1234, 1234.
    let value: Vec<u8> = [3_i16, 2, 0, 0, 4000, 1234, 1234].iter().flat_map(|half| half.to_be_bytes()).collect();
    assert_eq!(numeric_text(&value).as_deref(), Some("400012341234"));
    let shown = masked(Mask::Last4, 1700, Format::Binary, Some(&value), KEY).expect("a number");
    assert_eq!(numeric_text(&shown).as_deref(), Some("1234"));
    assert_eq!(text(Mask::Last4, 1700, "12345678.90"), None);
    let half: Vec<u8> = [2_i16, 0, 0x4000, 2, 12, 5000].iter().flat_map(|half| half.to_be_bytes()).collect();
    assert_eq!(numeric_text(&half).as_deref(), Some("-12.50"));
    let hash = masked(Mask::Hash, 1700, Format::Binary, Some(&half), KEY).expect("a number");
    assert_eq!(text(Mask::Hash, 1700, "-12.50"), numeric_text(&hash));
}
