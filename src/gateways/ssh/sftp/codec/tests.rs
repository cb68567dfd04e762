//! Every packet comes back as it was; nothing from outside brings the reader down or lets it wait or take for ever.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

type Parts = (Option<u64>, Option<(u32, u32)>, Option<u32>, Option<(u32, u32)>, Vec<(Vec<u8>, Vec<u8>)>);

fn parts() -> impl Strategy<Value = Parts> {
    any::<(Option<u64>, Option<(u32, u32)>, Option<u32>, Option<(u32, u32)>)>()
        .prop_flat_map(|(size, owner, mode, times)| (Just(size), Just(owner), Just(mode), Just(times), vec((bytes(), bytes()), 0..3)))
}

fn attributes(parts: &Parts) -> Attributes<'_> {
    let (size, owner, permissions, times, extended) = parts;
    let extended = extended.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    Attributes { size: *size, owner: *owner, permissions: *permissions, times: *times, extended }
}

/// Every request there is, of the same fields.
fn all<'a>(a: &'a [u8], b: &'a [u8], n: u64, m: u32, attributes: &Attributes<'a>) -> Vec<Request<'a>> {
    let attributes = || attributes.clone();
    let mut all = vec![
        Request::Open { path: a, flags: m, attributes: attributes() },
        Request::Close { handle: a },
        Request::Read { handle: a, offset: n, length: m },
        Request::Write { handle: a, offset: n, data: b },
        Request::Lstat { path: a },
        Request::Fstat { handle: a },
        Request::Setstat { path: a, attributes: attributes() },
        Request::Fsetstat { handle: a, attributes: attributes() },
        Request::Opendir { path: a },
        Request::Readdir { handle: a },
        Request::Remove { path: a },
        Request::Mkdir { path: a, attributes: attributes() },
        Request::Rmdir { path: a },
        Request::Realpath { path: a },
        Request::Stat { path: a },
        Request::Rename { path: a, to: b },
        Request::Readlink { path: a },
        Request::Symlink { says: a, link: b },
    ];
    all.extend(
        [
            Extension::PosixRename { path: a, to: b },
            Extension::Statvfs { path: a },
            Extension::Fstatvfs { handle: a },
            Extension::Hardlink { path: a, link: b },
            Extension::Fsync { handle: a },
            Extension::Lsetstat { path: a, attributes: attributes() },
            Extension::Limits,
            Extension::ExpandPath { path: a },
            Extension::CopyData { from: a, offset: n, length: n / 2, to: b, to_offset: n / 3 },
            Extension::HomeDirectory { user: a },
            Extension::UsersGroupsById { users: a, groups: b },
            Extension::Unknown { name: b"lock@example.test", data: b },
        ]
        .map(Request::Extended),
    );
    all
}

fn replies<'a>(a: &'a [u8], b: &'a [u8], m: u32, attributes: &Attributes<'a>) -> Vec<Reply<'a>> {
    let name = Name { name: a, line: b, attributes: attributes.clone() };
    vec![
        Reply::Status { code: m, message: a },
        Reply::Handle(a),
        Reply::Data(b),
        Reply::Names(vec![name.clone(), name]),
        Reply::Names(Vec::new()),
        Reply::Attributes(attributes.clone()),
        Reply::Extended(b),
    ]
}

/// What stands behind the length field, which must be right.
fn body(packet: &Bytes) -> &[u8] {
    assert_eq!(length(packet).unwrap(), Some(packet.len()));
    assert_eq!(length(&packet[..3]).unwrap(), None);
    &packet[4..]
}

proptest! {
    #[test]
    fn every_request_comes_back_as_it_was_and_none_can_be_cut_or_stretched(
        a in bytes(), b in bytes(), n: u64, m: u32, id: u32, parts in parts(), cut: prop::sample::Index,
    ) {
        for request in all(&a, &b, n, m, &attributes(&parts)) {
            let packet = request.packet(id);
            let body = body(&packet);
            prop_assert_eq!(read_request(body), Ok((id, request.clone())));
            prop_assert_eq!(number(body), Some(id));
            let unknown = matches!(request, Request::Extended(Extension::Unknown { .. }));
            let shorter = &body[..cut.index(body.len())];
            if !unknown {
                prop_assert!(read_request(shorter).is_err());
                let longer = [body, b"x"].concat();
                prop_assert_eq!(read_request(&longer), Err(Malformed::Long));
            }
        }
    }

    #[test]
    fn every_reply_comes_back_as_it_was(a in bytes(), b in bytes(), m: u32, id: u32, parts in parts()) {
        for reply in replies(&a, &b, m, &attributes(&parts)) {
            let packet = reply.packet(id);
            let body = body(&packet);
            prop_assert_eq!(read_reply(body), Ok((id, reply.clone())));
            if !matches!(reply, Reply::Extended(_)) {
                let longer = [body, b"x"].concat();
                prop_assert_eq!(read_reply(&longer), Err(Malformed::Long));
            }
        }
    }

    #[test]
    fn a_greeting_comes_back_as_it_was(version: u32, extensions in vec((bytes(), bytes()), 0..4)) {
        let extensions = extensions.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let greeting = Greeting { version, extensions };
        let (init, answer) = (greeting.init_packet(), greeting.version_packet());
        prop_assert_eq!(Greeting::init(body(&init)), Ok(greeting.clone()));
        prop_assert_eq!(Greeting::version(body(&answer)), Ok(greeting.clone()));
        prop_assert!(Greeting::version(body(&init)).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused_and_what_is_read_is_written_the_same(kind in 0u8..=255, rest in vec(any::<u8>(), 0..200)) {
        let body = [&[kind][..], &rest].concat();
        if let Ok((id, request)) = read_request(&body) {
            let again = request.packet(id);
            prop_assert_eq!(read_request(&again[4..]), Ok((id, request)));
        }
        if let Ok((id, reply)) = read_reply(&body) {
            let again = reply.packet(id);
            prop_assert_eq!(read_reply(&again[4..]), Ok((id, reply)));
        }
        drop((Greeting::init(&body), Greeting::version(&body), length(&body), lesser(&body, [1; 4])));
    }

    /// Flipping bytes of good packets reaches deeper than bytes at random.
    #[test]
    fn packets_with_a_few_bytes_changed_never_bring_the_reader_down(
        a in bytes(), b in bytes(), n: u64, m: u32, parts in parts(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let attributes = attributes(&parts);
        let packets = all(&a, &b, n, m, &attributes).into_iter().map(|r| r.packet(7));
        for packet in packets.chain(replies(&a, &b, m, &attributes).into_iter().map(|r| r.packet(7))) {
            let mut bytes = packet.to_vec();
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            drop((length(&bytes), read_request(&bytes[4..]), read_reply(&bytes[4..])));
        }
    }
}

#[test]
fn a_length_over_256_kib_or_of_nothing_is_refused_before_anything_is_kept() {
    assert_eq!(length(&[0, 4, 0, 0]), Ok(Some((256 << 10) + 4)));
    assert_eq!(length(&[0, 4, 0, 1]), Err(Malformed::TooLong((256 << 10) + 1)));
    assert_eq!(length(&[0xff; 4]), Err(Malformed::TooLong(u32::MAX)));
    assert_eq!(length(&[0; 4]), Err(Malformed::Short));
}

#[test]
fn counts_and_lengths_that_lie_are_refused_without_taking_memory() {
    // NAME with 2^32-1 entries, a string of 4 GiB, attributes with 2^32-1 pairs.
    assert_eq!(read_reply(&[104, 0, 0, 0, 1, 255, 255, 255, 255]), Err(Malformed::Short));
    assert_eq!(read_request(&[16, 0, 0, 0, 1, 255, 255, 255, 255]), Err(Malformed::Short));
    assert_eq!(read_reply(&[105, 0, 0, 0, 1, 128, 0, 0, 0, 255, 255, 255, 255]), Err(Malformed::Short));
}

#[test]
fn flags_of_other_versions_and_overlong_handles_are_refused() {
    assert_eq!(read_reply(&[105, 0, 0, 0, 1, 0, 0, 0, 0x10]), Err(Malformed::Flags));
    assert_eq!(read_reply(&Reply::Handle(&[b'h'; 257]).packet(1)[4..]), Err(Malformed::Long));
}

#[test]
fn replies_do_not_pass_as_requests_nor_requests_as_replies() {
    assert_eq!(read_request(&status_packet(1, code::OK, "")[4..]), Err(Malformed::Kind(101)));
    assert_eq!(read_reply(&Request::Stat { path: b"/" }.packet(1)[4..]), Err(Malformed::Kind(17)));
}

#[test]
fn old_servers_that_send_a_status_without_words_are_understood() {
    assert_eq!(read_reply(&[101, 0, 0, 0, 9, 0, 0, 0, 2]), Ok((9, Reply::Status { code: code::NO_SUCH_FILE, message: b"" })));
}

#[test]
fn limits_are_the_lesser_of_both_and_no_limit_becomes_ours() {
    let theirs: Vec<u8> = [0u64, 50, 500, 7].iter().flat_map(|n| n.to_be_bytes()).collect();
    let both: Vec<u8> = [100u64, 50, 100, 7].iter().flat_map(|n| n.to_be_bytes()).collect();
    assert_eq!(lesser(&theirs, [100; 4]).unwrap(), both);
    assert!(lesser(&theirs[1..], [100; 4]).is_err());
}
