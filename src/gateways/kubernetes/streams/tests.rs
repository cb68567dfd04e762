//! The codecs against arbitrary bytes, arbitrary cuts, and encoders of their own.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use zlib_rs::{Deflate, DeflateFlush};

use super::codec::{Codec, Framing};
use super::said::{Broken, Channel, Said, Side};
use super::spdy::headers::dictionary;
use super::told::{self, Ending, Sizes, Status};

/// Reads all of `bytes` in pieces of `sizes`, as the relay does: what is not understood yet comes again.
fn read(codec: &mut Codec, bytes: &[u8], sizes: &[usize]) -> Result<(Vec<Said>, usize), Broken> {
    let (mut said, mut buffer, mut taken, mut rest) = (Vec::new(), Vec::new(), 0, bytes);
    for size in sizes.iter().chain(std::iter::repeat(&usize::MAX)) {
        let (piece, later) = rest.split_at(rest.len().min((*size).max(1)));
        rest = later;
        buffer.extend_from_slice(piece);
        let count = codec.read(&buffer, &mut said)?;
        assert!(buffer.len() - count <= (16 << 10) + 8, "more is held back than one control frame");
        buffer.drain(..count);
        taken += count;
        if rest.is_empty() {
            break;
        }
    }
    Ok((joined(said), taken))
}

/// Pieces of data that follow each other make one.
fn joined(said: Vec<Said>) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    for next in said {
        match (all.last_mut(), next) {
            (Some(Said::Data(channel, before)), Said::Data(same, more)) if *channel == same => {
                *before = Bytes::from([&before[..], &more[..]].concat());
            }
            (_, next) => all.push(next),
        }
    }
    all
}

fn websocket(protocol: &str) -> Framing {
    Framing::WebSocket(protocol.to_owned())
}

fn codec(framing: &Framing, side: Side) -> Codec {
    let (client, server) = Codec::pair(framing).expect("spoken");
    if side == Side::Client { client } else { server }
}

/// A WebSocket frame.
fn frame(side: Side, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let is_masked = if side == Side::Client { 0x80 } else { 0 };
    match payload.len() {
        short @ ..=125 => out.push(is_masked | short as u8),
        middle @ ..=0xffff => out.extend([&[is_masked | 126][..], &(middle as u16).to_be_bytes()].concat()),
        long => out.extend([&[is_masked | 127][..], &(long as u64).to_be_bytes()].concat()),
    }
    if side == Side::Client {
        let mask = [0xa5, 0x01, 0xff, 0x10];
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        out.extend(payload);
    }
    out
}

/// Messages of `side` in so many fragments each, with a ping between them, and what they say.
fn messages(side: Side, all: &[(Channel, Vec<u8>, usize)]) -> (Vec<u8>, Vec<Said>) {
    let (mut bytes, mut said) = (Vec::new(), Vec::new());
    for (channel, data, fragments) in all {
        let message = [&[*channel as u8][..], data].concat();
        let mut parts = message.chunks(message.len().div_ceil(*fragments)).peekable();
        let mut opcode = 2;
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { 0x80 } else { 0 };
            bytes.extend(frame(side, opcode | last, part));
            bytes.extend(frame(side, 0x89, b"ping"));
            opcode = 0;
        }
        if !data.is_empty() {
            said.push(Said::Data(*channel, Bytes::from(data.clone())));
        }
        said.push(Said::Message);
    }
    (bytes, joined(said))
}

struct Deflated(Deflate);

impl Deflated {
    fn new() -> Self {
        let mut deflate = Deflate::new(9, true, 15);
        deflate.set_dictionary(&dictionary()).expect("a dictionary");
        Self(deflate)
    }

    fn block(&mut self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (pairs.len() as u32).to_be_bytes().to_vec();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend((text.len() as u32).to_be_bytes());
            plain.extend(text.bytes());
        }
        let (mut out, before) = (vec![0; plain.len() + 256], self.0.total_out());
        self.0.compress(&plain, &mut out, DeflateFlush::SyncFlush).expect("deflated");
        out.truncate((self.0.total_out() - before) as usize);
        out
    }

    fn open(&mut self, stream: u32, name: &str) -> Vec<u8> {
        let block = self.block(&[("streamtype", name), ("port", "1")]);
        control(1, 0, &[&stream.to_be_bytes()[..], &[0; 6], &block].concat())
    }
}

fn control(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[0x80, 3][..], &kind.to_be_bytes(), &[flags], &length[1..], body].concat()
}

fn data(stream: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    [&stream.to_be_bytes()[..], &[flags], &length[1..], data].concat()
}

fn spdy() -> Framing {
    Framing::Spdy("v4.channel.k8s.io".to_owned())
}

/// All five streams, opened as clients open them.
fn opened() -> Vec<u8> {
    let mut headers = Deflated::new();
    let names = ["error", "stdin", "stdout", "stderr", "resize"];
    names.iter().zip([1, 3, 5, 7, 9]).flat_map(|(name, stream)| headers.open(stream, name)).collect()
}

#[test]
fn the_dictionary_is_the_one_that_the_protocol_names() {
    let (a, b) = dictionary().iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    assert_eq!(b << 16 | a, 0xe3c6_a7c2);
}

#[test]
fn spdy_streams_are_told_apart_in_both_directions() {
    let (mut client, mut server) = Codec::pair(&spdy()).expect("spoken");
    let up = [
        control(4, 0, &[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 100]),
        opened(),
        data(3, 0, b"ls\n"),
        data(9, 0, b"{\"Width\":80,\"Height\":24}\n"),
        control(6, 0, &[0, 0, 0, 1]),
        data(3, 1, b""),
        control(9, 0, &[0, 0, 0, 5, 0, 0, 1, 0]),
    ]
    .concat();
    for size in 1..40 {
        let (mut client, _) = Codec::pair(&spdy()).expect("spoken");
        let (said, taken) = read(&mut client, &up, &vec![size; up.len()]).expect("understood");
        assert_eq!(taken, up.len());
        let end = [Said::Message, Said::End(Channel::Stdin)];
        let wanted = [Said::Data(Channel::Stdin, "ls\n".into()), Said::Message];
        let resize = [Said::Data(Channel::Resize, "{\"Width\":80,\"Height\":24}\n".into()), Said::Message];
        assert_eq!(said, [&wanted[..], &resize, &end].concat());
    }
    assert_eq!(read(&mut server, &data(5, 0, b"early"), &[]).unwrap_err().0, "SPDY's stream 5 was not opened");
    read(&mut client, &up, &[]).expect("understood");
    let mut headers = Deflated::new();
    let replies: Vec<u8> = [1_u32, 3, 5]
        .iter()
        .flat_map(|stream| {
            let block = headers.block(&[]);
            control(2, 0, &[&stream.to_be_bytes()[..], &block].concat())
        })
        .collect();
    let down = [replies, data(5, 0, b"out"), data(7, 0, b"err"), data(1, 1, b"{}"), control(3, 0, &[0, 0, 0, 5, 0, 0, 0, 5])].concat();
    let (said, taken) = read(&mut server, &down, &[3, 9, 1, 30]).expect("understood");
    assert_eq!(taken, down.len());
    let of = |channel, text: &'static str| Said::Data(channel, text.into());
    let (message, end) = (Said::Message, Said::End(Channel::Error));
    assert_eq!(said[..4], [of(Channel::Stdout, "out"), message.clone(), of(Channel::Stderr, "err"), message.clone()]);
    assert_eq!(said[4..], [of(Channel::Error, "{}"), message, end, Said::End(Channel::Stdout)]);
    // After all that there is a place for last words, and they are read as such.
    let words = server.last_words(&told::cut("locked")).expect("a place");
    assert!(matches!(&read(&mut server, &words, &[]).expect("understood").0[0], Said::Data(Channel::Error, _)));
}

#[test]
fn spdy_that_is_not_as_it_has_to_be_is_broken() {
    let mut headers = Deflated::new();
    let twice = [headers.open(1, "stdin"), headers.open(3, "stdin")].concat();
    let mut plain = Deflate::new(9, true, 15);
    let mut out = vec![0; 64];
    plain.compress(&[0, 0, 0, 0], &mut out, DeflateFlush::SyncFlush).expect("deflated");
    out.truncate(plain.total_out() as usize);
    let mut bomb = Deflated::new();
    let long = "x".repeat(20_000);
    let bomb = control(1, 0, &[&[0, 0, 0, 1][..], &[0; 6], &bomb.block(&[("streamtype", &long)])].concat());
    let cases = [
        (data(5, 0, b"x"), "was not opened"),
        (twice, "opened twice"),
        (Deflated::new().open(2, "stdin"), "as a client opens one"),
        (Deflated::new().open(1, "data"), "for nothing that is known"),
        ([opened(), data(5, 0, b"x")].concat(), "not for this side"),
        ([opened(), data(3, 4, b"x")].concat(), "unknown flags"),
        (control(2, 0, &[0, 0, 0, 1]), "is not as it has to be"),
        (control(5, 0, &[]), "is not as it has to be"),
        (control(8, 0, &[0; 8]), "is not as it has to be"),
        (control(10, 0, &[]), "no control frame of kind 10"),
        (control(4, 0, &[0, 0, 0, 2, 0, 0, 0, 0]), "is not as it has to be"),
        (vec![0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 0], "another version"),
        (vec![0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff], "are the most"),
        (bomb, "too long"),
        (control(1, 0, &[&[0, 0, 0, 1][..], &[0; 6], b"no zlib at all"].concat()), "cannot be inflated"),
    ];
    for (bytes, why) in cases {
        let problem = read(&mut codec(&spdy(), Side::Client), &bytes, &[]).expect_err(why).0;
        assert!(problem.contains(why), "{problem}, not {why}");
    }
    // Headers without the dictionary are headers all the same.
    let open = control(1, 0, &[&[0, 0, 0, 1][..], &[0; 6], &out].concat());
    let problem = read(&mut codec(&spdy(), Side::Client), &open, &[]).unwrap_err().0;
    assert!(problem.contains("nothing that is known"), "{problem}");
}

#[test]
fn websocket_that_is_not_as_it_has_to_be_is_broken() {
    let client = |first, payload: &[u8]| frame(Side::Client, first, payload);
    let cases = [
        (frame(Side::Server, 0x82, b"\0x"), "masked"),
        (client(0xc2, b"\0x"), "extension"),
        (client(0x80, b"\0x"), "fragments"),
        ([client(0x02, b"\0x"), client(0x82, b"\0y")].concat(), "fragments"),
        (client(0x83, b""), "no frame of kind 3"),
        (client(0x09, b""), "in fragments"),
        (client(0x89, &[0; 126]), "too long"),
        (vec![0x82, 0x80 | 126, 0, 5], "written too long"),
        (vec![0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], "written too long"),
        (vec![0x82, 0x80 | 127, 0, 0, 0, 0, 0x02, 0, 0, 1], "are the most"),
        (vec![0x82, 0x80 | 127, 0xff, 0, 0, 0, 0x02, 0, 0, 1], "are the most"),
        ([client(0x88, b"\x03\xe8"), client(0x82, b"\0x")].concat(), "follows WebSocket's close"),
        (client(0x82, b"\x01x"), "stream 1, which this side has not"),
        (client(0x82, b"\x07x"), "stream 7, which this side has not"),
        (client(0x82, b"\xff"), "which stream"),
        (client(0x82, b"\xff\x09"), "there is none"),
        (client(0x82, b"\xff\0\0"), "too many words"),
    ];
    for (bytes, why) in cases {
        let problem = read(&mut codec(&websocket("v5.channel.k8s.io"), Side::Client), &bytes, &[]).expect_err(why).0;
        assert!(problem.contains(why), "{problem}, not {why}");
    }
    let ended = client(0x82, b"\xff\0");
    let (said, _) = read(&mut codec(&websocket("v5.channel.k8s.io"), Side::Client), &ended, &[]).expect("understood");
    assert_eq!(said, [Said::End(Channel::Stdin), Said::Message]);
    // v4 knows no end of a stream.
    assert!(read(&mut codec(&websocket("v4.channel.k8s.io"), Side::Client), &ended, &[]).is_err());
    for unspoken in ["", "channel.k8s.io", "base64.channel.k8s.io", "base64.v4.channel.k8s.io", "v6.channel.k8s.io"] {
        assert!(Codec::pair(&websocket(unspoken)).is_none(), "{unspoken}");
        assert!(Codec::pair(&Framing::Spdy(unspoken.to_owned())).is_none(), "{unspoken}");
    }
}

#[test]
fn last_words_have_their_place_between_messages_only() {
    let mut server = codec(&websocket("v5.channel.k8s.io"), Side::Server);
    let status = told::cut("this session was ended");
    let words = server.last_words(&status).expect("a place");
    let mut other = codec(&websocket("v5.channel.k8s.io"), Side::Server);
    assert_eq!(read(&mut other, &words, &[]).expect("understood").0[0], Said::Data(Channel::Error, status.clone().into()));
    assert_eq!(Status::default().read(&status), Ok(Some(Ending::Failed("bartizan: this session was ended".to_owned()))));
    assert!(server.rests());
    read(&mut server, &frame(Side::Server, 0x02, b"\x01half"), &[]).expect("understood");
    assert!(!server.rests(), "in the middle of a message");
    assert!(!other.rests(), "after close");
    assert_eq!(codec(&spdy(), Side::Server).last_words(&status), None, "no stream for it");
}

#[test]
fn the_end_of_a_command_is_read_from_its_status() {
    let ended = |text: &str| Status::default().read(text.as_bytes()).expect("short").expect("whole");
    assert_eq!(ended(r#"{"metadata":{},"status":"Success"}"#), Ending::Code(0));
    let failed = r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3",
        "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
    assert_eq!(ended(failed), Ending::Code(3));
    assert_eq!(ended(r#"{"status":"Failure","message":"no such container"}"#), Ending::Failed("no such container".to_owned()));
    for odd in ["{}", r#"{"status":1}"#, r#"{"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"-1"}]}}"#] {
        assert!(matches!(ended(odd), Ending::Failed(_)), "{odd}");
    }
    let mut status = Status::default();
    let told: Vec<_> = failed.bytes().filter_map(|byte| status.read(&[byte]).expect("short")).collect();
    assert_eq!(told, [Ending::Code(3)]);
    assert!(Status::default().read(&vec![b' '; (64 << 10) + 1]).is_err());
}

#[test]
fn sizes_of_terminals_are_read_however_they_are_cut() {
    let text = b"{\"Width\":80,\"Height\":24}\n{\"width\":100, \"HEIGHT\":30}";
    for size in 1..text.len() {
        let mut sizes = Sizes::default();
        let all: Vec<_> = text.chunks(size).flat_map(|part| sizes.read(part).expect("sizes")).collect();
        assert_eq!(all, [(80, 24), (100, 30)]);
    }
    for odd in ["{\"Width\":70000}", "{\"Width\":-1}", "{\"Width\":\"80\"}", "{\"Width\":1,\"width\":2}", "[]}", "{{}", "}"] {
        assert!(Sizes::default().read(odd.as_bytes()).is_err(), "{odd}");
    }
    assert!(Sizes::default().read(&[b' '; 1025]).is_err());
}

fn channel_of(side: Side) -> impl Strategy<Value = Channel> {
    let all: Vec<_> = Channel::ALL.into_iter().filter(|channel| channel.speaker() == side).collect();
    proptest::sample::select(all)
}

fn sides() -> impl Strategy<Value = Side> {
    proptest::sample::select(vec![Side::Client, Side::Server])
}

fn framings() -> impl Strategy<Value = Framing> {
    proptest::sample::select(vec![websocket("v5.channel.k8s.io"), websocket("v4.channel.k8s.io"), spdy()])
}

proptest! {
    #[test]
    fn websocket_messages_are_read_wherever_they_are_cut(
        (side, all) in sides().prop_flat_map(|side| (Just(side), vec((channel_of(side), vec(any::<u8>(), 0..300), 1_usize..4), 0..12))),
        cuts in vec(1_usize..64, 0..200),
    ) {
        let (bytes, wanted) = messages(side, &all);
        let (said, taken) = read(&mut codec(&websocket("v4.channel.k8s.io"), side), &bytes, &cuts).expect("understood");
        prop_assert_eq!(said, wanted);
        prop_assert_eq!(taken, bytes.len());
    }

    #[test]
    fn arbitrary_bytes_break_it_or_pass_and_a_cut_changes_nothing(
        framing in framings(), side in sides(), bytes in vec(any::<u8>(), 0..600), cuts in vec(1_usize..32, 0..100),
    ) {
        let whole = read(&mut codec(&framing, side), &bytes, &[]);
        let cut = read(&mut codec(&framing, side), &bytes, &cuts);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn damaged_bytes_never_panic_and_a_cut_changes_nothing(
        framing in framings(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cuts in vec(1_usize..32, 0..100),
    ) {
        let mut bytes = match &framing {
            Framing::Spdy(_) => [opened(), data(3, 0, b"input"), control(6, 0, &[0; 4])].concat(),
            Framing::WebSocket(_) => messages(Side::Client, &[(Channel::Stdin, vec![7; 200], 2), (Channel::Resize, vec![1], 1)]).0,
        };
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let whole = read(&mut codec(&framing, Side::Client), &bytes, &[]);
        let cut = read(&mut codec(&framing, Side::Client), &bytes, &cuts);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }
}
