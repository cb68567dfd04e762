use sha2::{Digest, Sha256};

use super::*;
use crate::frame::Kind;

fn header(seq: u64, body: &[u8]) -> Header {
    let len = (body.len() + Sealer::GROWTH) as u32;
    Header { len, kind: Kind::EVENTS, flags: Flags::AEAD, seq, at_us: 5 }
}

fn sealed(sealer: &Sealer, seq: u64, text: &[u8]) -> (Header, Vec<u8>) {
    let header = header(seq, text);
    let mut body = [&[0; NUMBER_LEN][..], text].concat();
    let tag = sealer.seal(&header, &mut body);
    body.extend_from_slice(&tag);
    (header, body)
}

fn ratchet(byte: u8) -> Ratchet {
    Ratchet::first(Zeroizing::new([byte; 32]))
}

fn open(opener: &mut Opener, (header, body): &(Header, Vec<u8>)) -> Result<Vec<u8>, BadBody> {
    let mut out = Vec::new();
    opener.open(header, body, &mut out).map(|()| out)
}

#[test]
fn bodies_open_in_any_order() {
    let mut sealer = Sealer::new(ratchet(1), [7; 32]);
    let one = sealed(&sealer, 0, b"one");
    sealer.advance();
    sealer.advance();
    let two = sealed(&sealer, 1, b"two");
    let mut opener = Opener::new(ratchet(1), [7; 32]);
    for _ in 0..2 {
        assert_eq!(open(&mut opener, &two).unwrap(), b"two");
        assert_eq!(open(&mut opener, &one).unwrap(), b"one");
    }
}

#[test]
fn a_later_ratchet_does_not_open_what_came_before() {
    let mut sealer = Sealer::new(ratchet(1), [7; 32]);
    let old = sealed(&sealer, 0, b"old");
    sealer.advance();
    let now = sealed(&sealer, 1, b"now");
    let mut opener = Opener::new(sealer.ratchet.clone(), [7; 32]);
    assert_eq!(open(&mut opener, &now).unwrap(), b"now");
    assert_eq!(open(&mut opener, &old), Err(BadBody::Undecryptable));
}

#[test]
fn every_byte_of_header_body_recording_and_key_counts() {
    let sealer = Sealer::new(ratchet(1), [7; 32]);
    let good = sealed(&sealer, 4, b"text");
    let opens = |context, secret, one: &(Header, Vec<u8>)| open(&mut Opener::new(ratchet(secret), context), one).is_ok();
    assert!(opens([7; 32], 1, &good));
    assert!(!opens([8; 32], 1, &good) && !opens([7; 32], 2, &good));
    for at in 0..good.1.len() {
        let mut bad = good.clone();
        bad.1[at] ^= 1;
        assert!(!opens([7; 32], 1, &bad), "byte {at}");
    }
    let changes: [fn(&mut Header); 4] =
        [|it| it.seq += 1, |it| it.at_us += 1, |it| it.kind = Kind::KEYFRAME, |it| it.flags = it.flags.with(Flags::CHUNK)];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad.0);
        assert!(!opens([7; 32], 1, &bad));
    }
    for len in 0..good.1.len() {
        assert!(!opens([7; 32], 1, &(good.0, good.1[..len].to_vec())), "length {len}");
    }
}

#[test]
fn an_invented_key_number_costs_little() {
    let mut body = sealed(&Sealer::new(ratchet(1), [7; 32]), 0, b"x");
    body.1[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut opener = Opener::new(ratchet(1), [7; 32]);
    assert_eq!(open(&mut opener, &body), Err(BadBody::Undecryptable));
    assert_eq!(opener.at.number, 0);
}

/// So that another's implementation can be compared: the value bartizan-recording(5) gives.
#[test]
fn the_row_of_keys_is_the_documented_one() {
    let mut row = ratchet(0);
    assert_eq!(hex::encode(row.derive(KEY).as_slice()), hex::encode(Sha256::new().chain_update(KEY).chain_update([0; 32]).finalize()));
    row.advance();
    assert_eq!(hex::encode(row.secret.as_slice()), hex::encode(Sha256::new().chain_update(NEXT).chain_update([0; 32]).finalize()));
}

#[test]
fn no_secret_is_printed() {
    let text = format!("{:?}", (ratchet(1), Sealer::new(ratchet(1), [0; 32]), Opener::new(ratchet(1), [0; 32])));
    assert_eq!(text, "(Ratchet(0), Sealer(0), Opener(0))");
}
