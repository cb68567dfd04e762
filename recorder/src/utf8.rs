//! Joins characters that were split across reads, and puts U+FFFD where bytes are no UTF-8.
//! Holds at most three bytes between calls; the exact bytes stay in the sealed log.

/// The state between two reads of one stream.
#[derive(Debug, Default, Clone)]
pub(crate) struct Joiner {
    /// The beginning of a character.
    pending: Vec<u8>,
}

impl Joiner {
    /// Appends the characters that `bytes` completes to `out`. Returns true when a byte was no UTF-8.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) -> bool {
        let (rest, mut lossy) = self.complete(bytes, out);
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.pending.extend_from_slice(invalid);
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
                lossy = true;
            }
        }
        lossy
    }

    /// Goes on with a pending character. Returns what is left of `bytes`.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], out: &mut String) -> (&'a [u8], bool) {
        while let (false, Some((next, rest))) = (self.pending.is_empty(), bytes.split_first()) {
            self.pending.push(*next);
            match std::str::from_utf8(&self.pending) {
                Ok(character) => {
                    out.push_str(character);
                    self.pending.clear();
                }
                Err(error) if error.error_len().is_none() => {}
                // The byte does not belong to the character begun before; it may begin the next one.
                Err(_) => {
                    out.push(char::REPLACEMENT_CHARACTER);
                    self.pending.clear();
                    return (bytes, true);
                }
            }
            bytes = rest;
        }
        (bytes, false)
    }

    /// The stream is over: a character that never came whole becomes U+FFFD.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if !self.pending.is_empty() {
            self.pending.clear();
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// The bytes held back: given to a new joiner, they bring it into the same state.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }
}

/// True when more bytes could make a character of this.
fn is_beginning(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(parts: &[&[u8]]) -> String {
        let (mut joiner, mut out) = (Joiner::default(), String::new());
        for part in parts {
            joiner.push(part, &mut out);
        }
        joiner.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn text_cut_anywhere_is_joined(text: String, cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(joined(&parts), text);
        }

        #[test]
        fn any_bytes_cut_anywhere_read_as_they_do_whole(bytes: Vec<u8>, cut: usize) {
            let (one, other) = bytes.split_at(cut % (bytes.len() + 1));
            prop_assert_eq!(joined(&[one, other]), String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_loss_is_told_and_a_split_is_none() {
        let (mut joiner, mut out) = (Joiner::default(), String::new());
        assert!(!joiner.push(&[0xe2, 0x82], &mut out));
        assert!(!joiner.push(&[0xac], &mut out));
        assert!(joiner.push(&[0xff], &mut out));
        assert!(!joiner.push(&[0xe2], &mut out));
        assert!(joiner.push(b"x", &mut out));
        assert_eq!(out, "\u{20ac}\u{fffd}\u{fffd}x");
    }
}
