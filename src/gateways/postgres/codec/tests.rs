use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn frame(kind: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(kind);
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap());
    bytes.extend_from_slice(body);
    bytes.freeze()
}

fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(u32::try_from(rest.len() + 8).unwrap());
    bytes.put_u32(code);
    bytes.extend_from_slice(rest);
    bytes
}

fn taken(bytes: &[u8]) -> Result<Option<First>, CodecError> {
    first(&mut BytesMut::from(bytes))
}

/// What comes out of a splitter that is fed `bytes` cut at `cuts`: the messages whole, or the error.
fn split(side: Side, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Bytes>, CodecError> {
    let mut splitter = Splitter::new(side);
    let (mut out, mut open, mut at) = (Vec::new(), BytesMut::new(), 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    for end in ends {
        splitter.feed(Bytes::copy_from_slice(&bytes[at..end]));
        at = end;
        loop {
            if let Some(kept) = splitter.run(b'D') {
                let mut rest = kept.bytes;
                for _ in 0..kept.count {
                    let length = u32::from_be_bytes(rest[1..5].try_into().unwrap());
                    out.push(rest.split_to(usize::try_from(length).unwrap() + 1));
                }
                assert!(rest.is_empty());
            }
            match splitter.next()? {
                None => break,
                Some(Frame::Whole(_, bytes)) => out.push(bytes),
                Some(Frame::Begin(_, bytes)) => open = BytesMut::from(bytes),
                Some(Frame::More(bytes, last)) => {
                    open.extend_from_slice(&bytes);
                    if last {
                        out.push(open.split().freeze());
                    }
                }
                Some(Frame::TooLong(kind)) => out.push(Bytes::copy_from_slice(&[kind])),
            }
        }
    }
    Ok(out)
}

#[test]
fn a_client_opens_asks_for_encryption_or_cancels() {
    assert_eq!(taken(&packet(80_877_103, b"")), Ok(Some(First::Encryption)));
    assert_eq!(taken(&packet(80_877_104, b"")), Ok(Some(First::Encryption)));
    let cancel = packet(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4]);
    assert_eq!(taken(&cancel), Ok(Some(First::Cancel(7, Bytes::from_static(&[1, 2, 3, 4])))));
    let Ok(Some(First::Startup(opening))) = taken(&packet(3 << 16 | 2, b"user\0alice\0database\0orders\0\0")) else { panic!() };
    assert_eq!((opening.minor, opening.get("user"), opening.get("database")), (2, Some("alice"), Some("orders")));
    let whole = packet(3 << 16, b"user\0a\0\0");
    for end in 0..whole.len() {
        assert_eq!(taken(&whole[..end]), Ok(None), "{end}");
    }
}

#[test]
fn bytes_behind_a_request_for_encryption_are_not_taken() {
    for code in [80_877_103, 80_877_104] {
        let early = [packet(code, b""), packet(3 << 16, b"user\0mallory\0\0")].concat();
        assert_eq!(taken(&early), Err(CodecError::Early));
    }
}

#[test]
fn what_is_no_beginning_is_refused() {
    assert_eq!(taken(&[0x16, 3, 1, 0, 200, 1]), Err(CodecError::DirectTls));
    assert_eq!(taken(b"GET / HTTP/1.1\r\n"), Err(CodecError::Foreign));
    for length in [0_u32, 4, 7, 10_001, u32::MAX] {
        let bytes = [&length.to_be_bytes()[..], &[0, 3, 0, 0]].concat();
        assert!(taken(&bytes).is_err(), "{length}");
    }
    assert_eq!(taken(&packet(2 << 16, b"\0")), Err(CodecError::Foreign));
    for rest in [&b"user"[..], b"user\0", b"user\0a\0", b"user\0a\0\0x", b"\xff\0a\0\0"] {
        assert!(taken(&packet(3 << 16, rest)).is_err(), "{rest:?}");
    }
    assert!(taken(&packet(80_877_102, &[0, 0, 0, 7])).is_err(), "a cancel without a key");
    assert!(taken(&packet(80_877_102, &[0; 300])).is_err(), "a cancel with too long a key");
}

#[test]
fn lengths_that_cannot_be_are_refused_and_none_wraps_around() {
    for side in [Side::Client(1 << 20), Side::Server] {
        for length in [0_u32, 3, 0x8000_0000, u32::MAX] {
            for kind in [b'Q', b'D', b'd', b'T', b'B'] {
                let bytes = [&[kind][..], &length.to_be_bytes(), &[0; 16]].concat();
                let got = split(side, &bytes, &[]);
                assert!(got.is_err(), "{side:?} {} {length}: {got:?}", char::from(kind));
            }
        }
    }
    // Two messages in one whose length has wrapped (CVE-2024-27304): the inner one is never seen.
    let inner = frame(b'Q', b"DROP TABLE t\0");
    let mut body = b"portal\0statement\0".to_vec();
    body.extend_from_slice(&inner);
    let outer = frame(b'B', &body);
    assert_eq!(split(Side::Client(1 << 20), &outer, &[]).unwrap(), std::slice::from_ref(&outer));
}

#[test]
fn a_kind_that_does_not_belong_to_a_side_is_refused() {
    for kind in 0..=u8::MAX {
        let known = [b"QPBCDEFHSXcdfp".contains(&kind), b"DdTtENACSGHWVKRvZ123Insc".contains(&kind)];
        for (side, known) in [Side::Client(99), Side::Server].into_iter().zip(known) {
            assert_eq!(split(side, &frame(kind, b""), &[]).is_ok(), known, "{side:?} {kind}");
        }
    }
}

#[test]
fn a_statement_that_is_too_long_is_dropped_and_the_next_is_read() {
    let (long, next) = (frame(b'Q', &[b'x'; 5_000]), frame(b'Q', b"SELECT 1\0"));
    let all = [&long[..], &next[..]].concat();
    for cuts in [vec![], vec![3, 700, 4_999, 5_003], (0..all.len()).collect()] {
        let out = split(Side::Client(1_000), &all, &cuts).unwrap();
        assert_eq!(out, [Bytes::from_static(b"Q"), next.clone()]);
    }
    assert!(split(Side::Server, &frame(b'T', &[0; 5 << 20]), &[]).is_err(), "a server's description may not be so long");
}

#[test]
fn the_messages_of_a_client_are_read() {
    let read = |bytes: &Bytes| format!("{:?}", front(bytes[0], bytes));
    assert_eq!(front(b'Q', &frame(b'Q', b"SELECT 1\0")), Ok(Front::Query("SELECT 1")));
    assert_eq!(front(b'P', &frame(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17")), Ok(Front::Parse("s", "SELECT $1")));
    assert_eq!(front(b'B', &frame(b'B', b"p\0s\0rest")), Ok(Front::Bind("p", "s", b"rest")));
    assert_eq!(front(b'D', &frame(b'D', b"Sname\0")), Ok(Front::Describe(Kind::Statement, "name")));
    assert_eq!(front(b'C', &frame(b'C', b"P\0")), Ok(Front::Close(Kind::Portal, "")));
    assert_eq!(front(b'E', &frame(b'E', b"\0\0\0\0\x05")), Ok(Front::Execute("", 5)));
    for bad in [
        frame(b'Q', b"no end"),
        frame(b'Q', b"one\0two\0"),
        frame(b'Q', b"\xff\0"),
        frame(b'P', b"s\0SELECT\0"),
        frame(b'P', b"s\0SELECT\0\0\x02\0\0\0\x17"),
        frame(b'D', b"Xname\0"),
        frame(b'E', b"\0\0\0"),
    ] {
        assert!(front(bad[0], &bad).is_err(), "{}", read(&bad));
    }
}

#[test]
fn the_messages_of_a_server_are_read() {
    let made = error(Severity::Error, "42501", "no", &[(b'H', "ask"), (b'D', "")]);
    let read = fault(&made).unwrap();
    assert_eq!((read.get(b'C'), read.get(b'M'), read.get(b'H'), read.get(b'D'), read.get(b'V')), ("42501", "no", "ask", "", "ERROR"));
    assert_eq!(command_tag(&frame(b'C', b"SELECT 5\0")), Ok("SELECT 5"));
    assert_eq!(status(&frame(b'Z', b"T")), Ok(b'T'));
    assert!(status(&frame(b'Z', b"x")).is_err() && status(&frame(b'Z', b"II")).is_err());
    assert_eq!(parameter(&parameter_status("a", "b")), Ok(("a", "b")));
    let two = frame(b'D', &[&[0, 2][..], &[0, 0, 0, 2], b"hi", &(-1_i32).to_be_bytes()].concat());
    assert_eq!(row(&two), Ok(vec![Some(&b"hi"[..]), None]));
    for length in [3_i32, i32::MAX] {
        let bad = frame(b'D', &[&[0, 1][..], &length.to_be_bytes(), b"hi"].concat());
        assert!(row(&bad).is_err(), "{length}");
    }
}

#[test]
fn text_cannot_end_a_message_early() {
    let made = error(Severity::Notice, "00000", "a\0b", &[(b'H', "x\0C42501\0")]);
    let read = fault(&made).unwrap();
    assert_eq!((read.get(b'M'), read.get(b'H'), read.get(b'C')), ("ab", "xC42501", "00000"));
}

fn any_frame() -> impl Strategy<Value = Bytes> {
    let kinds = proptest::sample::select(b"DdTtENACSZ123Insc".to_vec());
    (kinds, proptest::collection::vec(any::<u8>(), 0..300), 0..40_usize).prop_map(|(kind, body, times)| {
        let bare = b"123Insc".contains(&kind);
        let long = matches!(kind, b'D' | b'd') && times > 37;
        frame(
            kind,
            &if bare {
                Vec::new()
            } else if long {
                body.repeat(600)
            } else {
                body
            },
        )
    })
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_the_same_messages_come_out(
        frames in proptest::collection::vec(any_frame(), 0..20),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let all: Vec<u8> = frames.iter().flat_map(|frame| frame.to_vec()).collect();
        prop_assert_eq!(split(Side::Server, &all, &cuts).unwrap(), frames);
    }

    #[test]
    fn no_bytes_bring_the_codec_down(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in any::<u8>()) {
        let _ = taken(&bytes);
        let _ = split(Side::Server, &bytes, &[7, 100]);
        let _ = split(Side::Client(50), &bytes, &[7, 100]);
        let _ = (front(kind, &bytes), fault(&bytes), command_tag(&bytes), status(&bytes), parameter(&bytes), row(&bytes));
    }

    #[test]
    fn no_body_of_a_known_kind_brings_the_codec_down(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in *b"QPBDCEHSdcfFX" {
            let bytes = frame(kind, &body);
            let _ = front(kind, &bytes);
        }
        let bytes = frame(b'E', &body);
        let _ = (fault(&bytes), row(&bytes), parameter(&bytes));
    }
}
