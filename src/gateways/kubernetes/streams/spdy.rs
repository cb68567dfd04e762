//! SPDY/3.1 as Kubernetes' clients use it for `exec` and `attach`: the client opens a stream for each of stdin, stdout, stderr, error
//! and resize, and names it in `streamType`. Frames are read as they pass and stay as they are.

pub(super) mod headers;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::said::{Broken, Channel, Said, Side};
use headers::Headers;

/// The versions of the protocol inside that are spoken here; over SPDY both mean the same.
pub(super) const SPOKEN: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// The head of every frame.
const HEAD: usize = 8;

/// The longest control frame.
const CONTROL_MAX: usize = 16 << 10;

/// The flag that says that its sender says no more on this stream.
const FIN: u8 = 1;

/// The streams that are open, known to both directions; each is there once at most.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<Vec<(u32, Channel)>>>);

impl Opened {
    fn find(&self, stream: u32) -> Option<Channel> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(id, _)| *id == stream).map(|(_, channel)| *channel)
    }

    /// The stream of `channel`, if it was opened.
    pub(super) fn stream(&self, channel: Channel) -> Option<u32> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(_, is)| *is == channel).map(|(id, _)| *id)
    }

    fn open(&self, stream: u32, channel: Channel) -> Result<(), Broken> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().any(|(id, is)| *id == stream || *is == channel) {
            return Broken::because(format!("the stream {} is opened twice", channel.name()));
        }
        all.push((stream, channel));
        Ok(())
    }
}

/// Reads the frames of one side.
pub(super) struct Spdy {
    side: Side,
    opened: Opened,
    headers: Headers,
    /// The frame of data whose bytes come: of which stream, how many are left, whether the stream ends then.
    data: Option<(Channel, usize, bool)>,
}

impl Spdy {
    pub(super) fn of(side: Side, opened: Opened) -> Self {
        Self { side, opened, headers: Headers::new(), data: None }
    }

    /// Whether a frame of one's own could be put here.
    pub(super) fn rests(&self) -> bool {
        self.data.is_none()
    }

    /// Reads `bytes`, which follow what was read before. Gives how many of them are understood; what is left is to be given again
    /// with what follows.
    pub(super) fn read(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Result<usize, Broken> {
        let mut rest = bytes;
        loop {
            if let Some((channel, left, is_last)) = self.data {
                let (data, later) = rest.split_at(left.min(rest.len()));
                if !data.is_empty() {
                    said.push(Said::Data(channel, Bytes::copy_from_slice(data)));
                }
                (rest, self.data) = (later, Some((channel, left - data.len(), is_last)));
                if data.len() < left {
                    return Ok(bytes.len());
                }
                self.data = None;
                said.push(Said::Message);
                if is_last {
                    said.push(Said::End(channel));
                }
            }
            let Some((head, later)) = rest.split_first_chunk::<HEAD>() else { return Ok(bytes.len() - rest.len()) };
            let [first, second, third, fourth, flags, length @ ..] = *head;
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            if first & 0x80 == 0 {
                self.data = Some(self.begin(u32::from_be_bytes([first, second, third, fourth]), flags, length)?);
                rest = later;
                continue;
            }
            if u16::from_be_bytes([first & 0x7f, second]) != 3 {
                return Broken::because("a SPDY frame is of another version than 3");
            }
            if length > CONTROL_MAX {
                return Broken::because(format!("a control frame of SPDY has {length} bytes; {CONTROL_MAX} are the most"));
            }
            let Some((body, later)) = later.split_at_checked(length) else { return Ok(bytes.len() - rest.len()) };
            self.control(u16::from_be_bytes([third, fourth]), flags, body, said)?;
            rest = later;
        }
    }

    /// The head of a frame of data.
    fn begin(&self, stream: u32, flags: u8, length: usize) -> Result<(Channel, usize, bool), Broken> {
        let Some(channel) = self.opened.find(stream) else {
            return Broken::because(format!("SPDY's stream {stream} was not opened"));
        };
        if flags & !FIN != 0 {
            return Broken::because("a frame of data of SPDY has unknown flags");
        }
        // Either side may say that it says nothing there.
        if length > 0 && channel.speaker() != self.side {
            return Broken::because(format!("the stream {} is not for this side to speak on", channel.name()));
        }
        Ok((channel, length, flags & FIN != 0))
    }

    fn control(&mut self, kind: u16, flags: u8, body: &[u8], said: &mut Vec<Said>) -> Result<(), Broken> {
        match (kind, body.len()) {
            (1, 10..) if self.side == Side::Client => self.open(flags, body, said),
            (2, 4..) if self.side == Side::Server => {
                let (stream, block) = body.split_at(4);
                self.headers.read(block)?;
                let known = self.known(stream)?;
                if flags & FIN != 0 {
                    said.push(Said::End(known));
                }
                Ok(())
            }
            // The other side may have more on its way, and so it stays known.
            (3, 8) => {
                let stream = body.get(..4).unwrap_or_default();
                said.push(Said::End(self.known(stream)?));
                Ok(())
            }
            (4, 4..) if is_settings(body) => Ok(()),
            (6, 4) => Ok(()),
            (7, 8) => Ok(()),
            (9, 8) => Ok(()),
            (1..=9, _) => Broken::because(format!("a control frame of SPDY of kind {kind} is not as it has to be")),
            _ => Broken::because(format!("SPDY has no control frame of kind {kind}")),
        }
    }

    fn known(&self, stream: &[u8]) -> Result<Channel, Broken> {
        let stream = stream.try_into().map(u32::from_be_bytes).unwrap_or_default();
        self.opened.find(stream).ok_or_else(|| Broken(format!("SPDY's stream {stream} was not opened")))
    }

    /// A new stream: its number, that of one it belongs to, its priority, and its headers.
    fn open(&mut self, flags: u8, body: &[u8], said: &mut Vec<Said>) -> Result<(), Broken> {
        let (numbers, block) = body.split_at(10);
        let stream = numbers.first_chunk().map_or(0, |stream| u32::from_be_bytes(*stream));
        let headers = self.headers.read(block)?;
        if stream & 0x8000_0001 != 1 || flags & !3 != 0 {
            return Broken::because(format!("SPDY's stream {stream} is not opened as a client opens one"));
        }
        let mut types = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("streamtype")).map(|(_, value)| value.as_str());
        let (first, second) = (types.next(), types.next());
        let channel = first.filter(|_| second.is_none()).and_then(|name| Channel::ALL.into_iter().find(|channel| channel.name() == name));
        let Some(channel) = channel else {
            return Broken::because("a stream of SPDY is for nothing that is known");
        };
        self.opened.open(stream, channel)?;
        if flags & FIN != 0 {
            said.push(Said::End(channel));
        }
        Ok(())
    }
}

/// A number, and as many settings of eight bytes.
fn is_settings(body: &[u8]) -> bool {
    let Some((number, settings)) = body.split_first_chunk() else { return false };
    usize::try_from(u32::from_be_bytes(*number)).is_ok_and(|number| number.checked_mul(8) == Some(settings.len()))
}

/// A last message to the client on `stream`, which ends with it, and that the connection does too.
pub(super) fn last_words(stream: u32, message: &[u8]) -> Option<Vec<u8>> {
    const GOAWAY: [u8; 16] = [0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let length = u32::try_from(message.len()).ok().filter(|length| *length < 1 << 24)?;
    let head = [stream.to_be_bytes(), (u32::from(FIN) << 24 | length).to_be_bytes()].concat();
    Some([&head[..], message, &GOAWAY].concat())
}
