//! Kubernetes' channel protocols over WebSocket, `v4.channel.k8s.io` and `v5.channel.k8s.io`: the first byte of a message tells which
//! stream it belongs to; in v5, 255 and a stream's number end that stream.

use bytes::Bytes;

use super::said::{Broken, Channel, Said, Side};
use super::websocket::{Frames, Piece};

/// Those that are spoken here. Those with `base64.` before them are for clients that know no binary messages, and none does without.
pub(super) const SPOKEN: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// Says in v5 that a stream ends.
const CLOSES: u8 = 255;

/// Reads the messages of one side.
pub(super) struct Channels {
    frames: Frames,
    messages: Messages,
}

struct Messages {
    side: Side,
    closes: bool,
    place: Place,
}

/// Where in a message.
#[derive(Clone, Copy)]
enum Place {
    Start,
    In(Channel),
    Closing(Option<Channel>),
}

impl Channels {
    /// The messages of `side` in `protocol`; `None` if it is not spoken here.
    pub(super) fn of(side: Side, protocol: &str) -> Option<Self> {
        let closes = SPOKEN.iter().position(|spoken| *spoken == protocol)? == 0;
        Some(Self { frames: Frames::of(side), messages: Messages { side, closes, place: Place::Start } })
    }

    pub(super) fn rests(&self) -> bool {
        self.frames.rests()
    }

    /// As [`Frames::read`].
    pub(super) fn read(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Result<usize, Broken> {
        let messages = &mut self.messages;
        self.frames.read(bytes, &mut |piece| match piece {
            Piece::Data(data) => messages.data(&data, said),
            Piece::End => messages.end(said),
        })
    }
}

impl Messages {
    fn data(&mut self, mut data: &[u8], said: &mut Vec<Said>) -> Result<(), Broken> {
        if matches!(self.place, Place::Start)
            && let Some((first, rest)) = data.split_first()
        {
            self.place = match Channel::numbered(*first) {
                Some(channel) if channel.speaker() == self.side => Place::In(channel),
                None if *first == CLOSES && self.closes => Place::Closing(None),
                _ => return Broken::because(format!("a message is for stream {first}, which this side has not")),
            };
            data = rest;
        }
        match (self.place, data) {
            (_, []) => Ok(()),
            (Place::In(channel), data) => {
                said.push(Said::Data(channel, Bytes::copy_from_slice(data)));
                Ok(())
            }
            (Place::Closing(None), [number]) => match Channel::numbered(*number) {
                Some(channel) => {
                    self.place = Place::Closing(Some(channel));
                    Ok(())
                }
                None => Broken::because(format!("stream {number} is to end, and there is none")),
            },
            (Place::Closing(_) | Place::Start, _) => Broken::because("the end of a stream is told in too many words"),
        }
    }

    fn end(&mut self, said: &mut Vec<Said>) -> Result<(), Broken> {
        match std::mem::replace(&mut self.place, Place::Start) {
            Place::Start | Place::In(_) => {}
            Place::Closing(Some(channel)) => said.push(Said::End(channel)),
            Place::Closing(None) => return Broken::because("it is not told which stream is to end"),
        }
        said.push(Said::Message);
        Ok(())
    }
}
