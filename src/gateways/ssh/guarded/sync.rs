//! Takes a mark out of a stream of output, wherever packets cut it. It holds back what may be the beginning of the mark, so at
//! most one byte less than that.

/// Looks for one mark.
#[derive(Debug)]
pub(super) struct Strip {
    mark: Vec<u8>,
    held: Vec<u8>,
    found: bool,
}

impl Strip {
    pub(super) fn new(mark: Vec<u8>) -> Self {
        Self { mark, held: Vec::new(), found: false }
    }

    pub(super) fn found(&self) -> bool {
        self.found
    }

    /// Whether something is held back.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What of `data`, and of what was held back, can go on. After the mark everything does.
    pub(super) fn feed(&mut self, data: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(data);
        if self.found {
            return all;
        }
        if let Some(at) = all.windows(self.mark.len().max(1)).position(|window| window == self.mark) {
            let behind = all.split_off(at).split_off(self.mark.len());
            all.extend(behind);
            self.found = true;
            return all;
        }
        let most = self.mark.len().saturating_sub(1).min(all.len());
        let cut =
            (1..=most).rev().map(|length| all.len() - length).find(|cut| all.get(*cut..).is_some_and(|end| self.mark.starts_with(end)));
        if let Some(cut) = cut {
            self.held = all.split_off(cut);
        }
        all
    }

    /// Gives back what was held: no more came.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_out_wherever_packets_cut_it() {
        let mark = b"\x1b]7337;abab\x07".to_vec();
        let stream = [b"one\x1b]7337;abcd\x07 two\x1b]73".as_slice(), &mark, b"three"].concat();
        let expected = [b"one\x1b]7337;abcd\x07 two\x1b]73".as_slice(), b"three"].concat();
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let mut strip = Strip::new(mark.clone());
                let mut out = strip.feed(&stream[..first]);
                out.extend(strip.feed(&stream[first..second]));
                out.extend(strip.feed(&stream[second..]));
                assert!(strip.found() && !strip.holds());
                assert_eq!(out, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_only_looked_like_a_mark_comes_back() {
        let mut strip = Strip::new(b"\x1b]7337;ab\x07".to_vec());
        assert_eq!(strip.feed(b"prompt \x1b]73"), b"prompt ");
        assert!(strip.holds());
        assert_eq!(strip.flush(), b"\x1b]73");
        assert!(!strip.found());
    }
}
