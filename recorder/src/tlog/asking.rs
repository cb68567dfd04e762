//! The body of a request to a witness, and what it answers, as C2SP tlog-witness has them. Text in, text out; no HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::merkle::Hash;
use super::note::BadNote;

/// Most lines of a consistency proof.
const PROOF: usize = 63;

/// Where a checkpoint is sent, below the witness's address.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";

/// What a witness is asked: cosign `note`, whose log has grown from `old` leaves as `proof` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Leaves of the checkpoint that the witness cosigned last; 0 for none.
    pub old: u64,
    /// See [`super::verify_consistency`].
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl Asking {
    /// The body of the request.
    #[must_use]
    pub fn body(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`BadNote::Form`].
    pub fn read(body: &str) -> Result<Self, BadNote> {
        let (before, note) = body.split_once("\n\n").ok_or(BadNote::Form)?;
        let mut lines = before.lines();
        let text = lines.next().and_then(|line| line.strip_prefix("old ")).ok_or(BadNote::Form)?;
        let old: u64 = text.parse().ok().filter(|old: &u64| old.to_string() == text).ok_or(BadNote::Form)?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let proof: Vec<Hash> = lines.take(PROOF + 1).map(hash).collect::<Option<_>>().ok_or(BadNote::Form)?;
        if proof.len() > PROOF { Err(BadNote::Form) } else { Ok(Self { old, proof, note: note.to_owned() }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tlog::{Leaf, NoteKey, read_proof, read_unverified};

    proptest! {
        /// What comes from outside is read by all of these; whatever it is, they answer.
        #[test]
        fn no_text_makes_a_reader_panic(words in proptest::collection::vec("old |0|17|[a-zA-Z0-9+/=]{0,44}|\u{2014} |\n|\n\n|index |extra |c2sp.org/tlog-proof@v1|audit |\\PC{0,9}", 0..40)) {
            let text = words.concat();
            let key = NoteKey::log("a", ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key()).unwrap();
            if let Ok(asking) = Asking::read(&text) {
                prop_assert_eq!(Asking::read(&asking.body()), Ok(asking));
            }
            prop_assert!(read_proof(&text, &key).is_err());
            let _ = (read_unverified(&text), Leaf::read(text.as_bytes()), NoteKey::parse(&text));
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for proof in [vec![], vec![[1; 32], [2; 32]]] {
            let asking = Asking { old: 17, proof, note: "a\n1\nx\n\n\u{2014} a b\n".into() };
            assert_eq!(Asking::read(&asking.body()), Ok(asking));
        }
    }

    #[test]
    fn another_form_is_refused() {
        let hash = STANDARD.encode([0; 32]);
        for body in [
            "",
            "old 1\n",
            "old 01\n\nx",
            "old -1\n\nx",
            "new 1\n\nx",
            "old 1\nAAAA\n\nx",
            &format!("old 1\n{}\nx", format!("{hash}\n").repeat(64)),
        ] {
            assert_eq!(Asking::read(body), Err(BadNote::Form), "{body}");
        }
    }
}
