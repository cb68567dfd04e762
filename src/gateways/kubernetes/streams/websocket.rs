//! WebSocket's frames (RFC 6455, section 5), read as they pass: what is not allowed there is broken, so that both ends cannot read
//! it differently. Keeps no payload; never changes one.

use std::borrow::Cow;

use crate::gateways::http::payload_length;

use super::said::{Broken, Side};

/// The longest frame, as API servers have it.
const FRAME_MAX: u64 = 32 << 20;

/// What a frame holds.
pub(super) enum Piece<'a> {
    /// Bytes of a message of data, unmasked.
    Data(Cow<'a, [u8]>),
    /// The message is over.
    End,
}

/// Reads the frames of one side.
pub(super) struct Frames {
    side: Side,
    frame: Option<Frame>,
    /// A message began and is not over.
    in_message: bool,
    /// Close was said; nothing follows.
    closed: bool,
}

/// The frame whose payload comes.
struct Frame {
    left: u64,
    mask: Option<[u8; 4]>,
    /// Bytes of the payload that are behind, as far as the mask is concerned.
    at: usize,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Data { is_last: bool },
    Close,
    Control,
}

impl Frames {
    pub(super) fn of(side: Side) -> Self {
        Self { side, frame: None, in_message: false, closed: false }
    }

    /// Whether a frame of one's own could be put here.
    pub(super) fn rests(&self) -> bool {
        self.frame.is_none() && !self.in_message && !self.closed
    }

    /// Reads `bytes`, which follow what was read before. Gives how many of them are understood; what is left is to be given again
    /// with what follows.
    pub(super) fn read(&mut self, bytes: &[u8], sink: &mut impl FnMut(Piece<'_>) -> Result<(), Broken>) -> Result<usize, Broken> {
        let mut rest = bytes;
        loop {
            let Some(frame) = &mut self.frame else {
                match self.head(rest)? {
                    Some((length, frame)) => {
                        rest = rest.get(length..).unwrap_or_default();
                        self.frame = Some(frame);
                        continue;
                    }
                    None => return Ok(bytes.len() - rest.len()),
                }
            };
            let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(rest.len());
            let (payload, later) = rest.split_at(count);
            rest = later;
            if let (What::Data { .. }, false) = (frame.what, payload.is_empty()) {
                sink(Piece::Data(frame.shown(payload)))?;
            }
            frame.left -= count as u64;
            if frame.left > 0 {
                return Ok(bytes.len());
            }
            let what = frame.what;
            self.frame = None;
            match what {
                What::Data { is_last } => {
                    self.in_message = !is_last;
                    if is_last {
                        sink(Piece::End)?;
                    }
                }
                What::Close => self.closed = true,
                What::Control => {}
            }
        }
    }

    /// Reads the head of a frame: its length and what it says; `None` while it is not whole.
    fn head(&self, bytes: &[u8]) -> Result<Option<(usize, Frame)>, Broken> {
        let Some(first) = bytes.first() else { return Ok(None) };
        if self.closed {
            return Broken::because("something follows WebSocket's close");
        }
        let what = self.what(*first)?;
        let Some(second) = bytes.get(1) else { return Ok(None) };
        let is_masked = second & 0x80 != 0;
        if is_masked != (self.side == Side::Client) {
            return Broken::because("a WebSocket frame is masked where it must not be, or is not where it must");
        }
        let Some((wide, left)) = payload_length(bytes) else { return Ok(None) };
        if (wide == 2 && left < 126) || (wide == 8 && left <= 0xffff) {
            return Broken::because("the length of a WebSocket frame is written too long");
        }
        if left > FRAME_MAX {
            return Broken::because(format!("a WebSocket frame has {left} bytes; {FRAME_MAX} are the most"));
        }
        if !matches!(what, What::Data { .. }) && left > 125 {
            return Broken::because("a control frame of WebSocket is too long");
        }
        let length = 2 + wide + if is_masked { 4 } else { 0 };
        let mask = match (is_masked, bytes.get(2 + wide..length)) {
            (false, _) => None,
            (true, Some(mask)) => <[u8; 4]>::try_from(mask).ok(),
            (true, None) => return Ok(None),
        };
        Ok(Some((length, Frame { left, mask, at: 0, what })))
    }

    fn what(&self, first: u8) -> Result<What, Broken> {
        let is_last = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Broken::because("a WebSocket frame uses an extension that was not agreed on");
        }
        match first & 0x0f {
            0 if self.in_message => Ok(What::Data { is_last }),
            1 | 2 if !self.in_message => Ok(What::Data { is_last }),
            0..=2 => Broken::because("the fragments of WebSocket messages are mixed up"),
            8 if is_last => Ok(What::Close),
            9 | 10 if is_last => Ok(What::Control),
            8..=10 => Broken::because("a control frame of WebSocket is in fragments"),
            other => Broken::because(format!("WebSocket has no frame of kind {other}")),
        }
    }
}

impl Frame {
    /// The payload without its mask.
    fn shown<'a>(&mut self, payload: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(mask) = self.mask else { return Cow::Borrowed(payload) };
        let at = self.at;
        self.at = (at + payload.len()) % 4;
        Cow::Owned(payload.iter().zip(mask.iter().cycle().skip(at)).map(|(byte, mask)| byte ^ mask).collect())
    }
}

/// A last message to the client and WebSocket's close after it; `None` if it is too long for the shortest frames.
pub(super) fn last_words(message: &[u8]) -> Option<Vec<u8>> {
    /// A normal end (section 7.4.1): clients show another one instead of the message.
    const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];
    let length = u16::try_from(message.len()).ok().filter(|length| *length >= 126)?.to_be_bytes();
    Some([&[0x82, 126][..], &length, message, &CLOSE].concat())
}
