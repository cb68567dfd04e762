//! Bytes as they come, cut into packets. Packets that only get another number are passed on where they lie, many in one piece; one
//! that is taken out breaks the run. Holds at most one packet that is not whole, and what came with it.

use bytes::{Bytes, BytesMut};

use super::codec::{self, Malformed};

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    buffer: BytesMut,
    /// Up to here, packets only wait to be sent on.
    passed: usize,
}

impl Stream {
    /// Takes what came.
    pub(super) fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    fn length(&self) -> Result<Option<usize>, Malformed> {
        let rest = self.buffer.get(self.passed..).unwrap_or_default();
        Ok(codec::length(rest)?.filter(|length| rest.len() >= *length))
    }

    /// The next whole packet without its length field.
    ///
    /// # Errors
    /// When its length cannot be; then no more can be read.
    pub(super) fn peek(&self) -> Result<Option<&[u8]>, Malformed> {
        let Some(length) = self.length()? else { return Ok(None) };
        Ok(self.buffer.get(self.passed + 4..self.passed + length))
    }

    /// Passes the next packet on under the number `id`.
    pub(super) fn pass(&mut self, id: u32) {
        let Ok(Some(length)) = self.length() else { return };
        let place = self.passed + codec::ID.start..self.passed + codec::ID.end;
        if let Some(number) = self.buffer.get_mut(place) {
            number.copy_from_slice(&id.to_be_bytes());
        }
        self.passed += length;
    }

    /// Takes the next packet out, its length field included. Call [`Self::flush`] before, if something was passed.
    pub(super) fn take(&mut self) -> Bytes {
        match self.length() {
            Ok(Some(length)) if self.passed == 0 => self.buffer.split_to(length).freeze(),
            _ => Bytes::new(),
        }
    }

    /// The packets that were passed on since the last time, if any.
    pub(super) fn flush(&mut self) -> Option<Bytes> {
        let passed = std::mem::take(&mut self.passed);
        (passed > 0).then(|| self.buffer.split_to(passed).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::{Request, read_request};
    use super::*;

    fn body(packet: &Bytes) -> &[u8] {
        &packet[4..]
    }

    #[test]
    fn packets_cut_anywhere_pass_with_a_new_number_and_the_rest_as_it_was() {
        let packets: Vec<Bytes> =
            (0..5).map(|n| Request::Write { handle: b"h", offset: u64::from(n), data: &vec![7; 100 * n as usize] }.packet(n)).collect();
        let all = packets.concat();
        for cut in 0..all.len() {
            let (mut stream, mut out, mut id) = (Stream::default(), Vec::new(), 100);
            for part in [&all[..cut], &all[cut..]] {
                stream.feed(part);
                while stream.peek().unwrap().is_some() {
                    stream.pass(id);
                    id += 1;
                }
                out.extend(stream.flush().into_iter().flatten());
            }
            let expected: Vec<u8> = packets.iter().zip(100..).flat_map(|(p, id)| read_request(body(p)).unwrap().1.packet(id)).collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn one_packet_can_be_taken_out_between_others() {
        let packet = |n| Request::Stat { path: b"/x" }.packet(n);
        let mut stream = Stream::default();
        stream.feed(&[packet(1), packet(2), packet(3)].concat());
        stream.pass(11);
        assert_eq!(stream.flush().unwrap(), packet(11));
        assert_eq!(stream.take(), packet(2));
        stream.pass(13);
        assert_eq!(stream.flush().unwrap(), packet(13));
        assert!(stream.peek().unwrap().is_none() && stream.flush().is_none());
    }

    #[test]
    fn an_overlong_packet_stops_the_reading() {
        let mut stream = Stream::default();
        stream.feed(&[0xff; 8]);
        assert!(stream.peek().is_err());
    }
}
