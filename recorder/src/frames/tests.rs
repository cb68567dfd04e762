use super::*;
use crate::frame::{Flags, Kind};
use proptest::prelude::*;

fn file(bodies: &[&[u8]]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (seq, body) in bodies.iter().enumerate() {
        let len = body.len() as u32;
        let header = Header { len, kind: Kind::EVENTS, flags: Flags::default(), seq: seq as u64, at_us: seq as u64 };
        out.extend_from_slice(&header.encode(body));
        out.extend_from_slice(body);
    }
    out
}

fn walk(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<(), FrameError>) {
    let mut found = Vec::new();
    let mut frames = match Frames::open(bytes) {
        Ok(frames) => frames,
        Err(error) => return (found, Err(error)),
    };
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => found.push(frame.body.to_vec()),
            Ok(None) => return (found, Ok(())),
            Err(error) => return (found, Err(error)),
        }
    }
}

#[test]
fn all_frames_are_found_in_order() {
    let big = vec![7; 700_000];
    let (found, end) = walk(&file(&[b"one", b"", &big, b"two"]));
    assert!(end.is_ok());
    assert_eq!(found, [b"one".to_vec(), Vec::new(), big, b"two".to_vec()]);
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_frame_gives_the_frames_before() {
    let whole = file(&[b"one", b"two", b"three"]);
    let last = HEADER_LEN + 5;
    for cut in 1..=last {
        let (found, end) = walk(&whole[..whole.len() - cut]);
        assert_eq!(found.len(), 2, "cut {cut}");
        assert_eq!(end.is_ok(), cut == last, "cut {cut}");
    }
}

#[test]
fn frames_in_another_order_are_refused() {
    let one = file(&[b"one", b"two"]);
    let split = MAGIC.len() + HEADER_LEN + 3;
    let swapped = [&MAGIC[..], &one[split..], &one[MAGIC.len()..split]].concat();
    assert!(matches!(walk(&swapped).1, Err(FrameError::Bad { bad: BadFrame::Sequence, .. })));
}

#[test]
fn a_walk_goes_on_when_the_file_has_grown() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let whole = file(&[b"one", b"two"]);
    let part = MAGIC.len() + HEADER_LEN + 3 + 10;
    std::fs::write(path.path(), &whole[..part]).unwrap();
    let mut frames = Frames::open(File::open(path.path()).unwrap()).unwrap();
    assert_eq!(frames.next_frame().unwrap().unwrap().body, b"one");
    assert!(matches!(frames.next_frame(), Err(FrameError::Torn { .. })));
    std::fs::write(path.path(), &whole).unwrap();
    assert_eq!(frames.next_frame().unwrap().unwrap().body, b"two");
    assert!(frames.next_frame().unwrap().is_none());
}

#[test]
fn a_torn_frame_that_was_cut_and_written_anew_is_read_anew() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let (torn, anew) = (file(&[b"one", b"torn away"]), file(&[b"one", b"two"]));
    std::fs::write(path.path(), &torn[..torn.len() - 1]).unwrap();
    let mut frames = Frames::open(File::open(path.path()).unwrap()).unwrap();
    frames.next_frame().unwrap();
    assert!(matches!(frames.next_frame(), Err(FrameError::Torn { .. })));
    std::fs::write(path.path(), &anew).unwrap();
    assert_eq!(frames.next_frame().unwrap().unwrap().body, b"two");
}

proptest! {
    #[test]
    fn any_bytes_are_walked_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(walk(&bytes).1.is_err());
        prop_assert!(walk(&[&MAGIC[..], &bytes].concat()).0.len() <= bytes.len() / HEADER_LEN);
    }

    #[test]
    fn a_flipped_bit_is_never_taken_for_a_good_file(at in 0usize..200, bit in 0u8..8) {
        let whole = file(&[b"one one one", b"two two two", b"three three", b"four four fo"]);
        let mut bad = whole.clone();
        let at = at % whole.len();
        bad[at] ^= 1 << bit;
        prop_assert!(walk(&bad).1.is_err());
    }
}
