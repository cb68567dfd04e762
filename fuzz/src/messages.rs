//! Bytes that claim to be PostgreSQL's protocol, from either side and cut anywhere: nothing panics, nothing is kept without bound, and
//! what comes out whole is what went in.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/gateways/postgres/codec/mod.rs"]
mod codec;

use bytes::{Bytes, BytesMut};
use codec::{Frame, Side, Splitter};
use libfuzzer_sys::fuzz_target;

/// The longest message of a client that is taken whole.
const LONGEST: usize = 4_096;

fuzz_target!(|data: &[u8]| {
    let [side, cut, bytes @ ..] = data else { return };
    match side % 3 {
        0 => {
            let _ = codec::first(&mut BytesMut::from(bytes));
        }
        1 => split(Side::Client(LONGEST), usize::from(*cut), bytes),
        _ => split(Side::Server, usize::from(*cut), bytes),
    }
});

/// Feeds `bytes` in pieces of `cut`, and reads every message that comes out.
fn split(side: Side, cut: usize, bytes: &[u8]) {
    let client = matches!(side, Side::Client(_));
    let mut splitter = Splitter::new(side);
    let (mut passed, mut lost) = (0, false);
    for piece in bytes.chunks(cut.max(1)) {
        splitter.feed(Bytes::copy_from_slice(piece));
        loop {
            match splitter.next() {
                Err(_) => return,
                Ok(None) => break,
                Ok(Some(Frame::Whole(kind, frame))) => {
                    passed += frame.len();
                    read(client, kind, &frame);
                }
                Ok(Some(Frame::Begin(_, part) | Frame::More(part, _))) => passed += part.len(),
                Ok(Some(Frame::TooLong(_))) => lost = true,
            }
        }
    }
    assert!(passed <= bytes.len(), "more came out than went in");
    assert!(lost || is_begun(bytes.get(passed..).unwrap_or_default()), "something was swallowed");
}

/// Whether this is the beginning of a message of which more is to come, or nothing.
fn is_begun(rest: &[u8]) -> bool {
    let length = rest.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    length.is_none_or(|length| length as usize >= rest.len())
}

fn read(client: bool, kind: u8, frame: &[u8]) {
    if client {
        let _ = codec::front(kind, frame);
        return;
    }
    let _ = codec::columns(frame);
    let _ = codec::command_tag(frame);
    let _ = codec::copy_out(frame);
    let _ = codec::fault(frame).map(|fault| fault.get(b'C').len());
    let _ = codec::parameter(frame);
    if let Ok(values) = codec::row(frame) {
        let mut again = BytesMut::new();
        let count = u16::try_from(values.len()).expect("as many as a row can have");
        codec::append_row(&mut again, count, |body| values.iter().for_each(|value| codec::put_value(body, *value)));
        assert_eq!(codec::row(&again), Ok(values), "a row that is written again is another");
    }
    let _ = codec::status(frame);
}
