use super::*;
use proptest::prelude::*;

/// Any event that a writer can be given.
pub(crate) fn any_event() -> impl Strategy<Value = Event<'static>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Cow::<'static, [u8]>::from);
    let text = || any::<String>().prop_map(Cow::<'static, str>::from);
    prop_oneof![
        4 => bytes().prop_map(Event::Output),
        1 => bytes().prop_map(Event::Stderr),
        1 => bytes().prop_map(Event::Input),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Event::Resize { cols, rows }),
        1 => text().prop_map(Event::Operation),
        1 => text().prop_map(Event::Marker),
        1 => text().prop_map(Event::Note),
        1 => (text(), text()).prop_map(|(name, value)| Event::Environment { name, value }),
        1 => any::<u32>().prop_map(|status| Event::Exit(Exit::status(status))),
        1 => any::<String>().prop_map(|signal| Event::Exit(Exit::signal(signal))),
    ]
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was_put(event in any_event(), interval: u64) {
        let mut out = Vec::new();
        put_record(&mut out, interval, event.code(), &event.data());
        prop_assert!(out.len() <= event.data().len() + RECORD_OVERHEAD);
        let mut bytes = Bytes(&out);
        prop_assert_eq!(take_record(&mut bytes), Some((interval, event)));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = Bytes(&bytes);
        while take_record(&mut bytes).is_some() {}
    }
}

#[test]
fn data_that_does_not_parse_is_kept_as_it_is() {
    let mut out = Vec::new();
    put_record(&mut out, 0, b'r', b"wide");
    let (_, event) = take_record(&mut Bytes(&out)).unwrap();
    assert_eq!(event, Event::Other { code: b'r', data: b"wide"[..].into() });
}
