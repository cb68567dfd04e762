use super::*;
use proptest::prelude::*;

fn pack(pool: &Pool, history: &History, body: &[u8]) -> (Flags, Vec<u8>) {
    pool.lend(|scratch| {
        scratch.history.copy_from(history);
        scratch.out.clear();
        scratch.out.extend_from_slice(body);
        let flags = scratch.try_pack(0, true, false);
        (scratch.keep(0, flags), scratch.out.clone())
    })
    .unwrap()
}

/// Deterministic bytes without any order to them.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 32) as u8
    };
    (0..len).map(|_| step(&mut state)).collect()
}

fn header(flags: Flags) -> Header {
    Header { len: 0, kind: crate::frame::Kind::EVENTS, flags, seq: 0, at_us: 0 }
}

proptest! {
    #[test]
    fn bodies_come_back_through_history_and_limits(
        bodies in proptest::collection::vec(proptest::collection::vec(0u8..6, 0..3000), 1..12),
    ) {
        let pool = Pool::default();
        let mut history = History::default();
        let mut unpacker = Unpacker::new(None).unwrap();
        for (number, body) in bodies.iter().enumerate() {
            let (flags, stored) = pack(&pool, &history, body);
            let flags = if number == 0 { flags.with(Flags::CHUNK) } else { flags };
            prop_assert_eq!(unpacker.events(&header(flags), &stored).unwrap(), body.as_slice());
            history.push(body);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(flags: u8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut unpacker = Unpacker::new(None).unwrap();
        let _ = unpacker.events(&header(Flags(flags)), &bytes);
        let _ = unpacker.other(&header(Flags(flags)), &bytes);
    }
}

#[test]
fn a_keystroke_compresses_against_what_came_before_it() {
    let pool = Pool::default();
    let line = b"drwxr-xr-x 2 root root 4096 Nov 22 12:04 some-directory-name-that-is-long\r\n";
    let mut history = History::default();
    history.push(line);
    let (flags, stored) = pack(&pool, &history, line);
    assert!(flags.has(Flags::HISTORY));
    assert!(stored.len() < 24, "{}", stored.len());
}

#[test]
fn noise_is_stored_as_it_is_and_text_is_not() {
    let (flags, stored) = pack(&Pool::default(), &History::default(), &noise(200_000));
    assert_eq!((flags, stored.len()), (Flags::default(), 200_000));
    assert!(looks_random(&noise(200_000)));
    assert!(!looks_random(&b"the quick brown fox ".repeat(10_000)));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let bomb = zstd::bulk::compress(&vec![0; BODY_LIMIT + 1], 1).unwrap();
    let mut unpacker = Unpacker::new(None).unwrap();
    assert_eq!(unpacker.events(&header(Flags::ZSTD), &bomb), Err(BadBody::TooLong));
    let mut sizeless = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    sizeless.include_contentsize(false).unwrap();
    std::io::Write::write_all(&mut sizeless, b"no size in the header").unwrap();
    let streamed = sizeless.finish().unwrap();
    assert_eq!(unpacker.events(&header(Flags::ZSTD), &streamed), Err(BadBody::Broken));
}

#[test]
fn an_encrypted_body_is_named_as_such() {
    let mut unpacker = Unpacker::new(None).unwrap();
    assert_eq!(unpacker.events(&header(Flags::AEAD), b"xx"), Err(BadBody::Encrypted));
    assert_eq!(unpacker.events(&header(Flags(0x40)), b"xx"), Err(BadBody::Flags));
}

#[test]
fn history_that_looks_like_a_formatted_dictionary_is_not_used() {
    let mut history = History::default();
    history.push(&[&DICTIONARY_MAGIC[..], &[0; 64]].concat());
    assert_eq!(history.usable(), None);
}
